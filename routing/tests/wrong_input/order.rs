//! The order of objects and of the keys in them has no meaning, for whatever is asked.

use meshlet_routing::analyze::analyze;
use meshlet_routing::decide::Request;
use meshlet_routing::explain::{Capture, Client, Question, Speech, about, explain};
use meshlet_routing::model::World;
use proptest::prelude::*;
use serde_json::Value;

use super::engine::{REQUESTS, everything, scopes};
use super::mutate::objects;

/// JSON text with the members of every mapping turned by `turn`.
fn turned(value: &Value, turn: usize) -> String {
    match value {
        Value::Array(entries) => {
            format!("[{}]", entries.iter().map(|entry| turned(entry, turn)).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(key, member)| format!("{}: {}", Value::from(&**key), turned(member, turn)))
                .collect();
            let length = members.len().max(1);
            members.rotate_left(turn % length);
            if turn % 2 == 1 {
                members.reverse();
            }
            format!("{{{}}}", members.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn explanations(world: &World) -> Vec<String> {
    let mut shown = Vec::new();
    for scope in scopes() {
        let client = || Client::Imaginary(scope.clone());
        for (host, method, path, port) in REQUESTS {
            let request = Request { method, authority: host, path, headers: &[("x-user", b"alice")], source: None };
            for seed in 0..2 {
                let question = Question {
                    client: client(),
                    speech: Speech::Http1,
                    host,
                    address: None,
                    port: *port,
                    request,
                    capture: Capture::Ruled,
                    seed,
                    all_rules: true,
                };
                shown.push(serde_json::to_string(&explain(world, &question)).expect("JSON"));
            }
        }
        shown.push(serde_json::to_string(&about(world, &client())).expect("JSON"));
    }
    shown
}

fn findings(text: &str) -> Vec<String> {
    let show = |finding: meshlet_routing::analyze::Finding| {
        format!("{} {:?} {} {}", finding.code.id, finding.level, finding.origin, finding.message)
    };
    let mut found: Vec<String> = analyze([("f.yaml", text)]).findings.into_iter().map(show).collect();
    found.sort();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn given_any_order_of_objects_and_keys_then_explanations_and_findings_are_the_same(
        order in Just((0..objects().len()).collect::<Vec<_>>()).prop_shuffle(),
        turn in 0..12_usize,
    ) {
        let all = objects();
        let written: Vec<String> = all.iter().map(ToString::to_string).collect();
        let written = written.join("\n---\n");
        let shuffled: Vec<String> = order.iter().map(|index| turned(&all[*index], turn)).collect();
        let shuffled = shuffled.join("\n---\n");
        let expected = findings(&written);
        prop_assert!(expected.len() > 5, "{:?}", expected);
        prop_assert_eq!(findings(&shuffled), expected);
        prop_assert_eq!(explanations(&everything(&shuffled)), explanations(&everything(&written)));
    }
}
