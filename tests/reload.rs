//! Changes take effect while requests run: no restart, no failed request.

use std::time::{Duration, Instant};

use harness::{Node, Shares, mesh_rule};
use meshlet_sandbox::{Client, FloodCall, HttpCall};

fn all_to(subset: &str) -> String {
    mesh_rule(&format!("  http:\n  - route: [{{destination: {{host: httpping-without-sidecar, subset: {subset}}}}}]"))
}

fn flood(node: &Node, keep_alive: bool) -> Client {
    let mut client = node.client("marked");
    let call = FloodCall {
        to: node.service,
        host: "httpping-without-sidecar".into(),
        connections: 4,
        keep_alive,
        pause_ms: 1,
    };
    client.flood(&call).expect("a flood");
    client
}

/// Waits until the flood has had at least `more` further answers.
fn let_run(client: &mut Client, more: usize) {
    let goal = client.marker().expect("a moment").total + more;
    let deadline = Instant::now() + Duration::from_secs(20);
    while client.marker().expect("a moment").total < goal {
        assert!(Instant::now() < deadline, "the flood does not move");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn assert_subset(node: &Node, subset: &str) {
    let shares = Shares::of(&node.ask("marked", &HttpCall { count: 60, ..node.get() }));
    assert_eq!(shares.count(subset), 60, "{shares:?}");
}

#[test]
fn given_a_flood_when_rules_subsets_and_endpoints_change_then_they_take_effect_and_no_request_fails() {
    let mut node = Node::new();
    node.apply(&all_to("v1"));
    let mut floods = [flood(&node, true), flood(&node, false)];
    floods.iter_mut().for_each(|client| let_run(client, 50));

    node.apply(&all_to("v2"));
    assert_subset(&node, "v2");

    // The DestinationRule alone: the subset named v2 now selects v1's pods.
    node.apply(&all_to("v2").replace("{name: v2, labels: {version: v2}}", "{name: v2, labels: {version: v1}}"));
    assert_subset(&node, "v1");

    // Endpoints: one goes unready, another pod comes.
    node.sandbox.set_ready(&Node::pod("v1-a"), false).expect("readiness");
    node.settle();
    let shares = Shares::of(&node.ask("marked", &HttpCall { count: 60, ..node.get() }));
    assert_eq!(shares.pods(), ["v1-b", "v1-c"]);
    node.sandbox.add_pod(Node::server("v1-d", "v1")).expect("a server");
    node.settle();
    let shares = Shares::of(&node.ask("marked", &HttpCall { count: 60, ..node.get() }));
    assert_eq!(shares.pods(), ["v1-b", "v1-c", "v1-d"]);

    node.sandbox.withdraw("rule.yaml").expect("the rule removed");
    node.settle();
    let shares = Shares::of(&node.ask("marked", &HttpCall { count: 120, keep_alive: false, ..node.get() }));
    assert_eq!(shares.pods().len(), 6, "no rule, no capture: the five ready pods of before and the new one");

    for client in &mut floods {
        let_run(client, 50);
        let report = client.halt().expect("a report");
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        assert!(report.total > 500, "{}", report.total);
    }
}

#[test]
fn given_a_manifest_that_becomes_wrong_when_it_is_read_then_the_last_good_one_stays_in_force_and_the_log_says_why() {
    let mut node = Node::new();
    node.apply(&all_to("v1"));
    let wrong = all_to("v2").replace("spec:\n  hosts", "spec:\n  http: 5\n  hosts");
    for (text, message) in [
        (wrong, "rule.yaml:5: VirtualService infra-jinsu-lab/rule: spec.http"),
        ("kind: [".to_owned(), "rule.yaml:1: is not YAML"),
    ] {
        let text =
            if text.starts_with("kind") { text } else { text.replacen("  http:\n  - route", "  x:\n  - route", 1) };
        node.apply(&text);
        assert_subset(&node, "v1");
        assert!(node.daemon.log().contains(message), "{message} is not in:\n{}", node.daemon.log());
    }
    node.apply(&all_to("v2"));
    assert_subset(&node, "v2");
}
