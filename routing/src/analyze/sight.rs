//! Who can tell what apart: of all clients there may be, those for whom a rule or a service must be looked at by itself.
//!
//! What a client sees of a service depends on its namespace only where an object that concerns the service lives there or
//! names it, and on its labels only where such an object asks for them. All other namespaces see the same, and one of them
//! stands for all. So the work grows with the objects, not with objects times namespaces.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::destinations::{self, List, Written};
use super::input::Input;
use crate::model::{
    DestinationRule, ExportTo, HostPattern, Hostname, HttpMatch, HttpRule, L4Match, Labels, ObjectRef, Service, Split,
    VirtualService, World,
};
use crate::table::{ByHost, Delegates, Lens, Scope, look_each};

/// The port on which names live that are no service's.
const PLAIN_HTTP: u16 = 80;

/// Something that clients may see differently, by its place among its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject<'i> {
    /// A mesh-bound VirtualService.
    Rule(usize),
    /// A service.
    Service(usize),
    /// An HTTPRoute.
    Route(usize),
    /// A name that mesh-bound VirtualServices list and no service has.
    Name(&'i Hostname),
}

/// Namespaces by their places in the list of all that count.
type Places = BTreeSet<usize>;

/// A subject is asked about for clients of one scope.
struct Ask<'i> {
    subject: Subject<'i>,
    /// Where the client stands for all namespaces but some: these.
    all_but: Option<Arc<Places>>,
}

/// Who sees what.
pub(super) struct Sight<'i> {
    input: &'i Input<'i>,
    /// Namespaces of clients.
    namespaces: Vec<Arc<str>>,
    /// VirtualServices by object.
    places: HashMap<&'i ObjectRef, usize>,
    rules: ByHost<'i, usize>,
    policies: ByHost<'i, usize>,
    delegates: Delegates<'i>,
    ports: Vec<[BTreeSet<u16>; List::ALL.len()]>,
    asks: BTreeMap<(usize, Labels), Vec<Ask<'i>>>,
}

/// A destination of a VirtualService or of its delegate.
pub(super) struct Followed<'w> {
    /// The place of the object that it is written in.
    pub(super) owner: usize,
    /// The entry of the VirtualService's own list that leads there.
    pub(super) index: usize,
    pub(super) written: Written<'w>,
}

/// The namespaces that a client stands for.
pub(super) struct Clients<'s> {
    all: &'s [Arc<str>],
    one: usize,
    all_but: Option<&'s Places>,
}

impl Clients<'_> {
    pub(super) fn namespaces(&self) -> impl Iterator<Item = &Arc<str>> {
        let stands_for = |place: &usize| match self.all_but {
            Some(others) => !others.contains(place),
            None => *place == self.one,
        };
        self.all.iter().enumerate().filter(move |(place, _)| stands_for(place)).map(|(_, name)| name)
    }
}

impl<'i> Sight<'i> {
    pub(super) fn new(input: &'i Input<'i>) -> Self {
        let world = &input.world;
        let (mut rules, mut policies) = (ByHost::default(), ByHost::default());
        for (place, rule) in world.virtual_services.iter().enumerate().filter(|(_, rule)| rule.mesh) {
            rule.hosts.iter().for_each(|host| rules.insert(host, place));
        }
        for (place, rule) in world.destination_rules.iter().enumerate() {
            policies.insert(&rule.host, place);
        }
        let places = world.virtual_services.iter().enumerate().map(|(place, rule)| (&rule.object, place)).collect();
        let namespaces = clients(world, &input.captured);
        let mut sight = Self {
            input,
            namespaces,
            places,
            rules,
            policies,
            delegates: Delegates::new(world),
            ports: Vec::new(),
            asks: BTreeMap::new(),
        };
        let ports_of = |rule| List::ALL.map(|list| sight.ports_of(rule, list));
        sight.ports = world.virtual_services.iter().map(ports_of).collect();
        sight.ask_for_all();
        sight
    }

    /// The objects.
    pub(super) fn input(&self) -> &'i Input<'i> {
        self.input
    }

    /// Where a VirtualService of the world stands in it.
    pub(super) fn place_of(&self, rule: &VirtualService) -> Option<usize> {
        self.places.get(&rule.object).copied()
    }

    /// Services that a pattern covers.
    pub(super) fn covered(&self, pattern: &HostPattern) -> Vec<&'i Service> {
        let services = &self.input.world.services;
        match pattern {
            HostPattern::Exact(host) => services.of_host(host).collect(),
            HostPattern::Suffix(_) | HostPattern::Any => {
                services.iter().filter(|service| pattern.covers(&service.host)).collect()
            }
        }
    }

    /// Mesh-bound VirtualServices that cover a host.
    pub(super) fn rules_for(&self, host: &Hostname) -> impl Iterator<Item = &'i VirtualService> {
        self.rules.covering(host).flatten().map(|place| &self.input.world.virtual_services[*place])
    }

    /// DestinationRules that cover a host.
    pub(super) fn policies_for(&self, host: &Hostname) -> impl Iterator<Item = &'i DestinationRule> {
        self.policies.covering(host).flatten().map(|place| &self.input.world.destination_rules[*place])
    }

    /// Where a VirtualService sends requests, delegates included.
    pub(super) fn followed(&self, place: usize) -> Vec<Followed<'i>> {
        let rule = &self.input.world.virtual_services[place];
        let own = destinations::of_rule(self.input, rule).into_iter();
        let own = own.map(|written| Followed { owner: place, index: written.index, written });
        let placed = self.delegates.placed(rule).filter_map(|placed| Some((placed.index, placed.delegated?)));
        let delegated = placed.flat_map(|(index, delegated)| {
            let owner = self.place_of(delegated.by);
            let of_entry = destinations::of_rule(self.input, delegated.by).into_iter();
            let of_entry =
                of_entry.filter(move |written| (written.list, written.index) == (List::Http, delegated.index));
            of_entry.filter_map(move |written| Some(Followed { owner: owner?, index, written }))
        });
        own.chain(delegated).collect()
    }

    /// Ports on which clients may meet the rules of one list of a VirtualService.
    pub(super) fn ports(&self, rule: usize, list: List) -> &BTreeSet<u16> {
        let [http, tls, tcp] = &self.ports[rule];
        match list {
            List::Http => http,
            List::Tls => tls,
            List::Tcp => tcp,
        }
    }

    /// The namespaces of clients that there are.
    pub(super) fn namespaces(&self) -> &[Arc<str>] {
        &self.namespaces
    }

    /// Looks at every subject with the eyes of every client that may see something else than the others.
    pub(super) fn look(&self, mut with: impl FnMut(Subject<'i>, &mut Lens<'_, '_>, &Clients<'_>)) {
        let scope = |(place, labels): &(usize, Labels)| {
            Scope::new(Arc::clone(&self.namespaces[*place]), Arc::new(labels.clone()))
        };
        let scopes: Vec<Scope> = self.asks.keys().map(scope).collect();
        let mut asks = self.asks.iter();
        look_each(&self.input.world, &scopes, |lens| {
            let Some(((place, _), asks)) = asks.next() else { return };
            for ask in asks {
                let clients = Clients { all: &self.namespaces, one: *place, all_but: ask.all_but.as_deref() };
                with(ask.subject, lens, &clients);
            }
        });
    }

    fn ports_of(&self, rule: &VirtualService, list: List) -> BTreeSet<u16> {
        let mut ports = BTreeSet::new();
        for host in &rule.hosts {
            let covered = self.covered(host).into_iter().flat_map(|service| &service.ports);
            ports.extend(covered.filter(|port| list.applies(port.protocol)).map(|port| port.number));
            let known = matches!(host, HostPattern::Exact(name) if self.input.service(name).is_some());
            if !known && list == List::Http {
                ports.insert(PLAIN_HTTP);
            }
        }
        ports
    }

    fn ask_for_all(&mut self) {
        let world = &self.input.world;
        let places = self.namespaces.iter().enumerate().map(|(place, name)| (Arc::clone(name), place));
        let places: HashMap<Arc<str>, usize> = places.collect();
        let mut names: BTreeSet<&Hostname> = BTreeSet::new();
        for (place, service) in world.services.iter().enumerate() {
            let mut concern = Concern::new(&places);
            self.of_service(&service.host, &mut concern);
            self.ask(Subject::Service(place), concern);
        }
        for (place, rule) in world.virtual_services.iter().enumerate().filter(|(_, rule)| rule.mesh) {
            let mut concern = Concern::new(&places);
            concern.rule(rule);
            for followed in self.followed(place) {
                self.of_destination(&followed.written.destination.host, &mut concern);
            }
            self.ask(Subject::Rule(place), concern);
            for host in &rule.hosts {
                if let HostPattern::Exact(name) = host
                    && self.input.service(name).is_none()
                {
                    names.insert(name);
                }
            }
        }
        for (place, route) in world.http_routes.iter().enumerate() {
            let mut concern = Concern::new(&places);
            concern.namespace(&route.object.namespace);
            let backends = route.rules.iter().filter_map(HttpRule::split).flat_map(Split::destinations);
            backends.for_each(|(_, backend)| self.of_destination(&backend.host, &mut concern));
            route.parents.iter().for_each(|parent| self.of_destination(&parent.host, &mut concern));
            let mirrors = route.rules.iter().flat_map(|rule| &rule.mirrors);
            mirrors.for_each(|mirror| self.of_destination(&mirror.destination.host, &mut concern));
            self.ask(Subject::Route(place), concern);
        }
        for name in names {
            let mut concern = Concern::new(&places);
            self.rules_for(name).for_each(|rule| concern.rule(rule));
            self.ask(Subject::Name(name), concern);
        }
    }

    /// What concerns a service itself: its export, the rules and policies that cover it.
    fn of_service(&self, host: &Hostname, concern: &mut Concern<'_>) {
        self.of_destination(host, concern);
        self.rules_for(host).for_each(|rule| concern.rule(rule));
    }

    /// What concerns requests that are sent to a host.
    fn of_destination(&self, host: &Hostname, concern: &mut Concern<'_>) {
        let world = &self.input.world;
        for service in world.services.of_host(host) {
            concern.namespace(&service.namespace);
            concern.export(&service.export_to);
        }
        let policies = self.policies.covering(host).flatten();
        policies.for_each(|place| concern.policy(&world.destination_rules[*place]));
    }

    fn ask(&mut self, subject: Subject<'i>, mut concern: Concern<'_>) {
        // A Sidecar may hide anything.
        for sidecar in &self.input.world.sidecars {
            concern.namespace(&sidecar.object.namespace);
            concern.labels.extend(sidecar.selector.clone());
        }
        let Concern { own, labels, .. } = concern;
        let own = Arc::new(own);
        let other = (0..self.namespaces.len()).find(|place| !own.contains(place));
        let alone = own.iter().map(|place| (*place, None));
        for (place, all_but) in alone.chain(other.map(|place| (place, Some(Arc::clone(&own))))) {
            for labels in &labels {
                let ask = Ask { subject, all_but: all_but.clone() };
                self.asks.entry((place, labels.clone())).or_default().push(ask);
            }
        }
    }
}

/// Namespaces and labels that tell clients apart where one subject is concerned.
struct Concern<'n> {
    places: &'n HashMap<Arc<str>, usize>,
    own: Places,
    labels: BTreeSet<Labels>,
}

impl<'n> Concern<'n> {
    fn new(places: &'n HashMap<Arc<str>, usize>) -> Self {
        Self { places, own: Places::new(), labels: BTreeSet::from([Labels::new()]) }
    }

    fn namespace(&mut self, name: &str) {
        self.own.extend(self.places.get(name));
    }

    fn export(&mut self, export_to: &ExportTo) {
        exported(export_to).iter().for_each(|name| self.namespace(name));
    }

    fn rule(&mut self, rule: &VirtualService) {
        self.namespace(&rule.object.namespace);
        self.export(&rule.export_to);
        for entry in rule.http.iter().flat_map(|http| &http.matches) {
            entry.source_namespace.iter().for_each(|name| self.namespace(name));
            self.labels.insert(entry.source_labels.clone());
        }
        for entry in of_connections(rule) {
            entry.source_namespace.iter().for_each(|name| self.namespace(name));
            self.labels.insert(entry.source_labels.clone());
        }
    }

    fn policy(&mut self, rule: &DestinationRule) {
        self.namespace(&rule.object.namespace);
        self.export(&rule.export_to);
        self.labels.extend(rule.selector.clone());
    }
}

/// The namespaces of clients. Where captured pods are known, clients live there; otherwise in any namespace that has
/// something but destination rules. Namespaces that a rule names count always. Those that no rule can tell from another are
/// represented by one.
fn clients(world: &World, captured: &BTreeSet<Arc<str>>) -> Vec<Arc<str>> {
    let mut named: BTreeSet<Arc<str>> = BTreeSet::new();
    for rule in &world.virtual_services {
        named.extend(exported(&rule.export_to).iter().cloned());
        let source = |entry: &HttpMatch| entry.source_namespace.as_deref().map(Arc::from);
        named.extend(rule.http.iter().flat_map(|http| &http.matches).filter_map(source));
        named.extend(of_connections(rule).filter_map(|entry| entry.source_namespace.as_deref().map(Arc::from)));
    }
    let living: BTreeSet<Arc<str>> = if captured.is_empty() { inhabited(world) } else { captured.clone() };
    let mut distinct: BTreeSet<&Arc<str>> = world.virtual_services.iter().map(|rule| &rule.object.namespace).collect();
    for rule in &world.destination_rules {
        distinct.insert(&rule.object.namespace);
        distinct.extend(exported(&rule.export_to));
    }
    distinct.extend(world.services.iter().flat_map(|service| exported(&service.export_to)));
    let alike = living.iter().find(|name| !distinct.contains(name)).cloned();
    let mut namespaces: BTreeSet<Arc<str>> = living.iter().filter(|name| distinct.contains(name)).cloned().collect();
    namespaces.extend(alike.into_iter().chain(named));
    namespaces.into_iter().collect()
}

/// What rules for connections ask of clients.
fn of_connections(rule: &VirtualService) -> impl Iterator<Item = &L4Match> {
    let tls = rule.tls.iter().flat_map(|tls| &tls.matches).map(|entry| &entry.conditions);
    rule.tcp.iter().flat_map(|tcp| &tcp.matches).chain(tls)
}

fn exported(export_to: &ExportTo) -> &[Arc<str>] {
    match export_to {
        ExportTo::All => &[],
        ExportTo::Namespaces(names) => names,
    }
}

fn inhabited(world: &World) -> BTreeSet<Arc<str>> {
    let of_rules = world.virtual_services.iter().map(|rule: &VirtualService| &rule.object.namespace);
    let of_services = world.services.iter().map(|service| &service.namespace);
    let of_pods = world.pods.iter().map(|pod| &pod.namespace);
    let declared = world.namespaces.iter().map(|namespace| &namespace.name);
    let mut all: BTreeSet<Arc<str>> = of_rules.chain(of_services).chain(of_pods).chain(declared).cloned().collect();
    if all.is_empty() {
        all.insert("default".into());
    }
    all
}

#[cfg(test)]
mod tests;
