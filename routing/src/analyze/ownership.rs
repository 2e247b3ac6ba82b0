//! Who owns a host, and rules that never get a request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::input::Input;
use super::routes::{is_routed, ports};
use super::{Findings, Level, code, list};
use crate::model::{HostPattern, Hostname, Service, VirtualService};
use crate::table::{Lens, look};

/// `namespace/name` of a virtual service.
type Name = Arc<str>;

/// Rules that own a host, each with the namespaces of the clients it owns it for.
type Owners = BTreeMap<Name, BTreeSet<Arc<str>>>;

/// Who got what, over all scopes and ports.
#[derive(Default)]
struct Facts {
    /// Entries of `spec.http` that some client can reach, were the rule alone.
    live: BTreeMap<Name, BTreeSet<usize>>,
    /// Rules that some client sees.
    seen: BTreeSet<Name>,
    /// Hosts, by position in `spec.hosts`, that a rule owns for somebody.
    won: BTreeSet<(Name, usize)>,
    /// Hosts that another rule owns instead, with that rule and the clients' namespaces.
    lost: BTreeMap<(Name, usize), Owners>,
}

pub(super) fn find(input: &Input<'_>, findings: &mut Findings) {
    let mut facts = Facts::default();
    for scope in &input.scopes {
        look(&input.world, scope, |lens| {
            for rule in lens.virtual_services().to_vec() {
                facts.seen.insert(name(rule));
                let live = facts.live.entry(name(rule)).or_default();
                for port in ports(input, rule) {
                    live.extend(lens.live(rule, port));
                }
            }
            for service in &input.world.services {
                of_service(service, &scope.namespace, lens, &mut facts);
            }
            unregistered(input, &scope.namespace, lens, &mut facts);
        });
    }
    for rule in input.world.virtual_services.iter().filter(|rule| rule.mesh) {
        conflicts(input, rule, &facts, findings);
        never(input, rule, &facts, findings);
    }
}

fn name(rule: &VirtualService) -> Name {
    format!("{}/{}", rule.object.namespace, rule.object.name).into()
}

/// Position and narrowness of the host of a rule that covers a name most narrowly.
fn claim(rule: &VirtualService, host: &Hostname) -> Option<(usize, usize)> {
    let covering = rule.hosts.iter().enumerate().filter(|(_, pattern)| pattern.covers(host));
    covering.map(|(index, pattern)| (index, pattern.specificity())).max_by_key(|(_, narrowness)| *narrowness)
}

fn of_service(service: &Service, client: &Arc<str>, lens: &mut Lens<'_, '_>, facts: &mut Facts) {
    let rules = lens.virtual_services().to_vec();
    let claims: Vec<(&VirtualService, usize, usize)> = rules
        .iter()
        .filter_map(|rule| claim(rule, &service.host).map(|(index, narrowness)| (*rule, index, narrowness)))
        .collect();
    if claims.is_empty() || lens.service(&service.host).is_none() {
        return;
    }
    for port in service.ports.iter().filter(|port| is_routed(port.protocol)) {
        let Some(owner) = lens.owner(service, port) else { continue };
        let Some(won) = claims.iter().position(|(rule, ..)| name(rule) == owner) else { continue };
        let (_, index, narrowness) = claims[won];
        facts.won.insert((Arc::clone(&owner), index));
        // A rule that stands before the owner has no route here, one with a broader host is meant to stand back.
        for (rule, index, _) in claims[won + 1..].iter().filter(|(_, _, other)| *other == narrowness) {
            if !lens.live(rule, port.number).is_empty() {
                let lost = facts.lost.entry((name(rule), *index)).or_default();
                lost.entry(Arc::clone(&owner)).or_default().insert(Arc::clone(client));
            }
        }
    }
}

/// Exact names that are no service's: the first rule with a route on port 80 has them.
fn unregistered(input: &Input<'_>, client: &Arc<str>, lens: &mut Lens<'_, '_>, facts: &mut Facts) {
    let mut owners: BTreeMap<Hostname, Name> = BTreeMap::new();
    for rule in lens.virtual_services().to_vec() {
        if lens.live(rule, 80).is_empty() {
            continue;
        }
        for (index, host) in rule.hosts.iter().enumerate() {
            let HostPattern::Exact(host) = host else { continue };
            if input.service(host).is_some() {
                continue;
            }
            match owners.get(host) {
                Some(owner) if *owner != name(rule) => {
                    let lost = facts.lost.entry((name(rule), index)).or_default();
                    lost.entry(Arc::clone(owner)).or_default().insert(Arc::clone(client));
                }
                Some(_) => {}
                None => {
                    owners.insert(host.clone(), name(rule));
                    facts.won.insert((name(rule), index));
                }
            }
        }
    }
}

fn conflicts(input: &Input<'_>, rule: &VirtualService, facts: &Facts, findings: &mut Findings) {
    for (index, host) in rule.hosts.iter().enumerate() {
        let key = (name(rule), index);
        let Some(owners) = facts.lost.get(&key) else { continue };
        let path = format!("spec.hosts[{index}]");
        let place = input.place(&rule.object, &path);
        let by = list(owners.keys().map(|owner| format!("VirtualService {owner}")));
        let remedy = "merge the two objects, or narrow hosts or exportTo";
        if facts.won.contains(&key) {
            let clients: BTreeSet<&Arc<str>> = owners.values().flatten().collect();
            let problem = format!(
                "{host} belongs to {by} for some clients in {}: this object's routes are not used there",
                list(clients)
            );
            findings.add_as(&code::CONFLICT, Level::Warning, place, problem, remedy);
        } else {
            let problem =
                format!("{host} belongs to {by}: this object's routes for it are never used, nothing is merged");
            findings.add(&code::CONFLICT, place, problem, remedy);
        }
    }
}

/// Rules whose conditions no client can meet.
fn never(input: &Input<'_>, rule: &VirtualService, facts: &Facts, findings: &mut Findings) {
    if !facts.seen.contains(&name(rule)) {
        let problem = "is exported to nobody: no client sees the object";
        let place = input.place(&rule.object, "spec.exportTo");
        return findings.add(&code::NEVER_APPLIES, place, problem, "name namespaces, \".\" for its own, or \"*\"");
    }
    let none = BTreeSet::new();
    let live = facts.live.get(&name(rule)).unwrap_or(&none);
    for (index, http) in rule.http.iter().enumerate().filter(|(index, _)| !live.contains(index)) {
        let path = format!("spec.http[{index}].match");
        let place = input.place(&rule.object, &path);
        if http.matches.iter().all(|entry| entry.gateways_list_mesh == Some(false)) {
            let problem = "asks for gateways other than mesh: the rule never applies to mesh clients";
            findings.add_as(&code::NEVER_APPLIES, Level::Info, place, problem, "add mesh if it is meant for them too");
            continue;
        }
        let known = list(ports(input, rule));
        let problem = format!(
            "asks for a port, gateway or client that there is not: the rule never applies (its hosts have HTTP on port {known})"
        );
        findings.add(&code::NEVER_APPLIES, place, problem, "correct port, gateways, sourceNamespace or sourceLabels");
    }
}
