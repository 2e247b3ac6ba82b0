//! Schemas of rules, made from the fields' values: what an API server is told of them in the tests against a real one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::all;
use super::measure::with;
use crate::document;

/// The kinds that are custom resources.
const KINDS: [&str; 5] = ["VirtualService", "DestinationRule", "ServiceEntry", "Sidecar", "HTTPRoute"];

/// What is known of a value: its types, and of what it holds the same.
#[derive(Debug, Default)]
struct Form {
    types: BTreeSet<&'static str>,
    members: BTreeMap<String, Form>,
    entry: Option<Box<Form>>,
}

impl Form {
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                self.types.insert("object");
                members.iter().for_each(|(name, member)| self.members.entry(name.clone()).or_default().learn(member));
            }
            Value::Array(entries) => {
                self.types.insert("array");
                let entry = self.entry.get_or_insert_default();
                entries.iter().for_each(|value| entry.learn(value));
            }
            Value::String(_) => drop(self.types.insert("string")),
            // That an example has no fraction says nothing of others.
            Value::Number(_) => drop(self.types.insert("number")),
            Value::Bool(_) => drop(self.types.insert("boolean")),
            Value::Null => {}
        }
    }

    /// A structural schema; what was never seen may be anything.
    fn schema(&self) -> Value {
        let mut schema = Map::new();
        let one = self.types.first().filter(|_| self.types.len() == 1);
        if let Some(kind) = one {
            schema.insert("type".to_owned(), json!(kind));
        }
        match one {
            Some(&"array") => {
                let entry = self.entry.as_ref().map(|entry| entry.schema());
                schema.insert("items".to_owned(), entry.unwrap_or_else(|| Self::default().schema()));
            }
            Some(&"object") | None => {
                schema.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
            }
            Some(_) => {}
        }
        if one == Some(&"object") && !self.members.is_empty() {
            let members = self.members.iter().map(|(name, member)| (name.clone(), member.schema()));
            schema.insert("properties".to_owned(), Value::Object(members.collect()));
        }
        Value::Object(schema)
    }
}

#[test]
fn given_the_table_then_the_schemas_of_rules_are_made_from_it() {
    let mut forms: BTreeMap<&str, Form> = KINDS.iter().map(|kind| (*kind, Form::default())).collect();
    for field in all() {
        let object = with(field);
        if let Some(form) = object["kind"].as_str().and_then(|kind| forms.get_mut(kind)) {
            form.learn(&object["spec"]);
        }
    }
    let schemas: Map<String, Value> = forms.iter().map(|(kind, form)| ((*kind).to_owned(), form.schema())).collect();
    for kind in KINDS {
        assert!(schemas[kind]["properties"].as_object().is_some_and(|members| members.len() > 2), "{kind}");
    }
    let made = serde_json::to_string_pretty(&schemas).expect("JSON") + "\n";
    document::is_up_to_date("proxy/sandbox/src/real/specs.json", &made);
}
