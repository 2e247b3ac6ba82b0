//! `corsPolicy` (istio/istio@86c9f01 pkg/config/validation/validation.go, validateCORSPolicy).

use super::super::fields::Fields;
use super::super::{duration, string_match};
use super::headers::is_token;
use crate::model::{CorsPolicy, StringMatch};

const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"];

pub(super) fn read(policy: &Fields<'_>) -> CorsPolicy {
    let report = policy.report();
    let mut allow_origins = Vec::new();
    for origin in policy.objects("allowOrigins") {
        let read = string_match::read(&origin, false);
        let empty = matches!(&read, Some(StringMatch::Exact(text)) if text.is_empty());
        if empty || (read.is_none() && !["exact", "prefix", "regex"].iter().any(|key| origin.has(key))) {
            report.error(origin.here(), "names no origin", "write exact, prefix or regex");
        }
        allow_origins.extend(read);
    }
    let old = policy.texts("allowOrigin");
    if policy.has("allowOrigin") {
        report.warn(&policy.path("allowOrigin"), "is deprecated", "write allowOrigins");
    }
    if allow_origins.is_empty() {
        allow_origins.extend(old.iter().map(|(_, origin)| StringMatch::Exact((*origin).into())));
    }
    let found = CorsPolicy {
        allow_origins,
        allow_methods: listed(policy, "allowMethods", "is no method that CORS knows", |text| METHODS.contains(&text)),
        allow_headers: listed(policy, "allowHeaders", "is no header's name", is_token),
        expose_headers: listed(policy, "exposeHeaders", "is no header's name", is_token),
        max_age: max_age(policy),
        allow_credentials: policy.boolean("allowCredentials"),
        forward_unmatched: forward_unmatched(policy),
    };
    policy.finish();
    found
}

fn listed(policy: &Fields<'_>, key: &'static str, problem: &str, fine: impl Fn(&str) -> bool) -> Vec<Box<str>> {
    let texts = policy.texts(key);
    for (path, text) in texts.iter().filter(|(_, text)| !fine(text)) {
        policy.report().error(path, format!("{text:?} {problem}"), "correct it, or write \"*\"");
    }
    texts.into_iter().map(|(_, text)| text.into()).collect()
}

fn max_age(policy: &Fields<'_>) -> Option<std::time::Duration> {
    let age = duration::whole_millis(policy, "maxAge")?;
    if age.subsec_nanos() > 0 {
        policy.report().error(&policy.path("maxAge"), "is no whole number of seconds", "round it");
    }
    Some(age)
}

fn forward_unmatched(policy: &Fields<'_>) -> bool {
    match policy.text("unmatchedPreflights") {
        None | Some("UNSPECIFIED" | "FORWARD") => true,
        Some("IGNORE") => false,
        Some(other) => {
            let problem = format!("{other:?} is nothing to do with a preflight");
            policy.report().error(&policy.path("unmatchedPreflights"), problem, "write FORWARD or IGNORE");
            true
        }
    }
}
