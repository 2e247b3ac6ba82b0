//! `meshlet status` and `explain` as users call them where no daemon runs: what was tried, and what to do.

use std::net::TcpListener;
use std::process::{Command, Output};

use meshlet_sandbox::{ApiServer, Fault};
use serde_json::{Value, json};

/// The program with an environment that leads to no cluster and no daemon.
fn meshlet(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshlet"));
    command.env_clear().env("HOME", "/nonexistent").args(arguments);
    let Output { status, stdout, stderr } = command.output().expect("meshlet ran");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn said(arguments: &[&str], words: &[&str]) {
    let (code, stdout, stderr) = meshlet(arguments);
    assert_eq!((code, &*stdout), (Some(1), ""), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: {word} is not in: {stderr}");
    }
}

fn pod(namespace: &str, name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app.kubernetes.io/name": "meshlet"}},
        "spec": {"nodeName": node, "containers": []},
    })
}

#[test]
fn given_no_daemon_where_one_is_named_then_that_is_an_error_with_a_remedy() {
    // Taken and given back: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").to_string();
    said(&["status", "--admin", &free], &[&format!("no daemon answers at {free}"), "start `meshlet run`"]);
    said(&["explain", "shop/a", "--admin", &free], &[&format!("no daemon answers at {free}"), "-f"]);
}

#[test]
fn given_a_kubeconfig_that_is_none_then_it_is_named() {
    for command in [&["status"][..], &["explain", "shop/a"]] {
        said(&[command, &["--kubeconfig", "/nonexistent"]].concat(), &["--kubeconfig /nonexistent"]);
    }
}

#[test]
fn given_a_cluster_then_daemons_are_looked_for_and_what_is_missing_is_said() {
    let server = ApiServer::start().expect("an API server");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), server.kubeconfig()).expect("a kubeconfig");
    let cluster = ["--kubeconfig", file.path().to_str().expect("an ASCII path")];
    let with = |arguments: &[&'static str]| {
        [arguments, &cluster].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let check = |arguments: &[&'static str], words: &[&str]| {
        let arguments = with(arguments);
        said(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), words);
    };
    check(&["status"], &["namespace meshlet-system", "has no pod labelled app.kubernetes.io/name=meshlet"]);
    check(&["status", "-n", "mesh"], &["namespace mesh "]);
    check(&["explain", "shop/a"], &["there is no pod shop/a"]);
    server.apply_all([pod("meshlet-system", "meshlet-1", "n1"), pod("shop", "a", "n2")]).expect("pods");
    check(&["explain", "shop/a"], &["no daemon is on node n2 (they are on n1)"]);
    check(&["status", "--node", "n2"], &["no daemon is on node n2"]);
    // The double has no port-forward: it is refused, which a report tells of each daemon.
    let arguments = with(&["status", "-o", "json"]);
    let (code, stdout, stderr) = meshlet(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code, Some(1), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["nodes"][0]["node"], "n1", "{report:#}");
    let problem = report["nodes"][0]["problem"].as_str().expect("a problem");
    assert!(problem.contains("pods/portforward in namespace meshlet-system"), "{problem}");
    server.fault("pods", Some(Fault::Forbidden));
    check(&["status"], &["the verb list on pods in namespace meshlet-system must be granted"]);
}
