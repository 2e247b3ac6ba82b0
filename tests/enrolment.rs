//! Marks and pods that come and go while the daemon runs.

use std::time::{Duration, Instant};

use harness::{Node, Shares, mesh_rule};
use meshlet_sandbox::{Client, HttpCall, PodSpec};

const ALL_TO_V1: &str = "  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]";

fn ruled() -> Node {
    let mut node = Node::new();
    node.apply(&mesh_rule(ALL_TO_V1));
    node
}

/// Over fresh connections: all v1 when captured, all six pods when native.
fn is_captured(node: &Node, client: &mut Client) -> bool {
    let answers = client.http(&HttpCall { count: 120, keep_alive: false, ..node.get() }).expect("answers");
    match Shares::of(&answers).pods().len() {
        3 => true,
        6 => false,
        other => panic!("{other} pods answered"),
    }
}

#[test]
fn given_a_mark_when_it_is_removed_and_set_again_then_the_pod_is_native_and_captured_again() {
    let mut node = ruled();
    let pod = Node::pod("marked");
    let mut client = node.client("marked");
    assert!(is_captured(&node, &mut client));
    for _ in 0..2 {
        node.sandbox.relabel_pod(&pod, &[], &[]).expect("the mark removed");
        node.settle();
        node.daemon.wait_captured(&pod, false).expect("released");
        assert!(!is_captured(&node, &mut client));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !client.listening().expect("ports").is_empty() {
            assert!(Instant::now() < deadline, "the listener closes");
        }
        node.sandbox.relabel_pod(&pod, &[("istio.io/dataplane-mode", "meshlet")], &[]).expect("the mark set");
        node.settle();
        node.daemon.wait_captured(&pod, true).expect("captured");
        assert!(is_captured(&node, &mut client));
    }
}

#[test]
fn given_marks_of_every_kind_when_pods_come_then_the_right_ones_are_captured() {
    let mut node = ruled();
    node.sandbox.namespace("infra-jinsu-lab", &[("istio-injection", "enabled")]).expect("the namespace marked");
    let inject = "sidecar.istio.io/inject";
    for (name, spec, captured) in [
        ("by-namespace", PodSpec::new("infra-jinsu-lab", "by-namespace"), true),
        ("opted-out", PodSpec::new("infra-jinsu-lab", "opted-out").label(inject, "false"), false),
        (
            "own-mark",
            PodSpec::new("infra-jinsu-lab", "own-mark")
                .label(inject, "false")
                .annotation("meshlet.dev/redirect", "enabled"),
            true,
        ),
        (
            "with-sidecar",
            PodSpec::new("infra-jinsu-lab", "with-sidecar").annotation("sidecar.istio.io/status", "{}"),
            false,
        ),
    ] {
        node.sandbox.add_pod(spec).expect("a pod");
        node.settle();
        node.daemon.wait_captured(&Node::pod(name), captured).expect(name);
        assert_eq!(is_captured(&node, &mut node.client(name)), captured, "{name}");
    }
}

#[test]
fn given_a_captured_pod_when_it_is_deleted_and_another_comes_then_only_that_one_is_captured() {
    let mut node = ruled();
    for round in 0..3 {
        let name = format!("passing-{round}");
        let spec = PodSpec::new("infra-jinsu-lab", &name).label("sidecar.istio.io/inject", "true");
        node.sandbox.add_pod(spec).expect("a pod");
        node.settle();
        node.daemon.wait_captured(&Node::pod(&name), true).expect("captured");
        assert!(is_captured(&node, &mut node.client(&name)));
        node.sandbox.delete_pod(&Node::pod(&name)).expect("deleted");
        node.settle();
    }
    assert!(is_captured(&node, &mut node.client("marked")));
}

#[test]
fn given_a_pod_whose_port_is_taken_when_it_is_captured_then_another_port_serves() {
    let mut node = ruled();
    let spec = PodSpec::new("infra-jinsu-lab", "busy").label("sidecar.istio.io/inject", "true").serving(15001);
    node.sandbox.add_pod(spec).expect("a pod");
    node.settle();
    node.daemon.wait_captured(&Node::pod("busy"), true).expect("captured");
    assert!(is_captured(&node, &mut node.client("busy")));
}

#[test]
fn given_a_pod_whose_address_nobody_tells_when_its_processes_run_then_it_is_captured_by_its_own() {
    let mut node = ruled();
    let spec = PodSpec::new("infra-jinsu-lab", "young").label("sidecar.istio.io/inject", "true");
    let pod = node.sandbox.schedule_pod(spec).expect("a pod");
    node.daemon.wait_captured(&pod, true).expect("captured");
    let mut client = node.client("young");
    assert!(is_captured(&node, &mut client));
    let seen = client.http(&node.get()).expect("an answer").pop().and_then(|answer| answer.local).expect("its address");
    assert!(seen.starts_with(&format!("{}:", node.ip("young"))), "{seen}");
}
