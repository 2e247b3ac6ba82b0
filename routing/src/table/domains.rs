//! Under which names virtual hosts live, per port declared HTTP.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::compiler::Clusters;
use super::rules::View;
use super::virtual_host::{VirtualHost, of_rule, of_service};
use crate::model::{Alias, HostPattern, Hostname, Protocol, Service, ServicePort};

/// The port on which names live that are no service's.
const PLAIN_HTTP: u16 = 80;

/// What every Kubernetes name ends with.
const DOMAIN: &str = ".svc.cluster.local";

/// The names of one port.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    exact: HashMap<Box<str>, Arc<VirtualHost>>,
    /// `*.example.com`, each by its suffix with the dot.
    below: HashMap<Box<str>, Arc<VirtualHost>>,
    /// `*-a.example.com`, longest first: they are rare.
    suffixes: Vec<(Box<str>, Arc<VirtualHost>)>,
    rules_strangers: bool,
}

impl Domains {
    /// The virtual host of a name in lower case without port: exact names first, then the longest suffix.
    pub(crate) fn find(&self, host: &str) -> Option<&VirtualHost> {
        self.exact.get(host).or_else(|| self.by_suffix(host)).map(|host| &**host)
    }

    fn by_suffix(&self, host: &str) -> Option<&Arc<VirtualHost>> {
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
            (Some((below, _)), Some((other, found))) if other.len() > below.len() => Some(found),
            (Some((_, found)), _) | (None, Some((_, found))) => Some(found),
            (None, None) => None,
        }
    }

    /// Whether a rule is for a name that may come to any address: it is no service's, nor would the cluster know it.
    pub(super) fn rule_strangers(&self) -> bool {
        self.rules_strangers
    }

    /// Claims a name for a rule that is all that is known of it.
    fn claim_for_rule(&mut self, view: &View<'_>, name: &HostPattern, host: VirtualHost) {
        let (written, known) = match name {
            HostPattern::Exact(name) => (name.to_string(), view.service(name).is_some()),
            HostPattern::Suffix(suffix) => (format!("*{suffix}"), false),
            HostPattern::Any => return,
        };
        self.rules_strangers |= host.ruled() && !known && !written.ends_with(DOMAIN);
        self.claim(&written, &Arc::new(host));
    }

    /// The first to claim a name keeps it; one that begins with `*` stands for what ends like it.
    fn claim(&mut self, name: &str, host: &Arc<VirtualHost>) {
        match name.strip_prefix('*') {
            None => drop(self.exact.entry(name.into()).or_insert_with(|| Arc::clone(host))),
            Some(suffix) if suffix.starts_with('.') => {
                self.below.entry(suffix.into()).or_insert_with(|| Arc::clone(host));
            }
            Some(suffix) if self.suffixes.iter().any(|(known, _)| **known == *suffix) => {}
            Some(suffix) => {
                let place = self.suffixes.partition_point(|(known, _)| known.len() >= suffix.len());
                self.suffixes.insert(place, (suffix.into(), Arc::clone(host)));
            }
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
    let mut domains = Domains::default();
    // An unregistered name goes first: it takes the alias of a service away from it.
    unregistered(view, clusters, number, &mut domains);
    // The host's port may be another object's.
    let owns =
        |service: &Service| view.port(&service.host, number).is_some_and(|(owner, _)| std::ptr::eq(owner, service));
    let owners = || services.iter().filter(|(service, _)| owns(service));
    // A service's own host beats any other's alias; of aliases the oldest service's.
    for (service, port) in owners() {
        domains.claim(service.host.as_str(), &of_service(view, clusters, service, port));
    }
    for (service, port) in owners() {
        let host = of_service(view, clusters, service, port);
        view.names(service).iter().for_each(|name| domains.claim(name, &host));
    }
    domains
}

/// Hosts that are no service's, or whose service lacks this port.
fn unregistered(view: &View<'_>, clusters: &mut Clusters<'_, '_>, port: u16, domains: &mut Domains) {
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
                domains.claim_for_rule(view, host, compiled);
            }
        }
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
