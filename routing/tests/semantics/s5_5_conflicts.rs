//! Section 5.5: conflicts of listeners.

use std::net::IpAddr;

use meshlet_routing::decide::Dialled;
use meshlet_routing::model::Protocol;
use meshlet_routing::table::Table;

use crate::ask::{connected, get, pod, sent, service, table};

/// A ServiceEntry so old, with a port and what is needed beside that.
fn entry(name: &str, age: u8, protocol: &str, spec: &str) -> String {
    format!(
        "\n---\n{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {{name: {name}, namespace: shop, creationTimestamp: '2026-01-{age:02}T00:00:00Z'}}, \
         spec: {{hosts: [{name}.example.com], resolution: STATIC, ports: [{{number: 9000, name: p, protocol: {protocol}}}], endpoints: [{{address: 10.2.0.{age}}}]{spec}}}}}\n"
    )
}

fn treatment(table: &Table, address: [u8; 4]) -> Protocol {
    table.treatment(Dialled { address: IpAddr::from(address), port: 9000 })
}

#[test]
fn s5_5_given_two_services_without_address_on_one_port_then_the_oldest_is_heard() {
    for (tcp, tls, expected) in [(1, 2, Protocol::Tcp), (2, 1, Protocol::Tls)] {
        let table = table(&(entry("a", tcp, "TCP", "") + &entry("b", tls, "TLS", "")), "shop");
        assert_eq!(treatment(&table, [192, 0, 2, 1]), expected);
    }
}

#[test]
fn s5_5_given_several_tls_services_without_address_on_one_port_then_each_server_name_finds_its_own() {
    let rule = "\n---\n{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: d, namespace: shop}, \
         spec: {hosts: [d.example.com, '*.d.example.com'], tls: [{match: [{sniHosts: [d.example.com, '*.d.example.com']}], \
         route: [{destination: {host: b.example.com}}]}]}}\n";
    let at = ", addresses: [192.0.2.9]";
    for (address, dialled) in [("", "192.0.2.1:9000"), (at, "192.0.2.9:9000")] {
        let own = |name: &str| format!("outbound|9000||{name}.example.com");
        let all = entry("d", 4, "TLS", address) + &entry("b", 2, "TLS", "") + &entry("c", 3, "TLS", address) + rule;
        let oldest = entry("a", 1, "TLS", "");
        let table = table(&(all + &oldest), "shop");
        let by_rule = own("b");
        for (name, expected) in [("d.example.com", by_rule.clone()), ("x.d.example.com", by_rule)] {
            assert_eq!(connected(&table, dialled, Some(name)), expected, "{name} at {dialled}");
        }
        // At its own address a service takes every name that is not another's.
        let c = if address.is_empty() { "c.example.com" } else { "whatever.example.com" };
        assert_eq!(connected(&table, dialled, Some(c)), own("c"), "{c} at {dialled}");
        if address.is_empty() {
            for name in ["a", "b", "c"] {
                assert_eq!(
                    connected(&table, dialled, Some(&format!("{name}.example.com"))),
                    own(name),
                    "the oldest keeps it"
                );
            }
            assert_eq!(connected(&table, dialled, Some("e.example.com")), "passthrough UnlistedServerName");
        }
    }
}

#[test]
fn s5_5_given_two_services_at_one_address_then_the_oldest_is_heard() {
    let at = ", addresses: [192.0.2.9]";
    for (tcp, http, expected) in [(1, 2, Protocol::Tcp), (2, 1, Protocol::Http)] {
        let table = table(&(entry("a", tcp, "TCP", at) + &entry("b", http, "HTTP", at)), "shop");
        assert_eq!(treatment(&table, [192, 0, 2, 9]), expected);
    }
}

#[test]
fn s5_5_given_http_and_tcp_at_every_address_then_the_first_bytes_are_looked_at_whoever_is_older() {
    for (tcp, http) in [(1, 2), (2, 1)] {
        let table = table(&(entry("a", tcp, "TCP", "") + &entry("b", http, "HTTP", "")), "shop");
        assert_eq!(treatment(&table, [192, 0, 2, 1]), Protocol::Http);
        assert_eq!(sent(&table, "192.0.2.1:9000", &get("b.example.com", "/"), 0), "outbound|9000||b.example.com");
        let dialled = Dialled { address: [192, 0, 2, 1].into(), port: 9000 };
        assert!(!table.is_http_alone(dialled), "other bytes are the TCP service's");
    }
}

#[test]
fn s5_5_given_an_address_of_its_own_then_it_is_heard_there_before_the_port() {
    let own = service("shop", "db", "clusterIP: 10.96.0.7, ports: [{name: tcp, port: 9000}]");
    let table = table(&(own + &entry("b", 1, "HTTP", "")), "shop");
    assert_eq!(treatment(&table, [10, 96, 0, 7]), Protocol::Tcp);
    assert_eq!(treatment(&table, [10, 96, 0, 8]), Protocol::Http);
}

#[test]
fn s5_5_given_a_host_of_two_objects_then_a_service_beats_an_entry_and_the_older_entry_the_other() {
    let same =
        |name: &str, age: u8, host: &str| entry(name, age, "HTTP", "").replace(&format!("{name}.example.com"), host);
    let endpoints = |text: &str, host: &str| {
        let table = table(text, "shop");
        let found = table.clusters().find(|cluster| cluster.host.as_str() == host).expect("a cluster");
        found.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect::<Vec<_>>().join(" ")
    };
    let (one, two) = (same("a", 2, "api.example.com"), same("b", 1, "api.example.com"));
    assert_eq!(endpoints(&(one.clone() + &two), "api.example.com"), "10.2.0.1:9000");
    assert_eq!(endpoints(&(two + &one), "api.example.com"), "10.2.0.1:9000");
    let own = service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 9000}]").replace(
        "name: web, namespace: shop}",
        "name: web, namespace: shop, creationTimestamp: '2026-02-01T00:00:00Z'}",
    ) + &pod("shop", "web", "v1", "10.1.0.1");
    let squatter = same("a", 1, "web.shop.svc.cluster.local");
    assert_eq!(endpoints(&(squatter + &own), "web.shop.svc.cluster.local"), "10.1.0.1:9000");
}
