//! Section 3 as a whole: whatever rules are written and whatever is asked, there is one decision, and it can be carried out.

use meshlet_routing::decide::{Outcome, Request, Towards, normalize_path};
use proptest::prelude::*;
use proptest::sample::select;

use crate::ask::{decided, errors, istio, pod, service, table};

/// A text of some of these parts.
fn some_of(parts: &'static [&'static str], least: usize) -> impl Strategy<Value = String> {
    prop::sample::subsequence(parts.to_vec(), least..=parts.len()).prop_map(|parts| parts.join(", "))
}

fn uris() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "uri: {prefix: ''}, ",
        "uri: {prefix: /é}, ",
        "uri: {prefix: /a}, ignoreUriCase: true, ",
        "uri: {exact: /a/b}, ",
        "uri: {regex: '/.*b'}, ",
    ])
}

const CONDITIONS: &[&str] = &[
    "headers: {x-a: {}}",
    "withoutHeaders: {x-b: {exact: ''}}",
    "queryParams: {q: {prefix: é}}",
    "method: {exact: GET}",
    "port: 80",
];

const OPERATIONS: &[&str] =
    &["request: {set: {x-a: '%REQ(x-b?:path)%%%', host: h}, remove: [x-a]}", "response: {add: {x-c: '%RESP(x)%'}}"];

fn actions() -> impl Strategy<Value = String> {
    let rewrites = select(vec![
        "",
        "rewrite: {uri: /n}, ",
        "rewrite: {uri: é}, ",
        r"rewrite: {uriRegexRewrite: {match: '(.)/?', rewrite: '\1\9'}}, ",
        r"rewrite: {uriRegexRewrite: {match: '.?', rewrite: '\0\0'}}, ",
    ]);
    let cors = select(vec!["", "corsPolicy: {allowOrigins: [{prefix: h}], unmatchedPreflights: IGNORE}, "]);
    let destinations = select(vec![
        "{destination: {host: web}}",
        "{destination: {host: nobody}}",
        "{weight: 1, destination: {host: web}, headers: {request: {add: {x-a: own}}}}, {weight: 2, destination: {host: web, subset: v9}}",
    ]);
    let route = (rewrites, cors, destinations)
        .prop_map(|(rewrite, cors, destinations)| format!("{rewrite}{cors}route: [{destinations}]"));
    let redirect =
        some_of(&["uri: 'n?é'", "scheme: https", "port: 81", "redirectCode: 308", "authority: '[::1]:1'"], 1)
            .prop_filter("a code alone is none", |fields| !fields.starts_with("redirectCode"))
            .prop_map(|fields| format!("redirect: {{{fields}}}"));
    let answer = Just("directResponse: {status: 418, body: {string: é}}".to_owned());
    prop_oneof![3 => route, 1 => redirect, 1 => answer]
}

fn rules() -> impl Strategy<Value = String> {
    let entry = (uris(), some_of(CONDITIONS, 0)).prop_map(|(uri, rest)| format!("{{{uri}{rest}}}"));
    let matches = prop::collection::vec(entry, 0..3).prop_map(|entries| match &entries[..] {
        [] => String::new(),
        entries => format!("match: [{}], ", entries.join(", ")),
    });
    let rule = (matches, some_of(OPERATIONS, 0), actions())
        .prop_map(|(matches, operations, action)| format!("{{{matches}headers: {{{operations}}}, {action}}}"));
    prop::collection::vec(rule, 1..5).prop_map(|rules| rules.join(", "))
}

fn lines() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = select(vec!["x-a", "x-b", "origin", "access-control-request-method", "cookie"]);
    prop::collection::vec((name, prop::collection::vec(any::<u8>(), 0..4)), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn s3_given_any_rules_and_any_request_then_there_is_one_decision_that_can_be_carried_out(
        rules in rules(),
        method in select(vec!["GET", "OPTIONS", "*"]),
        path in "(/|/a|/A|/é|%2e|\\.\\.|b|\\?|q=é|&|#|\\PC){0,8}",
        lines in lines(),
        draw in any::<u32>(),
    ) {
        let text = service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
            + &pod("shop", "web", "v1", "10.1.0.1")
            + &istio("VirtualService", "shop", "web", &format!("{{hosts: [web], http: [{rules}]}}"));
        prop_assert_eq!(errors(&text), [""; 0]);
        let table = table(&text, "shop");
        let headers: Vec<(&str, &[u8])> = lines.iter().map(|(name, value)| (*name, &**value)).collect();
        let path = normalize_path(&path);
        let request = Request { method, authority: "web:80", path: &path, headers: &headers, source: None };
        let outcome = || decided(&table, "10.96.0.1:80", &request, draw).outcome;
        prop_assert_eq!(format!("{:?}", outcome()), format!("{:?}", outcome()), "the same answer twice");
        match outcome() {
            Outcome::Route(route) => {
                prop_assert!(route.towards == Towards::Dialled || !route.cluster.endpoints.is_empty());
                prop_assert!(route.path.is_none_or(|path| !path.is_empty()));
            }
            Outcome::Respond(respond) => {
                prop_assert!((200..=600).contains(&respond.status));
                for (_, value) in respond.headers.iter().filter(|(name, _)| *name == "location") {
                    let rest = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
                    prop_assert!(rest.is_some_and(|rest| rest.contains('/')), "{}", value);
                }
            }
            Outcome::Passthrough(reason) => prop_assert!(false, "{reason:?}"),
        }
    }
}
