//! Section 1.5: what a destination names.

use meshlet_routing::decide::normalize_path;

use crate::ask::{errors, get, istio, pod, sent, service, table};

/// `web` and `other` in `shop`, `web` in `pay`; the rule for `web.shop` lives in a namespace of choice.
fn ruled(namespace: &str, destination: &str) -> String {
    let ports = "ports: [{name: http, port: 80}, {name: http-b, port: 9090}]";
    service("shop", "web", &format!("clusterIP: 10.96.0.1, {ports}"))
        + &service("shop", "other", &format!("clusterIP: 10.96.0.2, {ports}"))
        + &service("pay", "web", &format!("clusterIP: 10.96.0.3, {ports}"))
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("shop", "other", "v1", "10.1.0.2")
        + &pod("pay", "web", "v1", "10.1.0.3")
        + &istio("DestinationRule", "shop", "web", "{host: web, subsets: [{name: v1, labels: {version: v1}}]}")
        + &istio(
            "VirtualService",
            namespace,
            "web",
            &format!("{{hosts: [web.shop.svc.cluster.local], http: [{{route: [{{destination: {destination}}}]}}]}}"),
        )
}

fn to(namespace: &str, destination: &str) -> String {
    let text = ruled(namespace, destination);
    assert_eq!(errors(&text), [""; 0], "{destination}");
    sent(&table(&text, "shop"), "10.96.0.1:80", &get("web", &normalize_path("/")), 0)
}

#[test]
fn s1_5_given_a_short_host_then_it_is_a_service_of_the_virtual_services_namespace() {
    assert_eq!(to("shop", "{host: web}"), "outbound|80||web.shop.svc.cluster.local");
    assert_eq!(to("pay", "{host: web}"), "outbound|80||web.pay.svc.cluster.local");
    assert_eq!(to("pay", "{host: other}"), "503 NC");
}

#[test]
fn s1_5_given_a_host_with_a_dot_then_it_is_taken_literally() {
    assert_eq!(to("pay", "{host: other.shop.svc.cluster.local}"), "outbound|80||other.shop.svc.cluster.local");
    assert_eq!(to("shop", "{host: other.shop}"), "503 NC");
    assert_eq!(
        to("shop", "{host: '*.shop.svc.cluster.local'}"),
        "503 NC",
        "Istio lets it pass, and no cluster has the name"
    );
}

#[test]
fn s1_5_given_a_subset_then_the_rule_that_the_client_sees_defines_it() {
    assert_eq!(to("shop", "{host: web, subset: v1}"), "outbound|80|v1|web.shop.svc.cluster.local");
    assert_eq!(to("shop", "{host: web, subset: v2}"), "503 NC");
    assert_eq!(to("shop", "{host: web, subset: ''}"), "outbound|80||web.shop.svc.cluster.local");
}

#[test]
fn s1_5_given_a_port_then_it_is_the_services_and_without_one_it_is_the_dialled() {
    assert_eq!(to("shop", "{host: web, port: {number: 9090}}"), "outbound|9090||web.shop.svc.cluster.local");
    let table = table(&ruled("shop", "{host: other}"), "shop");
    assert_eq!(sent(&table, "10.96.0.1:9090", &get("web", "/"), 0), "outbound|9090||other.shop.svc.cluster.local");
}

#[test]
fn s1_5_given_a_destination_that_istio_refuses_then_it_is_refused() {
    for destination in [
        "{}",
        "{host: ''}",
        "{host: '*'}",
        "{host: 'a b'}",
        "{host: a_b}",
        "{host: 'a..b'}",
        "{host: web, port: {number: 0}}",
        "{host: web, port: {}}",
        "{host: web, port: {number: 65536}}",
        "{host: web, subset: 'a b'}",
        "{host: web, subset: -a}",
    ] {
        assert_eq!(errors(&ruled("shop", destination)).len(), 1, "{destination}");
    }
    assert_eq!(errors(&ruled("shop", "{host: Web.Shop, subset: V1}")), [""; 0], "upper case passes");
}
