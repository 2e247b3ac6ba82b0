//! What a rule takes, and in which order matches are tried.

use meshlet_routing::decide::Request;

use super::{check, goes, http_route, shop, shop_of};
use crate::ask::{errors, get, table};

/// Two rules: one with a match that goes to `a`, and one for everything else that goes to `b`.
fn matched(entry: &str) -> String {
    shop_of(&format!(
        "{{matches: [{entry}], backendRefs: [{{name: a, port: 80}}]}}, {{backendRefs: [{{name: b, port: 80}}]}}"
    ))
}

#[test]
fn gamma_given_a_path_then_it_is_compared_by_its_kind() {
    for (path, taken, left) in [
        ("{type: Exact, value: /x}", &["/x", "/x?q=1"][..], &["/x/", "/x/y", "/X"][..]),
        ("{type: PathPrefix, value: /x}", &["/x", "/x/", "/x/y", "/x?q"], &["/xy", "/", "/X"]),
        ("{type: PathPrefix, value: /x/}", &["/x", "/x/", "/x/y"], &["/xy"]),
        ("{value: /x/y}", &["/x/y", "/x/y/z"], &["/x/yz", "/x"]),
        ("{type: PathPrefix, value: /}", &["/", "/x"], &[]),
        ("{}", &["/", "/x"], &[]),
    ] {
        let table = table(&matched(&format!("{{path: {path}}}")), "shop");
        for (paths, expected) in [(taken, "a"), (left, "b")] {
            for one in paths {
                assert_eq!(goes(&table, &get("web", one)), expected, "{path} {one}");
            }
        }
    }
}

#[test]
fn gamma_given_an_expression_then_it_covers_the_whole_path_and_comes_after_every_prefix() {
    let entry = "{matches: [{path: {type: RegularExpression, value: '/x[0-9]+'}}], backendRefs: [{name: a, port: 80}]}";
    check(&shop_of(entry), &[("/x1", "a"), ("/x22?q", "a"), ("/x", "404 NR"), ("/x1/y", "404 NR"), ("/ax1", "404 NR")]);
    check(&shop_of(&format!("{entry}, {{backendRefs: [{{name: b, port: 80}}]}}")), &[("/x1", "b")]);
}

#[test]
fn gamma_given_headers_query_params_and_method_then_all_have_to_hold() {
    let entry = "{headers: [{name: X-A, value: one}, {type: RegularExpression, name: x-b, value: '[0-9]+'}],
        queryParams: [{name: q, value: Two}, {type: RegularExpression, name: r, value: 'a.*'}], method: POST}";
    let table = table(&matched(entry), "shop");
    let good: [(&str, &[u8]); 2] = [("x-a", b"one"), ("x-b", b"12")];
    let request = Request { method: "POST", headers: &good, ..get("web", "/?q=Two&r=abc") };
    assert_eq!(goes(&table, &request), "a");
    for (path, method, headers) in [
        ("/?q=two&r=abc", "POST", &good[..]),
        ("/?q=Two", "POST", &good),
        ("/?q=Two&r=bc", "POST", &good),
        ("/?q=Two&r=abc", "GET", &good),
        ("/?q=Two&r=abc", "POST", &good[..1]),
        ("/?q=Two&r=abc", "POST", &[("x-a", b"One"), ("x-b", b"12")]),
        ("/?q=Two&r=abc", "POST", &[("x-a", b"one"), ("x-b", b"12a")]),
    ] {
        let request = Request { method, headers, ..get("web", path) };
        assert_eq!(goes(&table, &request), "b", "{path} {method} {headers:?}");
    }
}

#[test]
fn gamma_given_several_conditions_under_one_name_then_the_first_counts_alone() {
    let entry = "{headers: [{name: x, value: one}, {name: X, value: two}], queryParams: [{name: q, value: '1'}, {name: q, value: '2'}]}";
    let table = table(&matched(entry), "shop");
    let goes = |value: &[u8], path: &str| goes(&table, &Request { headers: &[("x", value)], ..get("web", path) });
    assert_eq!([goes(b"one", "/?q=1"), goes(b"two", "/?q=1"), goes(b"one", "/?q=2")], ["a", "b", "b"]);
}

#[test]
fn gamma_given_several_matches_then_any_of_them_takes_the_request() {
    let text = shop_of(
        "{matches: [{path: {value: /x}}, {path: {type: Exact, value: /y}}], backendRefs: [{name: a, port: 80}]}",
    );
    check(&text, &[("/x/1", "a"), ("/y", "a"), ("/z", "404 NR")]);
}

/// Rules in this order, each with one match, going to `a` and `b`; whichever order they are written in.
fn first_of(one: &str, other: &str, request: &Request<'_>) {
    let rule =
        |entry: &str, backend: &str| format!("{{matches: [{entry}], backendRefs: [{{name: {backend}, port: 80}}]}}");
    for text in [
        shop_of(&[rule(one, "a"), rule(other, "b")].join(", ")),
        shop_of(&[rule(other, "b"), rule(one, "a")].join(", ")),
        shop(&(named("r1", &rule(one, "a"), 2026) + &named("r2", &rule(other, "b"), 2026))),
        shop(&(named("r1", &rule(other, "b"), 2020) + &named("r2", &rule(one, "a"), 2026))),
    ] {
        assert_eq!(goes(&table(&text, "shop"), request), "a", "{one} before {other}");
    }
}

fn named(name: &str, rules: &str, year: u16) -> String {
    http_route("shop", name, &format!("{{parentRefs: [{{group: '', kind: Service, name: web}}], rules: [{rules}]}}"))
        .replace("namespace: shop}", &format!("namespace: shop, creationTimestamp: '{year}-01-01T00:00:00Z'}}"))
}

#[test]
fn gamma_given_matches_that_both_take_a_request_then_the_more_specific_goes_first() {
    let headers: &[(&str, &[u8])] = &[("x", b"1"), ("y", b"1")];
    let request = Request { headers, ..get("web", "/a/b/c?q=1&r=1") };
    let path = |kind: &str, value: &str| format!("path: {{type: {kind}, value: '{value}'}}");
    let (exact, long, short) = (path("Exact", "/a/b/c"), path("PathPrefix", "/a/b"), path("PathPrefix", "/a"));
    let (regex, all) = (path("RegularExpression", "/a/b/.*c"), path("PathPrefix", "/"));
    for (one, other) in [
        (exact.clone(), format!("{long}, method: GET, headers: [{{name: x, value: '1'}}]")),
        (exact, regex.clone()),
        (long.clone(), format!("{short}, method: GET, headers: [{{name: x, value: '1'}}]")),
        (all.clone(), regex),
        (
            format!("{short}, method: GET"),
            format!("{short}, headers: [{{name: x, value: '1'}}, {{name: y, value: '1'}}]"),
        ),
        (
            format!("{short}, headers: [{{name: x, value: '1'}}, {{name: y, value: '1'}}]"),
            format!("{short}, headers: [{{name: x, value: '1'}}], queryParams: [{{name: q, value: '1'}}]"),
        ),
        (
            format!("{short}, queryParams: [{{name: q, value: '1'}}, {{name: r, value: '1'}}]"),
            format!("{short}, queryParams: [{{name: q, value: '1'}}]"),
        ),
        (format!("{all}, headers: [{{name: x, value: '1'}}]"), String::new()),
    ] {
        first_of(&format!("{{{one}}}"), &format!("{{{other}}}"), &request);
    }
}

#[test]
fn gamma_given_matches_that_are_equally_specific_then_age_then_name_then_place_decide() {
    let to = |backend: &str| format!("{{backendRefs: [{{name: {backend}, port: 80}}]}}");
    for (text, why) in [
        (named("z", &to("a"), 2020) + &named("y", &to("b"), 2026), "the older"),
        (named("y", &to("b"), 2026) + &named("z", &to("a"), 2020), "the older, whatever the order"),
        (named("z", &to("b"), 2026) + &named("y", &to("a"), 2026), "the first by name"),
        (named("y", &format!("{}, {}", to("a"), to("b")), 2026), "the first that is written"),
    ] {
        check(&shop(&text), &[("/", "a")]);
        assert!(!why.is_empty());
    }
}

#[test]
fn gamma_given_routes_of_one_service_then_their_rules_are_merged() {
    let rule = |path: &str, backend: &str| {
        format!("{{matches: [{{path: {{value: {path}}}}}], backendRefs: [{{name: {backend}, port: 80}}]}}")
    };
    let text = shop(&(named("r1", &rule("/x", "a"), 2026) + &named("r2", &rule("/y", "b"), 2026)));
    check(&text, &[("/x", "a"), ("/y", "b"), ("/z", "404 NR")]);
}

#[test]
fn gamma_given_matches_that_the_schema_refuses_then_they_are_refused() {
    for (entry, expected) in [
        ("{path: {type: Prefix, value: /x}}", "path.type: \"Prefix\" is no kind of match"),
        ("{path: {value: x}}", "path.value: \"x\" is no plain absolute path"),
        ("{path: {value: /x//y}}", "path.value: \"/x//y\" is no plain"),
        ("{path: {type: Exact, value: /x/../y}}", "path.value: \"/x/../y\" is no plain"),
        ("{path: {value: '/x%2Fy'}}", "path.value: \"/x%2Fy\" is no plain"),
        ("{path: {value: '/x/..'}}", "path.value: \"/x/..\" is no plain"),
        ("{path: {type: RegularExpression, value: '('}}", "path.value: \"(\": "),
        ("{headers: [{name: x}]}", "headers[0]: has no name or no value"),
        ("{headers: [{type: Prefix, name: x, value: y}]}", "headers[0].type: \"Prefix\" is no kind"),
        ("{queryParams: [{value: y}]}", "queryParams[0]: has no name or no value"),
        ("{method: get}", "method: \"get\" is no method"),
    ] {
        let errors = errors(&matched(entry));
        let expected = format!("spec.rules[0].matches[0].{expected}");
        assert!(errors.len() == 1 && errors[0].contains(&expected), "{entry} {errors:?}");
    }
}
