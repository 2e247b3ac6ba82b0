//! Subsets that select nothing, and those that nothing routes to.

use std::collections::BTreeSet;

use super::input::Input;
use super::{Findings, Level, code};
use crate::model::{DestinationRule, Endpoint, Hostname, HttpRule, Service, Split, Subset};

pub(super) fn find(input: &Input<'_>, findings: &mut Findings) {
    let routed = routed(input);
    for rule in &input.world.destination_rules {
        let services: Vec<&Service> =
            input.world.services.iter().filter(|service| rule.host.covers(&service.host)).collect();
        for (index, subset) in rule.subsets.iter().enumerate() {
            let leads_here = routed.iter().any(|(host, name)| *name == &*subset.name && rule.host.covers(host));
            if !leads_here {
                never_routed(input, rule, index, subset, findings);
            }
            empty(input, rule, index, subset, &services, leads_here, findings);
        }
    }
}

/// Every subset that some route names, by whatever client.
fn routed<'i>(input: &'i Input<'_>) -> BTreeSet<(&'i Hostname, &'i str)> {
    let splits = input.world.virtual_services.iter().flat_map(|rule| &rule.http).filter_map(HttpRule::split);
    let destinations = splits.flat_map(|split| match split {
        Split::Sole(destination) => vec![destination],
        Split::Weighted(destinations) => destinations.iter().map(|(_, destination)| destination).collect(),
    });
    destinations.filter_map(|destination| Some((&destination.host, destination.subset.as_deref()?))).collect()
}

fn never_routed(input: &Input<'_>, rule: &DestinationRule, index: usize, subset: &Subset, findings: &mut Findings) {
    // The model holds no part that is not honoured: what is written counts.
    let written =
        input.manifest(&rule.object).and_then(|manifest| manifest.body.get("spec")?.get("subsets")?.get(index));
    let has_policy = written.and_then(|subset| subset.get("trafficPolicy")).is_some_and(|policy| !policy.is_null());
    let path = format!("spec.subsets[{index}]");
    let place = input.place(&rule.object, &path);
    let name = &subset.name;
    if has_policy {
        let problem = format!("no route leads to subset {name:?}, so its trafficPolicy never applies");
        let remedy = "route to it, or move the policy to spec.trafficPolicy";
        findings.add(&code::NEVER_ROUTED, place, problem, remedy);
    } else {
        let problem = format!("no route leads to subset {name:?}");
        findings.add_as(&code::NEVER_ROUTED, Level::Info, place, problem, "route to it, or remove it");
    }
}

fn empty(
    input: &Input<'_>,
    rule: &DestinationRule,
    index: usize,
    subset: &Subset,
    services: &[&Service],
    leads_here: bool,
    findings: &mut Findings,
) {
    let mut endpoints =
        services.iter().flat_map(|service| &service.ports).flat_map(|port| port.endpoints.iter()).peekable();
    // Without any endpoint it is not the labels that are wrong, or no pods were given.
    if endpoints.peek().is_none() {
        return;
    }
    if endpoints.any(|endpoint| selects(subset, endpoint)) {
        return;
    }
    let labels: Vec<String> = subset.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let path = format!("spec.subsets[{index}].labels");
    let problem =
        format!("no endpoint of {} has the labels {} of subset {:?}", rule.host, super::list(labels), subset.name);
    let place = input.place(&rule.object, &path);
    if leads_here {
        let remedy = "correct them, or deploy such pods: requests routed there are answered 503 UH";
        findings.add(&code::EMPTY_SUBSET, place, problem, remedy);
    } else {
        findings.add_as(&code::EMPTY_SUBSET, Level::Warning, place, problem, "correct them, or deploy such pods");
    }
}

fn selects(subset: &Subset, endpoint: &Endpoint) -> bool {
    subset.labels.iter().all(|(key, value)| endpoint.labels.get(key) == Some(value))
}
