//! What a consistent hash is taken of, out of one request.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::balance::{hash as hash_of, mix};
use crate::decide::{Request, parameter};
use crate::model::{HashCookie, HashKey};

/// What a route's keys give for one request.
#[derive(Debug, Default)]
pub(crate) struct Hashed {
    /// `None` when the request has nothing that is hashed.
    pub(crate) key: Option<u64>,
    /// Values of `Set-Cookie` lines for cookies that were missing and are made here.
    pub(crate) cookies: Vec<String>,
}

/// Combines the hashes of what the request carries, as Envoy does
/// (envoy source/common/http/hash_policy.cc, HashPolicyImpl::generateHash). A missing cookie is made from the draw, and its
/// value already counts.
pub(crate) fn hash(keys: &[HashKey], request: &Request<'_>, draw: u32) -> Hashed {
    let mut hashed = Hashed::default();
    for (number, key) in (0_u64..).zip(keys) {
        let next = match key {
            HashKey::Header(name) => header(name, request),
            HashKey::QueryParameter(name) => parameter(name, request.path).map(|value| hash_of(value.as_bytes())),
            HashKey::SourceIp => request.source.map(of_source),
            HashKey::Cookie(wanted) => match sent_cookie(&wanted.name, request).filter(|value| !value.is_empty()) {
                Some(value) => Some(hash_of(value)),
                None => wanted.ttl.is_some().then(|| {
                    let value = format!("{:016x}", mix(u64::from(draw) | (number << 32)));
                    hashed.cookies.push(set_cookie(wanted, &value));
                    hash_of(value.as_bytes())
                }),
            },
        };
        if let Some(next) = next {
            hashed.key = Some(hashed.key.map_or(0, |old| old.rotate_left(1)) ^ next);
        }
    }
    hashed
}

/// The client's address.
pub(crate) fn of_source(address: IpAddr) -> u64 {
    hash_of(address.to_string().as_bytes())
}

/// All values of the header, sorted.
fn header(name: &str, request: &Request<'_>) -> Option<u64> {
    let values = request.headers.iter().filter(|(found, _)| *found == name).map(|(_, value)| *value);
    let mut values: Vec<&[u8]> = values.collect();
    values.sort_unstable();
    (!values.is_empty()).then(|| hash_of(&values.concat()))
}

/// The value of the first cookie of that name, without quotes around it
/// (envoy source/common/http/utility.cc, Utility::parseCookieValue).
fn sent_cookie<'a>(name: &str, request: &Request<'a>) -> Option<&'a [u8]> {
    let lines = request.headers.iter().filter(|(found, _)| *found == "cookie").map(|(_, value)| *value);
    let mut pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii()))
    });
    let (_, value) = pairs.find(|(found, _)| *found == name.as_bytes())?;
    Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
}

/// Envoy's spelling (envoy source/common/http/utility.cc, Utility::makeSetCookieValue).
fn set_cookie(cookie: &HashCookie, value: &str) -> String {
    let mut line = format!("{}=\"{value}\"", cookie.name);
    let seconds = cookie.ttl.map_or(0, |ttl| ttl.as_secs());
    if seconds > 0 {
        // Writing to a String cannot fail.
        let _ = write!(line, "; Max-Age={seconds}");
    }
    if !cookie.path.is_empty() {
        line.push_str("; Path=");
        line.push_str(&cookie.path);
    }
    for (name, value) in &cookie.attributes {
        line.push_str("; ");
        line.push_str(name);
        if !value.is_empty() {
            line.push('=');
            line.push_str(value);
        }
    }
    line.push_str("; HttpOnly");
    line
}
