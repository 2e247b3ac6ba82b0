//! `mirror` with its percentage, and `mirrors`.

use super::super::fields::Fields;
use super::super::{destination, percent};
use crate::model::{Mirror, ObjectRef, Percent};

/// Copies that some request is made of: an absent percentage is 100, and with an explicit 0 there is no mirror
/// (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, MirrorPercent and MirrorPercentByPolicy).
pub(super) fn read(rule: &Fields<'_>, object: &ObjectRef) -> Vec<Mirror> {
    let of_one = sole(rule, object);
    let several = rule.objects("mirrors");
    if rule.has("mirror") && !several.is_empty() {
        rule.report().error(&rule.path("mirrors"), "is written beside mirror", "keep mirrors alone");
    }
    let of_several = several.iter().filter_map(|entry| {
        let share = percent::read(entry, "percentage", 0.0).unwrap_or(Percent::ALL);
        let found = entry.object("destination").and_then(|found| destination::read(&found, object));
        if !entry.has("destination") {
            entry.report().error(&entry.path("destination"), "is missing", "add destination.host");
        }
        entry.finish();
        found.map(|destination| Mirror { destination, percent: share })
    });
    of_one.into_iter().chain(of_several).filter(|mirror| mirror.percent.0 > 0).collect()
}

fn sole(rule: &Fields<'_>, object: &ObjectRef) -> Option<Mirror> {
    let old = deprecated(rule);
    let share = percent::read(rule, "mirrorPercentage", 0.0).or(old).unwrap_or(Percent::ALL);
    let found = rule.object("mirror").and_then(|found| destination::read(&found, object));
    for key in ["mirrorPercentage", "mirrorPercent", "mirror_percent"] {
        if rule.has(key) && !rule.has("mirror") {
            rule.report().warn(
                &rule.path(key),
                "is written without mirror",
                "it has no effect; write percentage in mirrors",
            );
        }
    }
    found.map(|destination| Mirror { destination, percent: share })
}

/// The whole number of old.
fn deprecated(rule: &Fields<'_>) -> Option<Percent> {
    let mut found = None;
    for key in ["mirror_percent", "mirrorPercent"] {
        let Some(number) = rule.number(key) else { continue };
        rule.report().warn(&rule.path(key), "is deprecated", "write mirrorPercentage: {value: …}");
        if number > 100 {
            rule.report().error(&rule.path(key), format!("{number} is above 100"), "write a percentage");
        }
        found = Some(percent::whole(number));
    }
    found
}
