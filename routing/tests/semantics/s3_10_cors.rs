//! Section 3.10: CORS.

use meshlet_routing::decide::{Line, Outcome, Reason, Request};

use crate::ask::{decided, errors, faults, get, istio, pod, service, table};

fn ruled(policy: &str, destination: &str) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &istio(
            "VirtualService",
            "shop",
            "web",
            &format!(
                "{{hosts: [web], http: [{{match: [{{uri: {{prefix: /a}}}}], corsPolicy: {policy}, route: [{{destination: {{host: {destination}}}}}]}}, {{route: [{{destination: {{host: web}}}}]}}]}}"
            ),
        )
}

const FULL: &str = "{allowOrigins: [{exact: 'http://a'}, {prefix: 'https://b.'}, {regex: 'http://c[0-9]'}], allowMethods: [GET, POST], allowHeaders: [x-a, x-b], exposeHeaders: [x-c, x-d], maxAge: 24h, allowCredentials: true}";

fn line((name, value): &Line) -> String {
    format!("{}: {value}", name.strip_prefix("access-control-").unwrap_or(name))
}

/// Who answers a request with these lines, and what CORS adds.
fn asked(text: &str, method: &str, path: &str, lines: &[(&str, &str)]) -> (&'static str, Vec<String>) {
    let table = table(text, "shop");
    let headers: Vec<(&str, &[u8])> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let request = Request { method, headers: &headers, ..get("web", path) };
    match decided(&table, "10.96.0.1:80", &request, 0).outcome {
        Outcome::Route(route) => ("endpoint", route.response_lines.iter().map(line).collect()),
        Outcome::Respond(respond) if respond.reason == Reason::CorsPreflight => {
            assert_eq!((respond.status, respond.body), (200, &b""[..]));
            assert!(respond.effects.is_none() && respond.response_lines.is_empty());
            ("proxy", respond.headers.iter().map(line).collect())
        }
        Outcome::Respond(respond) => (respond.reason.as_str(), respond.response_lines.iter().map(line).collect()),
        Outcome::Passthrough(reason) => (reason.as_str(), vec![]),
    }
}

const METHOD: (&str, &str) = ("access-control-request-method", "DELETE");

#[test]
fn s3_10_given_a_preflight_of_an_origin_that_may_then_the_proxy_answers_it() {
    for origin in ["http://a", "https://b.c", "http://c1"] {
        let expected = [
            &format!("allow-origin: {origin}"),
            "allow-credentials: true",
            "allow-methods: GET,POST",
            "allow-headers: x-a,x-b",
            "max-age: 86400",
        ];
        // The method that it asks for is not compared.
        let found = asked(&ruled(FULL, "web"), "OPTIONS", "/a", &[("origin", origin), METHOD]);
        assert_eq!(found, ("proxy", expected.map(str::to_owned).to_vec()), "{origin}");
    }
}

#[test]
fn s3_10_given_less_than_a_preflight_then_it_is_forwarded() {
    for (method, lines) in [
        ("GET", &[("origin", "http://a"), METHOD][..]),
        ("OPTIONS", &[("origin", "http://a")]),
        ("OPTIONS", &[("origin", "http://a"), ("access-control-request-method", "")]),
        ("OPTIONS", &[METHOD]),
        ("OPTIONS", &[("origin", ""), METHOD]),
    ] {
        assert_eq!(asked(&ruled(FULL, "web"), method, "/a", lines).0, "endpoint", "{method} {lines:?}");
    }
}

#[test]
fn s3_10_given_a_preflight_to_another_route_then_the_policy_does_not_hold() {
    assert_eq!(asked(&ruled(FULL, "web"), "OPTIONS", "/b", &[("origin", "http://a"), METHOD]), ("endpoint", vec![]));
}

#[test]
fn s3_10_given_an_origin_that_does_not_match_then_the_preflight_is_forwarded_or_ignored() {
    let lines = [("origin", "http://x"), METHOD];
    for (field, who) in [
        ("", "endpoint"),
        (", unmatchedPreflights: UNSPECIFIED", "endpoint"),
        (", unmatchedPreflights: FORWARD", "endpoint"),
        (", unmatchedPreflights: IGNORE", "proxy"),
    ] {
        let policy = FULL.replace(", maxAge", &format!("{field}, maxAge"));
        assert_eq!(asked(&ruled(&policy, "web"), "OPTIONS", "/a", &lines), (who, vec![]), "{field}");
    }
    let ignoring = FULL.replace(", maxAge", ", unmatchedPreflights: IGNORE, maxAge");
    assert_eq!(asked(&ruled(&ignoring, "web"), "OPTIONS", "/a", &[("origin", "http://a"), METHOD]).1.len(), 5);
}

#[test]
fn s3_10_given_an_ordinary_request_then_its_answer_says_who_may_read_it_if_the_origin_matches() {
    let text = ruled(FULL, "web");
    let expected = ["allow-origin: http://a", "allow-credentials: true", "expose-headers: x-c,x-d"];
    assert_eq!(
        asked(&text, "GET", "/a", &[("origin", "http://a")]),
        ("endpoint", expected.map(str::to_owned).to_vec())
    );
    for origin in ["http://A", "http://ab", "https://b", "http://c11", ""] {
        assert_eq!(asked(&text, "GET", "/a", &[("origin", origin)]), ("endpoint", vec![]), "{origin}");
    }
    assert_eq!(asked(&text, "GET", "/a", &[]), ("endpoint", vec![]));
}

#[test]
fn s3_10_given_fields_that_are_absent_then_their_lines_are_too() {
    let text = ruled("{allowOrigins: [{exact: 'http://a'}], allowCredentials: false}", "web");
    let origin = ("origin", "http://a");
    assert_eq!(asked(&text, "OPTIONS", "/a", &[origin, METHOD]), ("proxy", vec!["allow-origin: http://a".to_owned()]));
    assert_eq!(asked(&text, "GET", "/a", &[origin]), ("endpoint", vec!["allow-origin: http://a".to_owned()]));
}

#[test]
fn s3_10_given_stars_then_origins_are_echoed_and_lists_are_what_is_asked_for() {
    let text = ruled("{allowOrigins: [{exact: '*'}], allowMethods: ['*'], allowHeaders: ['*']}", "web");
    let lines = [("origin", "http://x"), METHOD, ("access-control-request-headers", "x-q,x-r")];
    let expected = ["allow-origin: http://x", "allow-methods: DELETE", "allow-headers: x-q,x-r"];
    assert_eq!(asked(&text, "OPTIONS", "/a", &lines), ("proxy", expected.map(str::to_owned).to_vec()));
}

#[test]
fn s3_10_given_the_old_list_of_origins_then_it_counts_only_without_the_new_one() {
    let origin = |policy: &str, origin: &str| asked(&ruled(policy, "web"), "GET", "/a", &[("origin", origin)]).1.len();
    assert_eq!(origin("{allowOrigin: ['http://a']}", "http://a"), 1);
    let both = "{allowOrigin: ['http://a'], allowOrigins: [{exact: 'http://b'}]}";
    assert_eq!((origin(both, "http://a"), origin(both, "http://b")), (0, 1));
    assert_eq!((errors(&ruled(both, "web")).len(), faults(&ruled(both, "web")).len()), (0, 1));
}

#[test]
fn s3_10_given_a_broken_destination_then_preflights_are_answered_and_other_answers_have_the_lines() {
    let text = ruled(FULL, "nobody");
    assert_eq!(asked(&text, "OPTIONS", "/a", &[("origin", "http://a"), METHOD]).0, "proxy");
    let (reason, lines) = asked(&text, "GET", "/a", &[("origin", "http://a")]);
    assert_eq!((reason, lines.len()), ("UnknownHost", 3));
}

#[test]
fn s3_10_given_an_abort_then_it_comes_before_cors() {
    let text = ruled(FULL, "web")
        .replace("corsPolicy", "fault: {abort: {httpStatus: 500, percentage: {value: 100}}}, corsPolicy");
    assert_eq!(asked(&text, "OPTIONS", "/a", &[("origin", "http://a"), METHOD]), ("Fault", vec![]));
}

#[test]
fn s3_10_given_a_policy_that_istio_refuses_then_it_is_refused() {
    for (policy, problems) in [
        ("{}", 0),
        ("{allowOrigins: [{}]}", 1),
        ("{allowOrigins: [{exact: ''}]}", 1),
        ("{allowOrigins: [{prefix: ''}]}", 1),
        ("{allowOrigins: [{regex: '('}]}", 1),
        ("{allowMethods: [get]}", 1),
        ("{allowMethods: [PATCH, '*']}", 0),
        ("{allowHeaders: ['a b'], exposeHeaders: ['']}", 2),
        ("{exposeHeaders: ['*']}", 0),
        ("{maxAge: 1.5s}", 1),
        ("{maxAge: 0s}", 1),
        ("{maxAge: 1m}", 0),
        ("{unmatchedPreflights: SOMEHOW}", 1),
        ("{allowCredentials: 'yes'}", 1),
    ] {
        let found = errors(&ruled(policy, "web"));
        assert_eq!(found.len(), problems, "{policy} {found:?}");
    }
}
