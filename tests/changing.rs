//! Connects while everything around them changes: never a wrong destination, and nothing fails that need not.

use harness::{Node, Shares, Way, assert_share, emulated, many, mesh_rule, wait_for};
use meshlet_sandbox::{Client, Families, FloodCall, ServiceSpec};

const OPAQUE_PORT: u16 = 9090;

/// Of one subset each: HTTP goes to v1 by way of the proxy, TCP to v2 as the kernel picks. By chance: to least request a pod that is
/// dead is the idlest of all, the more so the slower the machine.
const HTTP_TO_V1: &str = "  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]";

const TCP_TO_V2: &str = "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: opaque, namespace: infra-jinsu-lab}
spec: {host: opaque, trafficPolicy: {loadBalancer: {simple: RANDOM}}, subsets: [{name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: opaque, namespace: infra-jinsu-lab}
spec: {hosts: [opaque], tcp: [{route: [{destination: {host: opaque, subset: v2}}]}]}
";

fn ruled() -> Node {
    let mut node = Node::of(Families::Dual);
    let opaque = ServiceSpec::new("infra-jinsu-lab", "opaque", OPAQUE_PORT, 80).port_name("tcp");
    node.sandbox.add_service(opaque.selecting("app", "httpping").families(Families::Dual)).expect("a service");
    node.apply(&(mesh_rule(HTTP_TO_V1) + TCP_TO_V2));
    node
}

fn to_opaque(node: &Node) -> Vec<Way> {
    Way::all(node, "opaque", OPAQUE_PORT)
}

/// Fresh connections without end.
fn flood(node: &Node, way: &Way) -> Client {
    let mut client = node.client("marked");
    let host = "httpping-without-sidecar".to_owned();
    let call = FloodCall { to: way.to, host, connections: 2, keep_alive: false, pause_ms: 1 };
    client.flood(&call).expect("a flood");
    client
}

/// Waits until each flood has had at least `more` further answers.
fn let_run(floods: &mut [(&str, Client)], more: usize) {
    for (_, client) in floods {
        let goal = client.marker().expect("a moment").total + more;
        wait_for("the flood has had more answers", || client.marker().expect("a moment").total >= goal);
    }
}

/// Another service with a rule, so that ids, tables and routes move.
fn passing(round: usize) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: passing, namespace: infra-jinsu-lab}}
spec:
  clusterIPs: [10.111.{round}.1, 'fdaa:{round}::1']
  ipFamilies: [IPv4, IPv6]
  selector: {{app: httpping}}
  ports: [{{name: tcp, port: 1, targetPort: 80}}, {{name: http, port: 2, targetPort: 80}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: passing, namespace: infra-jinsu-lab}}
spec: {{host: passing, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}}}
"
    )
}

#[test]
fn given_load_on_both_families_when_services_rules_and_pods_come_and_go_then_nothing_fails_and_nothing_goes_astray() {
    let mut node = ruled();
    let mut floods = Vec::new();
    for (subset, ways) in [("v1", Way::to_service(&node)), ("v2", to_opaque(&node))] {
        floods.extend(ways.iter().filter(|way| !way.mapped).map(|way| (subset, flood(&node, way))));
    }
    assert_eq!(floods.len(), 4, "two services, two families");
    let_run(&mut floods, 20);
    for round in 0..4 {
        let pods = ["v1", "v2"].map(|version| (format!("{version}-passing"), version));
        node.sandbox.apply("passing.yaml", &passing(round)).expect("a service and its rule");
        for (pod, version) in &pods {
            node.sandbox.add_pod(Node::server(pod, version).families(Families::Dual)).expect("a server");
        }
        node.settle();
        let_run(&mut floods, 20);
        node.sandbox.withdraw("passing.yaml").expect("withdrawn");
        pods.iter().for_each(|(pod, _)| node.sandbox.set_ready(&Node::pod(pod), false).expect("unready"));
        node.settle();
        // What was on its way to them is through; then they may go.
        let_run(&mut floods, 20);
        pods.iter().for_each(|(pod, _)| node.sandbox.delete_pod(&Node::pod(pod)).expect("deleted"));
        node.settle();
    }
    let_run(&mut floods, 20);
    // An emulated machine may stand still for longer than the hooks bear without a heartbeat: then a connect is native, and told.
    let excused = if emulated() { node.daemon.log().matches("no heartbeat").count() } else { 0 };
    for (subset, mut client) in floods {
        let report = client.halt().expect("a report");
        assert!(report.failures.is_empty(), "{subset}: {:?} of {}", report.failures.first(), report.total);
        let astray = report.answers.iter().filter(|(pod, _)| !pod.starts_with(subset)).map(|(_, count)| count);
        assert!(astray.sum::<usize>() <= excused, "{subset}: {:?}, {excused} excused", report.answers);
        assert!(report.answers.contains_key(&format!("{subset}-passing")), "new pods were used: {:?}", report.answers);
    }
}

#[test]
fn given_an_endpoint_that_dies_before_anybody_knows_then_its_share_is_refused_or_retried_and_goes_nowhere_else() {
    let mut node = ruled();
    for pod in ["v1-a", "v2-a"] {
        let container = node.sandbox.cgroup_of(&Node::pod(pod)).expect("a cgroup");
        std::fs::write(container.join("cgroup.kill"), "1").expect("the container killed");
        let left = || std::fs::read_to_string(container.join("cgroup.procs")).expect("its processes");
        wait_for("its processes have gone, and their sockets", || left().is_empty());
    }
    for way in Way::to_service(&node) {
        let answers = node.ask("marked", &way.call(90));
        assert_eq!(Shares::of(&answers).pods(), ["v1-b", "v1-c"], "{way:?}: the proxy tries another one");
    }
    let count = many(1_500).max(600);
    for way in to_opaque(&node) {
        let (refused, answered): (Vec<_>, Vec<_>) = {
            let answers = node.client("marked").http(&way.call(count)).expect("answers");
            assert_eq!(answers.len(), count, "{way:?}");
            answers.into_iter().partition(|answer| answer.status.is_none())
        };
        let as_native = refused.iter().all(|answer| {
            answer.error.as_deref().is_some_and(|error| error.contains("refused") || error.contains("reset"))
        });
        assert!(as_native, "{way:?}: {:?}", refused.first());
        assert_share(refused.len(), count, 1.0 / 3.0, "connects to the pod that is dead");
        assert_eq!(Shares::of(&answered).pods(), ["v2-b", "v2-c"], "{way:?}");
    }
    for pod in ["v1-a", "v2-a"] {
        node.sandbox.set_ready(&Node::pod(pod), false).expect("unready");
    }
    node.settle();
    for way in to_opaque(&node) {
        assert_eq!(Shares::of(&node.ask("marked", &way.call(100))).pods(), ["v2-b", "v2-c"], "{way:?}");
    }
}
