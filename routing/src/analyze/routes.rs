//! Routes of one VirtualService that others of it hide, and weights of 0.

mod connections;
mod covers;

use std::collections::BTreeSet;

use serde_json::Value;

use self::covers::covers;
use super::destinations::List;
use super::input::Input;
use super::{Findings, code};
use crate::model::{HttpMatch, HttpRule, VirtualService};

pub(super) fn find(input: &Input<'_>, findings: &mut Findings) {
    for rule in &input.world.virtual_services {
        hidden(input, rule, findings);
        connections::hidden(input, rule, findings);
        for list in List::ALL {
            for index in 0..list.len(rule) {
                weights(input, rule, list, index, findings);
            }
        }
    }
}

fn weights(input: &Input<'_>, rule: &VirtualService, list: List, index: usize, findings: &mut Findings) {
    let (routes, traffic) = (list.routes(input, rule, index), list.traffic());
    for (position, route) in routes.iter().enumerate() {
        let weight = route.get("weight").filter(|weight| !weight.is_null());
        let base = format!("spec.{}[{index}].route[{position}]", list.as_str());
        let path = format!("{base}.weight");
        match (routes.len(), weight.map(Value::as_u64)) {
            (1, Some(Some(0))) => {
                let problem = format!(
                    "is 0, and the destination gets all {traffic}s all the same: weights count only beside others"
                );
                findings.add(
                    &code::WEIGHT_ZERO,
                    input.place(&rule.object, &path),
                    problem,
                    "remove the weight, or the rule",
                );
            }
            (2.., Some(Some(0))) => {
                let problem = format!("is 0: the destination gets no {traffic}");
                let remedy = "remove the destination, or give it a weight above 0";
                findings.add(&code::WEIGHT_ZERO, input.place(&rule.object, &path), problem, remedy);
            }
            (2.., None) => {
                let problem =
                    format!("has no weight beside destinations that have one, which means 0: it gets no {traffic}");
                findings.add(&code::WEIGHT_ZERO, input.place(&rule.object, &base), problem, "add a weight");
            }
            _ => {}
        }
    }
}

/// Entries and rules that earlier ones of the object hide; specificity never counts, only the order.
fn hidden(input: &Input<'_>, rule: &VirtualService, findings: &mut Findings) {
    let everything = HttpMatch::default();
    let mut earlier: Vec<(usize, &HttpMatch)> = Vec::new();
    for (index, http) in rule.http.iter().enumerate() {
        let entries = entries(http, &everything);
        let mut found: Vec<(usize, usize)> = Vec::new();
        let before = earlier.len();
        for (position, entry) in entries.iter().enumerate() {
            let hiding = earlier.iter().find(|(_, wider)| covers(wider, entry)).map(|(by, _)| *by);
            found.extend(hiding.map(|by| (position, by)));
            earlier.push((index, entry));
        }
        let by_others = |entry: &&HttpMatch| earlier[..before].iter().any(|(_, wider)| covers(wider, entry));
        if entries.iter().all(by_others) {
            let hiding: BTreeSet<String> = found.iter().map(|(_, by)| format!("http[{by}]")).collect();
            let path = format!("spec.http[{index}]");
            let problem = format!("is never reached: what it matches, {} takes before", super::list(hiding));
            let remedy = "move it before that one, narrow that one's match, or remove it";
            findings.add(&code::UNREACHABLE_RULE, input.place(&rule.object, &path), problem, remedy);
            continue;
        }
        for (position, by) in found {
            let path = format!("spec.http[{index}].match[{position}]");
            let problem = format!("takes nothing: an entry of http[{by}] before it takes the same requests");
            findings.add(
                &code::INEFFECTIVE_MATCH,
                input.place(&rule.object, &path),
                problem,
                "remove it, or move it before that one",
            );
        }
    }
}

/// No entry matches everything.
fn entries<'r>(http: &'r HttpRule, everything: &'r HttpMatch) -> Vec<&'r HttpMatch> {
    if http.matches.is_empty() { vec![everything] } else { http.matches.iter().collect() }
}
