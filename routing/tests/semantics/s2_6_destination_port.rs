//! Section 2.6: the port of a destination.

use crate::ask::{get, istio, pod, sent, service, table};

/// `web` on 80 and 8080, `api` on 9090 alone, and a rule for `web`.
fn shop(destination: &str) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}, {name: http-b, port: 8080}]")
        + &service("shop", "api", "clusterIP: 10.96.0.2, ports: [{name: http, port: 9090}]")
        + &service("shop", "both", "clusterIP: 10.96.0.3, ports: [{name: http, port: 80}, {name: http-b, port: 9090}]")
        + &["web", "api", "both"]
            .iter()
            .zip(1..)
            .map(|(app, last)| pod("shop", app, "v1", &format!("10.1.0.{last}")))
            .collect::<String>()
        + &istio(
            "VirtualService",
            "shop",
            "web",
            &format!("{{hosts: [web], http: [{{route: [{{destination: {destination}}}]}}]}}"),
        )
}

fn check(destination: &str, port: u16, expected: &str) {
    let table = table(&shop(destination), "shop");
    assert_eq!(sent(&table, &format!("10.96.0.1:{port}"), &get("web", "/"), 0), expected, "{destination} on {port}");
}

#[test]
fn s2_6_given_an_explicit_port_then_it_wins() {
    check("{host: both, port: {number: 9090}}", 80, "outbound|9090||both.shop.svc.cluster.local");
    check("{host: api, port: {number: 9090}}", 80, "outbound|9090||api.shop.svc.cluster.local");
}

#[test]
fn s2_6_given_none_then_it_is_the_port_that_was_dialled() {
    check("{host: both}", 80, "outbound|80||both.shop.svc.cluster.local");
    check("{host: both}", 8080, "503 NC");
}

#[test]
fn q2_6_given_a_service_whose_only_port_is_another_then_an_http_route_without_a_port_fails() {
    check("{host: api}", 80, "503 NC");
}
