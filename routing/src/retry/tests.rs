use std::time::Duration;

use proptest::prelude::*;

use super::{Attempt, back_off, retried, time_limit, try_limit};
use crate::model::{RetryCondition, RetryOn, RetryPolicy};

fn on(words: &str, status_codes: &[u16]) -> RetryPolicy {
    let conditions = words.split_whitespace().map(|word| RetryCondition::of(word).expect("a word of Envoy's"));
    let on = RetryOn { conditions: conditions.collect(), status_codes: status_codes.to_vec() };
    RetryPolicy { on, ..RetryPolicy::default() }
}

fn status(status: u16) -> Attempt {
    Attempt::answered(status, [])
}

fn grpc(status: &str) -> Attempt {
    Attempt::answered(200, [("grpc-status", status.as_bytes())])
}

const SENT: Attempt = Attempt::Reset { request_sent: true };
const UNSENT: Attempt = Attempt::Reset { request_sent: false };

#[test]
fn given_a_word_then_it_covers_what_envoy_retries_under_it_and_nothing_else() {
    use Attempt::{ConnectFailure, Overflow, PerTryTimeout, RefusedStream};
    let limited = Attempt::answered(429, [("x-envoy-ratelimited", &b""[..])]);
    let limited_503 = Attempt::answered(503, [("x-envoy-ratelimited", &b"true"[..])]);
    let all = [
        (ConnectFailure, "5xx gateway-error reset reset-before-request connect-failure"),
        (UNSENT, "5xx gateway-error reset reset-before-request"),
        (SENT, "5xx gateway-error reset"),
        (RefusedStream, "5xx gateway-error reset refused-stream"),
        (PerTryTimeout, "5xx gateway-error reset"),
        (Overflow, ""),
        (status(200), ""),
        (status(404), ""),
        (status(409), "retriable-4xx"),
        (status(418), "retriable-status-codes"),
        (status(499), ""),
        (status(500), "5xx"),
        (status(501), "5xx"),
        (status(502), "5xx gateway-error"),
        (status(503), "5xx gateway-error"),
        (status(504), "5xx gateway-error"),
        (status(505), "5xx"),
        (status(600), ""),
        (limited, "envoy-ratelimited"),
        (limited_503, "envoy-ratelimited"),
        (grpc("0"), ""),
        (grpc("1"), "cancelled"),
        (grpc("2"), ""),
        (grpc("4"), "deadline-exceeded"),
        (grpc("8"), "resource-exhausted"),
        (grpc("13"), "internal"),
        (grpc("14"), "unavailable"),
        (grpc("99999999999"), ""),
        (grpc("+14"), ""),
    ];
    for (attempt, words) in all {
        for (word, _) in RetryCondition::WORDS {
            let expected = words.split(' ').any(|covering| covering == word);
            assert_eq!(retried(&on(word, &[418]), 0, attempt), expected, "{word} {attempt:?}");
        }
    }
}

#[test]
fn given_attempts_then_so_many_further_tries_are_made() {
    let policy = |attempts| RetryPolicy { attempts, ..RetryPolicy::default() };
    for (attempts, retries, expected) in [(0, 0, false), (1, 0, true), (1, 1, false), (3, 2, true), (3, 3, false)] {
        assert_eq!(
            retried(&policy(attempts), retries, Attempt::ConnectFailure),
            expected,
            "{attempts} after {retries}"
        );
    }
}

#[test]
fn given_tries_that_were_made_then_the_wait_lies_below_an_interval_that_doubles_up_to_ten_times_the_base() {
    let policy = RetryPolicy::default();
    for (retries, most) in [(0, 25), (1, 50), (2, 100), (3, 200), (4, 250), (5, 250), (u32::MAX, 250)] {
        let most = Duration::from_millis(most);
        assert_eq!(back_off(&policy, retries, 0), Duration::ZERO);
        assert_eq!(back_off(&policy, retries, 1 << 31), most / 2, "{retries}");
        let longest = back_off(&policy, retries, u32::MAX);
        assert!(longest < most && longest > most.mul_f64(0.999), "{retries} {longest:?}");
    }
    let slow = RetryPolicy { back_off: Duration::from_secs(1), ..RetryPolicy::default() };
    assert_eq!(back_off(&slow, 9, 1 << 31), Duration::from_secs(5));
}

#[test]
fn given_a_grpc_timeout_then_it_counts_for_grpc_alone_and_is_capped_by_the_route() {
    let second = Duration::from_secs(1);
    for (timeout, content_type, wanted, expected) in [
        (None, "application/grpc", "", None),
        (None, "application/grpc", "5S", Some(5 * second)),
        (None, "application/grpc+proto", "5S", Some(5 * second)),
        (None, "application/grpc-web", "5S", None),
        (None, "application/json", "5S", None),
        (Some(second), "application/json", "5m", Some(second)),
        (Some(second), "application/grpc", "5S", Some(second)),
        (Some(second), "application/grpc", "20m", Some(second / 50)),
        (Some(second), "application/grpc", "0S", Some(second)),
        (Some(second), "application/grpc", "", Some(second)),
        (None, "application/grpc", "0m", None),
        (None, "application/grpc", "1H", Some(3600 * second)),
        (None, "application/grpc", "2M", Some(120 * second)),
        (None, "application/grpc", "1500u", Some(second / 500)),
        (None, "application/grpc", "1n", Some(second / 1000)),
        (None, "application/grpc", "99999999H", Some(second * 3600 * 99_999_999)),
        (None, "application/grpc", "100000000S", None),
        (None, "application/grpc", "-1S", None),
        (None, "application/grpc", "S", None),
        (None, "application/grpc", "5", None),
        (None, "application/grpc", "5s", None),
    ] {
        let headers = [("grpc-timeout", wanted.as_bytes()), ("content-type", content_type.as_bytes())];
        assert_eq!(time_limit(timeout, headers), expected, "{timeout:?} {content_type} {wanted}");
    }
    assert_eq!(time_limit(Some(second), [("content-type", &b"application/grpc"[..])]), Some(second));
}

#[test]
fn given_a_limit_of_a_try_that_is_not_below_the_whole_then_it_is_none() {
    let second = Duration::from_secs(1);
    for (one, whole, expected) in [
        (None, Some(second), None),
        (Some(second), None, Some(second)),
        (Some(second), Some(2 * second), Some(second)),
        (Some(second), Some(second), None),
        (Some(2 * second), Some(second), None),
    ] {
        let policy = RetryPolicy { per_try_timeout: one, ..RetryPolicy::default() };
        assert_eq!(try_limit(&policy, whole), expected, "{one:?} of {whole:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_as_headers_never_panic(value: Vec<u8>, draw: u32, retries: u32, base: u64) {
        let headers = [("content-type", &b"application/grpc"[..]), ("grpc-timeout", &value[..])];
        let _ = time_limit(None, headers);
        let _ = Attempt::answered(200, [("grpc-status", &value[..])]);
        let policy = RetryPolicy { back_off: Duration::from_nanos(base), ..RetryPolicy::default() };
        prop_assert!(back_off(&policy, retries, draw) <= policy.back_off.saturating_mul(10));
    }
}
