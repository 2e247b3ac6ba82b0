//! What bpftool sees of a node's programs and maps.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::Node;

/// What bpftool prints.
#[expect(clippy::must_use_candidate, reason = "some of its commands are run for what they do")]
pub fn bpftool(arguments: &[&str]) -> String {
    let output = Command::new("bpftool").args(arguments).output().expect("bpftool (Debian package bpftool)");
    assert!(output.status.success(), "bpftool {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Ids by name of the maps that the programs attached at kubepods use.
#[must_use]
pub fn maps(node: &Node) -> BTreeMap<String, u64> {
    let kubepods = node.sandbox.kubepods();
    let programs = json(&["-j", "cgroup", "show", kubepods.to_str().expect("an ASCII path")]);
    let number = |value: &Value, field: &str| value.get(field).and_then(Value::as_u64).map(|id| id.to_string());
    let mut maps = BTreeMap::new();
    for program in programs.as_array().into_iter().flatten().filter_map(|program| number(program, "id")) {
        let shown = json(&["-j", "prog", "show", "id", &program]);
        for map in shown.get("map_ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64) {
            let shown = json(&["-j", "map", "show", "id", &map.to_string()]);
            maps.insert(shown.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(), map);
        }
    }
    maps
}

/// How many entries such a map has.
#[must_use]
pub fn entries(node: &Node, map: &str) -> usize {
    let id = maps(node).get(map).unwrap_or_else(|| panic!("no program uses {map}")).to_string();
    let dump = json(&["-j", "map", "dump", "id", &id]);
    dump.as_array().expect("a list of entries").len()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&bpftool(arguments)).expect("JSON")
}
