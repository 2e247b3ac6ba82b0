//! Section 3.8: retries and timeouts.

use std::time::Duration;

use meshlet_routing::decide::{Outcome, Request};
use meshlet_routing::model::RetryCondition;
use meshlet_routing::retry::{Attempt, back_off, retried, time_limit, try_limit};
use meshlet_routing::table::Effects;

use crate::ask::{decided, errors, faults, get, istio, pod, service, table};

fn shop(rules: &str) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("shop", "web", "v1", "10.1.0.2")
        + rules
}

/// A shop with one rule that has these fields beside its route.
fn ruled(fields: &str) -> String {
    shop(&istio(
        "VirtualService",
        "shop",
        "web",
        &format!("{{hosts: [web], http: [{{{fields} route: [{{destination: {{host: web}}}}]}}]}}"),
    ))
}

/// What is done with a GET, or any other request, in a shop.
fn effects_of(text: &str, request: &Request<'_>, look: impl FnOnce(&Effects)) {
    let table = table(text, "shop");
    match decided(&table, "10.96.0.1:80", request, 0).outcome {
        Outcome::Route(route) => look(route.effects),
        other => panic!("{other:?}"),
    }
}

fn effects(text: &str, look: impl FnOnce(&Effects)) {
    effects_of(text, &get("web", "/"), look);
}

fn answered(status: u16) -> Attempt {
    Attempt::answered(status, [])
}

fn grpc(status: &'static [u8]) -> Attempt {
    Attempt::answered(200, [("grpc-status", status)])
}

const UNSENT: Attempt = Attempt::Reset { request_sent: false };
const SENT: Attempt = Attempt::Reset { request_sent: true };

#[test]
fn s3_8_given_no_retries_then_two_on_what_the_default_names() {
    for text in [ruled(""), shop(&istio("DestinationRule", "shop", "web", "{host: web}"))] {
        effects(&text, |effects| {
            let policy = &effects.retries;
            assert_eq!(policy.attempts, 2);
            let words: Vec<&str> = policy.on.conditions.iter().map(|condition| condition.as_str()).collect();
            assert_eq!(words.join(","), "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes");
            assert!(policy.on.status_codes.is_empty());
            for (attempt, expected) in [
                (Attempt::ConnectFailure, true),
                (Attempt::RefusedStream, true),
                (grpc(b"14"), true),
                (grpc(b"1"), true),
                (answered(503), false),
                (UNSENT, false),
                (SENT, false),
                (Attempt::PerTryTimeout, false),
                (grpc(b"4"), false),
            ] {
                assert_eq!(retried(policy, 1, attempt), expected, "{attempt:?}");
                assert!(!retried(policy, 2, attempt), "{attempt:?}");
            }
        });
    }
}

#[test]
fn s3_8_given_no_virtual_service_then_the_default_policy_holds_too() {
    let other =
        istio("VirtualService", "shop", "x", "{hosts: [x.example.com], http: [{route: [{destination: {host: web}}]}]}");
    let text = shop(&other);
    effects(&text, |effects| {
        assert!(retried(&effects.retries, 1, Attempt::ConnectFailure));
        assert_eq!(effects.timeout, None);
        assert!(effects.avoid_tried);
    });
}

#[test]
fn s3_8_given_a_further_try_then_it_avoids_hosts_that_were_tried() {
    effects(&ruled(""), |effects| assert!(effects.avoid_tried));
    effects(&ruled("retries: {attempts: 1},"), |effects| assert!(effects.avoid_tried));
}

#[test]
fn q3_8_given_a_consistent_hash_then_a_further_try_stays_on_its_host() {
    let hash = istio(
        "DestinationRule",
        "shop",
        "web",
        "{host: web, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}}",
    );
    for (text, avoids) in [
        (shop(&hash), false),
        (ruled("") + &hash, false),
        (ruled("retries: {attempts: 3},") + &hash, false),
        (ruled("retries: {attempts: 3, retryIgnorePreviousHosts: true},") + &hash, true),
    ] {
        effects(&text, |effects| assert_eq!(effects.avoid_tried, avoids, "{text}"));
    }
}

#[test]
fn s3_8_given_retry_ignore_previous_hosts_then_it_decides() {
    for (value, avoids) in [("true", true), ("false", false)] {
        let text = ruled(&format!("retries: {{attempts: 1, retryIgnorePreviousHosts: {value}}},"));
        effects(&text, |effects| assert_eq!(effects.avoid_tried, avoids));
    }
}

#[test]
fn s3_8_given_attempts_then_so_many_retries_beyond_the_first_try() {
    for (written, tries) in [("{}", 1), ("{attempts: 0}", 1), ("{attempts: 1}", 2), ("{attempts: 5}", 6)] {
        effects(&ruled(&format!("retries: {written},")), |effects| {
            let further = (0..).take_while(|made| retried(&effects.retries, *made, Attempt::ConnectFailure)).count();
            assert_eq!(1 + further, tries, "{written}");
        });
    }
}

#[test]
fn s3_8_given_retry_on_then_every_name_of_envoys_is_taken() {
    use Attempt::{ConnectFailure, RefusedStream};
    let words = RetryCondition::WORDS.map(|(word, _)| word);
    assert_eq!(words.len(), 16);
    for (word, covered, uncovered) in [
        ("5xx", answered(500), answered(499)),
        ("5xx", SENT, Attempt::Overflow),
        ("gateway-error", answered(502), answered(500)),
        ("gateway-error", answered(503), answered(501)),
        ("gateway-error", answered(504), answered(505)),
        ("reset", SENT, answered(503)),
        ("reset-before-request", UNSENT, SENT),
        ("connect-failure", ConnectFailure, UNSENT),
        ("retriable-4xx", answered(409), answered(404)),
        ("refused-stream", RefusedStream, SENT),
        ("cancelled", grpc(b"1"), grpc(b"14")),
        ("deadline-exceeded", grpc(b"4"), grpc(b"1")),
        ("internal", grpc(b"13"), grpc(b"1")),
        ("resource-exhausted", grpc(b"8"), grpc(b"1")),
        ("unavailable", grpc(b"14"), answered(503)),
        ("envoy-ratelimited", Attempt::answered(429, [("x-envoy-ratelimited", &b"true"[..])]), answered(429)),
    ] {
        assert!(words.contains(&word));
        let text = ruled(&format!("retries: {{attempts: 1, retryOn: {word}}},"));
        effects(&text, |effects| {
            assert!(retried(&effects.retries, 0, covered), "{word} {covered:?}");
            assert!(!retried(&effects.retries, 0, uncovered), "{word} {uncovered:?}");
        });
    }
    for word in words {
        assert_eq!(errors(&ruled(&format!("retries: {{attempts: 1, retryOn: {word}}},"))), [""; 0], "{word}");
    }
}

#[test]
fn s3_8_given_numbers_in_retry_on_then_they_imply_retriable_status_codes() {
    let text = ruled("retries: {attempts: 1, retryOn: 'connect-failure,503,429'},");
    effects(&text, |effects| {
        let policy = &effects.retries;
        assert_eq!(policy.on.status_codes, [503, 429]);
        assert!(policy.on.conditions.contains(&RetryCondition::RetriableStatusCodes));
        for (status, expected) in [(503, true), (429, true), (500, false)] {
            assert_eq!(retried(policy, 0, answered(status)), expected, "{status}");
        }
        assert!(!retried(policy, 0, Attempt::RefusedStream), "the default words are gone");
    });
    effects(&ruled("retries: {attempts: 1, retryOn: 'retriable-status-codes'},"), |effects| {
        assert!(!retried(&effects.retries, 0, answered(503)), "without numbers it names no status");
    });
}

#[test]
fn s3_8_given_no_retry_on_then_the_default_list_applies() {
    for written in ["{attempts: 4}", "{attempts: 4, retryOn: ''}"] {
        effects(&ruled(&format!("retries: {written},")), |effects| {
            assert!(retried(&effects.retries, 3, Attempt::RefusedStream), "{written}");
            assert!(!retried(&effects.retries, 0, answered(503)), "{written}");
        });
    }
}

#[test]
fn s3_8_given_a_try_that_takes_too_long_then_only_words_for_no_answer_retry_it() {
    for (word, expected) in
        RetryCondition::WORDS.map(|(word, _)| (word, ["5xx", "gateway-error", "reset"].contains(&word)))
    {
        let text = ruled(&format!("retries: {{attempts: 1, perTryTimeout: 2s, retryOn: {word}}},"));
        effects(&text, |effects| {
            assert_eq!(retried(&effects.retries, 0, Attempt::PerTryTimeout), expected, "{word}");
            assert_eq!(try_limit(&effects.retries, None), Some(Duration::from_secs(2)));
        });
    }
}

#[test]
fn s3_8_given_no_backoff_then_waits_grow_from_25_milliseconds_and_are_jittered() {
    for (written, base) in [("{attempts: 9}", 25), ("{attempts: 9, backoff: 1s}", 1000)] {
        effects(&ruled(&format!("retries: {written},")), |effects| {
            let halves = |retries| back_off(&effects.retries, retries, 1 << 31);
            let base = Duration::from_millis(base);
            assert_eq!([0, 1, 2].map(halves), [base / 2, base, base * 2], "{written}");
            assert_eq!(back_off(&effects.retries, 0, 0), Duration::ZERO, "jitter takes it down to nothing");
            assert_eq!(halves(8), base * 5, "ten times the base is the most");
        });
    }
}

#[test]
fn s3_8_given_retry_remote_localities_then_it_is_kept() {
    effects(&ruled("retries: {attempts: 1, retryRemoteLocalities: true},"), |effects| {
        assert!(effects.retries.remote_localities);
    });
    effects(&ruled("retries: {attempts: 1},"), |effects| assert!(!effects.retries.remote_localities));
}

#[test]
fn s3_8_given_a_post_then_it_is_retried_like_a_get() {
    let post = Request { method: "POST", ..get("web", "/") };
    effects_of(&ruled("retries: {attempts: 1, retryOn: reset},"), &post, |effects| {
        assert!(retried(&effects.retries, 0, SENT));
    });
}

#[test]
fn s3_8_given_an_overflow_then_it_is_never_retried() {
    let all = RetryCondition::WORDS.map(|(word, _)| word).join(",");
    effects(&ruled(&format!("retries: {{attempts: 1, retryOn: '{all}'}},")), |effects| {
        assert!(!retried(&effects.retries, 0, Attempt::Overflow));
    });
}

#[test]
fn s3_8_given_a_timeout_then_it_limits_all_tries_and_without_one_there_is_no_limit() {
    effects(&ruled("timeout: 1.5s, retries: {attempts: 3, perTryTimeout: 2s},"), |effects| {
        let limit = time_limit(effects.timeout, []);
        assert_eq!(limit, Some(Duration::from_millis(1500)));
        assert_eq!(try_limit(&effects.retries, limit), None, "the whole ends first");
    });
    effects(&ruled(""), |effects| assert_eq!(time_limit(effects.timeout, []), None));
}

#[test]
fn s1_2_given_a_grpc_client_with_a_deadline_then_it_is_honoured_and_capped_by_the_field() {
    let lines = [("content-type", &b"application/grpc"[..]), ("grpc-timeout", &b"2S"[..])];
    for (fields, seconds) in [("", 2), ("timeout: 1s,", 1), ("timeout: 3s,", 2)] {
        effects(&ruled(fields), |effects| {
            assert_eq!(time_limit(effects.timeout, lines), Some(Duration::from_secs(seconds)), "{fields}");
        });
    }
}

#[test]
fn q3_8_given_a_fault_delay_longer_than_the_timeout_then_the_timeout_is_whole_after_it() {
    let text = ruled("timeout: 1s, fault: {delay: {fixedDelay: 5s, percentage: {value: 100}}},");
    let table = table(&text, "shop");
    let decision = decided(&table, "10.96.0.1:80", &get("web", "/"), 7);
    assert_eq!(decision.delay, Some(Duration::from_secs(5)));
    match decision.outcome {
        Outcome::Route(route) => assert_eq!(route.effects.timeout, Some(Duration::from_secs(1))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn s3_8_given_values_that_istio_refuses_then_they_are_refused() {
    let at = "spec.http[0]";
    for (fields, field, problem) in [
        ("timeout: 0s,", "timeout", "is less than 1ms"),
        ("timeout: 1.0001s,", "timeout", "is no whole number of milliseconds"),
        ("timeout: 5,", "timeout", "5 is not a duration"),
        ("retries: {attempts: -1},", "retries.attempts", "-1 is not a whole number"),
        ("retries: {attempts: 0, retryOn: 5xx},", "retries.retryOn", "is set although attempts is 0"),
        ("retries: {perTryTimeout: 1s},", "retries.perTryTimeout", "is set although attempts is 0"),
        ("retries: {retryRemoteLocalities: false},", "retries.retryRemoteLocalities", "is set although attempts is 0"),
        ("retries: {attempts: 1, perTryTimeout: 0s},", "retries.perTryTimeout", "is less than 1ms"),
        ("retries: {attempts: 1, backoff: 10us},", "retries.backoff", "is less than 1ms"),
        ("retries: {attempts: 1, retryOn: '5xx,oops'},", "retries.retryOn", "\"oops\" is no condition"),
        ("retries: {attempts: 1, retryOn: '5xx, reset'},", "retries.retryOn", "\" reset\" is no condition"),
        ("retries: {attempts: 1, retryOn: '299'},", "retries.retryOn", "\"299\" is no condition"),
        ("retries: {attempts: 1, retryOn: '5xx,'},", "retries.retryOn", "\"\" is no condition"),
    ] {
        let errors = errors(&ruled(fields));
        assert!(errors.len() == 1 && errors[0].contains(&format!("{at}.{field}: {problem}")), "{fields} {errors:?}");
    }
}

#[test]
fn s3_8_given_words_that_never_hold_then_they_are_warned_of() {
    for word in ["retriable-headers", "http3-post-connect-failure"] {
        let text = ruled(&format!("retries: {{attempts: 1, retryOn: '5xx,{word}'}},"));
        let faults = faults(&text);
        assert!(errors(&text).is_empty() && faults.len() == 1, "{faults:?}");
        assert!(faults[0].problem.contains(&format!("{word:?} never holds")), "{}", faults[0]);
    }
}
