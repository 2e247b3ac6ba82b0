//! What a kernel can carry out by itself, and what it leaves to the proxy; shares and keys are those of the proxy.

use std::net::IpAddr;

use meshlet_routing::balance::Balance;
use meshlet_routing::decide::{Connection, ConnectionDecision, Dialled, decide_connection};
use meshlet_routing::table::{KernelPick, KernelRoute, NeedsProxy, Table};

use crate::ask::{istio, pod, service, table};

const DIALLED: Dialled = Dialled { address: IpAddr::V4(std::net::Ipv4Addr::new(10, 96, 0, 1)), port: 5432 };

fn pods() -> Vec<IpAddr> {
    (1..=20).map(|last| IpAddr::from([10, 9, 0, last])).collect()
}

fn db(rules: &str) -> Table {
    let text = service(
        "shop",
        "db",
        "clusterIP: 10.96.0.1, ports: [{name: tcp, port: 5432}, {name: http, port: 80}, {name: tls, port: 443}, {name: x, port: 1}]",
    ) + &pod("shop", "db", "v1", "10.1.0.1")
        + &pod("shop", "db", "v1", "10.1.0.2")
        + &pod("shop", "db", "v2", "10.1.0.3")
        + rules;
    table(&text, "shop")
}

fn policy(spec: &str) -> String {
    istio(
        "DestinationRule",
        "shop",
        "db",
        &format!(
            "{{host: db, subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}, {{name: v3, labels: {{version: v3}}}}], trafficPolicy: {spec}}}"
        ),
    )
}

fn split(routes: &str) -> String {
    istio("VirtualService", "shop", "db", &format!("{{hosts: [db], tcp: [{{route: [{routes}]}}]}}"))
}

fn route(rules: &str) -> Result<KernelRoute, NeedsProxy> {
    db(rules).kernel_route(DIALLED, &pods())
}

/// Weights, picks and numbers of slots.
fn shape(rules: &str) -> Vec<(u32, KernelPick, usize)> {
    let route = route(rules).unwrap_or_else(|reason| panic!("{reason}: {rules}"));
    route.destinations.iter().map(|(weight, one)| (*weight, one.pick, one.slots.len())).collect()
}

#[test]
fn given_rules_that_need_no_bytes_then_each_destination_has_its_share_and_its_pick() {
    let random = policy("{loadBalancer: {simple: RANDOM}}");
    let three = "{weight: 20, destination: {host: db, subset: v1}}, {weight: 180, destination: {host: db, subset: v2}}";
    for (rules, expected) in [
        (policy("{loadBalancer: {simple: ROUND_ROBIN}}"), vec![(1, KernelPick::Turn, 3)]),
        (policy("{loadBalancer: {simple: LEAST_REQUEST}}"), vec![(1, KernelPick::Least, 3)]),
        (random.clone(), vec![(1, KernelPick::Random, 3)]),
        (policy("{loadBalancer: {consistentHash: {useSourceIp: true}}}"), vec![(1, KernelPick::Pod, 20)]),
        // Opaque bytes have no header: any endpoint will do.
        (policy("{loadBalancer: {consistentHash: {httpHeaderName: x}}}"), vec![(1, KernelPick::Random, 3)]),
        (random.clone() + &split(three), vec![(1, KernelPick::Random, 2), (9, KernelPick::Random, 1)]),
        (random.clone() + &split("{destination: {host: db, subset: v3}}"), vec![(1, KernelPick::Random, 0)]),
        (random + &split("{destination: {host: nobody}}"), vec![(1, KernelPick::Random, 0)]),
        // What is said about HTTP alone means nothing to a connection.
        (policy("{connectionPool: {http: {maxRequestsPerConnection: 1}}}"), vec![(1, KernelPick::Least, 3)]),
    ] {
        assert_eq!(shape(&rules), expected, "{rules}");
    }
}

#[test]
fn given_rules_that_a_kernel_cannot_carry_out_then_the_proxy_is_needed_and_the_reason_says_why() {
    let fine =
        "{weight: 1, destination: {host: db, subset: v1}}, {weight: 1000000, destination: {host: db, subset: v2}}";
    for (rules, expected) in [
        (policy("{connectionPool: {tcp: {maxConnections: 1}}}"), NeedsProxy::Limits),
        (policy("{connectionPool: {tcp: {idleTimeout: 1s}}}"), NeedsProxy::Limits),
        (policy("{connectionPool: {tcp: {maxConnectionDuration: 1s}}}"), NeedsProxy::Limits),
        (policy("{outlierDetection: {consecutive5xxErrors: 1}}"), NeedsProxy::OutlierDetection),
        (policy("{loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 1s}}}"), NeedsProxy::Warmup),
        (policy("{tls: {mode: SIMPLE}}"), NeedsProxy::Tls),
        (policy("{loadBalancer: {simple: PASSTHROUGH}}"), NeedsProxy::Address),
        (policy("{loadBalancer: {simple: RANDOM}}") + &split(fine), NeedsProxy::Shares),
    ] {
        assert_eq!(route(&rules), Err(expected), "{rules}");
    }
    let table = db(&policy("{loadBalancer: {simple: RANDOM}}"));
    for (port, expected) in [(80, NeedsProxy::Bytes), (1, NeedsProxy::Bytes), (81, NeedsProxy::Unknown)] {
        assert_eq!(table.kernel_route(Dialled { port, ..DIALLED }, &pods()), Err(expected), "port {port}");
    }
    assert!(table.kernel_route(Dialled { port: 443, ..DIALLED }, &pods()).is_ok(), "no rule asks for a server name");
    let named = istio(
        "VirtualService",
        "shop",
        "db",
        "{hosts: [db], tls: [{match: [{sniHosts: [db]}], route: [{destination: {host: db}}]}]}",
    );
    assert_eq!(db(&named).kernel_route(Dialled { port: 443, ..DIALLED }, &pods()), Err(NeedsProxy::Bytes));
}

#[test]
fn given_a_hash_of_the_source_then_the_slot_of_a_pod_is_the_endpoint_that_the_proxy_would_choose() {
    for hash in ["useSourceIp: true", "useSourceIp: true, maglev: {tableSize: 5003}"] {
        let table = db(&policy(&format!("{{loadBalancer: {{consistentHash: {{{hash}}}}}}}")));
        let route = table.kernel_route(DIALLED, &pods()).expect("for the kernel");
        for (pod, slot) in pods().into_iter().zip(&route.destinations[0].1.slots) {
            let connection = Connection { dialled: DIALLED, sni: None, source: Some(pod) };
            let ConnectionDecision::Route(decided) = decide_connection(&table, &connection, 0) else {
                panic!("no route")
            };
            let picked = Balance::new().pick(decided.cluster, decided.key, 0, &[]).expect("an endpoint");
            assert_eq!(picked.address, *slot, "{pod} by {hash}");
        }
    }
}
