//! What is counted of connections whose bytes nobody reads, by the kernel and by the proxy, in Istio's names.

use std::net::SocketAddr;

use harness::{Metrics, Node, many, named, open, report};
use meshlet_sandbox::{ConnectCall, FloodCall, HttpCall, RawCall, ServiceSpec};

const PORT: u16 = 9090;
const HOST: &str = "opaque.infra-jinsu-lab.svc.cluster.local";
/// Nothing that looks like a request: the servers send it back.
const BYTES: &str = "0123456789";
const SUBSETS: &str = "subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]";
const TO_BOTH: &str =
    "{weight: 50, destination: {host: opaque, subset: v1}}, {weight: 50, destination: {host: opaque, subset: v2}}";

/// The experiment's node with a TCP service over the same pods, and a rule for it.
struct Opaque {
    node: Node,
    to: SocketAddr,
    rules: String,
}

impl Opaque {
    /// `policy` is part of the DestinationRule: without any the kernel picks.
    fn new(policy: &str) -> Self {
        let mut node = Node::new();
        let to = service(&mut node, "opaque");
        let split = rule("VirtualService", "opaque", &format!("{{hosts: [opaque], tcp: [{{route: [{TO_BOTH}]}}]}}"));
        let rules = split + &rule("DestinationRule", "opaque", &format!("{{host: opaque, {policy}{SUBSETS}}}"));
        node.apply(&rules);
        Self { node, to, rules }
    }

    /// Connects so many times from a pod, has some bytes sent back and closes.
    fn call(&self, pod: &str, count: usize) {
        self.exchange(pod, count, &RawCall::new(self.to, BYTES));
    }

    fn exchange(&self, pod: &str, count: usize, call: &RawCall) {
        let mut client = self.node.client(pod);
        let call = RawCall { until: Some(BYTES.to_owned()), ..call.clone() };
        for _ in 0..count {
            let answer = client.raw(&call).expect("an answer");
            assert_eq!((&*answer.received, &answer.error), (BYTES, &None));
        }
    }

    /// Connects so many times; how many each pod has answered.
    fn ask(&self, count: usize) -> Vec<(String, usize)> {
        let call = HttpCall { count, keep_alive: false, ..HttpCall::get(self.to, "whoever") };
        let shares = harness::Shares::of(&self.node.ask("marked", &call));
        shares.pods().into_iter().map(|pod| (pod.to_owned(), shares.count(pod))).collect()
    }

    /// Dialled there, nobody's rule is asked.
    fn endpoint(&self) -> SocketAddr {
        (self.node.ip("v1-a"), 80).into()
    }

    fn flood(&self) -> FloodCall {
        FloodCall { to: self.to, host: "whoever".to_owned(), connections: 5, keep_alive: true, pause_ms: 20 }
    }
}

fn rule(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: infra-jinsu-lab}}\nspec: {spec}\n---\n"
    )
}

fn service(node: &mut Node, name: &str) -> SocketAddr {
    let service = ServiceSpec::new("infra-jinsu-lab", name, PORT, 80).port_name("tcp").selecting("app", "httpping");
    let address = node.sandbox.add_service(service).expect("a service");
    node.settle();
    (address, PORT).into()
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map(f64::from).expect("few")
}

/// Reads metrics until they are as wanted.
fn wait_for(node: &Node, what: &str, condition: impl Fn(&Metrics) -> bool) -> Metrics {
    let mut metrics = Metrics::of(node);
    harness::wait_for(what, || {
        metrics = Metrics::of(node);
        condition(&metrics)
    });
    metrics
}

const OPENED: &str = "istio_tcp_connections_opened_total";
const CLOSED: &str = "istio_tcp_connections_closed_total";
const SENT: &str = "istio_tcp_sent_bytes_total";
const RECEIVED: &str = "istio_tcp_received_bytes_total";

/// Connections of `marked` are counted once each, for the pod that has answered, by whoever has picked it.
fn check_counts(opaque: &Opaque) {
    let count = many(200);
    let answers = opaque.ask(count);
    assert!(answers.len() > 1, "several pods have answered: {answers:?}");
    let metrics = wait_for(&opaque.node, "all are closed", |metrics| metrics.sum(CLOSED, &[]) >= float(count));
    for (pod, answered) in answers {
        let version = pod.split('-').next().expect("a version");
        let labels = [
            ("reporter", "source"),
            ("source_workload", "marked"),
            ("source_workload_namespace", "infra-jinsu-lab"),
            ("destination_workload", &*pod),
            ("destination_workload_namespace", "infra-jinsu-lab"),
            ("destination_app", "httpping"),
            ("destination_version", version),
            ("destination_service", HOST),
            ("destination_service_name", "opaque"),
            ("destination_service_namespace", "infra-jinsu-lab"),
            ("request_protocol", "tcp"),
            ("response_flags", "-"),
            ("connection_security_policy", "unknown"),
        ];
        assert_eq!(metrics.sum(OPENED, &labels), float(answered), "{pod}: {metrics:?}");
        assert_eq!(metrics.sum(CLOSED, &labels), float(answered), "{pod}: {metrics:?}");
    }
    assert_eq!(metrics.sum(OPENED, &[]), float(count), "{metrics:?}");
}

/// Ten bytes each way for each connection, however it ends. A source calls sent what it has got, as Istio's do.
fn check_bytes(opaque: &Opaque, call: &RawCall) {
    let before = Metrics::of(&opaque.node);
    opaque.exchange("marked", 20, call);
    let closed = before.sum(CLOSED, &[]) + 20.0;
    let after = wait_for(&opaque.node, "all are closed", |metrics| metrics.sum(CLOSED, &[]) >= closed);
    let more = |name| after.sum(name, &[]) - before.sum(name, &[]);
    assert_eq!(more(RECEIVED), 200.0, "from the client");
    assert_eq!(more(SENT), 200.0, "to the client");
}

/// Connections that are held are open, and not closed, until they end.
fn check_open(opaque: &Opaque) {
    let before = Metrics::of(&opaque.node);
    let mut client = opaque.node.client("marked");
    client.flood(&opaque.flood()).expect("five connections that are held");
    let opened = before.sum(OPENED, &[]) + 5.0;
    let during = wait_for(&opaque.node, "five are open", |metrics| metrics.sum(OPENED, &[]) >= opened);
    assert_eq!(during.sum(CLOSED, &[]), before.sum(CLOSED, &[]), "none of them has ended");
    drop(client.halt().expect("a report"));
    let after = wait_for(&opaque.node, "all are closed", |metrics| metrics.sum(CLOSED, &[]) >= opened);
    assert_eq!(after.sum(OPENED, &[]), opened);
}

#[test]
fn given_a_route_that_the_kernel_decides_when_a_marked_pod_connects_then_its_connections_are_counted_by_endpoint() {
    let opaque = Opaque::new("");
    check_counts(&opaque);
    let call = RawCall::new(opaque.to, BYTES);
    check_bytes(&opaque, &call);
    check_bytes(&opaque, &RawCall { half_close: true, ..call.clone() });
    check_bytes(&opaque, &RawCall { abort: true, ..call });
    check_open(&opaque);
    let metrics = Metrics::of(&opaque.node);
    let picked = "meshlet_kernel_connections_opened_total";
    assert_eq!(metrics.sum(picked, &[]), metrics.sum(OPENED, &[]), "the proxy has met none of them");
    for pod in ["v1-a", "v1-b", "v1-c", "v2-a", "v2-b", "v2-c"] {
        let endpoint = SocketAddr::from((opaque.node.ip(pod), 80)).to_string();
        let labels = [("destination_service", HOST), ("subset", &pod[..2]), ("endpoint", &endpoint)];
        assert_eq!(metrics.sum(picked, &labels), metrics.sum(OPENED, &[("destination_workload", pod)]), "{pod}");
        let time = |ending: &str| metrics.sum(&format!("meshlet_kernel_round_trip_seconds_{ending}"), &labels);
        assert_eq!(time("count"), metrics.sum("meshlet_kernel_connections_closed_total", &labels), "{pod}");
    }
    let time = |ending: &str| metrics.sum(&format!("meshlet_kernel_round_trip_seconds_{ending}"), &[]);
    let mean = time("sum") / time("count");
    assert!(mean > 0.0 && mean < 1.0, "{mean} s");
    assert_eq!(metrics.sum("meshlet_kernel_connections_missed_total", &[]), 0.0);
}

#[test]
fn given_a_route_that_needs_the_proxy_when_a_marked_pod_connects_then_its_connections_are_counted_the_same() {
    let opaque = Opaque::new("trafficPolicy: {connectionPool: {tcp: {maxConnections: 1000}}}, ");
    check_counts(&opaque);
    check_bytes(&opaque, &RawCall::new(opaque.to, BYTES));
    check_open(&opaque);
    assert_eq!(Metrics::of(&opaque.node).sum("meshlet_kernel_connections_opened_total", &[]), 0.0);
}

/// The bytes of connections that are held grow, and none of them has ended.
fn check_growth(opaque: &Opaque) {
    let mut client = opaque.node.client("marked");
    client.flood(&opaque.flood()).expect("connections that are held");
    let first = wait_for(&opaque.node, "some bytes are told", |metrics| metrics.sum(SENT, &[]) > 0.0);
    let more = |name, metrics: &Metrics| metrics.sum(name, &[]) > first.sum(name, &[]);
    let then = wait_for(&opaque.node, "more are told", |then| more(SENT, then) && more(RECEIVED, then));
    assert_eq!((then.sum(OPENED, &[]), then.sum(CLOSED, &[])), (5.0, 0.0), "none of them has ended");
    drop(client.halt().expect("a report"));
}

#[test]
fn given_connections_that_live_long_then_their_bytes_are_told_before_they_end() {
    for policy in ["trafficPolicy: {connectionPool: {tcp: {maxConnections: 1000}}}, ", ""] {
        check_growth(&Opaque::new(policy));
    }
}

#[test]
fn given_endpoints_that_refuse_when_the_kernel_picks_then_the_connects_have_failed_and_none_is_open() {
    let mut opaque = Opaque::new("");
    let deaf = ServiceSpec::new("infra-jinsu-lab", "deaf", PORT, 81).port_name("tcp").selecting("app", "httpping");
    let deaf: SocketAddr = (opaque.node.sandbox.add_service(deaf).expect("a service"), PORT).into();
    let random = rule("DestinationRule", "deaf", "{host: deaf, trafficPolicy: {loadBalancer: {simple: RANDOM}}}");
    let rules = opaque.rules.clone() + &random;
    opaque.node.apply(&rules);
    let mut client = opaque.node.client("marked");
    for _ in 0..10 {
        let refused = client.connect(&ConnectCall::to(deaf)).expect("an answer");
        assert!(refused.error.is_some_and(|error| error.contains("refused")));
    }
    // A socket that has been refused may be connected elsewhere: what it has tried is over by then.
    for to in [opaque.to, opaque.endpoint()] {
        let connected = client.connect(&ConnectCall { first: Some(deaf), ..ConnectCall::to(to) }).expect("an answer");
        assert_eq!((connected.peer, connected.error), (Some(to.to_string()), None));
    }
    let (failed, unavailable) = ("meshlet_kernel_connections_failed_total", [("response_flags", "UF")]);
    let metrics = wait_for(&opaque.node, "all are over", |metrics| {
        metrics.sum(failed, &[]) >= 12.0 && metrics.sum(CLOSED, &[]) >= 13.0
    });
    assert_eq!(metrics.sum(failed, &[("destination_service", "deaf.infra-jinsu-lab.svc.cluster.local")]), 12.0);
    assert_eq!((metrics.sum(OPENED, &unavailable), metrics.sum(CLOSED, &unavailable)), (12.0, 12.0), "{metrics:?}");
    assert_eq!((metrics.sum(OPENED, &[]), metrics.sum(CLOSED, &[])), (13.0, 13.0), "{metrics:?}");
    let bpf = report(&opaque.node, &["--bpf"])["bpf"].clone();
    for to in [deaf, opaque.to] {
        assert_eq!(open(named(&bpf["routes"], "address", &to.to_string())), 0, "{to}: {bpf:#}");
    }
}

#[test]
fn given_an_unmarked_pod_or_a_service_without_a_rule_then_nothing_is_counted() {
    let mut opaque = Opaque::new("");
    let ruled = opaque.to;
    opaque.call("unmarked", 10);
    opaque.to = service(&mut opaque.node, "native");
    opaque.call("marked", 10);
    opaque.to = ruled;
    opaque.call("marked", 1);
    let metrics = wait_for(&opaque.node, "the one is closed", |metrics| metrics.sum(CLOSED, &[]) >= 1.0);
    assert_eq!(metrics.sum(OPENED, &[]), 1.0, "{metrics:?}");
    assert_eq!(metrics.said(OPENED, "source_workload"), ["marked"]);
    assert_eq!(metrics.said(OPENED, "destination_service"), [HOST]);
}

#[test]
fn given_requests_of_a_marked_pod_then_each_is_counted_and_timed_for_the_pod_that_has_answered() {
    let mut node = Node::new();
    node.apply(&harness::mesh_rule(
        "  http:\n  - route: [{weight: 50, destination: {host: httpping-without-sidecar, subset: v1}}, \
         {weight: 50, destination: {host: httpping-without-sidecar, subset: v2}}]",
    ));
    let count = many(120);
    let shares = harness::Shares::of(&node.ask("marked", &HttpCall { count, ..node.get() }));
    let answers = node.ask("unmarked", &HttpCall { count: 10, ..node.get() });
    assert_eq!(answers.len(), 10);
    let requests = "istio_requests_total";
    let metrics = wait_for(&node, "all are counted", |metrics| metrics.sum(requests, &[]) >= float(count));
    for pod in shares.pods() {
        let labels = [
            ("reporter", "source"),
            ("source_workload", "marked"),
            ("destination_workload", pod),
            ("destination_service", "httpping-without-sidecar.infra-jinsu-lab.svc.cluster.local"),
            ("request_protocol", "http"),
            ("response_code", "200"),
            ("response_flags", "-"),
            ("connection_security_policy", "unknown"),
        ];
        let answered = float(shares.count(pod));
        for name in [requests, "istio_request_duration_milliseconds_count", "istio_response_bytes_count"] {
            assert_eq!(metrics.sum(name, &labels), answered, "{name} of {pod}: {metrics:?}");
        }
        let mean = metrics.sum("istio_response_bytes_sum", &labels) / answered;
        assert!((100.0..2000.0).contains(&mean), "{mean} bytes from {pod}");
    }
    assert_eq!(metrics.sum(requests, &[]), float(count), "an unmarked pod's requests are nobody's");
}
