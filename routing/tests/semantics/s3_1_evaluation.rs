//! Section 3.1: the order in which routes are tried, and which of them are built at all.

use meshlet_routing::decide::{Outcome, Request};

use crate::ask::{decided, get, istio, pod, sent, service, table, table_for};

const WEB: &str = "10.96.0.1:80";

fn shop(http: &str) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}, {name: http-b, port: 81}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &istio("VirtualService", "shop", "web", &format!("{{hosts: [web], http: [{http}]}}"))
}

/// A route that answers with a status, so that one sees which was taken.
fn answers(status: u16, entries: &str) -> String {
    format!("{{match: [{entries}], directResponse: {{status: {status}}}}}")
}

#[track_caller]
fn check(http: &[String], path: &str, expected: &str) {
    let table = table(&shop(&http.join(", ")), "shop");
    assert_eq!(sent(&table, WEB, &get("web", path), 0), expected, "{path} {http:?}");
}

#[test]
fn s3_1_given_several_routes_that_match_then_the_first_as_written_is_taken_however_broad() {
    let broad_first = [answers(201, "{uri: {prefix: /a}}"), answers(202, "{uri: {exact: /a/b}}")];
    check(&broad_first, "/a/b", "201 -");
    let narrow_first = [answers(202, "{uri: {exact: /a/b}}"), answers(201, "{uri: {prefix: /a}}")];
    check(&narrow_first, "/a/b", "202 -");
    check(&narrow_first, "/a/c", "201 -");
}

#[test]
fn s3_1_given_several_entries_then_one_suffices_and_the_first_that_holds_is_named() {
    let text = shop(
        "{match: [{uri: {exact: /a}}, {method: {exact: GET}}, {uri: {exact: /b}}], directResponse: {status: 201}}",
    );
    let table = table(&text, "shop");
    for (path, entry) in [("/a", 0), ("/b", 1), ("/c", 1)] {
        let Outcome::Respond(respond) = decided(&table, WEB, &get("web", path), 0).outcome else { panic!("{path}") };
        assert_eq!(respond.rule.and_then(|rule| rule.entry), Some(entry), "{path}");
    }
}

#[test]
fn s3_1_given_several_conditions_in_an_entry_then_all_must_hold() {
    let entry = "{uri: {prefix: /a}, method: {exact: POST}, headers: {x: {exact: '1'}}, withoutHeaders: {y: {}}, \
                 queryParams: {q: {exact: '2'}}, authority: {exact: web}, scheme: {exact: http}}";
    let table = table(&shop(&answers(201, entry)), "shop");
    let x: (&str, &[u8]) = ("x", b"1");
    let full = Request { method: "POST", authority: "web", path: "/a?q=2", headers: &[x], source: None };
    let both = [x, ("y", b"")];
    for (request, expected) in [
        (full, "201 -"),
        (Request { method: "GET", ..full }, "404 NR"),
        (Request { path: "/b?q=2", ..full }, "404 NR"),
        (Request { path: "/a?q=3", ..full }, "404 NR"),
        (Request { authority: "web:80", ..full }, "404 NR"),
        (Request { headers: &[], ..full }, "404 NR"),
        (Request { headers: &both, ..full }, "404 NR"),
    ] {
        assert_eq!(sent(&table, WEB, &request, 0), expected, "{request:?}");
    }
}

#[test]
fn s3_1_given_static_conditions_then_they_decide_whether_an_entry_exists() {
    let route = |entry: &str| shop(&[answers(201, entry), answers(202, "{}")].join(", "));
    for (entry, namespace, labels, dialled, expected) in [
        ("{port: 80}", "shop", &[][..], WEB, "201 -"),
        ("{port: 80}", "shop", &[], "10.96.0.1:81", "202 -"),
        ("{sourceNamespace: shop}", "shop", &[], WEB, "201 -"),
        ("{sourceNamespace: shop}", "pay", &[], WEB, "202 -"),
        ("{sourceLabels: {a: b}}", "shop", &[("a", "b"), ("c", "d")], WEB, "201 -"),
        ("{sourceLabels: {a: b, c: d}}", "shop", &[("a", "b")], WEB, "202 -"),
        ("{gateways: [mesh]}", "shop", &[], WEB, "201 -"),
        ("{gateways: [shop/edge]}", "shop", &[], WEB, "202 -"),
        ("{gateways: [shop/edge, mesh]}", "shop", &[], WEB, "201 -"),
    ] {
        let table = table_for(&route(entry), namespace, labels);
        assert_eq!(
            sent(&table, dialled, &get("web.shop", "/"), 0),
            expected,
            "{entry} {namespace} {labels:?} {dialled}"
        );
    }
}

#[test]
fn s3_1_given_a_route_that_takes_everything_then_building_stops_after_it() {
    // What is not built drops out of the count of entries: a rule behind a catch-all is never reached, whatever its match.
    for catch_all in [
        "{directResponse: {status: 201}}".to_owned(),
        answers(201, "{}"),
        answers(201, "{uri: {prefix: /}}"),
        answers(201, "{uri: {regex: '.*'}}"),
        answers(201, "{port: 80}"),
        answers(201, "{uri: {prefix: /}, ignoreUriCase: true}"),
    ] {
        check(&[catch_all.clone(), answers(202, "{uri: {exact: /a}}")], "/a", "201 -");
        check(&[catch_all], "/b", "201 -");
    }
    for not_all in [
        answers(201, "{uri: {prefix: /x}}"),
        answers(201, "{uri: {regex: '/x.*'}}"),
        answers(201, "{uri: {prefix: /}, method: {exact: PUT}}"),
        answers(201, "{uri: {prefix: /}, queryParams: {q: {}}}"),
        answers(201, "{uri: {prefix: /}, withoutHeaders: {x-none: {exact: ''}}}"),
    ] {
        check(&[not_all, answers(202, "{uri: {exact: /a}}")], "/a", "202 -");
    }
}

#[test]
fn s3_1_given_a_catch_all_among_the_entries_of_a_rule_then_later_entries_are_not_named() {
    let table = table(&shop(&answers(201, "{uri: {exact: /a}}, {uri: {prefix: /}}, {uri: {exact: /b}}")), "shop");
    let Outcome::Respond(respond) = decided(&table, WEB, &get("web", "/b"), 0).outcome else { panic!("no answer") };
    assert_eq!(respond.rule.and_then(|rule| rule.entry), Some(1));
}

#[test]
fn q1_3_given_gateways_in_an_entry_then_its_source_conditions_are_ignored() {
    let entry = "{gateways: [mesh], sourceNamespace: elsewhere, sourceLabels: {no: one}}";
    let table = table(&shop(&answers(201, entry)), "shop");
    assert_eq!(sent(&table, WEB, &get("web", "/"), 0), "201 -");
}

#[test]
fn s1_3_given_gateways_without_mesh_in_an_entry_then_mesh_clients_never_meet_it() {
    let table = table(&shop(&answers(201, "{gateways: [shop/edge]}")), "shop");
    // No route is left: the rule counts as absent.
    assert_eq!(sent(&table, WEB, &get("web", "/"), 0), "outbound|80||web.shop.svc.cluster.local");
}

#[test]
fn s1_2_given_names_of_a_rule_and_a_match_then_the_route_has_both() {
    for (rule, entry, expected) in
        [("name: canary, ", "name: beta", "canary.beta"), ("name: canary, ", "", "canary"), ("", "", "")]
    {
        let table = table(&shop(&format!("{{{rule}match: [{{{entry}}}], directResponse: {{status: 201}}}}")), "shop");
        let Outcome::Respond(respond) = decided(&table, WEB, &get("web", "/"), 0).outcome else { panic!("no answer") };
        assert_eq!(respond.rule.map(|rule| &*rule.name), Some(expected));
    }
}
