//! `loadBalancer` of a traffic policy.

use super::fields::Fields;
use super::{consistent_hash, duration, locality};
use crate::model::{LoadBalancer, LoadBalancing, Warmup};

/// `None` when it is refused. A block without an algorithm is the default one: it replaces that of a wider policy. `detects`
/// is whether outlier detection stands beside it.
pub(super) fn read(fields: &Fields<'_>, detects: bool) -> Option<LoadBalancing> {
    let simple = fields.text("simple");
    let hash = fields.object("consistentHash");
    let unreadable = simple.is_none() && fields.has("simple") || hash.is_none() && fields.has("consistentHash");
    let locality = fields.object("localityLbSetting").map(|fields| locality::read(&fields, detects).into());
    if locality.is_some() && fields.has("zoneAwareLbSetting") {
        fields.report().error(fields.here(), "has both localityLbSetting and zoneAwareLbSetting", "keep one");
    }
    let warmup = warmup(fields);
    fields.not_honoured(&["zoneAwareLbSetting", "backendUtilization"]);
    fields.finish();
    let algorithm = match (simple, hash) {
        (Some(_), Some(_)) => {
            fields.report().error(fields.here(), "has both simple and consistentHash", "keep one");
            None
        }
        (Some(word), None) => self::simple(word, fields),
        (None, Some(hash)) => consistent_hash::read(&hash),
        (None, None) if unreadable => None,
        (None, None) => Some(LoadBalancer::LeastRequest),
    }?;
    let warms = matches!(algorithm, LoadBalancer::RoundRobin | LoadBalancer::LeastRequest);
    if warmup.is_some() && !warms {
        let path = fields.path(if fields.has("warmup") { "warmup" } else { "warmupDurationSecs" });
        fields.report().warn(&path, "has no effect beside this algorithm", "use ROUND_ROBIN or LEAST_REQUEST");
    }
    Some(LoadBalancing { algorithm, locality, warmup: warmup.filter(|_| warms) })
}

fn simple(word: &str, fields: &Fields<'_>) -> Option<LoadBalancer> {
    match word {
        "ROUND_ROBIN" => Some(LoadBalancer::RoundRobin),
        "RANDOM" => Some(LoadBalancer::Random),
        "LEAST_REQUEST" | "UNSPECIFIED" => Some(LoadBalancer::LeastRequest),
        "LEAST_CONN" => {
            let path = fields.path("simple");
            fields.report().warn(&path, "LEAST_CONN is the deprecated name of LEAST_REQUEST", "write LEAST_REQUEST");
            Some(LoadBalancer::LeastRequest)
        }
        "PASSTHROUGH" => Some(LoadBalancer::Passthrough),
        other => {
            let remedy = "use LEAST_REQUEST, ROUND_ROBIN, RANDOM or PASSTHROUGH";
            fields.report().error(&fields.path("simple"), format!("{other:?} is not a load balancer"), remedy);
            None
        }
    }
}

/// `warmup`, or its older form, which has the duration alone.
fn warmup(fields: &Fields<'_>) -> Option<Warmup> {
    const LINEAR_FROM_A_TENTH: (f64, f64) = (10.0, 1.0);
    let (percent, linear) = LINEAR_FROM_A_TENTH;
    let old = duration::whole_millis(fields, "warmupDurationSecs");
    if fields.has("warmupDurationSecs") {
        fields.report().warn(&fields.path("warmupDurationSecs"), "is deprecated", "write warmup.duration");
    }
    let Some(warmup) = fields.object("warmup") else {
        return old.map(|duration| Warmup { duration, minimum_percent: percent, aggression: linear });
    };
    if !warmup.has("duration") {
        warmup.report().error(&warmup.path("duration"), "is missing", "say how long an endpoint warms up");
    }
    let duration = duration::whole_millis(&warmup, "duration");
    let within = |key, least: f64, most: f64, default: f64| {
        let number = warmup.decimal(key).unwrap_or(default);
        if (least..=most).contains(&number) {
            return number;
        }
        let remedy =
            if most.is_finite() { format!("write {least} to {most}") } else { format!("write {least} or more") };
        warmup.report().error(&warmup.path(key), format!("is {number}"), remedy);
        default
    };
    let minimum_percent = within("minimumPercent", 0.0, 100.0, percent);
    let aggression = within("aggression", 1.0, f64::INFINITY, linear);
    warmup.finish();
    Some(Warmup { duration: duration?, minimum_percent, aggression })
}
