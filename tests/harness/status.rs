//! What `meshlet status` says.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{Node, binary};

/// Exit code, standard output and standard error of `meshlet status`, asked of the node's daemon.
#[must_use]
pub fn status(node: &Node, flags: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary());
    command.args(["status", "--admin", &node.daemon.admin().to_string()]).args(flags);
    let Output { status, stdout, stderr } = command.output().expect("meshlet status ran");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// The one node of the report in JSON.
#[must_use]
pub fn report(node: &Node, flags: &[&str]) -> Value {
    let (code, stdout, stderr) = status(node, &[flags, &["-o", "json"]].concat());
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((&report["apiVersion"], &report["kind"]), (&json!("meshlet.dev/v1"), &json!("Status")));
    report["nodes"][0].clone()
}

/// The member of a list of objects whose `key` is `value`.
#[must_use]
pub fn named<'v>(list: &'v Value, key: &str, value: &str) -> &'v Value {
    let list = list.as_array().expect("a list");
    list.iter().find(|one| one[key] == value).unwrap_or_else(|| panic!("no {key} is {value}: {list:#?}"))
}

/// Connections to all endpoints of a route of `bpf`.
#[must_use]
pub fn open(route: &Value) -> u64 {
    let legs = route["destinations"].as_array().expect("destinations").iter();
    let endpoints = legs.flat_map(|leg| leg["endpoints"].as_array().expect("endpoints"));
    endpoints.filter_map(|endpoint| endpoint["open"].as_u64()).sum()
}
