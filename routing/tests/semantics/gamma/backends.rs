//! Where requests go, and how long and how often they are tried.

use std::time::Duration;

use meshlet_routing::decide::Outcome;
use meshlet_routing::retry::{Attempt, retried};

use super::{check, routed, shop_of, short};
use crate::ask::{decided, errors, faults, get, sent, table};

/// The share of requests, in percent, that goes where `name` says.
fn share(text: &str, name: &str) -> f64 {
    let table = table(text, "shop");
    let hits = (0..10_000_u32)
        .filter(|number| short(&sent(&table, "10.96.0.1:80", &get("web", "/"), number * (u32::MAX / 10_000))) == name);
    f64::from(u32::try_from(hits.count()).expect("10000 draws")) / 100.0
}

#[test]
fn gamma_given_weights_then_shares_are_their_parts_of_the_sum_and_1_is_the_default() {
    for (weights, a, b) in [
        (["", ""], 50.0, 50.0),
        ([", weight: 3", ""], 75.0, 25.0),
        ([", weight: 90", ", weight: 10"], 90.0, 10.0),
        ([", weight: 0", ""], 0.0, 100.0),
    ] {
        let [one, other] = weights;
        let text = shop_of(&format!("{{backendRefs: [{{name: a, port: 80{one}}}, {{name: b, port: 80{other}}}]}}"));
        assert_eq!(faults(&text), []);
        for (name, expected) in [("a", a), ("b", b)] {
            assert!((share(&text, name) - expected).abs() < 0.1, "{weights:?} {name} {}", share(&text, name));
        }
    }
}

#[test]
fn gamma_given_nothing_that_gets_a_share_then_the_answer_is_500() {
    for backends in [
        "",
        "backendRefs: []",
        "backendRefs: [{name: a, port: 80, weight: 0}]",
        "backendRefs: [{name: a, port: 80, weight: 0}, {name: b, port: 80, weight: 0}]",
    ] {
        let text = shop_of(&format!("{{{backends}}}"));
        assert_eq!(errors(&text), [""; 0], "{backends}");
        check(&text, &[("/", "500 -")]);
    }
}

#[test]
fn gamma_given_a_backend_that_is_not_there_then_its_share_is_answered_500() {
    for backend in [
        "{name: nobody, port: 80}",
        "{name: a, port: 81}",
        "{group: x.example, kind: Bucket, name: a}",
        "{name: a, namespace: nowhere, port: 80}",
    ] {
        let text = shop_of(&format!("{{backendRefs: [{backend}]}}"));
        assert_eq!(errors(&text), [""; 0], "{backend}");
        check(&text, &[("/", "500 NC")]);
        let text = shop_of(&format!("{{backendRefs: [{backend}, {{name: b, port: 80, weight: 3}}]}}"));
        assert!((share(&text, "500 NC") - 25.0).abs() < 0.1, "{backend}");
        assert!((share(&text, "b") - 75.0).abs() < 0.1, "{backend}");
    }
}

#[test]
fn gamma_given_a_backend_without_endpoints_then_the_answer_is_503() {
    check(&shop_of("{backendRefs: [{name: empty, port: 80}]}"), &[("/", "503 UH")]);
}

#[test]
fn gamma_given_a_backend_of_another_namespace_then_it_is_used_without_a_grant() {
    check(&shop_of("{backendRefs: [{name: a, namespace: team, port: 80}]}"), &[("/", "a.team")]);
}

#[test]
fn gamma_given_a_backends_port_then_it_is_the_services() {
    let table = table(&shop_of("{backendRefs: [{name: a, port: 8080}]}"), "shop");
    let cluster = sent(&table, "10.96.0.1:80", &get("web", "/"), 0);
    assert_eq!(cluster, "outbound|8080||a.shop.svc.cluster.local");
}

#[test]
fn gamma_given_the_parent_itself_as_backend_then_requests_reach_its_endpoints() {
    check(&shop_of("{backendRefs: [{name: web, port: 80}]}"), &[("/", "web")]);
}

#[test]
fn gamma_given_no_rules_then_everything_is_answered_500_as_the_schemas_default_is() {
    let text = super::shop(&super::http_route("shop", "r", "{parentRefs: [{group: '', kind: Service, name: web}]}"));
    assert!(faults(&text).iter().any(|fault| fault.field == "spec.rules"), "{:?}", faults(&text));
    check(&text, &[("/", "500 -")]);
}

#[test]
fn gamma_given_timeouts_then_the_whole_and_each_try_are_limited() {
    let ms = |millis| Some(Duration::from_millis(millis));
    for (fields, whole, one) in [
        ("", None, None),
        ("timeouts: {request: 2s},", ms(2000), None),
        ("timeouts: {request: 0s},", None, None),
        ("timeouts: {backendRequest: 500ms},", ms(500), None),
        ("timeouts: {request: 2s, backendRequest: 500ms},", ms(500), None),
        ("timeouts: {request: 2s, backendRequest: 500ms}, retry: {attempts: 3},", ms(2000), ms(500)),
    ] {
        let text = shop_of(&format!("{{{fields} backendRefs: [{{name: a, port: 80}}]}}"));
        assert_eq!(faults(&text), [], "{fields}");
        routed(&text, &get("web", "/"), |route| {
            assert_eq!((route.effects.timeout, route.effects.retries.per_try_timeout), (whole, one), "{fields}");
        });
    }
}

#[test]
fn gamma_given_retry_then_connection_errors_and_the_listed_codes_are_tried_again() {
    let text = shop_of("{retry: {codes: [500, 503], attempts: 4, backoff: 100ms}, backendRefs: [{name: a, port: 80}]}");
    assert_eq!(faults(&text), []);
    routed(&text, &get("web", "/"), |route| {
        let policy = &route.effects.retries;
        assert_eq!((policy.attempts, policy.back_off), (4, Duration::from_millis(100)));
        for (attempt, expected) in [
            (Attempt::ConnectFailure, true),
            (Attempt::answered(500, []), true),
            (Attempt::answered(503, []), true),
            (Attempt::answered(502, []), false),
        ] {
            assert_eq!(retried(policy, 0, attempt), expected, "{attempt:?}");
        }
    });
    routed(&shop_of("{backendRefs: [{name: a, port: 80}]}"), &get("web", "/"), |route| {
        assert_eq!(route.effects.retries, Default::default(), "the default policy holds here too");
    });
}

#[test]
fn gamma_given_backends_that_the_schema_refuses_then_they_are_refused() {
    for (rule, expected) in [
        ("{backendRefs: [{name: a}]}", "backendRefs[0].port: is missing"),
        ("{backendRefs: [{port: 80}]}", "backendRefs[0].name: is missing"),
        ("{backendRefs: [{name: a, port: 80, weight: -1}]}", "backendRefs[0].weight: -1 is not a whole number"),
        (
            "{timeouts: {request: 1s, backendRequest: 2s}, backendRefs: [{name: a, port: 80}]}",
            "timeouts.backendRequest: is above",
        ),
        ("{timeouts: {request: 5}, backendRefs: [{name: a, port: 80}]}", "timeouts.request: 5 is not a duration"),
        ("{retry: {codes: [200]}, backendRefs: [{name: a, port: 80}]}", "retry.codes[0]: 200 is no error"),
    ] {
        let errors = errors(&shop_of(rule));
        assert!(errors.len() == 1 && errors[0].contains(&format!("spec.rules[0].{expected}")), "{rule} {errors:?}");
    }
}

#[test]
fn gamma_given_any_draw_then_a_request_has_exactly_one_outcome() {
    let text =
        shop_of("{backendRefs: [{name: a, port: 80}, {name: nobody, port: 80, weight: 2}, {name: empty, port: 80}]}");
    let table = table(&text, "shop");
    for draw in [0, 1, u32::MAX / 4, u32::MAX / 2, u32::MAX / 4 * 3, u32::MAX] {
        let outcome = decided(&table, "10.96.0.1:80", &get("web", "/"), draw).outcome;
        assert!(matches!(outcome, Outcome::Route(_) | Outcome::Respond(_)), "{outcome:?}");
    }
}
