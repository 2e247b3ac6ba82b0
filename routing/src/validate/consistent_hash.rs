//! `consistentHash` of a load balancer.

use super::fields::Fields;
use crate::model::{HashCookie, HashKey, LoadBalancer};

/// Istio's default ring.
const RING_SIZE: u32 = 1024;

/// Istio refuses Maglev tables of this size or more (istio/istio@86c9f01 pkg/config/validation/validation.go,
/// validateLoadBalancer).
const LARGEST_MAGLEV: u32 = 5_000_011;

const KEYS: [&str; 4] = ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"];

/// `None` when it is refused.
pub(super) fn read(fields: &Fields<'_>) -> Option<LoadBalancer> {
    let ring_size = fields.object("ringHash").and_then(|ring| {
        let size = ring.number("minimumRingSize");
        ring.finish();
        size
    });
    let old_size = fields.number("minimumRingSize");
    if old_size.is_some() {
        let problem = "is the deprecated place of the ring's size";
        fields.report().warn(&fields.path("minimumRingSize"), problem, "write ringHash.minimumRingSize");
        if old_size != Some(0) && (fields.has("ringHash") || fields.has("maglev")) {
            fields.report().error(fields.here(), "has minimumRingSize beside ringHash or maglev", "keep one");
        }
    }
    let maglev = fields.object("maglev");
    if maglev.is_some() && fields.has("ringHash") {
        fields.report().error(fields.here(), "has both ringHash and maglev", "keep one");
    }
    let key = hash_key(fields);
    let table_size = maglev.as_ref().map(table_size);
    fields.finish();
    let key = key?;
    match table_size {
        Some(size) => Some(LoadBalancer::Maglev { key, table_size: size? }),
        None => {
            let minimum_size = ring_size.or(old_size).filter(|size| *size > 0).unwrap_or(RING_SIZE);
            Some(LoadBalancer::RingHash { key, minimum_size })
        }
    }
}

/// Istio's API says 65537 is the default, and its validation refuses the 0 that an absent size is.
fn table_size(maglev: &Fields<'_>) -> Option<u32> {
    let size = maglev.number("tableSize");
    let path = maglev.path("tableSize");
    let remedy = "write a prime below 5000011, such as 65537";
    match size {
        Some(size) if size < LARGEST_MAGLEV && is_prime(size) => {}
        Some(size) if size >= LARGEST_MAGLEV => maglev.report().error(&path, format!("{size} is too large"), remedy),
        Some(size) => maglev.report().error(&path, format!("{size} is no prime"), remedy),
        None if maglev.has("tableSize") => {}
        None => maglev.report().error(&path, "is missing", remedy),
    }
    maglev.finish();
    size
}

fn is_prime(number: u32) -> bool {
    number >= 2 && (2..).take_while(|factor| factor * factor <= number).all(|factor| !number.is_multiple_of(factor))
}

fn hash_key(fields: &Fields<'_>) -> Option<HashKey> {
    let written: Vec<&str> = KEYS.into_iter().filter(|key| fields.has(key)).collect();
    if written.len() > 1 {
        fields.report().error(fields.here(), format!("has {}", written.join(" and ")), "keep one");
    }
    let header = fields.text("httpHeaderName").filter(|name| !name.is_empty());
    let parameter = fields.text("httpQueryParameterName").filter(|name| !name.is_empty());
    let source = fields.boolean("useSourceIp") == Some(true);
    let key = match fields.object("httpCookie") {
        Some(found) => cookie(&found).map(HashKey::Cookie),
        None => header
            .map(|name| HashKey::Header(name.to_ascii_lowercase().into()))
            .or_else(|| parameter.map(|name| HashKey::QueryParameter(name.into())))
            .or_else(|| source.then_some(HashKey::SourceIp)),
    };
    if key.is_none() && !fields.report().refused() {
        let remedy = "add httpHeaderName, httpCookie, httpQueryParameterName or useSourceIp";
        fields.report().error(fields.here(), "names nothing to hash", remedy);
    }
    key
}

fn cookie(fields: &Fields<'_>) -> Option<HashCookie> {
    let name = fields.text("name").unwrap_or_default();
    if name.is_empty() {
        fields.report().error(&fields.path("name"), "is missing", "name the cookie");
    }
    let path = fields.text("path").unwrap_or_default();
    let ttl = fields.duration("ttl");
    let mut attributes = Vec::new();
    for entry in fields.objects("attributes") {
        let (name, value) = (entry.text("name").unwrap_or_default(), entry.text("value").unwrap_or_default());
        entry.finish();
        check(&entry, "name", name);
        check(&entry, "value", value);
        attributes.push((name.into(), value.into()));
    }
    check(fields, "name", name);
    check(fields, "path", path);
    fields.finish();
    (!name.is_empty()).then(|| HashCookie { name: name.into(), path: path.into(), ttl, attributes })
}

/// What is written into a Set-Cookie line must not be able to end it.
fn check(fields: &Fields<'_>, key: &str, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f || byte == b';') {
        fields.report().error(
            &fields.path(key),
            format!("{text:?} cannot stand in a cookie"),
            "remove what is special",
        );
    }
}
