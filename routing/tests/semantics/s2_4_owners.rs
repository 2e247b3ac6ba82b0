//! Section 2.4: which VirtualService owns a host.

use crate::ask::{get, pod, sent, service, table, table_for};

/// `web` in `shop`, and `a` to `e` that show by their names which rule sent a request there.
fn shop() -> String {
    let one = |(name, last): (&str, u8)| {
        service(
            "shop",
            name,
            &format!("clusterIP: 10.96.0.{last}, ports: [{{name: http, port: 80}}, {{name: http-b, port: 81}}]"),
        ) + &pod("shop", name, "v1", &format!("10.1.0.{last}"))
    };
    ["web", "a", "b", "c", "d", "e"].into_iter().zip(1..).map(one).collect()
}

/// A rule of a namespace, so old (a smaller number is older), that sends to a service of `shop`.
fn rule(namespace: &str, name: &str, age: u8, spec: &str, to: &str) -> String {
    let route = format!("route: [{{destination: {{host: {to}.shop.svc.cluster.local}}}}]");
    let spec = spec.replace("ROUTE", &route);
    format!(
        "\n---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '2026-01-{age:02}T00:00:00Z'}}, spec: {spec}}}\n"
    )
}

const ALL: &str = "{hosts: [web.shop.svc.cluster.local], http: [{ROUTE}]}";

fn goes(text: &str, client: &str, expected: &str) {
    let table = table(&(shop() + text), client);
    let found = sent(&table, "10.96.0.1:80", &get("web.shop", "/"), 0);
    let expected = if expected.contains(' ') {
        expected.to_owned()
    } else {
        format!("outbound|80||{expected}.shop.svc.cluster.local")
    };
    assert_eq!(found, expected, "{client} {text}");
}

fn exported(to: &str) -> String {
    ALL.replacen('{', &format!("{{exportTo: [{to}], "), 1)
}

#[test]
fn s2_4_given_private_named_and_public_rules_then_private_ones_come_first_and_public_ones_last() {
    let public = rule("shop", "z", 1, ALL, "a");
    let named = rule("other", "y", 2, &exported("shop"), "b");
    let private = rule("shop", "x", 3, &exported("'.'"), "c");
    goes(&public, "shop", "a");
    goes(&(public.clone() + &named), "shop", "b");
    goes(&(public.clone() + &named + &private), "shop", "c");
    goes(&(public + &named + &private), "elsewhere", "a");
}

#[test]
fn s2_4_given_rules_of_one_class_then_age_name_and_namespace_decide_in_this_order() {
    goes(&(rule("shop", "a", 2, ALL, "a") + &rule("shop", "z", 1, ALL, "b")), "shop", "b");
    goes(&(rule("shop", "b", 1, ALL, "a") + &rule("z", "a", 1, ALL, "b")), "shop", "b");
    goes(&(rule("shop", "a", 1, ALL, "a") + &rule("pay", "a", 1, ALL, "b")), "shop", "b");
}

#[test]
fn q2_4_given_a_public_rule_of_the_clients_namespace_then_that_is_no_advantage() {
    goes(&(rule("shop", "own", 2, ALL, "a") + &rule("third", "other", 1, ALL, "b")), "shop", "b");
}

#[test]
fn s2_4_given_an_owner_then_nothing_is_merged_and_what_it_does_not_match_is_answered_404() {
    let narrow = "{hosts: [web.shop.svc.cluster.local], http: [{match: [{uri: {prefix: /api}}], ROUTE}]}";
    goes(&(rule("shop", "a", 1, narrow, "a") + &rule("shop", "b", 2, ALL, "b")), "shop", "404 NR");
}

#[test]
fn q2_4_given_a_rule_whose_routes_all_vanish_statically_then_the_next_one_counts_or_the_default() {
    for condition in ["port: 81", "sourceLabels: {app: x}", "sourceNamespace: pay", "gateways: [edge/public]"] {
        let vanishing = format!("{{hosts: [web.shop.svc.cluster.local], http: [{{match: [{{{condition}}}], ROUTE}}]}}");
        let first = rule("shop", "a", 1, &vanishing, "a");
        goes(&first, "shop", "web");
        goes(&(first + &rule("shop", "b", 2, ALL, "b")), "shop", "b");
    }
    let labelled = "{hosts: [web.shop.svc.cluster.local], http: [{match: [{sourceLabels: {app: x}}], ROUTE}]}";
    let table = table_for(&(shop() + &rule("shop", "a", 1, labelled, "a")), "shop", &[("app", "x")]);
    assert_eq!(sent(&table, "10.96.0.1:80", &get("web", "/"), 0), "outbound|80||a.shop.svc.cluster.local");
}

#[test]
fn s2_4_given_wildcards_then_an_exact_host_beats_them_whatever_its_age_and_the_longest_wins() {
    let wild = |host: &str| format!("{{hosts: ['{host}'], http: [{{ROUTE}}]}}");
    let widest = rule("shop", "a", 1, &wild("*.local"), "a");
    let wide = rule("shop", "b", 2, &wild("*.svc.cluster.local"), "b");
    let narrow = rule("shop", "c", 3, &wild("*.shop.svc.cluster.local"), "c");
    goes(&widest, "shop", "a");
    goes(&(widest.clone() + &wide), "shop", "b");
    goes(&(widest.clone() + &wide + &narrow), "shop", "c");
    goes(&(widest + &wide + &narrow + &rule("shop", "d", 4, ALL, "d")), "shop", "d");
}

#[test]
fn s2_4_given_the_longest_wildcard_without_a_route_here_then_no_shorter_one_takes_its_place() {
    let wild = |host: &str, condition: &str| format!("{{hosts: ['{host}'], http: [{{{condition} ROUTE}}]}}");
    let wide = rule("shop", "a", 1, &wild("*.local", ""), "a");
    let narrow = rule("shop", "b", 2, &wild("*.shop.svc.cluster.local", "match: [{port: 81}],"), "b");
    goes(&(wide + &narrow), "shop", "web");
}

#[test]
fn s2_4_given_a_wildcard_that_covers_no_service_then_it_is_a_name_on_port_80() {
    let wild = rule("shop", "a", 1, "{hosts: ['*.example.com'], http: [{ROUTE}]}", "a");
    let table = table(&(shop() + &wild), "shop");
    assert_eq!(sent(&table, "192.0.2.1:80", &get("x.example.com", "/"), 0), "outbound|80||a.shop.svc.cluster.local");
    assert_eq!(sent(&table, "192.0.2.1:80", &get("example.com", "/"), 0), "passthrough");
    assert_eq!(sent(&table, "192.0.2.1:81", &get("x.example.com", "/"), 0), "passthrough");
}

#[test]
fn s2_4_given_several_hosts_in_one_rule_then_it_may_lose_one_and_keep_another() {
    let both = "{hosts: [web.shop.svc.cluster.local, e.shop.svc.cluster.local], http: [{ROUTE}]}";
    let text = shop() + &rule("shop", "a", 1, ALL, "a") + &rule("shop", "b", 2, both, "b");
    let table = table(&text, "shop");
    for (host, expected) in [("web", "a"), ("e", "b")] {
        let expected = format!("outbound|80||{expected}.shop.svc.cluster.local");
        assert_eq!(sent(&table, "10.96.0.1:80", &get(host, "/"), 0), expected);
    }
}

#[test]
fn s2_4_given_any_namespace_then_its_rule_owns_the_host_for_the_whole_mesh_unless_its_export_is_narrowed() {
    for client in ["shop", "pay", "third"] {
        goes(&rule("third", "a", 1, ALL, "a"), client, "a");
    }
    goes(&rule("third", "a", 1, &exported("'.'"), "a"), "shop", "web");
    goes(&rule("third", "a", 1, &exported("'.'"), "a"), "third", "a");
}
