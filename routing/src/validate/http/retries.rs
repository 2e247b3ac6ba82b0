//! `retries`.

use super::super::duration;
use super::super::fields::Fields;
use crate::model::{RetryCondition, RetryOn, RetryPolicy};

/// `retries` of a rule.
pub(super) fn read(rule: &Fields<'_>) -> Option<RetryPolicy> {
    rule.object("retries").map(|retries| policy(&retries))
}

/// Istio's refusals are those of pkg/config/validation/validation.go, validateHTTPRetry, and what is not written is as in the
/// default policy (pilot/pkg/networking/core/route/retry/retry.go, ConvertPolicy; istio/istio@86c9f01).
pub(in crate::validate) fn policy(retries: &Fields<'_>) -> RetryPolicy {
    let attempts = retries.number("attempts").unwrap_or(0);
    let words = retries.text("retryOn").filter(|words| !words.is_empty());
    let policy = RetryPolicy {
        attempts,
        per_try_timeout: duration::whole_millis(retries, "perTryTimeout"),
        on: words.map(|words| retry_on(retries, words)).unwrap_or_default(),
        back_off: duration::whole_millis(retries, "backoff").unwrap_or(RetryPolicy::default().back_off),
        avoid_tried: retries.boolean("retryIgnorePreviousHosts"),
        remote_localities: retries.boolean("retryRemoteLocalities").unwrap_or(false),
    };
    if attempts == 0 {
        for key in ["perTryTimeout", "retryOn", "retryRemoteLocalities"].into_iter().filter(|key| retries.has(key)) {
            let problem = "is set although attempts is 0, which switches retries off";
            retries.report().error(&retries.path(key), problem, "set attempts, or remove the field");
        }
    }
    retries.finish();
    policy
}

/// Words and numbers, parted by commas without blanks; a number is a status code, and any stands for its word too.
fn retry_on(retries: &Fields<'_>, words: &str) -> RetryOn {
    let mut on = RetryOn { conditions: Vec::new(), status_codes: Vec::new() };
    for word in words.split(',') {
        match (RetryCondition::of(word), status(word)) {
            (Some(condition), _) => on.conditions.push(condition),
            (None, Some(status)) => on.status_codes.push(status),
            (None, None) => {
                let known: Vec<&str> = RetryCondition::WORDS.iter().map(|(word, _)| *word).collect();
                let remedy = format!("write HTTP statuses and any of {}, parted by commas alone", known.join(", "));
                retries.report().error(&retries.path("retryOn"), format!("{word:?} is no condition"), remedy);
            }
        }
        if matches!(
            RetryCondition::of(word),
            Some(RetryCondition::RetriableHeaders | RetryCondition::Http3PostConnectFailure)
        ) {
            let problem =
                format!("{word:?} never holds: Istio's API cannot name headers, and nothing here speaks HTTP/3");
            retries.report().warn(&retries.path("retryOn"), problem, "remove the word");
        }
    }
    let implied = RetryCondition::RetriableStatusCodes;
    if !on.status_codes.is_empty() && !on.conditions.contains(&implied) {
        on.conditions.push(implied);
    }
    on
}

/// A status that Go's net/http has a text for.
fn status(word: &str) -> Option<u16> {
    let number: u16 = word.parse().ok().filter(|_| word.bytes().all(|byte| byte.is_ascii_digit()))?;
    let known = matches!(number, 100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=418 | 421..=426 | 428 | 429
        | 431 | 451 | 500..=508 | 510 | 511);
    known.then_some(number)
}
