//! Pods and Services of either IP family and of both, as kube-proxy serves them: what capture is measured against.

use std::net::{IpAddr, SocketAddr};

use harness::{Shares, sandbox};
use meshlet_sandbox::{ConnectCall, Families, HttpCall, Layout, PodSpec, ServiceSpec};

const NAMESPACE: &str = "families";
const PORT: u16 = 8080;

/// A client of each kind asks a Service of each kind, with servers of the same kind behind it, at every address that both have.
#[test]
fn given_unmarked_pods_and_services_of_any_family_then_kube_proxy_serves_each_family_by_itself() {
    let mut sandbox = sandbox(Layout::Systemd);
    let kinds = [(Families::V4, "v4"), (Families::V6, "v6"), (Families::Dual, "dual")];
    for (families, kind) in kinds {
        for copy in ["a", "b"] {
            let server = PodSpec::new(NAMESPACE, &format!("{kind}-{copy}")).label("app", kind).serving(80);
            sandbox.add_pod(server.families(families)).expect("a server");
        }
        let service = ServiceSpec::new(NAMESPACE, kind, PORT, 80).selecting("app", kind);
        sandbox.add_service(service.families(families)).expect("a service");
    }
    for (families, client) in kinds {
        let client = PodSpec::new(NAMESPACE, &format!("client-{client}")).families(families);
        let client = sandbox.add_pod(client).expect("a client's pod");
        let own = sandbox.pod_ips(&client).expect("addresses");
        let mut asking = sandbox.client(&client).expect("a client");
        for (_, service) in kinds {
            for address in sandbox.cluster_ips(NAMESPACE, service).expect("ClusterIPs") {
                let to = SocketAddr::new(address, PORT);
                let Some(own) = own.iter().find(|own| own.is_ipv4() == address.is_ipv4()) else {
                    let refused = asking.connect(&ConnectCall::to(to)).expect("an answer");
                    assert!(refused.error.is_some(), "{client} has no address to reach {to} from: {refused:?}");
                    continue;
                };
                let call = HttpCall { count: 100, keep_alive: false, ..HttpCall::get(to, service) };
                let answers = asking.http(&call).expect("answers");
                for answer in &answers {
                    assert_eq!((answer.status, &answer.error), (Some(200), &None), "{client} asks {to}: {answer:?}");
                    assert_eq!(seen(&answer.client), *own, "the server sees the client's own address");
                    assert_eq!(answer.peer, Some(to.to_string()));
                    assert_eq!(seen(&answer.local), *own);
                }
                let shares = Shares::of(&answers);
                assert_eq!(shares.pods(), [format!("{service}-a"), format!("{service}-b")], "{client} asks {to}");
                shares.assert(&format!("{service}-a"), 0.5);
            }
        }
    }
}

#[test]
fn given_an_ipv6_service_without_ready_pods_then_kube_proxy_refuses() {
    let mut sandbox = sandbox(Layout::Systemd);
    let server = PodSpec::new(NAMESPACE, "server").label("app", "gone").serving(80).families(Families::V6).unready();
    let server = sandbox.add_pod(server).expect("a server");
    let service = ServiceSpec::new(NAMESPACE, "gone", PORT, 80).selecting("app", "gone").families(Families::V6);
    let to = SocketAddr::new(sandbox.add_service(service).expect("a service"), PORT);
    let client = sandbox.add_pod(PodSpec::new(NAMESPACE, "client").families(Families::V6)).expect("a pod");
    let mut client = sandbox.client(&client).expect("a client");
    let refused = client.connect(&ConnectCall::to(to)).expect("an answer").error;
    assert!(refused.as_deref().is_some_and(|error| error.contains("refused")), "{refused:?}");
    sandbox.set_ready(&server, true).expect("readiness");
    assert_eq!(client.connect(&ConnectCall::to(to)).expect("an answer").error, None);
}

fn seen(address: &Option<String>) -> IpAddr {
    address.as_deref().and_then(|text| text.parse::<SocketAddr>().ok()).expect("an address and a port").ip()
}
