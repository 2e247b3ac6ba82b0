//! What `meshlet explain` says of a request is what becomes of it.

use std::process::Command;

use harness::{Node, binary, explain, mesh_rule};
use meshlet_sandbox::HttpCall;
use serde_json::Value;

const URL: &str = "http://httpping-without-sidecar:8080";

/// What the daemon says of the same request.
fn asked_of_the_daemon(node: &Node, pod: &str, flags: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary());
    command.args(["explain", &format!("infra-jinsu-lab/{pod}"), "--to", URL]).args(flags);
    let output = command.env("MESHLET_ADMIN", node.daemon.admin().to_string()).output().expect("meshlet explain ran");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn text<'v>(answer: &'v Value, pointer: &str) -> &'v str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn given_matches_when_requests_are_sent_then_each_goes_where_explain_says() {
    let mut node = Node::new();
    node.apply(&mesh_rule(
        "  http:
  - match: [{uri: {prefix: /v2}}, {headers: {x-user: {regex: 'ali.*'}}}]
    route: [{destination: {host: httpping-without-sidecar, subset: v2}}]
  - match: [{method: {exact: PUT}}]
    route: [{destination: {host: httpping-without-sidecar, subset: v9}}]
  - match: [{uri: {exact: /one}}]
    route: [{destination: {host: httpping-without-sidecar, subset: v1}}]",
    ));
    let alice = vec![("x-user".to_owned(), "alice".to_owned())];
    for (method, path, headers) in [
        ("GET", "/v2/x?y", vec![]),
        ("GET", "/", alice),
        ("GET", "/one", vec![]),
        ("GET", "/a/../one", vec![]),
        ("PUT", "/one", vec![]),
        ("GET", "/none", vec![]),
    ] {
        let call = HttpCall { method: method.into(), path: path.into(), headers, count: 5, ..node.get() };
        let said = explain(&node, "marked", &call);
        for answer in node.client("marked").http(&call).expect("answers") {
            match text(&said, "/verdict") {
                "route" => {
                    let pod = answer.pod.unwrap_or_default();
                    assert!(pod.starts_with(text(&said, "/destinations/0/subset")), "{path}: {pod}, {said:#}");
                }
                "respond" => {
                    let status = said.pointer("/response/status").and_then(Value::as_u64);
                    assert_eq!((answer.status.map(u64::from), answer.pod), (status, None), "{path}: {said:#}");
                }
                other => panic!("{path}: {other}, {said:#}"),
            }
        }
    }
    assert_eq!(text(&explain(&node, "unmarked", &node.get()), "/verdict"), "bypass");
}

#[test]
fn given_a_consistent_hash_when_requests_are_sent_then_the_pod_is_the_one_explain_picks() {
    let mut node = Node::new();
    node.apply(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: rule, namespace: infra-jinsu-lab}\n\
         spec: {host: httpping-without-sidecar, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: foo}}}}\n",
    );
    for value in 0..10 {
        let call = HttpCall { headers: vec![("foo".to_owned(), format!("value-{value}"))], count: 3, ..node.get() };
        let said = explain(&node, "marked", &call);
        assert_eq!(said.pointer("/pick/sticky"), Some(&Value::Bool(true)), "{said:#}");
        for answer in node.ask("marked", &call) {
            let address = node.ip(answer.pod.as_deref().unwrap_or_default());
            assert_eq!(text(&said, "/pick/endpoint"), format!("{address}:80"), "{said:#}");
        }
    }
}

#[test]
fn given_a_daemon_when_it_is_asked_then_it_answers_as_its_files_do_and_follows_them() {
    let mut node = Node::new();
    let weights = |v2: u8| {
        mesh_rule(&format!(
            "  http:
  - route:
    - {{destination: {{host: httpping-without-sidecar, subset: v1}}, weight: {}}}
    - {{destination: {{host: httpping-without-sidecar, subset: v2}}, weight: {v2}}}",
            100 - v2
        ))
    };
    for v2 in [10, 60] {
        node.apply(&weights(v2));
        let manifests = node.sandbox.manifests();
        let files = ["-f", manifests.to_str().expect("an ASCII path")];
        for pod in ["marked", "unmarked"] {
            for output in ["table", "wide", "json", "yaml"] {
                let flags = ["--seed", "7", "--all-rules", "-o", output];
                let daemon = asked_of_the_daemon(&node, pod, &flags);
                assert_eq!(daemon.0, Some(0), "{}", daemon.2);
                let files = asked_of_the_daemon(&node, pod, &[&flags[..], &files].concat());
                assert_eq!(daemon.1, files.1, "{pod} {output}");
            }
        }
        let share = format!("share: {}", f64::from(v2) / 100.0);
        let (_, yaml, _) = asked_of_the_daemon(&node, "marked", &["-o", "yaml"]);
        assert!(yaml.contains(&share), "{share}: {yaml}");
    }
    let (code, _, stderr) = asked_of_the_daemon(&node, "ghost", &[]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("there is no pod infra-jinsu-lab/ghost"), "{stderr}");
}
