//! The daemon dies, stops, comes back: what a pod notices of it.

use std::time::{Duration, Instant};

use harness::{Node, Shares, Way, binary, daemon_command, mesh_rule, sandbox};
use meshlet_sandbox::{Client, ConnectCall, Daemon, Families, FloodCall, HttpCall, Layout, PodName, PodSpec};

const CONNECTIONS: usize = 4;

const ALL_TO_V1: &str = "  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]";

fn ruled(flags: &[&str]) -> Node {
    let mut node = Node::with(Layout::Systemd, flags);
    node.apply(&mesh_rule(ALL_TO_V1));
    node
}

/// Fresh connections without end, as many at a time as [`CONNECTIONS`].
fn flood(node: &Node) -> Client {
    let mut client = node.client("marked");
    let call = FloodCall {
        to: node.service,
        host: "httpping-without-sidecar".into(),
        connections: CONNECTIONS,
        keep_alive: false,
        pause_ms: 1,
    };
    client.flood(&call).expect("a flood");
    let_run(&mut client, 100);
    client
}

fn let_run(client: &mut Client, more: usize) {
    let goal = client.marker().expect("a moment").total + more;
    let deadline = Instant::now() + Duration::from_secs(20);
    while client.marker().expect("a moment").total < goal {
        assert!(Instant::now() < deadline, "the flood does not move");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn fresh(node: &Node, pod: &str) -> Shares {
    Shares::of(&node.ask(pod, &HttpCall { count: 120, keep_alive: false, ..node.get() }))
}

#[test]
fn given_load_when_the_daemon_is_killed_then_only_connections_in_flight_fail_and_kube_proxy_answers_until_it_is_back() {
    let mut node = ruled(&[]);
    let mut client = flood(&node);
    node.daemon.kill().expect("killed");
    let gone = client.marker().expect("a moment").at_ms;
    let_run(&mut client, 200);
    assert_eq!(fresh(&node, "marked").pods().len(), 6, "kube-proxy answers");
    node.restart(&[]);
    assert_eq!(fresh(&node, "marked").pods(), ["v1-a", "v1-b", "v1-c"], "capture resumes");
    let_run(&mut client, 100);
    let report = client.halt().expect("a report");
    // Until it is gone, its listeners close one by one: a client may meet two of them.
    let in_flight = report.failures.iter().filter(|failure| failure.at_ms > gone).count();
    assert!(in_flight <= CONNECTIONS, "gone at {gone} ms: {:?}", report.failures);
    assert!(report.failures.len() <= 2 * CONNECTIONS, "{:?}", report.failures);
    assert!(report.answers.contains_key("v2-a"), "the flood itself went on natively: {:?}", report.answers);
}

#[test]
fn given_load_when_the_daemon_is_stopped_by_a_signal_then_new_connections_go_native_and_capture_resumes_with_it() {
    let node = ruled(&[]);
    let mut client = flood(&node);
    node.daemon.pause().expect("stopped");
    // Those in flight hang until their client gives up; others are accepted for a heartbeat's limit at most.
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut probe = node.client("marked");
    let native = loop {
        let answers = probe.http(&HttpCall { count: 1, keep_alive: false, ..node.get() }).expect("an answer");
        if answers.iter().any(|answer| answer.pod.as_ref().is_some_and(|pod| pod.starts_with("v2"))) {
            break true;
        }
        if Instant::now() > deadline {
            break false;
        }
    };
    assert!(native, "new connections are native");
    assert_eq!(fresh(&node, "marked").pods().len(), 6);
    node.daemon.resume().expect("resumed");
    let deadline = Instant::now() + Duration::from_secs(10);
    while fresh(&node, "marked").count("v2") > 0 {
        assert!(Instant::now() < deadline, "capture resumes");
    }
    let_run(&mut client, 100);
    let report = client.halt().expect("a report");
    assert!(report.failures.len() <= CONNECTIONS * 2, "{:?}", report.failures);
    let log = node.daemon.log();
    assert!(log.contains("no heartbeat for service id"), "the kernel programs' own log says why:\n{log}");
}

#[test]
fn given_load_when_the_daemon_is_asked_to_stop_then_no_request_fails_and_kube_proxy_answers() {
    let mut node = ruled(&[]);
    let mut client = flood(&node);
    let status = node.daemon.stop().expect("stopped");
    assert!(status.success(), "{status}");
    let_run(&mut client, 200);
    let report = client.halt().expect("a report");
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!(fresh(&node, "marked").pods().len(), 6);
}

#[test]
fn given_failure_policy_closed_when_the_daemon_is_killed_then_ruled_services_are_refused_to_marked_pods_alone() {
    let closed = ["--failure-policy", "closed"];
    let mut node = Node::built(sandbox(Layout::Systemd), Families::Dual, &closed);
    node.apply(&mesh_rule(ALL_TO_V1));
    node.daemon.kill().expect("killed");
    let mut client = node.client("marked");
    for way in Way::to_service(&node) {
        let call = ConnectCall { mapped: way.mapped, ..ConnectCall::to(way.to) };
        let refused = client.connect(&call).expect("an answer");
        assert!(refused.error.is_some_and(|error| error.contains("not permitted")), "{way:?}: EPERM");
    }
    let direct = client.connect(&ConnectCall::to((node.ip("v1-a"), 80))).expect("an answer");
    assert_eq!(direct.error, None, "what no rule is for is untouched");
    fresh(&node, "unmarked").assert_even_over_six();
    node.restart(&closed);
    assert_eq!(fresh(&node, "marked").pods(), ["v1-a", "v1-b", "v1-c"]);
}

#[test]
fn given_a_pod_that_vanishes_mid_request_then_its_connections_end_and_nothing_else() {
    let mut node = ruled(&[]);
    let spec = PodSpec::new("infra-jinsu-lab", "passing").label("sidecar.istio.io/inject", "true");
    node.sandbox.add_pod(spec).expect("a pod");
    node.settle();
    node.daemon.wait_captured(&Node::pod("passing"), true).expect("captured");
    let mut flooded = flood(&node);
    let mut passing = node.client("passing");
    let call = FloodCall {
        to: node.service,
        host: "httpping-without-sidecar".into(),
        connections: 8,
        keep_alive: true,
        pause_ms: 0,
    };
    passing.flood(&call).expect("a flood");
    let_run(&mut passing, 100);
    node.sandbox.delete_pod(&Node::pod("passing")).expect("deleted");
    node.settle();
    let_run(&mut flooded, 200);
    assert!(flooded.halt().expect("a report").failures.is_empty());
    assert!(node.daemon.ready());
}

#[test]
fn given_a_running_daemon_when_another_starts_on_the_node_then_it_refuses() {
    let node = ruled(&[]);
    let output = daemon_command(&node.sandbox, &[]).output().expect("it ran");
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("another meshlet already runs"), "{message}");
    assert_eq!(fresh(&node, "marked").pods(), ["v1-a", "v1-b", "v1-c"], "the first one is unharmed");
}

#[test]
fn given_a_kubepods_cgroup_that_is_made_anew_then_the_severed_links_are_mended() {
    let mut sandbox = sandbox(Layout::Systemd);
    let mut daemon = Daemon::start(&sandbox, &binary(), &[]).expect("a daemon");
    let kubepods = sandbox.kubepods();
    std::fs::remove_dir(&kubepods).expect("the kubepods cgroup removed");
    std::fs::create_dir(&kubepods).expect("the kubepods cgroup made anew");
    for (name, version) in [("v1-a", "v1"), ("v2-a", "v2")] {
        sandbox.add_pod(Node::server(name, version)).expect("a server");
    }
    sandbox.add_pod(PodSpec::new("infra-jinsu-lab", "marked").label("sidecar.istio.io/inject", "true")).expect("a pod");
    let service = meshlet_sandbox::ServiceSpec::new("infra-jinsu-lab", "httpping-without-sidecar", 8080, 80)
        .selecting("app", "httpping");
    let address = sandbox.add_service(service).expect("a service");
    sandbox.apply("rule.yaml", &mesh_rule(ALL_TO_V1)).expect("a rule");
    daemon.wait_in_force(&sandbox).expect("in force");
    let marked = PodName::new("infra-jinsu-lab", "marked");
    daemon.wait_captured(&marked, true).expect("captured");
    assert!(daemon.log().contains("severed"), "{}", daemon.log());
    let call = HttpCall { count: 40, keep_alive: false, ..HttpCall::get((address, 8080), "httpping-without-sidecar") };
    let answers = sandbox.client(&marked).expect("a client").http(&call).expect("answers");
    assert_eq!(Shares::of(&answers).pods(), ["v1-a"]);
}
