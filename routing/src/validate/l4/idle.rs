//! Rules and matches that no connection can reach, whoever opens it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use super::super::fields::Fields;

/// Warns as Istio's webhook does (istio/istio@86c9f01 pkg/config/validation/virtualservice.go, analyzeUnreachableTCPRules
/// and analyzeUnreachableTLSRules): behind a rule without match, and of a match that was written before.
pub(super) fn warn(rules: &[Fields<'_>]) {
    let mut catch_all: Option<&Fields<'_>> = None;
    let mut seen: HashMap<String, String> = HashMap::new();
    for rule in rules {
        if let Some(before) = catch_all {
            let problem = format!("is never reached: {} takes every connection", before.here());
            rule.report().warn(rule.here(), problem, "move it up");
            continue;
        }
        let entries = rule.any("match").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if entries.is_empty() {
            catch_all = Some(rule);
        }
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{}[{index}]", rule.path("match"));
            match seen.entry(entry.to_string()) {
                Entry::Occupied(first) => {
                    rule.report().warn(&path, format!("is never reached: it repeats {}", first.get()), "remove it");
                }
                Entry::Vacant(place) => {
                    place.insert(path);
                }
            }
        }
    }
}
