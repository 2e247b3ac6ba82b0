//! Under which names virtual hosts live, per port declared HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::compiler::Clusters;
use super::rules::View;
use super::virtual_host::{VirtualHost, of_rule, of_service};
use crate::map::HashMap;
use crate::model::{Alias, HostPattern, Hostname, Protocol, Service, ServicePort};

/// The port on which names live that are no service's.
const PLAIN_HTTP: u16 = 80;

/// What every Kubernetes name ends with.
const DOMAIN: &str = ".svc.cluster.local";

/// The names of one port.
#[derive(Debug)]
pub(crate) struct Domains {
    /// Places in `hosts` by name; the same for as long as nobody has other names.
    names: Arc<Names>,
    /// In the order of `names.claims`.
    hosts: Vec<Arc<VirtualHost>>,
    rules_strangers: bool,
}

impl Domains {
    /// The virtual host of a name in lower case without port: exact names first, then the longest suffix.
    pub(crate) fn find(&self, host: &str) -> Option<&VirtualHost> {
        self.names.find(host).and_then(|place| self.hosts.get(place)).map(|host| &**host)
    }

    /// Whether a rule is for a name that may come to any address: it is no service's, nor would the cluster know it.
    pub(super) fn rule_strangers(&self) -> bool {
        self.rules_strangers
    }

    /// Whether a rule stands behind one of a service's names that is another's.
    pub(super) fn rule_aside(&self, service: &Service) -> bool {
        let others = self.names.aside.get(&service.host).into_iter().flatten();
        others.filter_map(|place| self.hosts.get(*place)).any(|host| host.ruled())
    }
}

/// Who has which name on a port.
#[derive(Debug, Default)]
struct Names {
    exact: HashMap<Box<str>, usize>,
    /// `*.example.com`, each by its suffix with the dot.
    below: HashMap<Box<str>, usize>,
    /// `*-a.example.com`, longest first: they are rare.
    suffixes: Vec<(Box<str>, usize)>,
    /// Of services that lost names, to whom.
    aside: HashMap<Hostname, Vec<usize>>,
    /// Whose names these are, the first first.
    claims: Vec<Claim>,
}

/// Who claims names.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
    /// A rule, which is all that is known of the name.
    Rule(HostPattern),
    /// A service.
    Service(Hostname),
}

impl Names {
    fn new(view: &View<'_>, port: u16, claims: Vec<Claim>) -> Self {
        let mut names = Self::default();
        // An unregistered name goes first: it takes the alias of a service away from it. A service's own host beats any other's
        // alias; of aliases the oldest service's.
        for (place, claim) in claims.iter().enumerate() {
            let own = match claim {
                Claim::Rule(pattern) => pattern.to_string(),
                Claim::Service(host) => host.to_string(),
            };
            names.claim(&own, place);
        }
        for (place, claim) in claims.iter().enumerate() {
            let Claim::Service(host) = claim else { continue };
            let of_service = view.port(host, port).map(|(service, _)| view.names(service)).unwrap_or_default();
            let mut lost: Vec<usize> = of_service.iter().map(|name| names.claim(name, place)).collect();
            lost.retain(|owner| *owner != place);
            if !lost.is_empty() {
                names.aside.insert(host.clone(), lost);
            }
        }
        Self { claims, ..names }
    }

    fn find(&self, host: &str) -> Option<usize> {
        self.exact.get(host).copied().or_else(|| self.by_suffix(host))
    }

    fn by_suffix(&self, host: &str) -> Option<usize> {
        // A suffix covers no name that consists of it alone.
        let dots = host.match_indices('.').map(|(dot, _)| &host[dot..]).filter(|suffix| suffix.len() < host.len());
        let below = if self.below.is_empty() {
            None
        } else {
            dots.filter_map(|suffix| self.below.get_key_value(suffix)).next()
        };
        let covers = |suffix: &str| host.len() > suffix.len() && host.ends_with(suffix);
        let other = self.suffixes.iter().find(|(suffix, _)| covers(suffix));
        match (below, other) {
            (Some((below, _)), Some((other, found))) if other.len() > below.len() => Some(*found),
            (Some((_, found)), _) | (None, Some((_, found))) => Some(*found),
            (None, None) => None,
        }
    }

    /// The first to claim a name keeps it; one that begins with `*` stands for what ends like it. Gives whose it is.
    fn claim(&mut self, name: &str, place: usize) -> usize {
        match name.strip_prefix('*') {
            None => *self.exact.entry(name.into()).or_insert(place),
            Some(suffix) if suffix.starts_with('.') => *self.below.entry(suffix.into()).or_insert(place),
            Some(suffix) => match self.suffixes.iter().find(|(known, _)| **known == *suffix) {
                Some((_, owner)) => *owner,
                None => {
                    let behind = self.suffixes.partition_point(|(known, _)| known.len() >= suffix.len());
                    self.suffixes.insert(behind, (suffix.into(), place));
                    place
                }
            },
        }
    }
}

/// The forms in which a client of `namespace` may write a host: its last parts can be left out where it is a Kubernetes
/// name, and the namespace too at home (istio/istio@86c9f01 pilot/pkg/networking/core/httproute.go, GenerateAltVirtualHosts).
fn forms(host: &Hostname, namespace: &str) -> Vec<String> {
    let full = host.as_str();
    let mut forms = vec![full.to_owned()];
    if full.parse::<IpAddr>().is_err() {
        forms.push(format!("{full}."));
    }
    let Some((name, home)) = full.strip_suffix(DOMAIN).and_then(|short| short.split_once('.')) else { return forms };
    forms.push(format!("{name}.{home}.svc"));
    forms.push(format!("{name}.{home}"));
    // "*" alone would be every name.
    if home == namespace && name != "*" {
        forms.push(name.to_owned());
    }
    forms
}

impl Service {
    /// Every name that a client of `namespace` may put into Host, without port, in lower case; of its aliases those that the
    /// client knows (istio/istio@86c9f01 pilot/pkg/networking/core/httproute.go, generateVirtualHostDomains).
    pub(crate) fn names(&self, namespace: &str, knows: impl Fn(&Alias) -> bool) -> Vec<String> {
        let mut names = forms(&self.host, namespace);
        names.extend(self.aliases.iter().filter(|alias| knows(alias)).flat_map(|alias| forms(&alias.host, namespace)));
        if self.headless() {
            // The names of its pods.
            let below: Vec<String> = names.iter().map(|name| format!("*.{name}")).collect();
            names.extend(below);
        }
        let written = |address: &IpAddr| if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        names.extend(self.addresses.iter().map(written));
        names
    }

    /// The same for a client whose Sidecar is of no interest.
    pub(crate) fn names_for(&self, namespace: &str) -> Vec<String> {
        self.names(namespace, |alias| alias.export_to.reaches(namespace))
    }
}

/// The names of every port number that has a listener for all addresses: one that some service declares as HTTP, or that a
/// service without address leaves undeclared.
pub(super) fn build(view: &View<'_>, clusters: &mut Clusters<'_, '_>) -> HashMap<u16, Domains> {
    let mut shared: BTreeSet<u16> = BTreeSet::new();
    let mut ports: BTreeMap<u16, Vec<(&Service, &ServicePort)>> = BTreeMap::new();
    for service in view.services() {
        for port in service.ports.iter().filter(|port| port.protocol.is_http() || port.protocol == Protocol::Unknown) {
            if port.protocol.is_http() || (service.addresses.is_empty() && !service.headless()) {
                shared.insert(port.number);
            }
            ports.entry(port.number).or_default().push((service, port));
        }
    }
    ports.retain(|port, _| shared.contains(port));
    ports.into_iter().map(|(port, services)| (port, of_port(view, clusters, port, &services))).collect()
}

fn of_port(
    view: &View<'_>,
    clusters: &mut Clusters<'_, '_>,
    number: u16,
    services: &[(&Service, &ServicePort)],
) -> Domains {
    let mut claims = Claims::default();
    claims.unregistered(view, clusters, number);
    // The host's port may be another object's.
    let owns =
        |service: &Service| view.port(&service.host, number).is_some_and(|(owner, _)| std::ptr::eq(owner, service));
    for (service, port) in services.iter().filter(|(service, _)| owns(service)) {
        claims.add(Claim::Service(service.host.clone()), of_service(view, clusters, service, port));
    }
    let Claims { claims, hosts, rules_strangers } = claims;
    let kept = clusters.earlier_names(number).filter(|domains| domains.names.claims == claims);
    let names = kept.map_or_else(|| Arc::new(Names::new(view, number, claims)), |domains| Arc::clone(&domains.names));
    Domains { names, hosts, rules_strangers }
}

/// Who claims names on a port, with the routes behind them.
#[derive(Default)]
struct Claims {
    claims: Vec<Claim>,
    hosts: Vec<Arc<VirtualHost>>,
    rules_strangers: bool,
}

impl Claims {
    fn add(&mut self, claim: Claim, host: Arc<VirtualHost>) {
        self.claims.push(claim);
        self.hosts.push(host);
    }

    /// Hosts that are no service's, or whose service lacks this port.
    fn unregistered(&mut self, view: &View<'_>, clusters: &mut Clusters<'_, '_>, port: u16) {
        for rule in view.virtual_services() {
            let listed_port = |host: &HostPattern| match host {
                HostPattern::Exact(name) => has_http_port(view, name, port),
                HostPattern::Suffix(_) | HostPattern::Any => false,
            };
            if port != PLAIN_HTTP && !rule.hosts.iter().any(listed_port) {
                continue;
            }
            for host in &rule.hosts {
                let here = match host {
                    HostPattern::Exact(name) => lives_here(view, name, port),
                    HostPattern::Suffix(_) => port == PLAIN_HTTP && !covers_a_service(view, host),
                    HostPattern::Any => false,
                };
                if here && let Some(compiled) = of_rule(view, clusters, rule, port) {
                    self.stranger(view, host, compiled);
                }
            }
        }
    }

    /// A name of which a rule is all that is known.
    fn stranger(&mut self, view: &View<'_>, name: &HostPattern, host: VirtualHost) {
        let is_known = match name {
            HostPattern::Exact(name) => view.service(name).is_some(),
            HostPattern::Suffix(_) | HostPattern::Any => false,
        };
        self.rules_strangers |= host.ruled() && !is_known && !name.to_string().ends_with(DOMAIN);
        self.add(Claim::Rule(name.clone()), Arc::new(host));
    }
}

/// An unregistered name lives on port 80 and beside services listed with it; a service without port 80 has its full name
/// there all the same.
fn lives_here(view: &View<'_>, name: &Hostname, port: u16) -> bool {
    view.service(name).is_none() || (port == PLAIN_HTTP && view.port(name, PLAIN_HTTP).is_none())
}

fn has_http_port(view: &View<'_>, name: &Hostname, port: u16) -> bool {
    let http = |port: &ServicePort| port.protocol.is_http() || port.protocol == Protocol::Unknown;
    view.port(name, port).is_some_and(|(_, port)| http(port))
}

fn covers_a_service(view: &View<'_>, host: &HostPattern) -> bool {
    view.services().any(|service| host.covers(&service.host))
}
