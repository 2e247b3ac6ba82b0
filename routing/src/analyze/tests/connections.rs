//! Rules for connections.

use super::{check, service};

const DB: &str = "
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: 10.96.0.8, ports: [{name: tcp, port: 5432}, {name: tls, port: 443}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: old, namespace: shop}, spec: {clusterIP: 10.96.0.9, ports: [{name: tcp, port: 5433}]}}
";
const HOST: &str = "hosts: [db.shop.svc.cluster.local]";

fn tcp(rules: &str) -> String {
    format!("{DB}{}", service("x", &format!("{{{HOST}, tcp: [{rules}]}}")))
}

fn tls(rules: &str) -> String {
    format!("{DB}{}", service("x", &format!("{{{HOST}, tls: [{rules}]}}")))
}

#[test]
fn given_a_destination_of_a_connection_that_its_clients_do_not_know_then_it_is_an_error() {
    let sni = "match: [{sniHosts: [db.shop.svc.cluster.local]}], ";
    for (list, destination, expected) in [
        ("tcp", "{host: old}", None),
        ("tcp", "{host: db}", None),
        ("tcp", "{host: dc}", Some(("MSH0101", ".host"))),
        ("tcp", "{host: db, port: {number: 1}}", Some(("MSH0101", ".port.number"))),
        ("tcp", "{host: db, subset: v1}", Some(("MSH0101", ".subset"))),
        ("tcp", "{host: other}", Some(("MSH0112", ""))),
        ("tls", "{host: old}", None),
        ("tls", "{host: dc}", Some(("MSH0101", ".host"))),
        ("tls", "{host: db, subset: v1}", Some(("MSH0101", ".subset"))),
        ("tls", "{host: web, port: {number: 80}}", Some(("MSH0101", ".port.number"))),
    ] {
        let rule = format!("{{{}route: [{{destination: {destination}}}]}}", if list == "tls" { sni } else { "" });
        let objects = if list == "tls" { tls(&rule) } else { tcp(&rule) };
        let expected = expected.map(|(code, field)| {
            format!("error {code} VirtualService shop/x: spec.{list}[0].route[0].destination{field}")
        });
        let expected: Vec<&str> = expected.as_deref().into_iter().collect();
        check(&objects, &expected);
    }
}

#[test]
fn given_a_rule_that_no_connection_meets_then_nothing_is_said_of_its_destinations() {
    check(&tcp("{match: [{port: 1}], route: [{destination: {host: dc}}]}"), &[]);
    let objects = tcp("{match: [{sourceNamespace: pay}], route: [{destination: {host: dc}}]}");
    check(&objects, &["error MSH0101 VirtualService shop/x: spec.tcp[0].route[0].destination.host"]);
}

#[test]
fn given_a_broken_destination_of_a_connection_then_the_message_says_that_it_is_closed() {
    let text = format!("{}{}", super::SHOP, tcp("{route: [{destination: {host: dc}}]}"));
    let analysis = super::analyze([("f.yaml", &*text)]);
    let messages: Vec<&str> = analysis.findings.iter().map(|finding| &*finding.message).collect();
    assert_eq!(
        messages,
        [
            "spec.tcp[0].route[0].destination.host: there is no service dc.shop.svc.cluster.local; correct the name, or add the \
          service: such connections are closed (same as IST0101)"
        ]
    );
}

#[test]
fn given_weights_of_zero_in_rules_for_connections_then_they_are_found() {
    let db = "{destination: {host: db}";
    for (routes, expected) in [
        (format!("{db}, weight: 1}}, {db}, weight: 1}}"), None),
        (format!("{db}}}"), None),
        (format!("{db}, weight: 0}}"), Some("[0].weight")),
        (format!("{db}, weight: 1}}, {db}, weight: 0}}"), Some("[1].weight")),
        (format!("{db}}}, {db}, weight: 1}}"), Some("[0]")),
    ] {
        let expected = expected.map(|path| format!("warning MSH0913 VirtualService shop/x: spec.tcp[0].route{path}"));
        check(&tcp(&format!("{{route: [{routes}]}}")), &expected.as_deref().into_iter().collect::<Vec<_>>());
    }
}

const TO: &str = "route: [{destination: {host: db}}]";

#[test]
fn given_tcp_rules_that_an_earlier_one_hides_then_they_are_found_once() {
    let hidden = "warning MSH0130 VirtualService shop/x: spec.tcp[1]";
    let cases: &[(&str, &str, &[&str])] = &[
        ("match: [{port: 5432}], ", "", &[]),
        ("match: [{port: 5432}], ", "match: [{port: 5432, sourceLabels: {a: b}}], ", &[hidden]),
        ("match: [{sourceLabels: {a: b}}], ", "match: [{port: 5432}], ", &[]),
        ("match: [{sourceNamespace: shop}], ", "match: [{sourceNamespace: shop, port: 5432}], ", &[hidden]),
        ("match: [{destinationSubnets: [10.0.0.0/8]}], ", "match: [{destinationSubnets: [10.96.0.0/16]}], ", &[]),
        ("match: [{destinationSubnets: [10.96.0.0/16]}], ", "match: [{destinationSubnets: [10.0.0.0/8]}], ", &[]),
        (
            "match: [{destinationSubnets: [10.0.0.0/8, 192.0.2.0/24]}], ",
            "match: [{destinationSubnets: [192.0.2.0/24], port: 5432}], ",
            &[hidden],
        ),
        (
            "match: [{destinationSubnets: [10.0.0.0/8]}, {destinationSubnets: [192.0.2.0/24]}], ",
            "match: [{destinationSubnets: [192.0.2.0/24, 10.0.0.0/8]}], ",
            &[hidden],
        ),
        ("match: [{port: 5432}], ", "match: [{port: 5432, destinationSubnets: [10.0.0.0/8]}], ", &[hidden]),
        ("match: [{gateways: [edge/g]}], ", "match: [{port: 5432}], ", &[]),
        (
            "match: [{port: 5432}], ",
            "match: [{port: 5432, sourceLabels: {a: b}}, {port: 1}], ",
            &["info MSH0131 VirtualService shop/x: spec.tcp[1].match[0]"],
        ),
        // Validation says so.
        ("", "match: [{port: 5432}], ", &["warning MSH0133 VirtualService shop/x: spec.tcp[1]"]),
        (
            "match: [{port: 5432}], ",
            "match: [{port: 5432}], ",
            &["warning MSH0133 VirtualService shop/x: spec.tcp[1].match[0]"],
        ),
    ];
    for (first, second, expected) in cases {
        check(&tcp(&format!("{{{first}{TO}}}, {{{second}{TO}}}")), expected);
    }
}

#[test]
fn given_tls_rules_that_an_earlier_one_hides_then_they_are_found_by_name_and_subnet() {
    let rule = |conditions: &str| format!("{{match: [{{{conditions}}}], {TO}}}");
    let hidden = "warning MSH0130 VirtualService shop/x: spec.tls[1]";
    let cases: &[(&str, &str, &[&str])] = &[
        ("sniHosts: [a.example]", "sniHosts: [b.example]", &[]),
        ("sniHosts: [a.example, b.example]", "sniHosts: [b.example]", &[hidden]),
        ("sniHosts: [b.example]", "sniHosts: [a.example, b.example]", &[]),
        // The narrower name comes first, wherever it is written.
        ("sniHosts: ['*.example']", "sniHosts: [a.example]", &[]),
        ("sniHosts: [a.example], port: 443", "sniHosts: [a.example]", &[]),
        ("sniHosts: [a.example]", "sniHosts: [a.example], port: 443", &[hidden]),
        ("sniHosts: [a.example]", "sniHosts: [a.example], destinationSubnets: [10.0.0.0/8]", &[]),
        (
            "sniHosts: [a.example, b.example], destinationSubnets: [10.0.0.0/8]",
            "sniHosts: [a.example], destinationSubnets: [10.0.0.0/8]",
            &[hidden],
        ),
    ];
    for (first, second, expected) in cases {
        let hosts = "hosts: [db.shop.svc.cluster.local, '*.example']";
        let rules = format!("{}, {}", rule(first), rule(second));
        check(&format!("{DB}{}", service("x", &format!("{{{hosts}, tls: [{rules}]}}"))), expected);
    }
}
