//! What was written: YAML or JSON text → objects, each with the place it starts at.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::fault::{Fault, Severity, Source};
use crate::model::{Kind, ObjectRef};

/// One object of a kind that meshlet reads, unchecked.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its identity; the namespace is `default` when none was written.
    pub object: ObjectRef,
    /// Where it starts.
    pub source: Source,
    /// The whole object.
    pub body: Map<String, Value>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Objects in written order.
    pub manifests: Vec<Manifest>,
    /// What could not be made out; the rest is good all the same.
    pub faults: Vec<Fault>,
    /// Number of objects of kinds that meshlet does not read.
    pub skipped: usize,
}

/// Reads multi-document YAML, JSON and `List` objects. Any text gives a result.
#[must_use]
pub fn parse(file: &str, text: &str) -> Parsed {
    let file: Arc<str> = file.into();
    let mut parsed = Parsed::default();
    for (first_line, document) in documents(text) {
        let start = document.lines().position(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        let Some(start) = start else { continue };
        let line = first_line + start as u64;
        match serde_saphyr::from_str_with_options::<Value>(document, dialect()) {
            Ok(value) => parsed.take(value, &Source { file: Arc::clone(&file), line }),
            Err(error) => {
                let line = error.location().map_or(line, |location| first_line + location.line().saturating_sub(1));
                parsed.refuse(
                    Source { file: Arc::clone(&file), line },
                    format!("is not YAML: {}", first_sentence(&error)),
                );
            }
        }
    }
    parsed
}

/// YAML 1.2's booleans alone: `n` and `on` are text, as label values and header names want them.
fn dialect() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true }
}

/// The documents of a stream with the line each begins at. A marker in the first column ends a document whatever it is in.
fn documents(text: &str) -> Vec<(u64, &str)> {
    let mut documents = Vec::new();
    let (mut begin, mut begin_line, mut offset) = (0, 1, 0);
    for (number, line) in (1_u64..).zip(text.split_inclusive('\n')) {
        let marker = line.trim_end();
        if marker == "---" || marker.starts_with("--- ") || marker == "..." {
            documents.push((begin_line, &text[begin..offset]));
            // What follows a marker on its line belongs to the document; a comment or a tag is all that ever does.
            begin = offset + line.len();
            begin_line = number + 1;
        }
        offset += line.len();
    }
    documents.push((begin_line, &text[begin..]));
    documents
}

fn first_sentence(error: &serde_saphyr::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl Parsed {
    fn refuse(&mut self, source: Source, problem: String) {
        let remedy = "correct the text; the other documents are read".to_owned();
        self.faults.push(Fault {
            severity: Severity::Error,
            source,
            object: None,
            field: String::new(),
            problem,
            remedy,
        });
    }

    fn take(&mut self, value: Value, source: &Source) {
        let Value::Object(mut body) = value else {
            if !value.is_null() {
                self.refuse(
                    source.clone(),
                    "is not a Kubernetes object: expected a mapping with apiVersion and kind".to_owned(),
                );
            }
            return;
        };
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api, kind) = (text("apiVersion"), text("kind"));
        if kind.ends_with("List")
            && let Some(Value::Array(items)) = body.remove("items")
        {
            for item in items {
                self.take(item, source);
            }
            return;
        }
        if api.is_empty() || kind.is_empty() {
            self.refuse(source.clone(), "has no apiVersion or kind: add both".to_owned());
            return;
        }
        match read_kind(&api, &kind) {
            Read::Kind(kind) => self.object(kind, body, source),
            Read::NotYet => self.not_yet(&kind, &body, source),
            Read::Skip => self.skipped += 1,
        }
    }

    fn object(&mut self, kind: Kind, body: Map<String, Value>, source: &Source) {
        let Some((namespace, name)) = identity(&body) else {
            self.refuse(source.clone(), format!("{} without metadata.name: add it", kind.as_str()));
            return;
        };
        let namespace = if kind == Kind::Namespace { "" } else { namespace };
        let object = ObjectRef { kind, namespace: namespace.into(), name: name.into() };
        self.manifests.push(Manifest { object, source: source.clone(), body });
    }

    fn not_yet(&mut self, kind: &str, body: &Map<String, Value>, source: &Source) {
        let (namespace, name) = identity(body).unwrap_or_default();
        self.faults.push(Fault {
            severity: Severity::Warning,
            source: source.clone(),
            object: None,
            field: String::new(),
            problem: format!("{kind} {namespace}/{name}: this kind is not honoured by this version"),
            remedy: "it has no effect".to_owned(),
        });
    }
}

fn identity(body: &Map<String, Value>) -> Option<(&str, &str)> {
    let metadata = body.get("metadata")?;
    let name = metadata.get("name").and_then(Value::as_str).filter(|name| !name.is_empty())?;
    Some((metadata.get("namespace").and_then(Value::as_str).unwrap_or("default"), name))
}

enum Read {
    Kind(Kind),
    /// Read by the contract, not by this version.
    NotYet,
    Skip,
}

fn read_kind(api: &str, kind: &str) -> Read {
    let (group, version) = api.split_once('/').unwrap_or(("", api));
    match (group, version, kind) {
        ("", "v1", "Namespace") => Read::Kind(Kind::Namespace),
        ("", "v1", "Service") => Read::Kind(Kind::Service),
        ("", "v1", "Pod") => Read::Kind(Kind::Pod),
        ("discovery.k8s.io", "v1", "EndpointSlice") => Read::Kind(Kind::EndpointSlice),
        ("networking.istio.io", "v1" | "v1beta1" | "v1alpha3", kind) => match kind {
            "VirtualService" => Read::Kind(Kind::VirtualService),
            "DestinationRule" => Read::Kind(Kind::DestinationRule),
            "ServiceEntry" | "Sidecar" => Read::NotYet,
            _ => Read::Skip,
        },
        ("gateway.networking.k8s.io", "v1", "HTTPRoute") => Read::NotYet,
        _ => Read::Skip,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn given_several_documents_then_each_object_knows_its_line() {
        let text = "# a comment\n---\n\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\n# empty\n---\napiVersion: v1\n\
                    kind: ConfigMap\nmetadata: {name: b}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: c, namespace: n}\n";
        let parsed = parse("f.yaml", text);
        let found: Vec<String> =
            parsed.manifests.iter().map(|manifest| format!("{} {}", manifest.source, manifest.object)).collect();
        assert_eq!(found, ["f.yaml:4 Service default/a", "f.yaml:14 Pod n/c"]);
        assert_eq!((parsed.skipped, parsed.faults.len()), (1, 0));
    }

    #[test]
    fn given_a_broken_document_then_its_line_is_named_and_the_others_are_read() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\nkind: [\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: c}\n";
        let parsed = parse("f.yaml", text);
        assert_eq!(parsed.manifests.len(), 2);
        let fault = parsed.faults.first().expect("a fault");
        assert!((5..=6).contains(&fault.source.line), "{fault}");
        assert!(fault.to_string().starts_with("f.yaml:"), "{fault}");
    }

    #[test]
    fn given_json_and_a_list_then_the_items_are_read() {
        let text = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}}]}"#;
        let parsed = parse("f.json", text);
        assert_eq!(
            parsed.manifests.first().map(|manifest| manifest.object.to_string()),
            Some("Namespace n".to_owned())
        );
    }

    proptest! {
        #[test]
        fn given_any_text_then_it_parses_or_fails(text in "[ -~\n]{0,200}") {
            let _ = parse("f", &text);
        }
    }
}
