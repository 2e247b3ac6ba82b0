//! Section 3.2: how texts are compared, and with which form of the path.

use meshlet_routing::decide::{Request, normalize_path};

use crate::ask::{errors, get, istio, pod, sent, service, table};

const WEB: &str = "10.96.0.1:80";

fn shop(entry: &str) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &istio(
            "VirtualService",
            "shop",
            "web",
            &format!("{{hosts: [web], http: [{{match: [{entry}], directResponse: {{status: 201}}}}]}}"),
        )
}

#[track_caller]
fn takes(entry: &str, request: &Request<'_>) -> bool {
    match &*sent(&table(&shop(entry), "shop"), WEB, request, 0) {
        "201 -" => true,
        "404 NR" => false,
        other => panic!("{other}"),
    }
}

#[track_caller]
fn check(entry: &str, cases: &[(&str, bool)]) {
    for (path, expected) in cases {
        assert_eq!(takes(entry, &get("web", &normalize_path(path))), *expected, "{entry} {path}");
    }
}

#[test]
fn s3_2_given_exact_and_prefix_then_case_counts_unless_it_is_ignored() {
    check("{uri: {exact: /Ab}}", &[("/Ab", true), ("/ab", false), ("/Ab/", false)]);
    check("{uri: {prefix: /Ab}}", &[("/Abc", true), ("/abc", false)]);
    check("{uri: {exact: /Ab}, ignoreUriCase: true}", &[("/aB", true), ("/Ab/", false)]);
    check("{uri: {prefix: /Ab}, ignoreUriCase: true}", &[("/aBC", true), ("/b", false), ("/a", false)]);
    check("{uri: {regex: /Ab}, ignoreUriCase: true}", &[("/Ab", true), ("/ab", false)]);
}

#[test]
fn s1_3_given_a_prefix_then_it_is_plain_text_and_an_empty_one_takes_every_path() {
    check("{uri: {prefix: /api}}", &[("/api", true), ("/apiary", true), ("/api/x", true), ("/ap", false)]);
    check("{uri: {prefix: ''}}", &[("/", true), ("/x", true)]);
}

#[test]
fn s3_2_given_an_expression_then_it_must_cover_the_whole_value() {
    check("{uri: {regex: '/a'}}", &[("/a", true), ("/ab", false), ("/b/a", false)]);
    check("{uri: {regex: '^/a$'}}", &[("/a", true), ("/ab", false)]);
    check("{uri: {regex: '/a|/b'}}", &[("/a", true), ("/b", true), ("/ac", false), ("/x/b", false)]);
    check("{uri: {regex: '(?i)/a.*'}}", &[("/Abc", true), ("/b", false)]);
    check("{uri: {regex: '/[0-9]{2,3}'}}", &[("/1", false), ("/12", true), ("/1234", false)]);
}

#[test]
fn s3_2_given_an_expression_that_is_too_long_or_none_then_it_is_refused() {
    let refused = |expression: &str| !errors(&shop(&format!("{{uri: {{regex: '{expression}'}}}}"))).is_empty();
    assert!(!refused(&"a".repeat(1024)));
    assert!(refused(&"a".repeat(1025)));
    for expression in ["(", "a)(b", "*", "[", ""] {
        assert!(refused(expression), "{expression:?}");
    }
}

#[test]
fn s3_2_given_a_query_then_paths_are_compared_without_it() {
    check("{uri: {exact: /a}}", &[("/a?b=/c", true), ("/a#b", true), ("/a/b?c", false)]);
    check("{uri: {regex: '/a'}}", &[("/a?b", true)]);
}

#[test]
fn s3_2_given_dot_segments_then_they_are_resolved_before_and_repeated_slashes_stay() {
    check("{uri: {exact: /b}}", &[("/a/../b", true), ("/./b", true), ("//b", false), ("/a/%2e%2e/b", true)]);
    check("{uri: {exact: //b}}", &[("//b", true)]);
    check("{uri: {prefix: /a}}", &[("/a/../b", false)]);
    assert_eq!(normalize_path("/a/../b?c=/../d"), "/b?c=/../d", "and it is sent so");
}

#[test]
fn s1_3_given_conditions_on_method_and_authority_then_they_are_compared_as_sent() {
    let request = |method, authority| Request { method, ..get(authority, "/") };
    for (entry, method, authority, expected) in [
        ("{method: {exact: GET}}", "GET", "web", true),
        ("{method: {exact: GET}}", "get", "web", false),
        ("{method: {prefix: P}}", "PUT", "web", true),
        ("{method: {regex: 'GET|PUT'}}", "PUT", "web", true),
        ("{authority: {exact: web}}", "GET", "web", true),
        ("{authority: {exact: web}}", "GET", "web:80", false),
        ("{authority: {exact: 'web:80'}}", "GET", "web:80", true),
        ("{authority: {exact: web}}", "GET", "WEB", false),
        ("{authority: {prefix: web}}", "GET", "web.shop:80", true),
    ] {
        assert_eq!(takes(entry, &request(method, authority)), expected, "{entry} {method} {authority}");
    }
}

#[test]
fn s1_3_given_a_condition_on_the_scheme_then_only_http_can_match() {
    for (entry, expected) in [
        ("{scheme: {exact: http}}", true),
        ("{scheme: {prefix: http}}", true),
        ("{scheme: {regex: 'https?'}}", true),
        ("{scheme: {exact: https}}", false),
    ] {
        assert_eq!(takes(entry, &get("web", "/")), expected, "{entry}");
    }
}

#[test]
fn s1_3_given_headers_then_names_fold_and_lines_of_a_name_are_joined_by_commas() {
    let lines: &[(&str, &[u8])] = &[("x-a", b"1"), ("x-b", b"B"), ("x-a", b"2")];
    let request = Request { headers: lines, ..get("web:80", "/a?b") };
    for (entry, expected) in [
        ("{headers: {X-A: {exact: '1,2'}}}", true),
        ("{headers: {x-a: {exact: '1'}}}", false),
        ("{headers: {x-a: {prefix: '1'}, x-b: {exact: B}}}", true),
        ("{headers: {x-a: {prefix: '1'}, x-b: {exact: b}}}", false),
        ("{headers: {':authority': {exact: 'web:80'}}}", true),
        ("{headers: {':method': {exact: GET}}}", true),
        ("{headers: {':path': {exact: '/a?b'}}}", true),
        ("{headers: {':scheme': {exact: http}}}", true),
        ("{headers: {'@request.auth.claims.sub': {exact: x}}}", false),
    ] {
        assert_eq!(takes(entry, &request), expected, "{entry}");
    }
}

#[test]
fn s1_3_given_query_parameters_then_the_first_value_counts_undecoded_and_all_must_hold() {
    check(
        "{queryParams: {q: {exact: a%20b}}}",
        &[("/?q=a%20b", true), ("/?q=a b", false), ("/?q=a+b", false), ("/?Q=a%20b", false)],
    );
    check(
        "{queryParams: {q: {exact: '1'}}}",
        &[("/?q=1&q=2", true), ("/?q=2&q=1", false), ("/?x&q=1", true), ("/", false)],
    );
    check("{queryParams: {q: {prefix: ab}}}", &[("/?q=abc", true), ("/?q=a", false)]);
    check("{queryParams: {q: {regex: 'a|b'}}}", &[("/?q=b", true), ("/?q=ab", false)]);
    check("{queryParams: {q: {exact: '1'}, r: {}}}", &[("/?q=1&r", true), ("/?q=1", false), ("/?r", false)]);
    check("{queryParams: {q: {exact: 'a=b'}}}", &[("/?q=a=b", true)]);
}
