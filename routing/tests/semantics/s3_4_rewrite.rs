//! Section 3.4: rewriting path and Host.

use meshlet_routing::decide::{Outcome, Towards};

use crate::ask::{decided, errors, faults, get, istio, pod, service, table};

fn ruled(entries: &str, fields: &str) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &istio(
            "VirtualService",
            "shop",
            "web",
            &format!("{{hosts: [web], http: [{{{entries}{fields}, route: [{{destination: {{host: web}}}}]}}]}}"),
        )
}

/// The path and the Host that are sent for a path.
fn sent(text: &str, path: &str) -> (String, String) {
    let table = table(text, "shop");
    match decided(&table, "10.96.0.1:80", &get("web", path), 0).outcome {
        Outcome::Route(route) => {
            let authority = route.effects.authority.as_deref().unwrap_or("web");
            (route.path.unwrap_or_else(|| path.to_owned()), authority.to_owned())
        }
        other => panic!("{path}: {other:?}"),
    }
}

#[track_caller]
fn check(entries: &str, rewrite: &str, cases: &[(&str, &str)]) {
    let text = ruled(entries, &format!("rewrite: {{{rewrite}}}"));
    assert_eq!(errors(&text), [""; 0]);
    for (path, expected) in cases {
        assert_eq!(sent(&text, path).0, *expected, "{entries} {rewrite} {path}");
    }
}

#[test]
fn s3_4_given_a_prefix_match_then_the_text_of_the_prefix_is_replaced() {
    let old = "match: [{uri: {prefix: /old}}], ";
    check(old, "uri: /new", &[("/old", "/new"), ("/old/x", "/new/x"), ("/older", "/newer")]);
    check(old, "uri: /", &[("/old/x", "//x"), ("/old", "/")]);
    check("match: [{uri: {prefix: /old/}}], ", "uri: /", &[("/old/x", "/x")]);
    check("match: [{uri: {prefix: ''}}], ", "uri: /new", &[("/x", "/new/x")]);
    check("match: [{uri: {prefix: /Old}, ignoreUriCase: true}], ", "uri: /new", &[("/oLD/X", "/new/X")]);
}

#[test]
fn s3_4_given_an_exact_or_regex_match_then_the_whole_path_is_replaced() {
    check("match: [{uri: {exact: /old/x}}], ", "uri: /new", &[("/old/x", "/new"), ("/old/x?q", "/new?q")]);
    check("match: [{uri: {regex: '/old.*'}}], ", "uri: /new", &[("/old/x", "/new"), ("/old?q", "/new?q")]);
}

#[test]
fn s3_4_given_no_condition_on_the_path_then_the_implied_slash_is_replaced() {
    check("", "uri: /svc", &[("/a", "/svca"), ("/", "/svc"), ("/a/b?c", "/svca/b?c")]);
    check("match: [{method: {exact: GET}}], ", "uri: /svc/", &[("/a", "/svc/a")]);
}

#[test]
fn s3_4_given_an_expression_then_every_match_within_the_path_is_replaced() {
    let regex = |pattern: &str, new: &str| format!("uriRegexRewrite: {{match: '{pattern}', rewrite: '{new}'}}");
    check("", &regex("a", "bb"), &[("/a/xa", "/bb/xbb"), ("/x", "/x")]);
    check("", &regex("^/(v[0-9])/([^/]+)", r"/\2/\1"), &[("/v1/cart/x?q=/v2/y", "/cart/v1/x?q=/v2/y")]);
    check("", &regex("(?i)/OLD", "/new"), &[("/old/oLd", "/new/new")]);
    check("", &regex("^/x", r"\\\0!"), &[("/xy", r"\/x!y")]);
    check("match: [{uri: {prefix: /a}}], ", &regex("^/a", "/b"), &[("/a/a", "/b/a")]);
    // A group that did not take part is empty, and an empty path is no rewrite.
    check("", &regex("/(a)|/(b)", r"/[\1\2]"), &[("/b", "/[b]")]);
    check("", &regex("/(a?)", r"\1"), &[("/", "/")]);
}

#[test]
fn s3_4_given_a_replacement_that_re2_cannot_use_then_it_is_warned_of_and_does_what_re2_does() {
    let rewrite = |new: &str| format!("uriRegexRewrite: {{match: '/(a)', rewrite: '{new}'}}");
    for (new, path, expected) in [(r"/\2", "/a", "/a"), (r"/b\x", "/a/c", "/b/c")] {
        let text = ruled("", &format!("rewrite: {{{}}}", rewrite(new)));
        assert_eq!((errors(&text).len(), faults(&text).len()), (0, 1), "{new}");
        assert_eq!(sent(&text, path).0, expected, "{new}");
    }
}

#[test]
fn s3_4_given_a_rewrite_then_the_query_is_kept() {
    check("match: [{uri: {prefix: /a}}], ", "uri: /b", &[("/a?x=/a", "/b?x=/a"), ("/ac?", "/bc?")]);
    check("", "uriRegexRewrite: {match: x, rewrite: y}", &[("/x?x", "/y?x")]);
}

#[test]
fn s3_4_given_an_authority_then_it_takes_the_place_of_host() {
    let text = ruled("", "rewrite: {authority: other.shop}");
    assert_eq!(sent(&text, "/a"), ("/a".to_owned(), "other.shop".to_owned()));
    let both = ruled("", "rewrite: {uri: /b, authority: other.shop}");
    assert_eq!(sent(&both, "/"), ("/b".to_owned(), "other.shop".to_owned()));
}

#[test]
fn s3_4_given_several_entries_then_each_rewrites_after_its_own_kind() {
    let entries =
        "match: [{uri: {prefix: /p}}, {uri: {exact: /e/x}}, {uri: {regex: '/r.*'}}, {method: {exact: GET}}], ";
    check(entries, "uri: /new", &[("/p/x", "/new/x"), ("/e/x", "/new"), ("/r/x", "/new"), ("/o/x", "/newo/x")]);
}

#[test]
fn s3_4_given_a_rewrite_that_says_too_much_or_nothing_then_it_is_refused() {
    for (rewrite, problems) in [
        ("{}", 1),
        ("{uri: ''}", 1),
        ("{uri: /a, uriRegexRewrite: {match: a, rewrite: b}}", 1),
        ("{uriRegexRewrite: {match: a}}", 1),
        ("{uriRegexRewrite: {match: a, rewrite: ''}}", 1),
        ("{uriRegexRewrite: {rewrite: b}}", 1),
        ("{uriRegexRewrite: {}}", 2),
        ("{uriRegexRewrite: {match: '(', rewrite: b}}", 1),
        ("{uri: '/a b'}", 1),
        ("{authority: \"a\\r\\nx: y\"}", 1),
        ("{authority: a}", 0),
    ] {
        let found = errors(&ruled("", &format!("rewrite: {rewrite}")));
        assert_eq!(found.len(), problems, "{rewrite} {found:?}");
    }
}

#[test]
fn s3_4_given_a_headless_service_then_the_address_is_the_dialled_one_and_the_rewrite_applies_all_the_same() {
    let text = ruled("", "rewrite: {uri: /new, authority: other}").replace("clusterIP: 10.96.0.1", "clusterIP: None");
    let table = table(&text, "shop");
    let Outcome::Route(route) = decided(&table, "10.1.0.1:80", &get("web", "/a"), 0).outcome else {
        panic!("no route")
    };
    assert!(route.towards == Towards::Dialled && route.key.is_none());
    assert_eq!((route.reason.as_str(), route.path.as_deref()), ("OriginalDestination", Some("/newa")));
    assert_eq!(route.effects.authority.as_deref(), Some("other"));
}
