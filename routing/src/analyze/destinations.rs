//! Where a VirtualService sends requests, as it is written.

use serde_json::Value;

use super::input::Input;
use super::routes;
use crate::model::{Destination, VirtualService};

/// A destination with its path.
pub(super) struct Written<'w> {
    /// `spec.http[1].route[0].destination`.
    pub(super) path: String,
    /// The entry of `spec.http` that it belongs to.
    pub(super) index: usize,
    /// Whether it gets copies, whose fate is nobody's concern.
    pub(super) mirror: bool,
    pub(super) destination: &'w Destination,
}

/// Those that may get something.
pub(super) fn of_rule<'w>(input: &Input<'_>, rule: &'w VirtualService) -> Vec<Written<'w>> {
    let mut written = Vec::new();
    for index in 0..rule.http.len() {
        let base = format!("spec.http[{index}]");
        for (route, destination) in routes::destinations(input, rule, index) {
            let path = format!("{base}.route[{route}].destination");
            written.push(Written { path, index, mirror: false, destination });
        }
        let mirrors = rule.http.get(index).map(|http| &http.mirrors).into_iter().flatten();
        for (path, mirror) in mirror_paths(input, rule, index, &base).into_iter().zip(mirrors) {
            written.push(Written { path, index, mirror: true, destination: &mirror.destination });
        }
    }
    written
}

/// The paths of the mirrors that the model has: those of a percentage of 0 it has not.
fn mirror_paths(input: &Input<'_>, rule: &VirtualService, index: usize, base: &str) -> Vec<String> {
    let http = input.manifest(&rule.object).and_then(|manifest| manifest.body.get("spec")?.get("http")?.get(index));
    let Some(http) = http else { return Vec::new() };
    if http.get("mirror").is_some_and(|mirror| !mirror.is_null()) {
        return vec![format!("{base}.mirror")];
    }
    let share = |mirror: &Value| mirror.get("percentage").and_then(|share| share.get("value")).and_then(Value::as_f64);
    let mirrors = http.get("mirrors").and_then(Value::as_array).into_iter().flatten().enumerate();
    let kept = mirrors.filter(|(_, mirror)| share(mirror) != Some(0.0));
    kept.map(|(number, _)| format!("{base}.mirrors[{number}].destination")).collect()
}
