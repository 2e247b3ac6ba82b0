//! Section 3.3: presence, emptiness and absence of headers and query parameters.

use meshlet_routing::decide::Request;

use crate::ask::{errors, get, istio, pod, sent, service, table};

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

/// Whether the condition passes where `x` is absent, empty, `v` and `w`; `None` when it is refused.
fn passes(kind: &str, condition: &str) -> Option<[bool; 4]> {
    let text = shop(&format!("{{{kind}: {{x: {condition}}}}}"));
    if !errors(&text).is_empty() {
        return None;
    }
    let table = table(&text, "shop");
    let asked = |value: Option<&str>| {
        let line = value.map(|value| ("x", value.as_bytes()));
        let path = value.map_or("/".to_owned(), |value| format!("/?x={value}"));
        let request = match kind {
            "queryParams" => get("web", &path),
            _ => Request { headers: line.as_slice(), ..get("web", "/") },
        };
        sent(&table, "10.96.0.1:80", &request, 0) == "201 -"
    };
    Some([asked(None), asked(Some("")), asked(Some("v")), asked(Some("w"))])
}

const ANY: Option<[bool; 4]> = Some([false, true, true, true]);
const ABSENT: Option<[bool; 4]> = Some([true, false, false, false]);
const EMPTY: Option<[bool; 4]> = Some([false, true, false, false]);
const V: Option<[bool; 4]> = Some([false, false, true, false]);

#[test]
fn s3_3_given_nothing_but_a_name_then_presence_is_asked_for_or_absence() {
    for (kind, expected) in [("headers", ANY), ("withoutHeaders", ABSENT), ("queryParams", ANY)] {
        assert_eq!(passes(kind, "{}"), expected, "{kind}");
    }
}

#[test]
fn s3_3_given_a_null_condition_then_the_webhook_refuses_it_for_headers_alone() {
    for (kind, expected) in [("headers", None), ("withoutHeaders", ABSENT), ("queryParams", ANY)] {
        assert_eq!(passes(kind, "null"), expected, "{kind}");
    }
}

#[test]
fn s3_3_given_a_lone_star_as_expression_then_it_means_absence_in_without_headers_and_is_refused_elsewhere() {
    for (kind, expected) in [("headers", None), ("withoutHeaders", ABSENT), ("queryParams", None)] {
        assert_eq!(passes(kind, "{regex: '*'}"), expected, "{kind}");
    }
}

#[test]
fn s3_3_given_an_empty_exact_value_then_present_and_empty_is_asked_for_and_absent_counts_as_empty_without() {
    for (kind, expected) in
        [("headers", EMPTY), ("withoutHeaders", Some([false, false, true, true])), ("queryParams", EMPTY)]
    {
        assert_eq!(passes(kind, "{exact: ''}"), expected, "{kind}");
    }
}

#[test]
fn s3_3_given_an_exact_value_then_it_equals_or_is_absent_or_different() {
    for (kind, expected) in [("headers", V), ("withoutHeaders", Some([true, true, false, true])), ("queryParams", V)] {
        assert_eq!(passes(kind, "{exact: v}"), expected, "{kind}");
    }
}

#[test]
fn q1_3_given_an_expression_for_anything_then_without_headers_lets_nothing_pass() {
    for (kind, expected) in [("headers", ANY), ("withoutHeaders", Some([false; 4])), ("queryParams", ANY)] {
        assert_eq!(passes(kind, "{regex: '.*'}"), expected, "{kind}");
    }
}

#[test]
fn s1_3_given_without_headers_then_an_absent_header_counts_as_not_holding() {
    assert_eq!(passes("withoutHeaders", "{prefix: v}"), Some([true, true, false, true]));
    assert_eq!(passes("withoutHeaders", "{regex: 'v|w'}"), Some([true, true, false, false]));
}

#[test]
fn s3_3_given_an_empty_prefix_or_expression_or_several_then_they_are_refused() {
    for condition in ["{prefix: ''}", "{regex: ''}", "{exact: v, prefix: v}"] {
        for kind in ["headers", "withoutHeaders", "queryParams"] {
            assert_eq!(passes(kind, condition), None, "{kind} {condition}");
        }
    }
    for field in ["scheme", "method", "authority"] {
        assert_eq!(errors(&shop(&format!("{{{field}: {{prefix: ''}}}}"))).len(), 1, "{field}");
    }
}

#[test]
fn s1_3_given_what_is_no_headers_name_then_it_is_refused() {
    for (name, refused) in [
        ("x_a-1", false),
        ("':path'", false),
        ("':status'", false),
        ("':unknown'", true),
        ("'a b'", true),
        ("''", true),
        ("'@request.auth.claims[a]'", false),
    ] {
        for kind in ["headers", "withoutHeaders"] {
            let found = errors(&shop(&format!("{{{kind}: {{{name}: {{}}}}}}")));
            assert_eq!(!found.is_empty(), refused, "{kind} {name} {found:?}");
        }
    }
}
