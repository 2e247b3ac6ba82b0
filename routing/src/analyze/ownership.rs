//! Who owns a host, and rules that never get a request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::destinations::List;
use super::input::Input;
use super::sight::{Clients, Sight};
use super::{Findings, Level, code, list};
use crate::model::{Hostname, Service, VirtualService};
use crate::table::{Delegates, Lens, Unused};

/// Rules, by their places, each with the namespaces of the clients that it owns a host for.
type Owners = BTreeMap<usize, BTreeSet<Arc<str>>>;

/// Who got what, over all clients and ports.
#[derive(Default)]
pub(super) struct Ownership {
    /// Of each rule the entries of `spec.http` that some client can reach, were the rule alone.
    live: BTreeMap<usize, BTreeSet<usize>>,
    /// Rules that some client sees.
    seen: BTreeSet<usize>,
    /// Hosts, by position in `spec.hosts`, that a rule owns for somebody.
    won: BTreeSet<(usize, usize)>,
    /// Hosts that another rule owns instead, with that rule and the clients' namespaces.
    lost: BTreeMap<(usize, usize), Owners>,
}

impl Ownership {
    /// What a client can reach of a rule.
    pub(super) fn look_at_rule(&mut self, sight: &Sight<'_>, place: usize, lens: &mut Lens<'_, '_>) {
        let rule = &sight.input().world.virtual_services[place];
        if lens.sees(rule) {
            self.seen.insert(place);
            let live = self.live.entry(place).or_default();
            sight.ports(place, List::Http).iter().for_each(|port| live.extend(lens.live(rule, *port)));
        }
    }

    /// Whose routes the names of a service have for a client.
    pub(super) fn look_at_service(
        &mut self,
        sight: &Sight<'_>,
        service: &Service,
        lens: &mut Lens<'_, '_>,
        clients: &Clients<'_>,
    ) {
        if lens.service(&service.host).is_none() {
            return;
        }
        let rules = lens.claimants(&service.host);
        let claims: Vec<Claim<'_>> = rules.into_iter().filter_map(|rule| claim(sight, rule, &service.host)).collect();
        if claims.is_empty() {
            return;
        }
        for port in service.ports.iter().filter(|port| List::Http.applies(port.protocol)) {
            let Some(owner) = lens.owner(service, port) else { continue };
            let Some(won) = claims.iter().position(|claim| name(claim.rule) == *owner) else { continue };
            let winner = &claims[won];
            self.won.insert((winner.place, winner.host));
            // A rule that stands before the owner has no route here, one with a broader host is meant to stand back.
            for claim in claims[won + 1..].iter().filter(|claim| claim.narrowness == winner.narrowness) {
                if !lens.live(claim.rule, port.number).is_empty() {
                    self.lose(claim, winner.place, clients);
                }
            }
        }
    }

    /// Whose routes a name has that is no service's: those of the first rule with a route on port 80.
    pub(super) fn look_at_name(
        &mut self,
        sight: &Sight<'_>,
        name: &Hostname,
        lens: &mut Lens<'_, '_>,
        clients: &Clients<'_>,
    ) {
        let exact = usize::MAX;
        let claims = lens.claimants(name).into_iter().filter_map(|rule| claim(sight, rule, name));
        let mut claims = claims.filter(|claim| claim.narrowness == exact);
        let Some(winner) = claims.by_ref().find(|claim| !lens.live(claim.rule, 80).is_empty()) else { return };
        self.won.insert((winner.place, winner.host));
        for claim in claims {
            if !lens.live(claim.rule, 80).is_empty() {
                self.lose(&claim, winner.place, clients);
            }
        }
    }

    fn lose(&mut self, claim: &Claim<'_>, owner: usize, clients: &Clients<'_>) {
        let lost = self.lost.entry((claim.place, claim.host)).or_default().entry(owner).or_default();
        lost.extend(clients.namespaces().filter(|name| claim.rule.export_to.reaches(name)).cloned());
    }

    /// What was found.
    pub(super) fn find(&self, sight: &Sight<'_>, findings: &mut Findings) {
        let input = sight.input();
        let delegates = Delegates::new(&input.world);
        // Delegates own nothing and are seen by nobody but the roots that name them.
        let rules = input.world.virtual_services.iter().enumerate();
        for (place, rule) in rules.filter(|(_, rule)| rule.mesh && !rule.hosts.is_empty()) {
            self.conflicts(input, place, rule, findings);
            let unused = delegates.unused(rule);
            undelegated(input, rule, &unused, findings);
            self.never(sight, place, rule, &unused, findings);
        }
    }

    fn conflicts(&self, input: &Input<'_>, place: usize, rule: &VirtualService, findings: &mut Findings) {
        for (index, host) in rule.hosts.iter().enumerate() {
            let Some(owners) = self.lost.get(&(place, index)) else { continue };
            let path = format!("spec.hosts[{index}]");
            let at = input.place(&rule.object, &path);
            let owner = |place: &usize| input.world.virtual_services[*place].object.to_string();
            let by: BTreeSet<String> = owners.keys().map(owner).collect();
            let by = list(by);
            let remedy = "merge the two objects, or narrow hosts or exportTo";
            if self.won.contains(&(place, index)) {
                let clients: BTreeSet<&Arc<str>> = owners.values().flatten().collect();
                let problem = format!(
                    "{host} belongs to {by} for some clients in {}: this object's routes are not used there",
                    list(clients)
                );
                findings.add_as(&code::CONFLICT, Level::Warning, at, problem, remedy);
            } else {
                let problem =
                    format!("{host} belongs to {by}: this object's routes for it are never used, nothing is merged");
                findings.add(&code::CONFLICT, at, problem, remedy);
            }
        }
    }

    /// Rules whose conditions no client can meet.
    fn never(
        &self,
        sight: &Sight<'_>,
        place: usize,
        rule: &VirtualService,
        unused: &[Unused<'_>],
        findings: &mut Findings,
    ) {
        let input = sight.input();
        if !self.seen.contains(&place) {
            let problem = "is exported to nobody: no client sees the object";
            let at = input.place(&rule.object, "spec.exportTo");
            return findings.add(&code::NEVER_APPLIES, at, problem, "name namespaces, \".\" for its own, or \"*\"");
        }
        let none = BTreeSet::new();
        let live = self.live.get(&place).unwrap_or(&none);
        let said = |index: &usize| unused.iter().any(|unused| unused.index == *index);
        let dead = rule.http.iter().enumerate().filter(|(index, _)| !live.contains(index) && !said(index));
        for (index, http) in dead {
            let path = format!("spec.http[{index}].match");
            let at = input.place(&rule.object, &path);
            if http.matches.iter().all(|entry| entry.gateways_list_mesh == Some(false)) {
                let problem = "asks for gateways other than mesh: the rule never applies to mesh clients";
                findings.add_as(&code::NEVER_APPLIES, Level::Info, at, problem, "add mesh if it is meant for them too");
                continue;
            }
            let known = list(sight.ports(place, List::Http));
            let problem = format!(
                "asks for a port, gateway or client that there is not: the rule never applies (its hosts have HTTP on port {known})"
            );
            findings.add(&code::NEVER_APPLIES, at, problem, "correct port, gateways, sourceNamespace or sourceLabels");
        }
    }
}

/// Rules that hand their requests to a delegate that is not used.
fn undelegated(input: &Input<'_>, rule: &VirtualService, unused: &[Unused<'_>], findings: &mut Findings) {
    for unused in unused {
        let path = format!("spec.http[{}].delegate", unused.index);
        let remedy = "the rule is dropped: add the delegate, export it, or widen the root's match";
        findings.add(&code::NEVER_APPLIES, input.place(&rule.object, &path), unused.message(), remedy);
    }
}

/// A rule that covers a name, with its most narrow host that does.
struct Claim<'w> {
    place: usize,
    rule: &'w VirtualService,
    /// Position in `spec.hosts`.
    host: usize,
    narrowness: usize,
}

fn claim<'w>(sight: &Sight<'_>, rule: &'w VirtualService, host: &Hostname) -> Option<Claim<'w>> {
    let covering = rule.hosts.iter().enumerate().filter(|(_, pattern)| pattern.covers(host));
    let (host, narrowness) =
        covering.map(|(index, pattern)| (index, pattern.specificity())).max_by_key(|(_, narrowness)| *narrowness)?;
    Some(Claim { place: sight.place_of(rule)?, rule, host, narrowness })
}

fn name(rule: &VirtualService) -> String {
    format!("{}/{}", rule.object.namespace, rule.object.name)
}
