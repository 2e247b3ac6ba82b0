//! Subsets that select nothing, and those that nothing routes to.

use std::collections::{HashMap, HashSet};

use super::input::Input;
use super::sight::Sight;
use super::{Findings, Level, code};
use crate::model::{DestinationRule, HostPattern, Hostname, HttpRule, Labels, Service, Split, Subset};

pub(super) fn find(sight: &Sight<'_>, findings: &mut Findings) {
    let input = sight.input();
    let routed = routed(input);
    for rule in &input.world.destination_rules {
        let services = sight.covered(&rule.host);
        for (index, subset) in rule.subsets.iter().enumerate() {
            let hosts = routed.get(&*subset.name);
            let leads_here = hosts.is_some_and(|hosts| match &rule.host {
                HostPattern::Exact(host) => hosts.contains(host),
                HostPattern::Suffix(_) | HostPattern::Any => hosts.iter().any(|host| rule.host.covers(host)),
            });
            if !leads_here {
                never_routed(input, rule, index, subset, findings);
            }
            empty(input, rule, index, subset, &services, leads_here, findings);
        }
    }
}

/// Every subset that some route or mirror names, by whatever client, with the hosts it is named for.
fn routed<'i>(input: &'i Input<'_>) -> HashMap<&'i str, HashSet<&'i Hostname>> {
    let mut routed: HashMap<&str, HashSet<&Hostname>> = HashMap::new();
    for rule in &input.world.virtual_services {
        let http = rule.http.iter().filter_map(HttpRule::split);
        let l4 = rule.tcp.iter().map(|tcp| &tcp.split).chain(rule.tls.iter().map(|tls| &tls.split));
        let routes = http.chain(l4).flat_map(Split::destinations).map(|(_, destination)| destination);
        let mirrors = rule.http.iter().flat_map(|http| &http.mirrors).map(|mirror| &mirror.destination);
        for destination in routes.chain(mirrors) {
            if let Some(subset) = destination.subset.as_deref() {
                routed.entry(subset).or_default().insert(&destination.host);
            }
        }
    }
    routed
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
    if !is_empty(subset, services) {
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

/// Whether no endpoint of services that have some has the labels of a subset.
pub(super) fn is_empty(subset: &Subset, services: &[&Service]) -> bool {
    let mut endpoints =
        services.iter().flat_map(|service| &service.ports).flat_map(|port| port.endpoints.iter()).peekable();
    // Without any endpoint it is not the labels that are wrong, or no pods were given.
    if endpoints.peek().is_none() {
        return false;
    }
    // Whatever a name comes to has its labels.
    let mut names = services.iter().flat_map(|service| &service.ports).flat_map(|port| port.names.iter());
    !endpoints.any(|endpoint| selects(subset, &endpoint.labels)) && !names.any(|name| selects(subset, &name.labels))
}

fn selects(subset: &Subset, labels: &Labels) -> bool {
    subset.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
}
