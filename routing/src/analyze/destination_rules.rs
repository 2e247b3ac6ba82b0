//! DestinationRules that nobody uses, wholly or in part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::input::Input;
use super::sight::Sight;
use super::{Findings, code, list};
use crate::model::{DestinationRule, HostPattern, Labels, ObjectRef, Service};
use crate::table::Lens;

/// Rules of which some client uses some part.
#[derive(Default)]
pub(super) struct Used(BTreeSet<ObjectRef>);

impl Used {
    /// Which rules a client uses for a service.
    pub(super) fn look(&mut self, service: &Service, lens: &Lens<'_, '_>) {
        let (rules, _) = lens.subsets(service);
        for rule in rules {
            if !self.0.contains(rule) {
                self.0.insert(rule.clone());
            }
        }
    }
}

pub(super) fn find(sight: &Sight<'_>, used: &Used, findings: &mut Findings) {
    let input = sight.input();
    for rule in &input.world.destination_rules {
        let services = sight.covered(&rule.host);
        if services.is_empty() {
            unknown_host(input, rule, findings);
            continue;
        }
        if !consulted(input, rule, &services) {
            let homes: BTreeSet<&Arc<str>> = services.iter().map(|service| &service.namespace).collect();
            let problem = format!(
                "nobody looks for a rule for {} in namespace {}: it is neither the service's ({}) nor {}, and no captured pod lives there",
                rule.host,
                rule.object.namespace,
                list(homes),
                input.world.mesh.root_namespace
            );
            let place = input.place(&rule.object, "metadata.namespace");
            findings.add(&code::NAMESPACE_NOT_CONSULTED, place, problem, "move the object to the service's namespace");
        } else if !used.0.contains(&rule.object) && !exported(sight, rule) {
            let problem = "no client finds the object: it is exported to namespaces that look elsewhere";
            let place = input.place(&rule.object, "spec.exportTo");
            findings.add(
                &code::NEVER_APPLIES,
                place,
                problem,
                "export it to its own namespace (\".\") or to the clients'",
            );
        }
        port_level(input, rule, &services, findings);
    }
    merged(input, findings);
}

/// Whether a client exists that both sees the rule and looks in its namespace.
fn exported(sight: &Sight<'_>, rule: &DestinationRule) -> bool {
    sight.namespaces().iter().any(|namespace| rule.export_to.reaches(namespace))
}

/// Whether the rule's namespace is a client's, as far as captured pods are known, a service's, or the root namespace.
fn consulted(input: &Input<'_>, rule: &DestinationRule, services: &[&Service]) -> bool {
    let home = &rule.object.namespace;
    *home == input.world.mesh.root_namespace
        || input.captured.contains(home)
        || services.iter().any(|service| service.namespace == *home)
}

fn unknown_host(input: &Input<'_>, rule: &DestinationRule, findings: &mut Findings) {
    let place = input.place(&rule.object, "spec.host");
    let HostPattern::Exact(host) = &rule.host else {
        let problem = format!("{} covers no service: the rule has no effect", rule.host);
        return findings.add(&code::RULE_HOST_UNKNOWN, place, problem, "correct the host, or add the service");
    };
    let problem = format!("there is no service {host}: the rule has no effect");
    let remedy = match input.meant(host) {
        Some(service) => format!("a name with a dot is taken literally: write {}", service.host),
        None => "correct the host, or move the object to the service's namespace".to_owned(),
    };
    findings.add(&code::RULE_HOST_UNKNOWN, place, problem, remedy);
}

fn port_level(input: &Input<'_>, rule: &DestinationRule, services: &[&Service], findings: &mut Findings) {
    let known: BTreeSet<u16> = services.iter().flat_map(|service| &service.ports).map(|port| port.number).collect();
    let of_subsets = rule.subsets.iter().enumerate();
    let policies = of_subsets.map(|(index, subset)| (format!("spec.subsets[{index}].trafficPolicy"), &subset.policy));
    let top = rule.policy.iter().map(|policy| ("spec.trafficPolicy".to_owned(), policy));
    for (base, policy) in top.chain(policies) {
        for (index, (number, _)) in policy.ports.iter().enumerate().filter(|(_, (number, _))| !known.contains(number)) {
            let path = format!("{base}.portLevelSettings[{index}].port.number");
            let problem =
                format!("{} has no port {number}, it has {}: the settings have no effect", rule.host, list(&known));
            let place = input.place(&rule.object, &path);
            findings.add(&code::PORT_POLICY_UNUSED, place, problem, "name a port of the service that clients dial");
        }
    }
}

/// Namespace, host and selector: rules that have them in common meet.
type Alike<'w> = (&'w Arc<str>, String, Option<&'w Labels>);

/// What a rule loses to older ones of its namespace for the same host.
struct Overlap<'w> {
    rule: &'w DestinationRule,
    host: String,
    first: &'w ObjectRef,
    /// Its subsets by a name that an older one has.
    lost: Vec<&'w str>,
    /// Whether an older one has a policy where it has its own.
    policy: bool,
}

/// Several rules of one namespace for one host: the later ones lose what the first has.
fn overlaps<'w>(input: &'w Input<'_>) -> Vec<Overlap<'w>> {
    let mut groups: BTreeMap<Alike<'_>, Vec<&DestinationRule>> = BTreeMap::new();
    for rule in &input.world.destination_rules {
        groups.entry((&rule.object.namespace, rule.host.to_string(), rule.selector.as_ref())).or_default().push(rule);
    }
    let mut overlaps = Vec::new();
    for ((_, host, _), mut rules) in groups {
        rules.sort_by_key(|rule| (&rule.created, &rule.object.name));
        let Some((first, others)) = rules.split_first() else { continue };
        let mut before = vec![*first];
        for rule in others {
            let repeated = |subset: &&crate::model::Subset| {
                before.iter().any(|older| older.subsets.iter().any(|known| known.name == subset.name))
            };
            let lost: Vec<&str> = rule.subsets.iter().filter(repeated).map(|subset| &*subset.name).collect();
            let policy = rule.policy.is_some() && before.iter().any(|older| older.policy.is_some());
            overlaps.push(Overlap { rule, host: host.clone(), first: &first.object, lost, policy });
            before.push(rule);
        }
    }
    overlaps
}

/// Rules that lose all they have.
pub(super) fn shadowed<'w>(input: &'w Input<'_>) -> BTreeSet<&'w ObjectRef> {
    let all = |overlap: &Overlap<'_>| {
        let Overlap { rule, lost, policy, .. } = overlap;
        lost.len() == rule.subsets.len() && rule.policy.is_some() == *policy
    };
    overlaps(input).into_iter().filter(all).map(|overlap| &overlap.rule.object).collect()
}

fn merged(input: &Input<'_>, findings: &mut Findings) {
    for Overlap { rule, host, first, lost, policy } in overlaps(input) {
        let effect = match (lost.is_empty(), policy) {
            (false, true) => format!("its trafficPolicy and subsets {} are not used", list(lost)),
            (false, false) => format!("its subsets {} are not used", list(lost)),
            (true, true) => "its trafficPolicy is not used".to_owned(),
            (true, false) => "the two are merged".to_owned(),
        };
        let problem = format!("{host} also has {first}, which is older or first by name: {effect}");
        let place = input.place(&rule.object, "spec.host");
        findings.add(&code::RULES_MERGED, place, problem, "merge them into one object");
    }
}
