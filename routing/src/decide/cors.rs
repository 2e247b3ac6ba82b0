//! What a route's CORS policy does: it answers preflights, and tells other answers who may read them
//! (envoy source/extensions/filters/http/cors/cors_filter.cc).

use super::{Line, Request, header};
use crate::model::CorsPolicy;

/// The lines of the answer to a preflight. `None` when the request is none, or goes to the endpoint all the same.
pub(super) fn preflight(policy: &CorsPolicy, request: &Request<'_>) -> Option<Vec<Line>> {
    let origin = present("origin", request)?;
    let method = present("access-control-request-method", request)?;
    if request.method != "OPTIONS" {
        return None;
    }
    if !allows(policy, &origin) {
        return (!policy.forward_unmatched).then(Vec::new);
    }
    let mut lines = vec![("access-control-allow-origin", origin)];
    lines.extend(credentials(policy));
    // A star stands for what the browser asks for.
    let listed = |texts: &[Box<str>], asked: Option<String>| match texts {
        [] => None,
        [star] if &**star == "*" => asked,
        texts => Some(texts.join(",")),
    };
    let allowed = listed(&policy.allow_methods, Some(method));
    lines.extend(allowed.map(|methods| ("access-control-allow-methods", methods)));
    let allowed = listed(&policy.allow_headers, present("access-control-request-headers", request));
    lines.extend(allowed.map(|headers| ("access-control-allow-headers", headers)));
    lines.extend(policy.max_age.map(|age| ("access-control-max-age", age.as_secs().to_string())));
    Some(lines)
}

/// The lines of every other answer.
pub(super) fn lines(policy: &CorsPolicy, request: &Request<'_>) -> Vec<Line> {
    let Some(origin) = present("origin", request).filter(|origin| allows(policy, origin)) else { return Vec::new() };
    let mut lines = vec![("access-control-allow-origin", origin)];
    lines.extend(credentials(policy));
    if !policy.expose_headers.is_empty() {
        lines.push(("access-control-expose-headers", policy.expose_headers.join(",")));
    }
    lines
}

fn credentials(policy: &CorsPolicy) -> Option<Line> {
    (policy.allow_credentials == Some(true)).then(|| ("access-control-allow-credentials", "true".to_owned()))
}

/// An entry that matches a star takes every origin.
fn allows(policy: &CorsPolicy, origin: &str) -> bool {
    policy.allow_origins.iter().any(|allowed| allowed.matches(b"*") || allowed.matches(origin.as_bytes()))
}

fn present(name: &str, request: &Request<'_>) -> Option<String> {
    let value = header(name, request).filter(|value| !value.is_empty())?;
    Some(String::from_utf8_lossy(&value).into_owned())
}
