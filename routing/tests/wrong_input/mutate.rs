//! Valid objects with any node dropped, replaced, repeated or buried.

use meshlet_routing::manifest;
use serde_json::{Map, Value, json};

/// Objects of the corpus as values.
pub(crate) fn objects() -> Vec<Value> {
    let documents = super::corpus::text();
    let values = documents.split("\n---\n").filter(|document| !document.trim().is_empty());
    values.map(|document| serde_saphyr::from_str(document).expect("the corpus is YAML")).collect()
}

/// What is done to one node.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// It goes.
    Drop,
    /// Something else takes its place.
    Replace(Value),
    /// An entry of a list stands twice, a member of a mapping under another name.
    Repeat,
    /// It is wrapped this many times.
    Bury(u8),
}

/// Values that nobody meant.
pub(crate) fn junk() -> Vec<Value> {
    let long = "x".repeat(2000);
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(65536),
        json!(4_294_967_296_u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("*"),
        json!("."),
        json!("*.*"),
        json!("~"),
        json!("[::1]"),
        json!("10.0.0.0/99"),
        json!("99999999999999999999h"),
        json!("-1s"),
        json!("0s"),
        json!("a\r\nb: c"),
        json!("\u{0}"),
        json!("%"),
        json!("%REQ(%"),
        json!("\\9\\"),
        json!("("),
        json!("(?i)[a-z]{1,60}"),
        json!("\u{fffd}\u{202e}"),
        json!(long),
        json!([]),
        json!({}),
        json!([null]),
        json!([[]]),
        json!({"": ""}),
        json!({"a.b[0]": {"c": []}}),
    ]
}

/// Number of nodes of a value, itself included.
pub(crate) fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(entries) => entries.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Changes the node with this number, counted from the root in order.
pub(crate) fn mutate(value: &mut Value, node: usize, change: &Change) {
    if node == 0 {
        match change {
            Change::Drop | Change::Repeat => *value = Value::Null,
            Change::Replace(junk) => *value = junk.clone(),
            Change::Bury(depth) => bury(value, *depth),
        }
        return;
    }
    let mut before = 1;
    match value {
        Value::Array(entries) => {
            for index in 0..entries.len() {
                let own = size(&entries[index]);
                if node == before {
                    return in_list(entries, index, change);
                }
                if node < before + own {
                    return mutate(&mut entries[index], node - before, change);
                }
                before += own;
            }
        }
        Value::Object(members) => {
            let keys: Vec<String> = members.keys().cloned().collect();
            for key in keys {
                let own = members.get(&key).map_or(0, size);
                if node == before {
                    return in_mapping(members, &key, change);
                }
                if node < before + own {
                    return if let Some(member) = members.get_mut(&key) {
                        mutate(member, node - before, change)
                    };
                }
                before += own;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn in_list(entries: &mut Vec<Value>, index: usize, change: &Change) {
    match change {
        Change::Drop => drop(entries.remove(index)),
        Change::Repeat => entries.insert(index, entries[index].clone()),
        Change::Replace(_) | Change::Bury(_) => mutate(&mut entries[index], 0, change),
    }
}

fn in_mapping(members: &mut Map<String, Value>, key: &str, change: &Change) {
    match change {
        Change::Drop => drop(members.remove(key)),
        Change::Repeat => {
            let copy = members.get(key).cloned().unwrap_or_default();
            members.insert(format!("{key}2"), copy);
        }
        Change::Replace(_) | Change::Bury(_) => {
            if let Some(member) = members.get_mut(key) {
                mutate(member, 0, change);
            }
        }
    }
}

fn bury(value: &mut Value, depth: u8) {
    for level in 0..depth {
        let inner = value.take();
        *value = if level % 2 == 0 { json!([inner]) } else { json!({ "x": inner }) };
    }
}

/// Objects as one text.
pub(crate) fn text(objects: &[Value]) -> String {
    let documents: Vec<String> = objects.iter().map(ToString::to_string).collect();
    documents.join("\n---\n")
}

/// Objects that are read from a text, refused or not.
pub(crate) fn names(text: &str) -> Vec<String> {
    manifest::parse("f.yaml", text).manifests.iter().map(|manifest| manifest.object.to_string()).collect()
}
