//! Section 1.1: whom a VirtualService is for, by `gateways` and `exportTo`.

use crate::ask::{errors, get, istio, pod, sent, service, table, table_in};

const A: &str = "outbound|80||a.shop.svc.cluster.local";
const WEB: &str = "outbound|80||web.shop.svc.cluster.local";

/// `web` and `a` in `shop`.
fn shop() -> String {
    let one = |name: &str, last: u8| {
        service("shop", name, &format!("clusterIP: 10.96.0.{last}, ports: [{{name: http, port: 80}}]"))
            + &pod("shop", name, "v1", &format!("10.1.0.{last}"))
    };
    one("web", 1) + &one("a", 2)
}

/// A rule of `shop` that sends `web` to `a`.
fn rule(fields: &str) -> String {
    istio(
        "VirtualService",
        "shop",
        "r",
        &format!("{{hosts: [web], {fields} http: [{{route: [{{destination: {{host: a}}}}]}}]}}"),
    )
}

#[test]
fn s1_1_given_gateways_then_mesh_clients_see_the_rule_if_the_list_is_absent_or_has_mesh() {
    for (gateways, expected) in [
        ("", A),
        ("gateways: [],", A),
        ("gateways: [mesh],", A),
        ("gateways: [edge/public, mesh],", A),
        ("gateways: [edge/public],", WEB),
    ] {
        let table = table(&(shop() + &rule(gateways)), "shop");
        assert_eq!(sent(&table, "10.96.0.1:80", &get("web", "/"), 0), expected, "{gateways}");
    }
}

#[test]
fn s1_1_given_mesh_in_a_match_alone_then_it_cannot_be_added_there() {
    let spec = "{hosts: [web], gateways: [edge/public], http: [{match: [{gateways: [mesh]}], route: [{destination: {host: a}}]}]}";
    let table = table(&(shop() + &istio("VirtualService", "shop", "r", spec)), "shop");
    assert_eq!(sent(&table, "10.96.0.1:80", &get("web", "/"), 0), WEB);
}

#[test]
fn s1_1_given_a_bare_wildcard_then_it_is_refused_for_the_mesh_and_taken_for_a_gateway() {
    let spec =
        |gateways: &str| format!("{{hosts: ['*'], {gateways} http: [{{route: [{{destination: {{host: a}}}}]}}]}}");
    assert!(!errors(&istio("VirtualService", "shop", "r", &spec(""))).is_empty());
    assert_eq!(errors(&istio("VirtualService", "shop", "r", &spec("gateways: [edge/public],"))), [""; 0]);
}

#[test]
fn s1_1_given_export_to_then_clients_of_those_namespaces_see_the_rule() {
    for (export, seen_in) in [
        ("", &["shop", "pay", "third"][..]),
        ("exportTo: ['*'],", &["shop", "pay", "third"]),
        ("exportTo: ['.'],", &["shop"]),
        ("exportTo: [pay],", &["pay"]),
        ("exportTo: ['.', third],", &["shop", "third"]),
    ] {
        let text = shop() + &rule(export);
        for client in ["shop", "pay", "third"] {
            let expected = if seen_in.contains(&client) { A } else { WEB };
            let found = sent(&table(&text, client), "10.96.0.1:80", &get("web.shop", "/"), 0);
            assert_eq!(found, expected, "{export} {client}");
        }
    }
}

#[test]
fn s1_1_given_a_mesh_default_then_it_is_for_rules_that_do_not_say_it_themselves() {
    for (default, export, seen_in) in [
        ("['.']", "", &["shop"][..]),
        ("['*']", "", &["shop", "pay"]),
        ("[pay]", "", &["pay"]),
        ("['.', pay]", "", &["shop", "pay"]),
        ("['.']", "exportTo: ['*'],", &["shop", "pay"]),
        ("['.']", "exportTo: [],", &["shop"]),
    ] {
        let mesh = format!("{{defaultVirtualServiceExportTo: {default}}}");
        for client in ["shop", "pay"] {
            let table = table_in(&mesh, &(shop() + &rule(export)), client);
            let expected = if seen_in.contains(&client) { A } else { WEB };
            let found = sent(&table, "10.96.0.1:80", &get("web.shop", "/"), 0);
            assert_eq!(found, expected, "{default} {export} {client}");
        }
    }
}

#[test]
fn s1_1_given_an_export_list_that_contradicts_itself_then_it_is_refused() {
    for export in ["['*', pay]", "[pay, pay]", "['.', shop]", "['~', pay]"] {
        assert_ne!(errors(&rule(&format!("exportTo: {export},"))), [""; 0], "{export}");
    }
}
