//! The route that makes the service ids of IPv6 local in a captured pod: there while it is needed, and no longer.

use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Node, Way, mesh_rule};
use meshlet_sandbox::{Families, FloodCall};

const MARK: &str = "sidecar.istio.io/inject";
const ROUTE: &str = "local fd6d:6573:686c:6574::/96 dev lo";

fn ruled() -> Node {
    let mut node = Node::of(Families::V6);
    node.apply(&mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]"));
    node
}

/// How often the route stands in the marked pod's local table.
fn routes(node: &Node) -> usize {
    let netns = node.sandbox.netns_of(&Node::pod("marked")).expect("a network namespace");
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", netns.display())).args(["ip", "-6", "route", "show", "table", "local"]);
    let output = command.output().expect("nsenter (Debian package util-linux)");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with(ROUTE)).count()
}

fn mark(node: &mut Node, marked: bool) {
    let labels = [(MARK, if marked { "true" } else { "false" })];
    node.sandbox.relabel_pod(&Node::pod("marked"), &labels, &[]).expect("relabelled");
    node.settle();
    node.daemon.wait_captured(&Node::pod("marked"), marked).expect("as marked");
}

fn wait_for_none(node: &Node) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while routes(node) > 0 {
        assert!(Instant::now() < deadline, "the route stays behind");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn given_load_over_ipv6_when_the_mark_goes_and_comes_then_no_request_fails_and_the_route_follows() {
    let mut node = ruled();
    assert_eq!(routes(&node), 1);
    let mut client = node.client("marked");
    let to = Way::to_service(&node).first().expect("a way").to;
    let host = "httpping-without-sidecar".to_owned();
    client.flood(&FloodCall { to, host, connections: 4, keep_alive: true, pause_ms: 2 }).expect("a flood");
    mark(&mut node, false);
    wait_for_none(&node);
    mark(&mut node, true);
    assert_eq!(routes(&node), 1);
    let report = client.halt().expect("a report");
    // A kept connection that closes while idle is one that a client repeats its request for.
    let failed: Vec<_> = report.failures.iter().filter(|failure| !failure.reused).collect();
    assert!(report.total > 0 && failed.is_empty(), "{} answered, {failed:?}", report.total);
}

#[test]
fn given_a_daemon_that_is_killed_or_stopped_then_a_route_left_behind_does_no_harm_and_one_is_enough() {
    let mut node = ruled();
    let way = *Way::to_service(&node).first().expect("a way");
    node.daemon.kill().expect("killed");
    assert_eq!(routes(&node), 1, "nobody was there to take it");
    let native = node.ask("marked", &way.call(30));
    native.iter().for_each(|answer| way.assert_invisible(answer));
    node.restart(&[]);
    assert_eq!(routes(&node), 1);
    node.ask("marked", &way.call(30)).iter().for_each(|answer| way.assert_invisible(answer));
    node.daemon.stop().expect("stopped");
    assert_eq!(routes(&node), 0, "it took its route along");
}
