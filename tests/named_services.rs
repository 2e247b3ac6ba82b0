//! Services that no ClusterIP leads to: headless ones, other names, and what stands in a ServiceEntry.

use std::net::{IpAddr, SocketAddr};

use harness::{Node, SERVICE_PORT, Shares, Way, mesh_rule};
use meshlet_sandbox::{ConnectCall, Families, HttpCall};

const SUBSETS: &str = "  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]";

fn check(families: Families) {
    let mut node = Node::of(families);
    a_rule_for_a_headless_service_captures_its_pods_addresses(&mut node, families);
    rules_of_a_service_apply_under_its_external_names(&mut node);
    addresses_of_a_static_service_entry_lead_to_its_endpoints(&mut node, families);
}

#[test]
fn given_ipv4_then_services_without_a_cluster_ip_are_captured_where_a_rule_is_for_them() {
    check(Families::V4);
}

#[test]
fn given_ipv6_then_services_without_a_cluster_ip_are_captured_where_a_rule_is_for_them() {
    check(Families::V6);
}

#[test]
fn given_both_families_then_services_without_a_cluster_ip_are_captured_where_a_rule_is_for_them() {
    check(Families::Dual);
}

fn manifest(api: &str, kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}, namespace: infra-jinsu-lab}}\nspec: {spec}\n---\n"
    )
}

fn rule(kind: &str, name: &str, spec: &str) -> String {
    manifest("networking.istio.io/v1", kind, name, spec)
}

/// A headless Service over the pods of one version, on the port that they listen on.
fn headless(name: &str, port: &str, version: &str, families: Families) -> String {
    let families = match families {
        Families::V4 => "[IPv4]",
        Families::V6 => "[IPv6]",
        Families::Dual => "[IPv4, IPv6]",
    };
    let spec = format!(
        "{{clusterIP: None, clusterIPs: [None], ipFamilies: {families}, selector: {{app: httpping, version: {version}}}, \
         ports: [{{name: {port}, port: 80, targetPort: 80}}]}}"
    );
    manifest("v1", "Service", name, &spec)
}

/// GETs to one address of a pod, each on a connection of its own.
fn directly(to: IpAddr, host: &str, path: &str) -> HttpCall {
    HttpCall { count: 12, keep_alive: false, path: path.to_owned(), ..HttpCall::get((to, 80), host) }
}

fn a_rule_for_a_headless_service_captures_its_pods_addresses(node: &mut Node, families: Families) {
    let moved = "{hosts: [headless], http: [
        {match: [{uri: {prefix: /moved}}], route: [{destination: {host: httpping-without-sidecar, subset: v1, port: {number: 8080}}}]},
        {headers: {response: {set: {x-rule: stays}}}, route: [{destination: {host: headless}}]}]}";
    let opaque = "{hosts: [opaque], tcp: [{route: [
        {destination: {host: httpping-without-sidecar, subset: v2, port: {number: 8080}}}]}]}";
    node.apply(
        &(mesh_rule(SUBSETS)
            + "---\n"
            + &headless("headless", "http", "v2", families)
            + &headless("opaque", "tcp", "v1", families)
            + &rule("VirtualService", "headless", moved)
            + &rule("VirtualService", "opaque", opaque)),
    );
    for ip in node.sandbox.pod_ips(&Node::pod("v2-b")).expect("addresses") {
        let answers = node.ask("marked", &directly(ip, "headless", "/moved"));
        assert_eq!(Shares::of(&answers).count("v1"), 12, "{ip}: the route leads elsewhere");
        let peer = answers.first().and_then(|answer| answer.peer.clone());
        assert_eq!(peer, Some(SocketAddr::new(ip, 80).to_string()), "and the app does not see it");
        let answers = node.ask("marked", &directly(ip, "headless", "/"));
        assert_eq!(Shares::of(&answers).pods(), ["v2-b"], "{ip}: a pod that was dialled is the pod that answers");
        let ruled = |(name, value): &(String, String)| name == "x-rule" && value == "stays";
        assert!(answers.iter().all(|answer| answer.headers.iter().any(ruled)), "{ip}: by the rule");
        assert_eq!(Shares::of(&node.ask("unmarked", &directly(ip, "headless", "/moved"))).pods(), ["v2-b"], "{ip}");
    }
    for ip in node.sandbox.pod_ips(&Node::pod("v1-c")).expect("addresses") {
        let answers = node.ask("marked", &directly(ip, "whoever", "/"));
        assert_eq!(Shares::of(&answers).count("v2"), 12, "{ip}: a TCP route");
    }
}

fn rules_of_a_service_apply_under_its_external_names(node: &mut Node) {
    let target = "httpping-without-sidecar.infra-jinsu-lab.svc.cluster.local";
    let alias = manifest("v1", "Service", "other", &format!("{{type: ExternalName, externalName: {target}}}"));
    node.apply(&(mesh_rule(SUBSETS) + "---\n" + &alias));
    for way in Way::to_service(node) {
        for host in ["other", "other.infra-jinsu-lab", "other.infra-jinsu-lab.svc.cluster.local:8080"] {
            let call = HttpCall { host: host.to_owned(), ..way.call(20) };
            let answers = node.ask("marked", &call);
            assert_eq!(Shares::of(&answers).count("v1"), 20, "{way:?}: {host}");
            answers.iter().for_each(|answer| way.assert_invisible(answer));
        }
    }
}

/// What pods dial for the ServiceEntry; nobody else knows these addresses.
fn virtual_addresses(families: Families) -> Vec<IpAddr> {
    let (v4, v6) = (IpAddr::from([240, 240, 7, 7]), IpAddr::from([0xfdaa, 7, 7, 0, 0, 0, 0, 7]));
    match families {
        Families::V4 => vec![v4],
        Families::V6 => vec![v6],
        Families::Dual => vec![v4, v6],
    }
}

fn addresses_of_a_static_service_entry_lead_to_its_endpoints(node: &mut Node, families: Families) {
    let addresses = virtual_addresses(families);
    let mut endpoints = String::new();
    for version in ["v1", "v2"] {
        for ip in node.sandbox.pod_ips(&Node::pod(&format!("{version}-a"))).expect("addresses") {
            endpoints +=
                &format!("{{address: '{ip}', ports: {{http: 80, tcp: 80}}, labels: {{version: {version}}}}}, ");
        }
    }
    let listed: Vec<String> = addresses.iter().map(|address| format!("'{address}'")).collect();
    let entry = format!(
        "{{hosts: [static.example.com], addresses: [{}], resolution: STATIC, location: MESH_INTERNAL, endpoints: [{endpoints}], \
         ports: [{{number: {SERVICE_PORT}, name: http, protocol: HTTP}}, {{number: 9090, name: tcp, protocol: TCP}}]}}",
        listed.join(", ")
    );
    let subsets =
        "{host: static.example.com, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}";
    let routes = "{hosts: [static.example.com],
        http: [{route: [{weight: 25, destination: {host: static.example.com, subset: v1}}, {weight: 75, destination: {host: static.example.com, subset: v2}}]}],
        tcp: [{match: [{port: 9090}], route: [{destination: {host: static.example.com, subset: v2}}]}]}";
    node.apply(
        &(rule("ServiceEntry", "static", &entry)
            + &rule("DestinationRule", "static", subsets)
            + &rule("VirtualService", "static", routes)),
    );
    for address in addresses {
        let http = HttpCall { count: 400, ..HttpCall::get((address, SERVICE_PORT), "static.example.com") };
        let answers = node.ask("marked", &http);
        let shares = Shares::of(&answers);
        shares.assert("v1-a", 0.25);
        shares.assert("v2-a", 0.75);
        let peer = answers.first().and_then(|answer| answer.peer.clone());
        assert_eq!(peer, Some(SocketAddr::new(address, SERVICE_PORT).to_string()));
        let tcp = HttpCall { count: 50, keep_alive: false, ..HttpCall::get((address, 9090), "whoever") };
        assert_eq!(Shares::of(&node.ask("marked", &tcp)).pods(), ["v2-a"], "{address}");
        let native = node.client("unmarked").connect(&ConnectCall::to((address, 9090))).expect("an answer");
        assert!(native.error.is_some(), "there is nobody at {address}: {native:?}");
    }
}
