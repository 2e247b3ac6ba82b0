//! Section 5.2: what is done with a connection by what its port declares; with 2.3 on undeclared ports and 2.5.

use meshlet_routing::decide::Dialled;
use meshlet_routing::model::Protocol;
use meshlet_routing::table::Table;

use crate::ask::{connected, get, istio, pod, sent, service, table};

/// `web` has a port of every kind, with rules of every kind that lead to a service each.
fn shop(rules: &str) -> Table {
    let ports = [
        "{name: http, port: 80}",
        "{name: http2, port: 81}",
        "{name: grpc, port: 82}",
        "{name: grpc-web, port: 83}",
        "{name: tcp, port: 90}",
        "{name: mongo, port: 91}",
        "{name: mysql, port: 92}",
        "{name: redis, port: 93}",
        "{name: https, port: 443}",
        "{name: tls, port: 444}",
        "{name: any, port: 70}",
    ];
    let sole = |address: &str| format!("clusterIP: {address}, ports: [{{name: tcp, port: 1}}]");
    let text = service("shop", "web", &format!("clusterIP: 10.96.0.1, ports: [{}]", ports.join(", ")))
        + &service("shop", "by-tcp", &sole("10.96.0.2"))
        + &service("shop", "by-tls", &sole("10.96.0.3"))
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("shop", "by-tcp", "v1", "10.1.0.2")
        + &pod("shop", "by-tls", "v1", "10.1.0.3")
        + rules;
    table(&text, "shop")
}

fn every_rule() -> String {
    let route = |host: &str| format!("route: [{{destination: {{host: {host}}}}}]");
    let http = "http: [{match: [{uri: {prefix: /x}}], route: [{destination: {host: nobody}}]}]";
    let tls = format!("tls: [{{match: [{{sniHosts: [web.shop.svc.cluster.local]}}], {}}}]", route("by-tls"));
    let tcp = format!("tcp: [{{{}}}]", route("by-tcp"));
    istio("VirtualService", "shop", "web", &format!("{{hosts: [web.shop.svc.cluster.local], {http}, {tls}, {tcp}}}"))
}

const BY_TCP: &str = "outbound|1||by-tcp.shop.svc.cluster.local";
const BY_TLS: &str = "outbound|1||by-tls.shop.svc.cluster.local";
const NAME: Option<&str> = Some("web.shop.svc.cluster.local");

#[test]
fn s5_2_given_a_port_declared_http_then_http_routes_go_by_host_and_other_bytes_pass_through() {
    let table = shop(&every_rule());
    for port in [80, 81, 82, 83] {
        let dialled = format!("10.96.0.1:{port}");
        assert_eq!(sent(&table, &dialled, &get("web", "/x"), 0), "503 NC", "{port}");
        assert_eq!(sent(&table, &dialled, &get("web", "/"), 0), "404 NR", "{port}");
        for sni in [None, NAME] {
            assert_eq!(connected(&table, &dialled, sni), "passthrough NotHttp", "{port} {sni:?}");
        }
        // One listener for the port number, whoever was dialled.
        let elsewhere = format!("192.0.2.1:{port}");
        assert_eq!(sent(&table, &elsewhere, &get("web", "/x"), 0), "503 NC", "{port}");
        assert_eq!(connected(&table, &elsewhere, NAME), "passthrough NotHttp", "{port}");
    }
}

#[test]
fn s5_2_given_a_port_declared_http_then_endpoints_are_spoken_to_as_declared() {
    let table = shop("");
    for (port, protocol) in [
        (80, Protocol::Http),
        (81, Protocol::Http2),
        (82, Protocol::Grpc),
        (83, Protocol::Grpc),
        (70, Protocol::Unknown),
    ] {
        let dialled = format!("10.96.0.1:{port}");
        let decision = crate::ask::decided(&table, &dialled, &get("web", "/"), 0);
        let meshlet_routing::decide::Outcome::Route(route) = decision.outcome else { panic!("{port}: {decision:?}") };
        // An undeclared port follows the client.
        assert_eq!(route.cluster.protocol, protocol, "{port}");
    }
}

#[test]
fn s5_2_given_a_port_declared_tcp_then_nothing_is_inspected_and_tcp_routes_decide() {
    let table = shop(&every_rule());
    for port in [90, 91, 92, 93] {
        let dialled = Dialled { address: [10, 96, 0, 1].into(), port };
        assert_eq!(table.treatment(dialled), Protocol::Tcp, "{port}: a server may speak first");
        let dialled = format!("10.96.0.1:{port}");
        assert_eq!([connected(&table, &dialled, None), connected(&table, &dialled, NAME)], [BY_TCP, BY_TCP], "{port}");
    }
}

#[test]
fn s5_2_given_a_port_declared_tls_then_the_server_name_is_inspected_and_tls_routes_decide() {
    let table = shop(&every_rule());
    for port in [443, 444] {
        let dialled = Dialled { address: [10, 96, 0, 1].into(), port };
        assert_eq!(table.treatment(dialled), Protocol::Tls);
        let dialled = format!("10.96.0.1:{port}");
        assert_eq!(connected(&table, &dialled, NAME), BY_TLS, "{port}");
        assert_eq!(connected(&table, &dialled, Some("other.example")), "passthrough UnlistedServerName", "{port}");
    }
}

#[test]
fn s5_2_given_an_undeclared_port_then_http_goes_to_http_routes_tls_to_tls_routes_and_the_rest_to_tcp_routes() {
    let table = shop(&every_rule());
    let dialled = "10.96.0.1:70";
    assert_eq!(table.treatment(Dialled { address: [10, 96, 0, 1].into(), port: 70 }), Protocol::Unknown);
    assert_eq!(sent(&table, dialled, &get("web", "/x"), 0), "503 NC");
    assert_eq!(connected(&table, dialled, NAME), BY_TLS);
    assert_eq!(connected(&table, dialled, None), BY_TCP);
    // The listener has a chain for every name: an unlisted one is the rest.
    assert_eq!(connected(&table, dialled, Some("other.example")), BY_TCP);
}

#[test]
fn s5_2_given_an_undeclared_port_without_tcp_routes_then_the_rest_goes_to_the_service() {
    let rules = istio(
        "VirtualService",
        "shop",
        "web",
        "{hosts: [web.shop.svc.cluster.local], tls: [{match: [{sniHosts: [web.shop.svc.cluster.local]}], route: [{destination: {host: by-tls}}]}]}",
    );
    let table = shop(&rules);
    assert_eq!(connected(&table, "10.96.0.1:70", NAME), BY_TLS);
    for sni in [None, Some("other.example")] {
        assert_eq!(connected(&table, "10.96.0.1:70", sni), "outbound|70||web.shop.svc.cluster.local");
    }
}

#[test]
fn q2_3_given_an_undeclared_port_then_the_address_selects_the_service_and_host_is_ignored() {
    let table = shop(&every_rule());
    for host in ["web", "nobody.example", "10.9.9.9", ""] {
        assert_eq!(sent(&table, "10.96.0.1:70", &get(host, "/x"), 0), "503 NC", "{host}");
    }
    assert_eq!(sent(&table, "192.0.2.1:70", &get("web", "/x"), 0), "passthrough", "nothing is declared HTTP on 70");
}

#[test]
fn s2_5_given_an_address_and_port_without_listener_then_the_connection_passes_through() {
    let table = shop(&every_rule());
    for dialled in ["192.0.2.1:90", "10.96.0.1:9999", "[fd00::1]:70"] {
        for sni in [None, NAME] {
            assert_eq!(connected(&table, dialled, sni), "passthrough NoListener", "{dialled}");
        }
    }
}

#[test]
fn s2_5_given_an_unknown_host_on_an_http_port_then_the_request_passes_through() {
    assert_eq!(sent(&shop(""), "10.96.0.1:80", &get("nobody.example", "/"), 0), "passthrough");
}

#[test]
fn s5_2_given_rules_then_ports_of_the_kinds_that_they_are_for_are_captured() {
    let captured = |rules: &str| -> Vec<u16> { shop(rules).ruled().map(|(_, port)| port).collect() };
    let only = |list: &str| {
        istio("VirtualService", "shop", "web", &format!("{{hosts: [web.shop.svc.cluster.local], {list}}}"))
    };
    let route = "route: [{destination: {host: web}}]";
    assert_eq!(captured(""), [0; 0]);
    assert_eq!(captured(&only(&format!("http: [{{{route}}}]"))), [70, 80, 81, 82, 83]);
    assert_eq!(captured(&only(&format!("tcp: [{{{route}}}]"))), [70, 90, 91, 92, 93]);
    let tls = format!("tls: [{{match: [{{sniHosts: [web.shop.svc.cluster.local]}}], {route}}}]");
    assert_eq!(captured(&only(&tls)), [70, 443, 444]);
    let policy =
        istio("DestinationRule", "shop", "web", "{host: web, trafficPolicy: {loadBalancer: {simple: RANDOM}}}");
    assert_eq!(captured(&policy), [70, 80, 81, 82, 83, 90, 91, 92, 93, 443, 444]);
}
