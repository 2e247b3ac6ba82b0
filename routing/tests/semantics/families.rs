//! Both families of addresses: services and pods of one or of both, and rules that name IPv6.

use std::net::{IpAddr, SocketAddr};

use meshlet_routing::balance::Balance;
use meshlet_routing::decide::{Connection, ConnectionDecision, Dialled, decide_connection};
use meshlet_routing::model::{Family, Hostname, Service};
use meshlet_routing::table::{KernelRoute, NeedsProxy, Table};

use crate::ask::{self, connected, get, inventory, istio, sent, service, table, world};

const V4: &str = "10.96.0.1:5432";
const V6: &str = "[fd00:96::1]:5432";
const BOTH: &str = "clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00:96::1'], ports: [{name: tcp, port: 5432}, {name: http, port: 80}]";

/// A pod of `db` that has these addresses, the first one first.
fn pod(version: &str, name: &str, addresses: &[&str]) -> String {
    let listed: Vec<String> = addresses.iter().map(|ip| format!("{{ip: '{ip}'}}")).collect();
    format!(
        "\n---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{app: db, version: {version}}}}}, status: {{podIP: '{}', podIPs: [{}]}}}}\n",
        addresses[0],
        listed.join(", ")
    )
}

/// An EndpointSlice of `db` with these pods, their addresses and whether they are ready.
fn slice(name: &str, family: &str, endpoints: &[(&str, &str, bool)]) -> String {
    let listed: Vec<String> = endpoints
        .iter()
        .map(|(pod, ip, ready)| {
            format!("{{addresses: ['{ip}'], conditions: {{ready: {ready}}}, targetRef: {{kind: Pod, name: {pod}}}}}")
        })
        .collect();
    format!(
        "\n---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: {name}, namespace: shop, labels: {{kubernetes.io/service-name: db}}}}, addressType: {family}, ports: [{{name: tcp, port: 5432}}, {{name: http, port: 80}}], endpoints: [{}]}}\n",
        listed.join(", ")
    )
}

fn policy(load_balancer: &str) -> String {
    istio(
        "DestinationRule",
        "shop",
        "db",
        &format!(
            "{{host: db, subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}], trafficPolicy: {{loadBalancer: {load_balancer}}}}}"
        ),
    )
}

fn split() -> String {
    istio(
        "VirtualService",
        "shop",
        "db",
        "{hosts: [db], tcp: [{route: [{weight: 10, destination: {host: db, subset: v1}}, {weight: 90, destination: {host: db, subset: v2}}]}]}",
    )
}

fn dialled(text: &str) -> Dialled {
    let address: SocketAddr = text.parse().expect("an address");
    Dialled { address: address.ip(), port: address.port() }
}

/// A pod's address in each family, for what is hashed by it.
fn clients(family: Family) -> Vec<IpAddr> {
    (1..=20_u16)
        .map(|last| match family {
            Family::V4 => IpAddr::from([10, 9, 0, last.to_be_bytes()[1]]),
            Family::V6 => IpAddr::from([0xfd00, 9, 0, 0, 0, 0, 0, last]),
        })
        .collect()
}

fn kernel(table: &Table, address: &str) -> Result<KernelRoute, NeedsProxy> {
    let dialled = dialled(address);
    table.kernel_route(dialled, &clients(Family::of(dialled.address)))
}

fn slots(table: &Table, address: &str) -> Vec<String> {
    let route = kernel(table, address).unwrap_or_else(|reason| panic!("{address}: {reason}"));
    let slots = route.destinations.iter().flat_map(|(_, destination)| &destination.slots);
    slots.map(ToString::to_string).collect()
}

/// Endpoints of the first port, each with its twin.
fn endpoints(service: &Service) -> Vec<(String, Option<String>)> {
    let shown = service.ports[0].endpoints.iter();
    shown.map(|endpoint| (endpoint.address.to_string(), endpoint.twin.map(|twin| twin.to_string()))).collect()
}

#[test]
fn given_a_service_of_both_families_then_a_pod_is_one_endpoint_reached_in_the_family_that_was_dialled() {
    let pods = pod("v1", "a", &["10.1.0.1", "fd00:1::1"])
        + &pod("v2", "b", &["10.1.0.2", "fd00:1::2"])
        + &pod("v2", "c", &["fd00:1::3", "10.1.0.3"]);
    let slices = slice("db-4", "IPv4", &[("a", "10.1.0.1", true), ("b", "10.1.0.2", true), ("c", "10.1.0.3", true)])
        + &slice("db-6", "IPv6", &[("a", "fd00:1::1", true), ("b", "fd00:1::2", true), ("c", "fd00:1::3", true)]);
    // With EndpointSlices, and without.
    for slices in [slices.as_str(), ""] {
        let table =
            table(&(service("shop", "db", BOTH) + &pods + slices + &policy("{simple: RANDOM}") + &split()), "shop");
        assert_eq!(slots(&table, V4), ["10.1.0.1:5432", "10.1.0.2:5432", "10.1.0.3:5432"]);
        assert_eq!(slots(&table, V6), ["[fd00:1::1]:5432", "[fd00:1::2]:5432", "[fd00:1::3]:5432"]);
        let weights = |address| kernel(&table, address).map(|route| route.destinations.iter().map(|d| d.0).collect());
        assert_eq!((weights(V4), weights(V6)), (Ok(vec![1, 9]), Ok(vec![1, 9])));
        let ruled: Vec<String> =
            table.ruled().map(|(address, port)| SocketAddr::new(address, port).to_string()).collect();
        assert_eq!(ruled.iter().filter(|address| address.ends_with(":5432")).count(), 2, "{ruled:?}");
    }
}

#[test]
fn given_a_pod_of_one_family_in_a_service_of_both_then_it_keeps_its_share_and_the_proxy_goes_there() {
    let text = service("shop", "db", BOTH)
        + &pod("v1", "a", &["10.1.0.1", "fd00:1::1"])
        + &pod("v2", "b", &["10.1.0.2"])
        + &policy("{simple: RANDOM}")
        + &split();
    let table = table(&text, "shop");
    assert_eq!(slots(&table, V4), ["10.1.0.1:5432", "10.1.0.2:5432"]);
    assert_eq!(kernel(&table, V6), Err(NeedsProxy::Address));
}

#[test]
fn given_a_service_of_one_family_then_pods_of_both_are_endpoints_in_that_one() {
    let pods = pod("v1", "a", &["10.1.0.1", "fd00:1::1"]) + &pod("v2", "b", &["fd00:1::2"]);
    for (spec, expected) in [
        ("clusterIP: 'fd00:96::1', ports: [{port: 5432}]", vec!["[fd00:1::1]:5432", "[fd00:1::2]:5432"]),
        ("clusterIP: 10.96.0.1, ports: [{port: 5432}]", vec!["10.1.0.1:5432"]),
        ("clusterIP: None, ipFamilies: [IPv6], ports: [{port: 5432}]", vec!["[fd00:1::1]:5432", "[fd00:1::2]:5432"]),
        ("clusterIP: None, ports: [{port: 5432}]", vec!["10.1.0.1:5432", "[fd00:1::2]:5432"]),
    ] {
        let world = world(&(service("shop", "db", spec) + &pods));
        let found = world.services.of_host(&Hostname::service("db", "shop")).next().map(endpoints).expect("a service");
        let expected: Vec<_> = expected.into_iter().map(|address| (address.to_owned(), None)).collect();
        assert_eq!(found, expected, "{spec}");
    }
}

#[test]
fn given_slices_that_disagree_for_a_moment_then_each_address_stands_for_itself() {
    let both = [("a", "10.1.0.1", true)];
    let pods = pod("v1", "a", &["10.1.0.1", "fd00:1::1"]);
    let text = |ready| {
        service("shop", "db", BOTH)
            + &pods
            + &slice("db-4", "IPv4", &both)
            + &slice("db-6", "IPv6", &[("a", "fd00:1::1", ready)])
    };
    let of = |ready| {
        let inventory = inventory(&text(ready));
        let found = inventory.world().services.of_host(&Hostname::service("db", "shop")).next().map(endpoints);
        found.expect("a service")
    };
    let (v4, v6) = ("10.1.0.1:5432".to_owned(), "[fd00:1::1]:5432".to_owned());
    assert_eq!(of(true), [(v4.clone(), Some(v6.clone()))]);
    assert_eq!(of(false), [(v4, None), (v6, None)]);
}

#[test]
fn given_a_headless_service_of_both_families_then_both_addresses_of_its_pods_are_dialled() {
    let spec = "clusterIP: None, clusterIPs: [None], ipFamilies: [IPv4, IPv6], ports: [{name: tcp, port: 5432}]";
    let rule = istio("VirtualService", "shop", "db", "{hosts: [db], tcp: [{route: [{destination: {host: other}}]}]}");
    let text = service("shop", "db", spec)
        + &service("shop", "other", "clusterIP: 10.96.0.2, ports: [{name: tcp, port: 5432}]")
        + &ask::pod("shop", "other", "v1", "10.1.0.2")
        + &pod("v1", "a", &["10.1.0.1", "fd00:1::1"])
        + &rule;
    let table = table(&text, "shop");
    for address in ["10.1.0.1:5432", "[fd00:1::1]:5432"] {
        assert_eq!(connected(&table, address, None), "outbound|5432||other.shop.svc.cluster.local", "{address}");
    }
}

#[test]
fn given_a_hash_of_the_source_then_the_slot_of_a_pod_is_the_endpoint_that_the_proxy_would_choose_in_either_family() {
    let pods = |count: u8| -> String {
        let addresses = (1..=count).map(|last| (format!("10.1.0.{last}"), format!("fd00:1::{last}")));
        addresses.map(|(v4, v6)| pod("v1", &format!("p{}", v4.replace('.', "-")), &[&v4, &v6])).collect()
    };
    let of = |count| {
        let text = service("shop", "db", BOTH) + &pods(count) + &policy("{consistentHash: {useSourceIp: true}}");
        table(&text, "shop")
    };
    let (table, more) = (of(8), of(9));
    for (address, family) in [(V4, Family::V4), (V6, Family::V6)] {
        let (slots, of_more) = (slots(&table, address), slots(&more, address));
        for (source, slot) in clients(family).into_iter().zip(&slots) {
            let connection = Connection { dialled: dialled(address), sni: None, source: Some(source) };
            let ConnectionDecision::Route(route) = decide_connection(&table, &connection, 0) else { panic!("a route") };
            let picked = Balance::new().pick(route.cluster, route.key, 7, &[]).expect("an endpoint");
            let address = route.cluster.towards(picked.address, family);
            assert_eq!(address.to_string(), *slot, "{source}");
            assert_eq!(route.cluster.listed_at(address), picked.address, "{source}");
        }
        let newcomer = if family == Family::V4 { "10.1.0.9:5432" } else { "[fd00:1::9]:5432" };
        let moved = slots.iter().zip(&of_more).filter(|(before, after)| before != after);
        assert!(moved.clone().all(|(_, after)| after == newcomer), "only to the new one: {slots:?} {of_more:?}");
        assert!(moved.count() < 10, "{slots:?} {of_more:?}");
    }
}

#[test]
fn given_a_host_that_is_an_ipv6_address_then_it_names_the_service_with_or_without_its_port() {
    let rule = istio(
        "VirtualService",
        "shop",
        "db",
        "{hosts: [db], http: [{match: [{uri: {prefix: /x}}], directResponse: {status: 418}}, {route: [{destination: {host: db}}]}]}",
    );
    let table = table(&(service("shop", "db", BOTH) + &rule), "shop");
    for (authority, expected) in [
        ("[fd00:96::1]", "418 -"),
        ("[fd00:96::1]:80", "418 -"),
        ("10.96.0.1:80", "418 -"),
        ("db:80", "418 -"),
        ("[fd00:96::2]", "passthrough"),
    ] {
        assert_eq!(sent(&table, "[fd00:96::1]:80", &get(authority, "/x"), 0), expected, "{authority}");
    }
}

#[test]
fn given_destination_subnets_of_ipv6_then_the_narrowest_that_the_address_is_in_decides() {
    let route = |subnet: &str, name: &str| {
        format!("{{match: [{{destinationSubnets: ['{subnet}']}}], route: [{{destination: {{host: {name}}}}}]}}")
    };
    let other = |name: &str, last: u8| {
        service("shop", name, &format!("clusterIP: 10.96.0.{last}, ports: [{{name: tcp, port: 5432}}]"))
            + &ask::pod("shop", name, "v1", &format!("10.1.1.{last}"))
    };
    let rule = istio(
        "VirtualService",
        "shop",
        "db",
        &format!("{{hosts: [db], tcp: [{}, {}]}}", route("fd00::/16", "wide"), route("fd00:96::/64", "narrow")),
    );
    let table = table(
        &(service("shop", "db", BOTH)
            + &ask::pod("shop", "db", "v1", "10.1.0.1")
            + &other("wide", 8)
            + &other("narrow", 9)
            + &rule),
        "shop",
    );
    assert_eq!(connected(&table, V6, None), "outbound|5432||narrow.shop.svc.cluster.local");
    assert_eq!(connected(&table, V4, None), "outbound|5432||db.shop.svc.cluster.local");
}
