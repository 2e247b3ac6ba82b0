//! What is done to requests and answers.

use meshlet_routing::decide::{Outcome, Request};

use super::{answered, routed, shop_of};
use crate::ask::{decided, errors, faults, get, table};

const TO_A: &str = "backendRefs: [{name: a, port: 80}]";

fn filtered(filters: &str) -> String {
    shop_of(&format!("{{filters: [{filters}], {TO_A}}}"))
}

/// The location that a request to `/x/y?q` of `web` is sent to.
fn location(matches: &str, filter: &str, authority: &str) -> (u16, String) {
    let text = shop_of(&format!("{{{matches} filters: [{{type: RequestRedirect, requestRedirect: {filter}}}]}}"));
    assert_eq!(errors(&text), [""; 0]);
    let mut found = None;
    answered(&text, &get(authority, "/x/y?q"), |respond| {
        let lines = &respond.headers;
        found =
            Some((respond.status, lines.iter().find(|(name, _)| *name == "location").expect("a location").1.clone()));
    });
    found.expect("an answer")
}

#[test]
fn gamma_given_header_modifiers_then_requests_and_answers_are_edited_with_literal_values() {
    let text = filtered(
        "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Set, value: '%REQ(x)% 100%'}], add: [{name: x-add, value: b}], remove: [X-Gone]}},
         {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-r, value: c}]}}",
    );
    assert_eq!(faults(&text), []);
    routed(&text, &get("web", "/"), |route| {
        let request = &route.effects.request[0];
        assert_eq!(request.remove, vec!["x-gone".into()]);
        let value = |list: &[(Box<str>, meshlet_routing::model::Template)]| {
            let rendered = list
                .iter()
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(&value.render(|_| None)).into_owned()));
            rendered.collect::<Vec<_>>()
        };
        assert_eq!(value(&request.set), [("x-set".to_owned(), "%REQ(x)% 100%".to_owned())]);
        assert_eq!(value(&request.add), [("x-add".to_owned(), "b".to_owned())]);
        assert_eq!(value(&route.effects.response[0].set), [("x-r".to_owned(), "c".to_owned())]);
    });
}

#[test]
fn gamma_given_a_host_header_then_the_authority_is_replaced() {
    let text =
        filtered("{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Host, value: h.example.com}]}}");
    routed(&text, &get("web", "/"), |route| {
        assert_eq!(route.effects.authority.as_deref(), Some("h.example.com"));
        assert!(route.effects.request.is_empty());
    });
}

#[test]
fn gamma_given_a_header_modifier_of_a_backend_then_it_is_for_that_backend_alone() {
    let modifier = "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x, value: y}]}}]";
    let text = shop_of(&format!("{{backendRefs: [{{name: a, port: 80, {modifier}}}, {{name: b, port: 80}}]}}"));
    let table = table(&text, "shop");
    for (draw, edited) in [(0, true), (u32::MAX, false)] {
        let Outcome::Route(route) = decided(&table, "10.96.0.1:80", &get("web", "/"), draw).outcome else {
            panic!("it is routed")
        };
        assert_eq!(!route.effects.request.is_empty(), edited, "{draw}");
    }
}

#[test]
fn gamma_given_a_redirect_then_its_parts_make_the_location() {
    for (matches, filter, authority, expected) in [
        ("", "{hostname: h.example.com}", "web", (302, "http://h.example.com/x/y?q")),
        ("", "{statusCode: 301, scheme: https}", "web", (301, "https://web/x/y?q")),
        ("", "{scheme: https}", "web:8080", (302, "https://web/x/y?q")),
        ("", "{port: 8443}", "web:80", (302, "http://web:8443/x/y?q")),
        ("", "{scheme: https, port: 443}", "web", (302, "https://web/x/y?q")),
        ("", "{statusCode: 308}", "web", (308, "http://web/x/y?q")),
        ("", "{path: {type: ReplaceFullPath, replaceFullPath: /n}}", "web", (302, "http://web/n?q")),
        (
            "matches: [{path: {value: /x}}],",
            "{path: {type: ReplacePrefixMatch, replacePrefixMatch: /n/m}}",
            "web",
            (302, "http://web/n/m/y?q"),
        ),
    ] {
        let (status, location) = location(matches, filter, authority);
        assert_eq!((status, &*location), expected, "{filter}");
    }
}

/// The path that a request is sent with, under a prefix match and a new prefix.
fn rewritten(matched: &str, new: &str, path: &str) -> String {
    let rewrite = format!(
        "{{type: URLRewrite, urlRewrite: {{path: {{type: ReplacePrefixMatch, replacePrefixMatch: '{new}'}}}}}}"
    );
    let text = shop_of(&format!("{{matches: [{{path: {{value: {matched}}}}}], filters: [{rewrite}], {TO_A}}}"));
    let mut found = String::new();
    routed(&text, &get("web", path), |route| found = route.path.clone().unwrap_or_else(|| path.to_owned()));
    found
}

#[test]
fn gamma_given_a_prefix_to_replace_then_whole_segments_are_replaced() {
    // The table of the Gateway API's HTTPPathModifier.replacePrefixMatch.
    for (path, matched, new, expected) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "/", "/bar"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/foo/bar?q=/foo", "/foo", "/xyz", "/xyz/bar?q=/foo"),
        ("/bar", "/", "/xyz", "/xyz/bar"),
    ] {
        assert_eq!(rewritten(matched, new, path), expected, "{path} {matched} {new}");
    }
}

#[test]
fn gamma_given_a_url_rewrite_then_host_and_whole_path_can_be_replaced() {
    let text =
        filtered("{type: URLRewrite, urlRewrite: {hostname: h, path: {type: ReplaceFullPath, replaceFullPath: /n}}}");
    routed(&text, &get("web", "/x?q"), |route| {
        assert_eq!((route.path.as_deref(), route.effects.authority.as_deref()), (Some("/n?q"), Some("h")));
    });
}

#[test]
fn gamma_given_mirrors_then_each_gets_its_share() {
    for (share, expected) in [
        ("", 100.0),
        (", percent: 25", 25.0),
        (", percent: 0", 0.0),
        (", fraction: {numerator: 1}", 1.0),
        (", fraction: {numerator: 1, denominator: 4}", 25.0),
        (", fraction: {numerator: 5, denominator: 5}", 100.0),
    ] {
        let text =
            filtered(&format!("{{type: RequestMirror, requestMirror: {{backendRef: {{name: b, port: 80}}{share}}}}}"));
        assert_eq!(faults(&text), [], "{share}");
        let table = table(&text, "shop");
        let copied = (0..10_000_u32).filter(|number| {
            let draw = number * (u32::MAX / 10_000);
            let Outcome::Route(route) = decided(&table, "10.96.0.1:80", &get("web", "/"), draw).outcome else {
                panic!("it is routed")
            };
            route.mirrors.iter().any(|cluster| &*cluster.name == "outbound|80||b.shop.svc.cluster.local")
        });
        let found = f64::from(u32::try_from(copied.count()).expect("10000 draws")) / 100.0;
        assert!((found - expected).abs() < 1.5, "{share} {found}");
    }
    let two = filtered(
        "{type: RequestMirror, requestMirror: {backendRef: {name: b, port: 80}}}, {type: RequestMirror, requestMirror: {backendRef: {name: a, port: 8080}}}",
    );
    routed(&two, &get("web", "/"), |route| assert_eq!(route.mirrors.len(), 2));
}

#[test]
fn gamma_given_a_filter_that_is_not_honoured_then_its_requests_are_answered_500_and_others_go_on() {
    for filter in [
        "{type: ExtensionRef, extensionRef: {group: x, kind: Y, name: z}}",
        "{type: CORS, cors: {allowOrigins: ['*']}}",
        "{type: ExternalAuth, externalAuth: {protocol: GRPC}}",
    ] {
        let text = shop_of(&format!(
            "{{matches: [{{path: {{value: /x}}}}], filters: [{filter}], {TO_A}}}, {{backendRefs: [{{name: b, port: 80}}]}}"
        ));
        assert_eq!(errors(&text), [""; 0]);
        assert!(faults(&text).iter().any(|fault| fault.problem.contains("answered 500")), "{:?}", faults(&text));
        super::check(&text, &[("/x", "500 -"), ("/y", "b")]);
    }
    let of_backend = "filters: [{type: ExtensionRef, extensionRef: {group: x, kind: Y, name: z}}]";
    let text = shop_of(&format!("{{backendRefs: [{{name: a, port: 80, {of_backend}}}]}}"));
    assert!(faults(&text).iter().any(|fault| fault.problem.contains("answered 500")), "{:?}", faults(&text));
    super::check(&text, &[("/", "500 NC")]);
}

#[test]
fn gamma_given_filters_that_the_schema_refuses_then_they_are_refused() {
    let redirect = "{type: RequestRedirect, requestRedirect: {hostname: h}}";
    let rewrite = "{type: URLRewrite, urlRewrite: {hostname: h}}";
    let prefix = "{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /x}}}";
    for (rule, expected) in [
        (format!("{{filters: [{redirect}], {TO_A}}}"), "backendRefs: is written beside a RequestRedirect"),
        (format!("{{filters: [{redirect}, {rewrite}]}}"), "filters: has both RequestRedirect and URLRewrite"),
        (format!("{{filters: [{rewrite}, {rewrite}], {TO_A}}}"), "filters[1]: URLRewrite is there twice"),
        (
            format!("{{matches: [{{path: {{type: Exact, value: /y}}}}], filters: [{prefix}], {TO_A}}}"),
            "filters: replaces a matched prefix",
        ),
        (
            format!("{{matches: [{{path: {{value: /y}}}}, {{path: {{value: /z}}}}], filters: [{prefix}], {TO_A}}}"),
            "filters: replaces a matched prefix",
        ),
        (format!("{{filters: [{{type: URLRewrite}}], {TO_A}}}"), "filters[0].urlRewrite: is missing"),
        (format!("{{filters: [{{type: Rewrite}}], {TO_A}}}"), "filters[0].type: \"Rewrite\" is no kind of filter"),
        (
            "{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 304}}]}".into(),
            "statusCode: 304 is no redirect",
        ),
        ("{filters: [{type: RequestRedirect, requestRedirect: {scheme: ftp}}]}".into(), "scheme: \"ftp\" is neither"),
        (
            format!(
                "{{filters: [{{type: URLRewrite, urlRewrite: {{path: {{type: ReplaceFullPath, replacePrefixMatch: /x}}}}}}], {TO_A}}}"
            ),
            "path: does not say what is replaced",
        ),
        (
            format!(
                "{{filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{name: b, port: 80}}, percent: 101}}}}], {TO_A}}}"
            ),
            "percent: 101 is above 100",
        ),
        (
            format!(
                "{{filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{name: b, port: 80}}, fraction: {{numerator: 3, denominator: 2}}}}}}], {TO_A}}}"
            ),
            "fraction: 3/2 is not from 0 to 1",
        ),
        (
            format!(
                "{{filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{name: b, port: 80}}, percent: 1, fraction: {{numerator: 1}}}}}}], {TO_A}}}"
            ),
            "has both percent and fraction",
        ),
    ] {
        let errors = errors(&shop_of(&rule));
        assert!(errors.len() == 1 && errors[0].contains(expected), "{rule} {errors:?}");
    }
}

#[test]
fn gamma_given_headers_then_a_request_that_carries_them_is_edited_the_same() {
    let text = filtered("{type: RequestHeaderModifier, requestHeaderModifier: {remove: [x]}}");
    let headers: &[(&str, &[u8])] = &[("x", b"1")];
    routed(&text, &Request { headers, ..get("web", "/") }, |route| {
        assert_eq!(route.effects.request[0].remove, vec!["x".into()]);
    });
}
