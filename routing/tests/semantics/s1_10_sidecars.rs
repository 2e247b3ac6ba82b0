//! Section 1.10: what a Sidecar does to its clients' view.

use crate::ask::{connected, errors, faults, istio, pod, service, table, table_for, table_in};
use crate::s1_10_other_objects::{API, WEB, goes, shop};

fn sidecar(namespace: &str, name: &str, spec: &str) -> String {
    istio("Sidecar", namespace, name, spec)
}

#[test]
fn s1_10_given_egress_hosts_then_they_restrict_the_services_that_are_known() {
    for (hosts, web, api) in [
        ("'*/*'", true, true),
        ("'./*'", true, false),
        ("'pay/*'", false, true),
        ("'*/api.pay.svc.cluster.local'", false, true),
        ("'*/*.shop.svc.cluster.local'", true, false),
        ("'shop/api.pay.svc.cluster.local'", false, false),
        ("'~/*'", false, false),
        ("'*/*', '~pay/*'", true, false),
        ("'*/*', '~*/*.shop.svc.cluster.local'", false, true),
    ] {
        let text = shop() + &sidecar("shop", "s", &format!("{{egress: [{{hosts: [{hosts}]}}]}}"));
        let table = table(&text, "shop");
        for (host, known, cluster) in [("web.shop", web, WEB), ("api.pay", api, API)] {
            // Another HTTP service on the port would keep its listener; without any nothing is left of it.
            assert_eq!(goes(&table, host), if known { cluster } else { "passthrough" }, "{hosts} {host}");
        }
    }
}

#[test]
fn s1_10_given_egress_hosts_then_rules_are_imported_by_their_namespace_and_hosts() {
    let rule = istio(
        "VirtualService",
        "pay",
        "r",
        "{hosts: [web.shop.svc.cluster.local], http: [{route: [{destination: {host: api}}]}]}",
    );
    for (hosts, expected) in [
        ("'*/*'", API),
        ("'./*'", WEB),
        ("'./*', 'pay/web.shop.svc.cluster.local'", API),
        ("'./*', 'pay/*.shop.svc.cluster.local'", API),
        ("'./*', 'pay/api.pay.svc.cluster.local'", WEB),
    ] {
        let text = shop() + &rule + &sidecar("shop", "s", &format!("{{egress: [{{hosts: [{hosts}]}}]}}"));
        assert_eq!(goes(&table(&text, "shop"), "web"), expected, "{hosts}");
    }
}

#[test]
fn s1_10_given_a_destination_of_an_imported_rule_then_it_is_there_without_being_asked_for_but_not_by_name() {
    let rule = istio(
        "VirtualService",
        "shop",
        "r",
        "{hosts: [web], http: [{route: [{destination: {host: api.pay.svc.cluster.local}}]}]}",
    );
    let table = table(&(shop() + &rule + &sidecar("shop", "s", "{egress: [{hosts: ['./*']}]}")), "shop");
    assert_eq!(goes(&table, "web"), API);
    assert_eq!(goes(&table, "api.pay"), "passthrough");
}

#[test]
fn s1_10_given_a_destination_of_an_imported_tcp_or_tls_rule_then_it_is_imported_too() {
    let port = |name: &str| format!("ports: [{{name: {name}, port: 9000}}]");
    for (protocol, route) in [("tcp", "{"), ("tls", "{match: [{sniHosts: [db.shop.svc.cluster.local]}], ")] {
        let text = service("shop", "db", &format!("clusterIP: 10.96.0.8, {}", port(protocol)))
            + &service("pay", "db", &format!("clusterIP: 10.96.0.9, {}", port(protocol)))
            + &pod("pay", "db", "v1", "10.1.0.9");
        let rule = |hosts: &str| {
            let to = "route: [{destination: {host: db.pay.svc.cluster.local}}]";
            istio("VirtualService", "shop", "r", &format!("{{hosts: [{hosts}], {protocol}: [{route}{to}}}]}}"))
        };
        let sni = (protocol == "tls").then_some("db.shop.svc.cluster.local");
        let goes = |rule: &str| {
            let text = format!("{text}{rule}{}", sidecar("shop", "s", "{egress: [{hosts: ['./*']}]}"));
            let table = table(&text, "shop");
            (connected(&table, "10.96.0.8:9000", sni), connected(&table, "10.96.0.9:9000", sni))
        };
        let (by_rule, by_address) = goes(&rule("db.shop.svc.cluster.local"));
        assert_eq!(by_rule, "outbound|9000||db.pay.svc.cluster.local", "{protocol}");
        assert_eq!(by_address, "passthrough NoListener", "nothing listens at its address: {protocol}");
    }
}

#[test]
fn s1_10_given_several_sidecars_then_the_selecting_one_then_the_namespaces_then_the_roots_is_in_force() {
    let only = |namespace: &str| format!("egress: [{{hosts: ['{namespace}/*']}}]");
    let selecting = sidecar("shop", "z", &format!("{{workloadSelector: {{labels: {{app: x}}}}, {}}}", only("pay")));
    let general = sidecar("shop", "a", &format!("{{{}}}", only("shop")));
    let root = sidecar("istio-system", "r", &format!("{{{}}}", only("~")));
    let knows = |text: &str, labels: &[(&str, &str)]| {
        let table = table_for(&(shop() + text), "shop", labels);
        (goes(&table, "web.shop") == WEB, goes(&table, "api.pay") == API)
    };
    let all = selecting + &general + &root;
    assert_eq!(knows(&all, &[("app", "x")]), (false, true));
    assert_eq!(knows(&all, &[("app", "y")]), (true, false));
    assert_eq!(knows(&root, &[]), (false, false));
    let elsewhere = table(&(shop() + &general), "pay");
    assert_eq!(goes(&elsewhere, "web.shop"), WEB, "no Sidecar of another namespace");
}

#[test]
fn s1_10_given_two_selecting_sidecars_then_the_older_one_is_in_force() {
    let aged = |name: &str, age: u8, from: &str| {
        sidecar(
            "shop",
            name,
            &format!("{{workloadSelector: {{labels: {{app: x}}}}, egress: [{{hosts: ['{from}/*']}}]}}"),
        )
        .replace(&format!("name: {name}, "), &format!("name: {name}, creationTimestamp: '2026-01-0{age}T00:00:00Z', "))
    };
    let table = table_for(&(shop() + &aged("a", 2, "shop") + &aged("b", 1, "pay")), "shop", &[("app", "x")]);
    assert_eq!((goes(&table, "web.shop"), goes(&table, "api.pay")), ("passthrough".to_owned(), API.to_owned()));
}

#[test]
fn s1_10_given_a_root_sidecar_then_its_own_namespace_is_each_clients() {
    let text = shop() + &sidecar("istio-system", "r", "{egress: [{hosts: ['./*']}]}");
    let table = table(&text, "pay");
    assert_eq!((goes(&table, "api"), goes(&table, "web.shop")), (API.to_owned(), "passthrough".to_owned()));
    let mesh = "{rootNamespace: config}";
    let table = table_in(mesh, &text, "pay");
    assert_eq!(goes(&table, "web.shop"), WEB, "istio-system is not the root there");
}

#[test]
fn s1_10_given_listeners_of_a_sidecar_then_what_is_not_honoured_is_reported() {
    let text = sidecar(
        "shop",
        "s",
        "{egress: [{hosts: ['./*'], port: {number: 9000, protocol: HTTP, name: x}, bind: 127.0.0.1, captureMode: NONE}], outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: x}}}",
    );
    assert_eq!(errors(&text), [""; 0]);
    let fields: Vec<String> = faults(&text).into_iter().map(|fault| fault.field).collect();
    for field in ["port", "bind", "captureMode"] {
        assert!(fields.contains(&format!("spec.egress[0].{field}")), "{field} {fields:?}");
    }
    assert!(fields.contains(&"spec.outboundTrafficPolicy.egressProxy".to_owned()));
    for hosts in ["web", "''", "/x", "'a/'"] {
        assert_ne!(errors(&sidecar("shop", "s", &format!("{{egress: [{{hosts: [{hosts}]}}]}}"))), [""; 0], "{hosts}");
    }
}
