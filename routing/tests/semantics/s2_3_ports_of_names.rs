//! Section 2.3: which port a virtual host lives on.

use crate::ask::{get, istio, pod, sent, service, table};

/// `web` (80 and 8080), `api` (9090 alone), `raw` (8080, undeclared) and `mail` (80, TCP).
fn shop() -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}, {name: http-b, port: 8080}]")
        + &service("shop", "api", "clusterIP: 10.96.0.2, ports: [{name: http, port: 9090}]")
        + &service("shop", "raw", "clusterIP: 10.96.0.3, ports: [{name: x, port: 8080}]")
        + &service("shop", "mail", "clusterIP: 10.96.0.4, ports: [{name: tcp, port: 80}]")
        + &["web", "api", "raw", "mail"]
            .iter()
            .zip(1..)
            .map(|(app, last)| pod("shop", app, "v1", &format!("10.1.0.{last}")))
            .collect::<String>()
}

fn route(hosts: &str, to: &str) -> String {
    let spec =
        format!("{{hosts: [{hosts}], http: [{{route: [{{destination: {{host: {to}, port: {{number: 80}}}}}}]}}]}}");
    istio("VirtualService", "shop", "rule", &spec)
}

const WEB: &str = "outbound|80||web.shop.svc.cluster.local";

#[test]
fn s2_3_given_a_service_then_its_names_are_on_its_http_and_undeclared_ports() {
    let table = table(&shop(), "shop");
    for (port, host, expected) in [
        (80, "web", WEB),
        (8080, "web", "outbound|8080||web.shop.svc.cluster.local"),
        (9090, "web", "passthrough"),
        (9090, "api", "outbound|9090||api.shop.svc.cluster.local"),
        (80, "api", "passthrough"),
        (8080, "raw", "outbound|8080||raw.shop.svc.cluster.local"),
        (80, "mail", "passthrough"),
    ] {
        assert_eq!(sent(&table, &format!("10.96.0.1:{port}"), &get(host, "/"), 0), expected, "{host} on {port}");
    }
}

#[test]
fn s2_3_given_an_unregistered_host_then_it_is_on_port_80_alone() {
    let table = table(&(shop() + &route("shop.example.com", "web")), "shop");
    assert_eq!(sent(&table, "192.0.2.1:80", &get("shop.example.com", "/"), 0), WEB);
    for port in [8080, 9090] {
        assert_eq!(sent(&table, &format!("192.0.2.1:{port}"), &get("shop.example.com", "/"), 0), "passthrough");
    }
}

#[test]
fn q2_3_given_a_service_listed_beside_an_unregistered_host_then_that_is_on_the_services_ports_too() {
    let table = table(&(shop() + &route("shop.example.com, api", "web")), "shop");
    assert_eq!(sent(&table, "192.0.2.1:9090", &get("shop.example.com", "/"), 0), WEB);
    assert_eq!(sent(&table, "192.0.2.1:80", &get("shop.example.com", "/"), 0), WEB);
    assert_eq!(sent(&table, "192.0.2.1:8080", &get("shop.example.com", "/"), 0), "passthrough");
}

#[test]
fn q2_3_given_a_rule_for_a_service_without_port_80_then_its_full_name_is_there_all_the_same() {
    let table = table(&(shop() + &route("api", "web")), "shop");
    assert_eq!(sent(&table, "192.0.2.1:80", &get("api.shop.svc.cluster.local", "/"), 0), WEB);
    for name in ["api", "api.shop", "10.96.0.2"] {
        assert_eq!(sent(&table, "192.0.2.1:80", &get(name, "/"), 0), "passthrough", "{name}");
    }
}

#[test]
fn q2_3_given_an_unregistered_host_that_is_a_services_alias_then_the_service_loses_it() {
    let text = shop() + &route("web.shop", "api.shop.svc.cluster.local");
    let table = table(&text, "shop");
    assert_eq!(sent(&table, "10.96.0.1:80", &get("web.shop", "/"), 0), "503 NC", "port 80 of api");
    for name in ["web", "web.shop.svc", "web.shop.svc.cluster.local"] {
        assert_eq!(sent(&table, "10.96.0.1:80", &get(name, "/"), 0), WEB, "{name}");
    }
}

#[test]
fn q2_3_given_an_undeclared_port_with_an_address_then_that_selects_the_service_whatever_the_host() {
    let table = table(&shop(), "shop");
    for host in ["web", "example.com", ""] {
        let found = sent(&table, "10.96.0.3:8080", &get(host, "/"), 0);
        assert_eq!(found, "outbound|8080||raw.shop.svc.cluster.local", "{host:?}");
    }
}
