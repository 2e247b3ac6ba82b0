//! The founding experiment, row by row, for the marked and the unmarked client.

use std::collections::BTreeSet;

use harness::{Node, Shares, mesh_rule};
use meshlet_sandbox::{HttpCall, Layout};

const TEN_NINETY: &str = "  http:
  - route:
    - {destination: {host: httpping-without-sidecar, subset: v1}, weight: 10}
    - {destination: {host: httpping-without-sidecar, subset: v2}, weight: 90}";

const HASH: &str = "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule, namespace: infra-jinsu-lab}
spec:
  host: httpping-without-sidecar
  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: foo}}}
";

/// An unmarked client is balanced by kube-proxy whatever the rules: each connection on its own, all six pods.
fn assert_unmarked_is_native(node: &Node) {
    let call = HttpCall { count: 600, keep_alive: false, headers: vec![("foo".into(), "one".into())], ..node.get() };
    Shares::of(&node.ask("unmarked", &call)).assert_even_over_six();
}

fn assert_ten_ninety(layout: Layout, gateways: &str) {
    let mut node = Node::with(layout, &[]);
    node.apply(&mesh_rule(&format!("{gateways}{TEN_NINETY}")));
    let answers = node.ask("marked", &HttpCall { count: 1000, ..node.get() });
    assert!(answers.iter().all(|answer| answer.connection == 0), "one kept-alive connection carried them all");
    let shares = Shares::of(&answers);
    shares.assert("v1", 0.1);
    assert_eq!(shares.pods().len(), 6, "every pod of both subsets is used: {shares:?}");
    let fresh = node.ask("marked", &HttpCall { count: 300, keep_alive: false, ..node.get() });
    Shares::of(&fresh).assert("v1", 0.1);
    assert_unmarked_is_native(&node);
}

#[test]
fn given_weights_and_gateways_mesh_when_a_marked_pod_asks_then_each_subset_gets_its_share_even_over_one_connection() {
    assert_ten_ninety(Layout::Systemd, "  gateways: [mesh]\n");
}

#[test]
fn given_weights_and_no_gateways_in_the_cgroupfs_layout_then_each_subset_gets_its_share() {
    assert_ten_ninety(Layout::Cgroupfs, "");
}

#[test]
fn given_a_rule_for_a_gateway_only_when_a_marked_pod_asks_then_it_does_not_apply() {
    let mut node = Node::new();
    node.apply(&mesh_rule(&format!("  gateways: [istio-system/ingress]\n{TEN_NINETY}")));
    let mut client = node.client("marked");
    let before = client.netdev().expect("counters");
    let answers = node.ask("marked", &HttpCall { count: 600, keep_alive: false, ..node.get() });
    Shares::of(&answers).assert_even_over_six();
    assert_eq!(before.get("lo"), client.netdev().expect("counters").get("lo"), "nothing went to the capture listener");
    assert_unmarked_is_native(&node);
}

#[test]
fn given_a_destination_rule_with_a_hash_alone_when_a_marked_pod_asks_then_one_value_has_one_pod() {
    let mut node = Node::new();
    node.apply(HASH);
    let mut owners = BTreeSet::new();
    for value in 0..20 {
        let headers = vec![("foo".to_owned(), format!("value-{value}"))];
        for keep_alive in [true, false] {
            let call = HttpCall { count: 15, keep_alive, headers: headers.clone(), ..node.get() };
            let shares = Shares::of(&node.ask("marked", &call));
            assert_eq!(shares.pods().len(), 1, "{shares:?}");
            owners.insert((value, shares.pods().concat()));
        }
    }
    assert_eq!(owners.len(), 20, "a value has the same pod over either kind of connection: {owners:?}");
    let pods: BTreeSet<&String> = owners.iter().map(|(_, pod)| pod).collect();
    assert!(pods.len() > 1, "different values spread: {pods:?}");
    let without = node.ask("marked", &HttpCall { count: 300, ..node.get() });
    assert_eq!(Shares::of(&without).pods().len(), 6, "without the header any pod is taken");
    assert_unmarked_is_native(&node);
}

#[test]
fn given_any_spelling_of_the_host_when_a_marked_pod_asks_then_the_rule_applies() {
    let mut node = Node::new();
    node.apply(&mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]"));
    let address = node.service.ip().to_string();
    for name in [
        "",
        ".infra-jinsu-lab",
        ".infra-jinsu-lab.svc",
        ".infra-jinsu-lab.svc.cluster.local",
        ".infra-jinsu-lab.svc.cluster.local.",
    ]
    .map(|suffix| format!("httpping-without-sidecar{suffix}"))
    .into_iter()
    .chain([address])
    {
        for host in [name.clone(), format!("{name}:8080"), name.to_uppercase()] {
            let shares = Shares::of(&node.ask("marked", &HttpCall { count: 20, ..HttpCall::get(node.service, &host) }));
            assert_eq!(shares.count("v1"), 20, "{host}: {shares:?}");
        }
    }
}

#[test]
fn given_a_host_that_is_nobodys_when_a_marked_pod_asks_then_the_request_goes_where_it_was_dialled() {
    let mut node = Node::new();
    node.apply(&mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v9}}]"));
    let mut client = node.client("marked");
    for (host, status) in [("httpping-without-sidecar", 503), ("www.example.com", 200), ("httpping", 200)] {
        let call = HttpCall { count: 5, ..HttpCall::get(node.service, host) };
        for answer in client.http(&call).expect("answers") {
            assert_eq!((answer.status, answer.pod.is_some()), (Some(status), status == 200), "{host}");
        }
    }
}

#[test]
fn given_matches_when_a_marked_pod_asks_then_the_first_route_that_matches_is_taken_and_else_404() {
    let mut node = Node::new();
    node.apply(&mesh_rule(
        "  http:
  - match: [{uri: {prefix: /v2}}, {headers: {x-user: {regex: 'ali.*'}}}, {method: {exact: PUT}}]
    route: [{destination: {host: httpping-without-sidecar, subset: v2}}]
  - match: [{uri: {exact: /only}}]
    route: [{destination: {host: httpping-without-sidecar, subset: v1, port: {number: 8080}}}]
  - match: [{uri: {exact: /gone}}]
    route: [{destination: {host: httpping-without-sidecar, subset: v9}}]",
    ));
    let alice = vec![("X-User".to_owned(), "alice".to_owned())];
    for (method, path, headers, subset) in [
        ("GET", "/v2/x?y=1", vec![], "v2"),
        ("GET", "/", alice, "v2"),
        ("PUT", "/", vec![], "v2"),
        ("GET", "/only", vec![], "v1"),
        ("GET", "/a/../only", vec![], "v1"),
    ] {
        let call = HttpCall { count: 10, method: method.into(), path: path.into(), headers, ..node.get() };
        assert_eq!(Shares::of(&node.ask("marked", &call)).count(subset), 10, "{method} {path}");
    }
    for (path, status) in [("/", 404), ("/gone", 503)] {
        let answers =
            node.client("marked").http(&HttpCall { path: path.into(), count: 2, ..node.get() }).expect("answers");
        for answer in answers {
            assert_eq!((answer.status, answer.pod, answer.connection), (Some(status), None, 0), "{path}");
        }
    }
}
