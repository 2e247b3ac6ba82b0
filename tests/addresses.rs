//! An address that another Service takes over: from then on its connections are that one's, and nobody ever meets the other's pods.

use std::net::SocketAddr;

use harness::{Node, Shares, wait_for};
use meshlet_sandbox::{FloodCall, HttpCall};

const NAMESPACE: &str = "infra-jinsu-lab";

/// Nobody's: kube-proxy does not know it, so that a connect that is not captured gets nowhere.
const ADDRESS: &str = "192.0.2.77";

fn dialled() -> SocketAddr {
    SocketAddr::new(ADDRESS.parse().expect("an address"), 9090)
}

/// A Service at the address, of the pods of one version, and a policy that gives it a meaning.
fn service(version: &str, created: u32, policy: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {version}, namespace: {NAMESPACE}, creationTimestamp: '2024-01-0{created}T00:00:00Z'}}\n\
         spec: {{clusterIP: {ADDRESS}, selector: {{app: httpping, version: {version}}}, ports: [{{name: tcp, port: 9090, targetPort: 80}}]}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {version}, namespace: {NAMESPACE}}}\n\
         spec: {{host: {version}, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}{policy}}}}}\n---\n"
    )
}

/// All new connections are answered by pods of `version`.
fn check(node: &Node, version: &str) {
    let answers = node.ask("marked", &HttpCall { count: 50, keep_alive: false, ..HttpCall::get(dialled(), "whoever") });
    let shares = Shares::of(&answers);
    assert_eq!(shares.count(version), 50, "{shares:?}");
    for answer in answers {
        assert_eq!(answer.peer, Some(dialled().to_string()), "the app sees what it dialled");
    }
}

/// Decided in the kernel, and by the proxy.
const POLICIES: [&str; 2] = ["", ", outlierDetection: {}"];

#[test]
fn given_a_flood_of_connects_when_services_take_over_an_address_then_none_fails_and_new_ones_are_the_owners() {
    for policy in POLICIES {
        let mut node = Node::new();
        node.apply(&service("v1", 1, policy));
        let mut client = node.client("marked");
        let (to, host) = (dialled(), "whoever".to_owned());
        client.flood(&FloodCall { to, host, connections: 4, keep_alive: false, pause_ms: 0 }).expect("a flood");
        for round in 0..8 {
            let version = if round % 2 == 0 { "v2" } else { "v1" };
            node.apply(&service(version, 1, policy));
            check(&node, version);
            let so_far = client.marker().expect("a moment").total;
            wait_for("the flood goes on", || client.marker().expect("a moment").total > so_far + 20);
        }
        let report = client.halt().expect("a report");
        assert!(report.failures.is_empty(), "{policy}: {:?}", report.failures.first());
    }
}

#[test]
fn given_an_address_that_is_given_up_and_taken_later_or_by_two_at_once_then_it_is_its_owners_alone() {
    for policy in POLICIES {
        let mut node = Node::new();
        let [older, newer] = [service("v1", 1, policy), service("v2", 2, policy)];
        node.apply(&older);
        check(&node, "v1");
        node.apply("");
        node.apply(&newer);
        check(&node, "v2");
        node.apply(&format!("{newer}{older}"));
        check(&node, "v1");
        node.apply(&newer);
        check(&node, "v2");
    }
}
