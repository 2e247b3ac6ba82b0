//! Istio's annotations about what of a pod's outbound traffic is captured, in the kernel as in `explain`.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;

use harness::{Node, Shares, binary, mesh_rule};
use meshlet_sandbox::{HttpCall, Layout, PodSpec, ServiceSpec};
use serde_json::Value;

const MARK: (&str, &str) = ("sidecar.istio.io/inject", "true");
const TCP_PORT: u16 = 9090;
const ALL_TO_V1: &str = "  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]";

/// `traffic.sidecar.istio.io/…`.
type Annotations<'a> = &'a [(&'a str, &'a str)];

/// The experiment's service, whose requests are routed by the proxy, and a TCP service over the same pods, whose connections
/// are routed by the kernel: both to v1 alone. A marked pod that is to be annotated.
struct Annotated {
    node: Node,
    tcp: SocketAddr,
}

impl Annotated {
    fn new(rule: &str) -> Self {
        Self::with(rule, &[])
    }

    fn with(rule: &str, flags: &[&str]) -> Self {
        let mut node = Node::with(Layout::Systemd, flags);
        let service =
            ServiceSpec::new("infra-jinsu-lab", "opaque", TCP_PORT, 80).port_name("tcp").selecting("app", "httpping");
        let address = node.sandbox.add_service(service).expect("a service");
        let pod = PodSpec::new("infra-jinsu-lab", "annotated").label(MARK.0, MARK.1);
        node.sandbox.add_pod(pod).expect("a pod");
        let rules = format!(
            "{}---\n\
             apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: opaque, namespace: infra-jinsu-lab}}\n\
             spec: {{hosts: [opaque], tcp: [{{route: [{{destination: {{host: opaque, subset: v1}}}}]}}]}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: opaque, namespace: infra-jinsu-lab}}\n\
             spec: {{host: opaque, subsets: [{{name: v1, labels: {{version: v1}}}}]}}\n",
            mesh_rule(rule)
        );
        node.apply(&rules);
        node.daemon.wait_captured(&Node::pod("annotated"), true).expect("captured");
        Self { node, tcp: (address, TCP_PORT).into() }
    }

    fn annotate(&mut self, annotations: Annotations<'_>) {
        let named: Vec<(String, &str)> =
            annotations.iter().map(|(name, value)| (format!("traffic.sidecar.istio.io/{name}"), *value)).collect();
        let named: Vec<(&str, &str)> = named.iter().map(|(name, value)| (&**name, *value)).collect();
        self.node.sandbox.relabel_pod(&Node::pod("annotated"), &[MARK], &named).expect("annotated");
        self.node.settle();
    }

    /// Over fresh connections: all v1 when captured, all six pods when native.
    fn is_captured(&self, pod: &str, call: &HttpCall) -> bool {
        let answers = self.node.ask(pod, &HttpCall { count: 120, keep_alive: false, ..call.clone() });
        match Shares::of(&answers).pods().len() {
            3 => true,
            6 => false,
            other => panic!("{other} pods answered"),
        }
    }

    fn explain(&self, url: &str) -> Value {
        let mut command = Command::new(binary());
        command.args(["explain", "infra-jinsu-lab/annotated", "--to", url, "-o", "json", "-f"]);
        let output = command.arg(self.node.sandbox.manifests()).output().expect("meshlet explain ran");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// What becomes of connections to the two services, which `explain` says as well; `None` when captured, else why not.
    fn check(&mut self, annotations: Annotations<'_>, http: Option<&str>, tcp: Option<&str>) {
        self.annotate(annotations);
        let services = [
            (self.node.get(), "http://httpping-without-sidecar:8080/", http),
            (HttpCall::get(self.tcp, "whoever"), "tcp://opaque:9090", tcp),
        ];
        for (call, url, excluded) in services {
            assert_eq!(self.is_captured("annotated", &call), excluded.is_none(), "{annotations:?} {url}");
            assert!(self.is_captured("marked", &call), "another pod's annotations are nothing to it");
            let said = self.explain(url);
            let word = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default();
            let found = (word("verdict"), word("reason"), word("path"));
            match excluded {
                Some(reason) => assert_eq!(found, ("bypass", reason, "native"), "{annotations:?} {url}: {said:#}"),
                None => assert_eq!(found.0, "route", "{annotations:?} {url}: {said:#}"),
            }
        }
    }
}

#[test]
fn given_annotations_that_change_while_the_pod_runs_then_what_they_exclude_is_native_and_the_rest_is_routed() {
    let mut pod = Annotated::new(ALL_TO_V1);
    let host = |address: SocketAddr| format!("{}/32", address.ip());
    let (http, tcp) = (host(pod.node.service), host(pod.tcp));
    let both = format!("{http},fd00::/8, {tcp}");
    pod.check(&[], None, None);
    pod.check(&[("excludeOutboundPorts", "1,8080")], Some("ExcludedPort"), None);
    pod.check(&[("excludeOutboundPorts", "9090")], None, Some("ExcludedPort"));
    pod.check(&[("excludeOutboundIPRanges", &http)], Some("ExcludedIpRange"), None);
    pod.check(&[("excludeOutboundIPRanges", &tcp)], None, Some("ExcludedIpRange"));
    pod.check(&[("includeOutboundIPRanges", &http)], None, Some("NotIncluded"));
    pod.check(&[("includeOutboundIPRanges", &both)], None, None);
    pod.check(&[("includeOutboundIPRanges", "")], Some("NotIncluded"), Some("NotIncluded"));
    pod.check(&[("includeOutboundIPRanges", ""), ("includeOutboundPorts", "9090")], Some("NotIncluded"), None);
    // A longer range that is included, inside one that is excluded.
    let inside = [("excludeOutboundIPRanges", "0.0.0.0/0"), ("includeOutboundIPRanges", &*both)];
    pod.check(&inside, Some("ExcludedIpRange"), Some("ExcludedIpRange"));
    // The other family has a trie of its own.
    pod.check(&[("excludeOutboundIPRanges", "::/0")], None, None);
    pod.check(&[], None, None);
    let unmarked =
        Shares::of(&pod.node.ask("unmarked", &HttpCall { count: 1_200, keep_alive: false, ..pod.node.get() }));
    unmarked.assert_even_over_six();
}

#[test]
fn given_a_service_with_two_ports_when_one_is_excluded_then_the_other_is_routed() {
    let mut pod = Annotated::new(ALL_TO_V1);
    // The second port is the daemon's alone: the node's kube-proxy does not have it, so that nothing but the rule can lead on.
    let file = "service.infra-jinsu-lab.httpping-without-sidecar.json";
    let written = std::fs::read_to_string(pod.node.sandbox.manifests().join(file)).expect("the service");
    let mut service: Value = serde_json::from_str(&written).expect("JSON");
    let mut ports = service.pointer("/spec/ports").and_then(Value::as_array).expect("ports").clone();
    let mut second = ports.first().expect("a port").clone();
    second["port"] = 8081.into();
    second["name"] = "http-second".into();
    ports.push(second);
    service["spec"]["ports"] = ports.into();
    pod.node.sandbox.apply(file, &service.to_string()).expect("the service written");
    pod.annotate(&[("excludeOutboundPorts", "8080")]);
    let second = HttpCall::get((pod.node.service.ip(), 8081), "httpping-without-sidecar:8081");
    assert!(!pod.is_captured("annotated", &pod.node.get()));
    assert!(pod.is_captured("annotated", &second));
}

#[test]
fn given_connections_under_way_when_annotations_change_then_none_is_captured_that_both_exclude_nor_missed_that_neither_does()
 {
    // What is captured is answered by the proxy.
    let mut pod = Annotated::new("  http:\n  - directResponse: {status: 418}");
    for (lists, status) in [(["8080,1", "8080,2"], 200), (["1", "2"], 418)] {
        pod.annotate(&[("excludeOutboundPorts", lists[0])]);
        let mut client = pod.node.client("annotated");
        let call = HttpCall { count: 4_000, keep_alive: false, ..pod.node.get() };
        let asking = thread::spawn(move || client.http(&call).expect("answers"));
        let mut changes = 0;
        while !asking.is_finished() {
            pod.annotate(&[("excludeOutboundPorts", lists[changes % 2])]);
            changes += 1;
        }
        let answers = asking.join().expect("the client lives");
        assert!(changes > 2, "they have changed while connections were made: {changes}");
        let other = answers.iter().find(|answer| answer.status != Some(status));
        assert!(other.is_none(), "after {changes} changes of {lists:?}: {other:?}");
    }
}

#[test]
fn given_annotations_without_effect_then_the_pod_is_captured_and_each_is_named_once() {
    let mut pod = Annotated::new(ALL_TO_V1);
    let annotations = [("excludeOutboundPorts", "8080,http"), ("includeInboundPorts", "*")];
    pod.check(&annotations, None, None);
    // Several rounds of the daemon later.
    for value in ["1", "2", "3"] {
        pod.node.sandbox.namespace("other", &[("round", value)]).expect("a namespace");
        pod.node.settle();
    }
    let log = pod.node.daemon.log();
    for parts in [
        [
            "infra-jinsu-lab/annotated",
            "traffic.sidecar.istio.io/excludeOutboundPorts",
            "8080,http",
            "is not a port",
            "write port numbers",
        ],
        [
            "infra-jinsu-lab/annotated",
            "traffic.sidecar.istio.io/includeInboundPorts",
            "*",
            "is not honoured",
            "leave it out",
        ],
    ] {
        let lines = log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count();
        assert_eq!(lines, 1, "{parts:?}");
    }
    let said = pod.explain("http://httpping-without-sidecar:8080/");
    let losers = said.get("notUsed").and_then(Value::as_array).expect("a list");
    for reason in ["InvalidAnnotation", "AnnotationNotHonoured"] {
        assert!(losers.iter().any(|loser| loser.get("reason").and_then(Value::as_str) == Some(reason)), "{said:#}");
    }
}

#[test]
fn given_more_than_the_kernel_has_room_for_then_the_pod_is_native_until_it_is_less() {
    let name = Node::pod("annotated");
    for (size, annotation, more, less) in [
        ("ranges=4", "excludeOutboundIPRanges", "10.200.0.0/17,10.201.0.0/17,10.202.0.0/17", "10.200.0.0/17"),
        ("ports=2", "excludeOutboundPorts", "1,2,3", "1"),
    ] {
        let mut pod = Annotated::with(ALL_TO_V1, &["--map-size", size]);
        let call = pod.node.get();
        pod.annotate(&[(annotation, less)]);
        assert!(pod.is_captured("annotated", &call), "{size}");
        pod.annotate(&[(annotation, more)]);
        pod.node.daemon.wait_captured(&name, false).expect("native");
        assert!(!pod.is_captured("annotated", &call), "{size}");
        assert!(pod.is_captured("marked", &call), "{size}");
        let log = pod.node.daemon.log();
        let said =
            log.lines().filter(|line| line.contains("Pod infra-jinsu-lab/annotated") && line.contains("no room"));
        assert_eq!(said.count(), 1, "{size}");
        pod.annotate(&[(annotation, less)]);
        pod.node.daemon.wait_captured(&name, true).expect("captured");
        assert!(pod.is_captured("annotated", &call), "{size}");
    }
}
