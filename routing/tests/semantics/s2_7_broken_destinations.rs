//! Section 2.7: what a broken destination looks like.

use crate::ask::{decided, errors, faults, get, istio, pod, sent, service, table, table_for};

fn shop(destination: &str) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &service("shop", "empty", "clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &istio("DestinationRule", "shop", "web", "{host: web, subsets: [{name: v2, labels: {version: v2}}]}")
        + &istio("VirtualService", "shop", "web", &format!("{{hosts: [web], http: [{{route: [{destination}]}}]}}"))
}

#[test]
fn s2_7_given_a_destination_that_is_not_there_then_its_cause_is_the_answer() {
    for (destination, expected) in [
        ("{destination: {host: nobody}}", "503 NC"),
        ("{destination: {host: web, port: {number: 81}}}", "503 NC"),
        ("{destination: {host: web, subset: v9}}", "503 NC"),
        ("{destination: {host: web, subset: v2}}", "503 UH"),
        ("{destination: {host: empty}}", "503 UH"),
        ("{destination: {host: web}}", "outbound|80||web.shop.svc.cluster.local"),
    ] {
        let text = shop(destination);
        assert_eq!(errors(&text), [""; 0], "{destination}");
        assert_eq!(sent(&table(&text, "shop"), "10.96.0.1:80", &get("web", "/"), 0), expected, "{destination}");
    }
}

#[test]
fn s2_7_given_one_weighted_destination_that_is_broken_then_only_its_share_fails() {
    let text = shop("{weight: 1, destination: {host: web}}, {weight: 3, destination: {host: nobody}}");
    assert!(faults(&text).is_empty());
    let table = table_for(&text, "shop", &[("app", "client")]);
    let failed = (0..1000_u32).filter(|share| {
        let draw = share * (u32::MAX / 1000) + u32::MAX / 2000;
        format!("{:?}", decided(&table, "10.96.0.1:80", &get("web", "/"), draw).outcome).contains("503")
    });
    assert_eq!(failed.count(), 750);
}

#[test]
fn q2_7_given_a_destination_without_balancing_then_the_connection_goes_where_the_client_dialled() {
    let headless = service("shop", "db", "clusterIP: None, ports: [{name: http, port: 80}]");
    let none = istio(
        "ServiceEntry",
        "shop",
        "none",
        "{hosts: [none.example.com], resolution: NONE, ports: [{number: 80, name: http, protocol: HTTP}]}",
    );
    let subset = istio("DestinationRule", "shop", "db", "{host: db, subsets: [{name: v1, labels: {version: v1}}]}");
    let text = headless + &pod("shop", "db", "v1", "10.1.0.5") + &none + &subset;
    for destination in ["{host: db}", "{host: db, subset: v1}", "{host: none.example.com}"] {
        let text = text.clone() + &shop(&format!("{{destination: {destination}}}"));
        let table = table(&text, "shop");
        // The rule is another service's, and so is the address.
        assert_eq!(sent(&table, "10.96.0.1:80", &get("web", "/"), 0), "passthrough", "{destination}");
    }
    let table = table(&(text + &shop("{destination: {host: web}}")), "shop");
    assert_eq!(sent(&table, "10.1.0.5:80", &get("db", "/"), 0), "passthrough");
}
