//! What Istio accepts and does otherwise than it looks.

use std::collections::HashSet;

use super::input::Input;
use super::sight::Sight;
use super::{Findings, code, list};
use crate::model::{DestinationRule, ExportTo, HostPattern, HttpAction, VirtualService};

pub(super) fn find(sight: &Sight<'_>, findings: &mut Findings) {
    let input = sight.input();
    for rule in input.world.virtual_services.iter().filter(|rule| rule.mesh) {
        sources_beside_gateways(input, rule, findings);
    }
    unnamed(input, findings);
    for rule in &input.world.destination_rules {
        if sight.namespaces().contains(&rule.object.namespace) {
            not_at_home(sight, rule, findings);
            hiding(sight, rule, findings);
        }
    }
}

/// `gateways` in an entry of `match` overrides its conditions on the source.
fn sources_beside_gateways(input: &Input<'_>, rule: &VirtualService, findings: &mut Findings) {
    for (index, http) in rule.http.iter().enumerate() {
        for (number, entry) in http.matches.iter().enumerate() {
            let conditions = [
                ("sourceLabels", !entry.source_labels.is_empty()),
                ("sourceNamespace", entry.source_namespace.is_some()),
            ];
            for (key, _) in conditions.into_iter().filter(|(_, written)| *written && entry.gateways_list_mesh.is_some())
            {
                let path = format!("spec.http[{index}].match[{number}].{key}");
                let problem = "stands beside gateways, which overrides it: the entry holds for every client";
                let remedy = "remove gateways from the entry, or the condition";
                findings.add(&code::SOURCE_IGNORED, input.place(&rule.object, &path), problem, remedy);
            }
        }
    }
}

/// VirtualServices without hosts have an effect only where a root's rule names them.
fn unnamed(input: &Input<'_>, findings: &mut Findings) {
    let rules = input.world.virtual_services.iter().flat_map(|rule| &rule.http);
    let named: HashSet<(&str, &str)> = rules
        .filter_map(|rule| match &rule.action {
            HttpAction::Delegate { namespace, name, .. } => Some((&**namespace, &**name)),
            HttpAction::Route(_) | HttpAction::Redirect(_) | HttpAction::Respond(_) => None,
        })
        .collect();
    for rule in input.world.virtual_services.iter().filter(|rule| rule.hosts.is_empty()) {
        if !named.contains(&(&*rule.object.namespace, &*rule.object.name)) {
            let problem = "has no hosts, and no VirtualService delegates to it: it has no effect";
            let place = input.place(&rule.object, "spec");
            findings.add(&code::DELEGATE_UNUSED, place, problem, "name it in a root's delegate, or give it hosts");
        }
    }
}

/// A rule exported only to others is of no use in its own namespace.
fn not_at_home(sight: &Sight<'_>, rule: &DestinationRule, findings: &mut Findings) {
    let ExportTo::Namespaces(names) = &rule.export_to else { return };
    // What nobody finds at all is said elsewhere.
    let useful = sight.namespaces().iter().any(|namespace| names.contains(namespace));
    if !useful || names.contains(&rule.object.namespace) {
        return;
    }
    let problem = format!("does not name {} itself: clients there do not use the rule", rule.object.namespace);
    let place = sight.input().place(&rule.object, "spec.exportTo");
    findings.add(&code::NOT_AT_HOME, place, problem, "add \".\" if it is meant for them too");
}

/// In the client's namespace a wildcard beats whatever the service's own namespace says.
fn hiding(sight: &Sight<'_>, rule: &DestinationRule, findings: &mut Findings) {
    let home = &rule.object.namespace;
    if matches!(rule.host, HostPattern::Exact(_)) || !rule.export_to.reaches(home) {
        return;
    }
    let mut hidden = Vec::new();
    for service in sight.covered(&rule.host).into_iter().filter(|service| service.namespace != *home) {
        let narrower = |other: &&DestinationRule| {
            other.object.namespace == *home && other.host.specificity() > rule.host.specificity()
        };
        if sight.policies_for(&service.host).any(|other| narrower(&other)) {
            continue;
        }
        let theirs = |other: &&DestinationRule| {
            other.object.namespace == service.namespace
                && other.host.specificity() > rule.host.specificity()
                && other.export_to.reaches(home)
        };
        hidden.extend(sight.policies_for(&service.host).filter(theirs).map(|other| &other.object));
    }
    hidden.sort_unstable();
    hidden.dedup();
    if !hidden.is_empty() {
        let problem =
            format!("{} covers hosts for which clients in {home} then do not use {}", rule.host, list(hidden));
        let place = sight.input().place(&rule.object, "spec.host");
        findings.add(&code::WILDCARD_HIDES, place, problem, "repeat what those say, or narrow the host");
    }
}
