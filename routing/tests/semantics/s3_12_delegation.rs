//! Section 3.12: delegation.

use std::time::Duration;

use meshlet_routing::decide::{Outcome, Request, Route};
use meshlet_routing::table::Table;

use crate::ask::{decided, errors, get, istio, pod, sent, service, table, table_for};

/// Two namespaces with a service `web` each, and a few virtual services in them. `shop` asks.
fn mesh(rules: &[String]) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &service("team", "web", "clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]")
        + &service("shop", "other", "clusterIP: 10.96.0.3, ports: [{name: http, port: 80}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("team", "web", "v1", "10.1.0.2")
        + &pod("shop", "other", "v1", "10.1.0.3")
        + &rules.concat()
}

fn root(rules: &str) -> String {
    istio("VirtualService", "shop", "root", &format!("{{hosts: [web], http: [{rules}]}}"))
}

/// A delegate in namespace `team`; what its `web` is, its own namespace decides.
fn delegate(rules: &str) -> String {
    istio("VirtualService", "team", "leaf", &format!("{{http: [{rules}]}}"))
}

const TO: &str = "delegate: {name: leaf, namespace: team}";
const WEB: &str = "route: [{destination: {host: web}}]";
const TEAM: &str = "outbound|80||web.team.svc.cluster.local";
const SHOP: &str = "outbound|80||web.shop.svc.cluster.local";
const OTHER: &str = "outbound|80||other.shop.svc.cluster.local";
const REST: &str = "{route: [{destination: {host: other}}]}";

fn path_goes(table: &Table, path: &str) -> String {
    sent(table, "10.96.0.1:80", &get("web", path), 0)
}

fn check(rules: &[String], cases: &[(&str, &str)]) {
    let text = mesh(rules);
    assert_eq!(errors(&text), [""; 0]);
    let table = table(&text, "shop");
    for (path, expected) in cases {
        assert_eq!(path_goes(&table, path), *expected, "{path} in {}", rules.concat());
    }
}

fn routed(rules: &[String], request: &Request<'_>, look: impl FnOnce(&Route<'_>)) {
    let table = table(&mesh(rules), "shop");
    match decided(&table, "10.96.0.1:80", request, 0).outcome {
        Outcome::Route(route) => look(&route),
        other => panic!("{other:?}"),
    }
}

#[test]
fn s3_12_given_a_delegate_then_its_routes_take_the_place_of_the_rule_and_its_hosts_are_its_own_namespaces() {
    check(
        &[root(&format!("{{match: [{{uri: {{prefix: /team}}}}], {TO}}}, {REST}")), delegate(&format!("{{{WEB}}}"))],
        &[("/team", TEAM), ("/team/x", TEAM), ("/x", OTHER)],
    );
}

#[test]
fn s3_12_given_no_namespace_then_it_is_the_roots() {
    let leaf = istio("VirtualService", "shop", "leaf", &format!("{{http: [{{{WEB}}}]}}"));
    check(&[root("{delegate: {name: leaf}}"), leaf], &[("/", SHOP)]);
}

#[test]
fn s3_12_given_matches_on_both_sides_then_only_pairs_within_the_roots_survive() {
    for (root_match, delegate_match, inside, outside) in [
        ("uri: {prefix: /a}", "uri: {prefix: /a/b}", "/a/b/c", "/a/c"),
        ("uri: {prefix: /a}", "uri: {exact: /a/b}", "/a/b", "/a/b/c"),
        ("uri: {exact: /a}", "uri: {exact: /a}", "/a", "/a/b"),
        ("uri: {prefix: /a}", "method: {exact: GET}", "/a/x", "/b"),
        ("method: {exact: GET}", "uri: {regex: '/r.*'}", "/rx", "/x"),
        ("headers: {}", "uri: {prefix: /a}", "/a", "/b"),
    ] {
        check(
            &[
                root(&format!("{{match: [{{{root_match}}}], {TO}}}, {REST}")),
                delegate(&format!("{{match: [{{{delegate_match}}}], {WEB}}}")),
            ],
            &[(inside, TEAM), (outside, OTHER)],
        );
    }
}

#[test]
fn s3_12_given_matches_that_do_not_lie_within_the_roots_then_the_delegates_route_disappears() {
    for (root_match, delegate_match) in [
        ("uri: {prefix: /a/b}", "uri: {prefix: /a}"),
        ("uri: {prefix: /a/b}", "uri: {exact: /a}"),
        ("uri: {exact: /a}", "uri: {prefix: /a}"),
        ("uri: {exact: /a}", "uri: {exact: /b}"),
        ("uri: {regex: '/a.*'}", "uri: {prefix: /a}"),
        ("uri: {prefix: /a}", "uri: {regex: '/a.*'}"),
        ("uri: {regex: '/a.*'}", "uri: {regex: '/a.*'}"),
        ("uri: {prefix: /a}, ignoreUriCase: true", "uri: {prefix: /a}"),
        ("headers: {x: {exact: a}}", "headers: {x: {exact: b}}"),
        ("headers: {x: {}}", "headers: {x: {exact: b}}"),
        ("withoutHeaders: {x: {exact: a}}", "withoutHeaders: {x: {exact: b}}"),
        ("queryParams: {q: {exact: a}}", "queryParams: {q: {exact: b}}"),
        ("method: {exact: GET}", "method: {exact: PUT}"),
        ("authority: {exact: web}", "authority: {prefix: we}"),
        ("port: 80", "port: 81"),
        ("sourceNamespace: shop", "sourceNamespace: team"),
        ("sourceNamespace: shop", "uri: {prefix: /}"),
        ("sourceLabels: {app: client}", "sourceLabels: {app: x}"),
    ] {
        let rules = [
            root(&format!("{{match: [{{{root_match}}}], {TO}}}")),
            delegate(&format!("{{match: [{{{delegate_match}}}], {WEB}}}")),
        ];
        // Were anything left, the answer would be the delegate's or 404.
        let table = table_for(&mesh(&rules), "shop", &[("app", "client")]);
        let request = Request { headers: &[("x", b"b")], ..get("web", "/a?q=b") };
        assert_eq!(sent(&table, "10.96.0.1:80", &request, 0), SHOP, "{root_match} {delegate_match}");
    }
}

#[test]
fn s3_12_given_several_matches_then_each_pair_is_judged_by_itself() {
    check(
        &[
            root(&format!("{{match: [{{uri: {{prefix: /a}}}}, {{uri: {{exact: /b}}}}], {TO}}}, {REST}")),
            delegate(&format!(
                "{{match: [{{uri: {{exact: /b}}}}, {{uri: {{prefix: /a/x}}}}, {{uri: {{exact: /c}}}}], {WEB}}}"
            )),
        ],
        &[("/b", TEAM), ("/a/x/y", TEAM), ("/c", OTHER), ("/a", OTHER)],
    );
}

#[test]
fn s3_12_given_a_side_without_matches_then_it_takes_the_others() {
    check(
        &[
            root(&format!("{{{TO}}}")),
            delegate(&format!(
                "{{match: [{{uri: {{prefix: /a}}}}], {WEB}}}, {{match: [{{uri: {{regex: '/r.*'}}}}], {WEB}}}"
            )),
        ],
        &[("/a", TEAM), ("/r", TEAM), ("/b", "404 NR")],
    );
    check(
        &[root(&format!("{{match: [{{uri: {{regex: '/r.*'}}}}], {TO}}}")), delegate(&format!("{{{WEB}}}"))],
        &[("/r", TEAM), ("/b", "404 NR")],
    );
}

#[test]
fn s3_12_given_conditions_of_different_kinds_then_all_of_both_sides_must_hold() {
    let rules = [
        root(&format!("{{match: [{{headers: {{x: {{exact: a}}}}, sourceLabels: {{app: client}}}}], {TO}}}, {REST}")),
        delegate(&format!("{{match: [{{headers: {{y: {{exact: b}}}}, sourceLabels: {{tier: front}}}}], {WEB}}}")),
    ];
    let text = mesh(&rules);
    let goes = |labels: &[(&str, &str)], headers: &[(&str, &[u8])]| {
        let table = table_for(&text, "shop", labels);
        sent(&table, "10.96.0.1:80", &Request { headers, ..get("web", "/") }, 0)
    };
    let both: &[(&str, &str)] = &[("app", "client"), ("tier", "front")];
    assert_eq!(goes(both, &[("x", b"a"), ("y", b"b")]), TEAM);
    assert_eq!(goes(both, &[("x", b"a")]), OTHER);
    assert_eq!(goes(both, &[("y", b"b")]), OTHER);
    assert_eq!(goes(&both[..1], &[("x", b"a"), ("y", b"b")]), OTHER);
}

#[test]
fn s3_12_given_fields_on_both_sides_then_the_delegates_are_taken_and_the_roots_fill_in() {
    let all = "timeout: 1s, retries: {attempts: 1}, mirror: {host: other}";
    routed(&[root(&format!("{{{TO}, {all}}}")), delegate(&format!("{{{WEB}}}"))], &get("web", "/"), |route| {
        assert_eq!((route.effects.timeout, route.effects.retries.attempts), (Some(Duration::from_secs(1)), 1));
        let mirrors: Vec<&str> = route.mirrors.iter().map(|mirror| &*mirror.name).collect();
        assert_eq!(mirrors, [OTHER], "the root's mirror is of the root's namespace");
    });
    let own = "timeout: 2s, retries: {attempts: 5}, mirror: {host: web}";
    routed(&[root(&format!("{{{TO}, {all}}}")), delegate(&format!("{{{own}, {WEB}}}"))], &get("web", "/"), |route| {
        assert_eq!((route.effects.timeout, route.effects.retries.attempts), (Some(Duration::from_secs(2)), 5));
        let mirrors: Vec<&str> = route.mirrors.iter().map(|mirror| &*mirror.name).collect();
        assert_eq!(mirrors, [TEAM]);
    });
}

fn abort(status: u16) -> String {
    format!("fault: {{abort: {{httpStatus: {status}, percentage: {{value: 100}}}}}}")
}

#[test]
fn s3_12_given_faults_then_the_delegates_is_taken_else_the_roots() {
    for (of_root, of_delegate, expected) in [
        (abort(501), String::new(), "501 FI"),
        (abort(501), abort(502) + ",", "502 FI"),
        (String::new(), abort(502) + ",", "502 FI"),
    ] {
        let of_root = if of_root.is_empty() { of_root } else { format!(", {of_root}") };
        check(
            &[root(&format!("{{{TO}{of_root}}}")), delegate(&format!("{{{of_delegate} {WEB}}}"))],
            &[("/", expected)],
        );
    }
}

#[test]
fn s3_12_given_direct_responses_then_the_delegates_is_taken_else_the_roots_in_place_of_destinations() {
    let of_root = format!("{{{TO}, directResponse: {{status: 299}}}}");
    check(&[root(&of_root), delegate(&format!("{{{WEB}}}"))], &[("/", "299 -")]);
    check(&[root(&of_root), delegate("{directResponse: {status: 298}}")], &[("/", "298 -")]);
    check(&[root(&of_root), delegate("{redirect: {uri: /x}}")], &[("/", "301 -")]);
}

#[test]
fn s3_12_given_rewrites_headers_and_cors_then_the_delegates_are_taken_else_the_roots() {
    let fields = |name: &str| {
        format!(
            "rewrite: {{uri: /{name}}}, headers: {{response: {{set: {{x-of: {name}}}}}}}, corsPolicy: {{allowOrigins: [{{exact: 'http://{name}'}}]}}"
        )
    };
    let origin: &[(&str, &[u8])] = &[("origin", b"http://root"), ("origin", b"http://leaf")];
    let at_root = root(&format!("{{match: [{{uri: {{prefix: /a}}}}], {TO}, {}}}", fields("root")));
    for (own, expected) in [(String::new(), "root"), (fields("leaf") + ",", "leaf")] {
        for header in origin {
            let request = Request { headers: std::slice::from_ref(header), ..get("web", "/a") };
            routed(&[at_root.clone(), delegate(&format!("{{{own} {WEB}}}"))], &request, |route| {
                assert_eq!(route.path.as_deref(), Some(&*format!("/{expected}")));
                let set: Vec<&str> =
                    route.effects.response.iter().flat_map(|list| &list.set).map(|(name, _)| &**name).collect();
                assert_eq!(set, ["x-of"]);
                let allowed = header.1.ends_with(expected.as_bytes());
                assert_eq!(!route.response_lines.is_empty(), allowed, "{expected} {:?}", route.response_lines);
            });
        }
    }
}

#[test]
fn s3_12_given_a_missing_or_invisible_delegate_then_only_that_rule_of_the_root_is_gone() {
    let named = format!("{{match: [{{uri: {{prefix: /a}}}}], {TO}}}, {REST}");
    let hidden = istio("VirtualService", "team", "leaf", &format!("{{exportTo: ['.'], http: [{{{WEB}}}]}}"));
    let elsewhere = istio("VirtualService", "team", "leaf", &format!("{{exportTo: [x], http: [{{{WEB}}}]}}"));
    let hosted = istio("VirtualService", "team", "leaf", &format!("{{hosts: [y], http: [{{{WEB}}}]}}"));
    for leaf in [String::new(), hidden, elsewhere, hosted] {
        check(&[root(&named), leaf], &[("/a", OTHER), ("/b", OTHER)]);
    }
    let exported = istio("VirtualService", "team", "leaf", &format!("{{exportTo: [shop], http: [{{{WEB}}}]}}"));
    check(&[root(&named), exported], &[("/a", TEAM), ("/b", OTHER)]);
}

#[test]
fn s3_12_given_no_rule_that_is_left_then_the_services_default_route_is_used() {
    check(&[root(&format!("{{{TO}}}"))], &[("/", SHOP)]);
}

#[test]
fn s3_12_given_a_delegate_then_it_owns_no_host_itself() {
    check(&[delegate(&format!("{{{WEB}}}"))], &[("/", SHOP)]);
}

#[test]
fn s3_12_given_names_then_they_are_joined() {
    for (of_root, of_delegate, expected) in [
        ("name: a,", "name: b,", "a-b"),
        ("name: a,", "", "a"),
        ("", "name: b,", "b"),
        ("name: a, match: [{name: m, uri: {prefix: /}}],", "name: b, match: [{name: n, uri: {prefix: /}}],", "a-b.m-n"),
        ("name: a, match: [{name: m, uri: {prefix: /}}],", "", "a.m"),
    ] {
        routed(
            &[root(&format!("{{{of_root} {TO}}}")), delegate(&format!("{{{of_delegate} {WEB}}}"))],
            &get("web", "/"),
            |route| assert_eq!(&*route.rule.name, expected),
        );
    }
}

#[test]
fn s3_12_given_a_rule_of_a_delegate_then_both_places_are_named() {
    let rules = [
        root(&format!("{REST_OF_A}, {{match: [{{uri: {{prefix: /b}}}}, {{uri: {{prefix: /c}}}}], {TO}}}")),
        delegate(&format!(
            "{{match: [{{uri: {{exact: /b}}}}], {WEB}}}, {{match: [{{uri: {{exact: /x}}}}, {{uri: {{exact: /c/d}}}}], {WEB}}}"
        )),
    ];
    routed(&rules, &get("web", "/c/d"), |route| {
        assert_eq!(route.rule.virtual_service.as_deref(), Some("shop/root"));
        assert_eq!((route.rule.index, route.rule.entry), (1, Some(1)));
        let delegate = route.rule.delegate.as_ref().expect("a delegate");
        assert_eq!((&*delegate.virtual_service, delegate.index, delegate.entry), ("team/leaf", 1, Some(1)));
    });
}

const REST_OF_A: &str = "{match: [{uri: {prefix: /a}}], route: [{destination: {host: other}}]}";

#[test]
fn s3_12_given_a_delegate_of_a_delegate_or_a_rule_with_both_then_it_is_refused() {
    for (object, field) in [
        (delegate(&format!("{{{TO}}}")), "spec.http[0].delegate: stands in an object without hosts"),
        (root(&format!("{{{TO}, {WEB}}}")), "spec.http[0].route: is written beside delegate"),
        (root(&format!("{{{TO}, redirect: {{uri: /}}}}")), "spec.http[0].redirect: is written beside delegate"),
        (
            istio("VirtualService", "team", "leaf", &format!("{{gateways: [mesh], http: [{{{WEB}}}]}}")),
            "spec.gateways: means nothing in an object without hosts",
        ),
        (
            istio("VirtualService", "team", "leaf", &format!("{{tcp: [{{{WEB}}}], http: [{{{WEB}}}]}}")),
            "spec.tcp: means nothing in an object without hosts",
        ),
        (istio("VirtualService", "team", "leaf", "{}"), "spec.http: is empty"),
    ] {
        let errors = errors(&object);
        assert!(errors.iter().any(|error| error.contains(field)), "{object} {errors:?}");
    }
}

fn explained(rules: &[String], path: &str, look: impl FnOnce(serde_json::Value)) {
    look(crate::explained::explained(&mesh(rules), "shop", "web", get("web", path)));
}

#[test]
fn s3_12_given_explain_then_the_delegate_is_shown_and_those_not_used_are_losers() {
    let named = root(&format!("{{match: [{{uri: {{prefix: /a}}}}], {TO}}}, {REST}"));
    explained(&[named.clone(), delegate(&format!("{{{WEB}}}"))], "/a", |answer| {
        assert_eq!(answer["virtualService"], "shop/root");
        let expected = serde_json::json!({"kind": "http", "index": 0, "name": null, "match": 0,
            "delegate": {"virtualService": "team/leaf", "index": 0, "match": null}});
        assert_eq!(answer["rule"], expected);
        assert_eq!(answer["notUsed"], serde_json::json!([]));
    });
    let hidden = istio("VirtualService", "team", "leaf", &format!("{{exportTo: ['.'], http: [{{{WEB}}}]}}"));
    let outside = delegate(&format!("{{match: [{{uri: {{prefix: /b}}}}], {WEB}}}"));
    for (leaf, reason) in
        [(String::new(), "DelegateNotFound"), (hidden, "DelegateNotExported"), (outside, "DelegateOutsideRoot")]
    {
        explained(&[named.clone(), leaf], "/a", |answer| {
            assert_eq!(answer["rule"]["index"], 1);
            assert_eq!(answer["notUsed"][0]["object"], "VirtualService team/leaf");
            assert_eq!(answer["notUsed"][0]["reason"], reason);
        });
    }
}

#[test]
fn s3_12_given_an_aborted_request_then_explain_says_so_and_shows_the_fault() {
    explained(&[root(&format!("{{{}, timeout: 3s, {WEB}}}", abort(503)))], "/", |answer| {
        assert_eq!((&answer["verdict"], &answer["reason"]), (&"respond".into(), &"Fault".into()));
        let expected = serde_json::json!({"status": 503, "flag": "FI", "headers": [], "body": "fault filter abort"});
        assert_eq!(answer["response"], expected);
        assert_eq!(answer["policy"]["timeoutMs"], 3000);
        assert_eq!(answer["policy"]["fault"], serde_json::json!({"abort": {"httpStatus": 503, "percent": 100.0}}));
    });
}

#[test]
fn s1_2_given_explain_then_policy_tells_limits_tries_faults_and_mirrors() {
    let fields = "timeout: 1500ms, retries: {attempts: 3, perTryTimeout: 200ms, retryOn: '5xx,503'},
        fault: {delay: {fixedDelay: 5s, percentage: {value: 10}}, abort: {grpcStatus: UNAVAILABLE, percentage: {value: 0.0001}}},
        mirrors: [{destination: {host: other}}, {destination: {host: nobody, subset: v1, port: {number: 81}}, percentage: {value: 12.5}}]";
    explained(&[root(&format!("{{{fields}, {WEB}}}"))], "/", |answer| {
        let expected = serde_json::json!({
            "timeoutMs": 1500,
            "retries": {"attempts": 3, "perTryTimeoutMs": 200, "retryOn": ["5xx", "retriable-status-codes", "503"]},
            "fault": {"delay": {"fixedMs": 5000, "percent": 10.0}, "abort": {"grpcStatus": "UNAVAILABLE", "percent": 0.0001}},
            "mirrors": [
                {"host": "other.shop.svc.cluster.local", "subset": null, "port": 80, "percent": 100.0, "cluster": OTHER},
                {"host": "nobody.shop.svc.cluster.local", "subset": "v1", "port": 81, "percent": 12.5,
                 "cluster": "outbound|81|v1|nobody.shop.svc.cluster.local"},
            ],
        });
        assert_eq!(answer["policy"], expected);
    });
    explained(&[root(&format!("{{{WEB}}}"))], "/", |answer| {
        let retry_on = ["connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"];
        let expected = serde_json::json!({"timeoutMs": 0, "fault": null, "mirrors": [],
            "retries": {"attempts": 2, "perTryTimeoutMs": 0, "retryOn": retry_on}});
        assert_eq!(answer["policy"], expected);
    });
}
