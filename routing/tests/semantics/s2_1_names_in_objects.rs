//! Section 2.1: names in objects.

use crate::ask::{get, istio, pod, sent, service, table};

/// `web` in `shop` and in `pay`, and the gateway of nobody: `web.shop`.
fn two_webs() -> String {
    let ports = "ports: [{name: http, port: 80}]";
    service("shop", "web", &format!("clusterIP: 10.96.0.1, {ports}"))
        + &service("pay", "web", &format!("clusterIP: 10.96.0.2, {ports}"))
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("pay", "web", "v1", "10.1.0.2")
}

fn route(namespace: &str, host: &str, destination: &str) -> String {
    let spec = format!("{{hosts: ['{host}'], http: [{{route: [{{destination: {{host: {destination}}}}}]}}]}}");
    istio("VirtualService", namespace, "rule", &spec)
}

const SHOP: &str = "outbound|80||web.shop.svc.cluster.local";
const PAY: &str = "outbound|80||web.pay.svc.cluster.local";

#[test]
fn s2_1_given_a_name_without_a_dot_then_it_is_a_service_of_the_objects_namespace_whoever_asks() {
    let to_pay = route("pay", "web.shop.svc.cluster.local", "web");
    for client in ["shop", "pay", "elsewhere"] {
        let table = table(&(two_webs() + &to_pay), client);
        assert_eq!(sent(&table, "10.96.0.1:80", &get("web.shop", "/"), 0), PAY, "{client}");
    }
}

#[test]
fn s2_1_given_a_host_without_a_dot_then_it_is_a_service_of_the_rules_namespace() {
    let table = table(&(two_webs() + &route("pay", "web", "web.shop.svc.cluster.local")), "shop");
    assert_eq!(sent(&table, "10.96.0.1:80", &get("web.pay", "/"), 0), SHOP);
    assert_eq!(sent(&table, "10.96.0.1:80", &get("web.shop", "/"), 0), SHOP, "no rule: its own");
    assert_eq!(sent(&table, "10.96.0.1:80", &get("web", "/"), 0), SHOP, "the client's namespace says whose Host it is");
}

#[test]
fn q2_1_given_a_name_with_a_dot_then_it_is_taken_literally() {
    let literal = table(&(two_webs() + &route("shop", "web", "web.pay")), "shop");
    assert_eq!(sent(&literal, "10.96.0.1:80", &get("web", "/"), 0), "503 NC");
    let host = table(&(two_webs() + &route("elsewhere", "web.shop", "web.pay.svc.cluster.local")), "elsewhere");
    assert_eq!(sent(&host, "10.96.0.1:80", &get("web.shop.svc.cluster.local", "/"), 0), SHOP);
}

#[test]
fn s2_1_given_an_address_as_host_then_it_is_unchanged() {
    let table = table(&(two_webs() + &route("shop", "192.0.2.7", "web")), "shop");
    assert_eq!(sent(&table, "192.0.2.7:80", &get("192.0.2.7", "/"), 0), SHOP);
}

#[test]
fn s2_1_given_a_destination_rule_then_its_host_is_resolved_the_same_way() {
    let subset = |namespace: &str, host: &str| {
        istio(
            "DestinationRule",
            namespace,
            "d",
            &format!("{{host: {host}, subsets: [{{name: v1, labels: {{version: v1}}}}]}}"),
        )
    };
    let route = istio(
        "VirtualService",
        "shop",
        "rule",
        "{hosts: [web], http: [{route: [{destination: {host: web, subset: v1}}]}]}",
    );
    for (rule, expected) in [
        (subset("shop", "web"), "outbound|80|v1|web.shop.svc.cluster.local"),
        (subset("shop", "web.shop"), "503 NC"),
        (subset("shop", "web.shop.svc.cluster.local"), "outbound|80|v1|web.shop.svc.cluster.local"),
    ] {
        let table = table(&(two_webs() + &route + &rule), "shop");
        assert_eq!(sent(&table, "10.96.0.1:80", &get("web", "/"), 0), expected, "{rule}");
    }
}

#[test]
fn s2_1_given_upper_case_then_names_are_compared_in_lower_case() {
    let table = table(&(two_webs() + &route("pay", "WEB.shop.svc.Cluster.local", "web")), "shop");
    assert_eq!(sent(&table, "10.96.0.1:80", &get("web", "/"), 0), PAY);
}
