//! Under which names virtual hosts live, per port declared HTTP.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::clusters::Clusters;
use super::rules::View;
use super::virtual_host::{VirtualHost, of_rule, of_service};
use crate::model::{HostPattern, Hostname, Service, ServicePort};

/// The port on which names live that are no service's.
const PLAIN_HTTP: u16 = 80;

/// The names of one port.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    exact: HashMap<Box<str>, Arc<VirtualHost>>,
    /// Longest first, each with its leading dot.
    suffixes: Vec<(Box<str>, Arc<VirtualHost>)>,
}

impl Domains {
    /// The virtual host of a name in lower case without port: exact names first, then the longest suffix.
    pub(crate) fn find(&self, host: &str) -> Option<&VirtualHost> {
        let covers = |suffix: &str| host.len() > suffix.len() && host.ends_with(suffix);
        let by_suffix = || self.suffixes.iter().find(|(suffix, _)| covers(suffix)).map(|(_, host)| host);
        self.exact.get(host).or_else(by_suffix).map(|host| &**host)
    }

    /// The first to claim a name keeps it.
    fn claim(&mut self, name: &str, host: &Arc<VirtualHost>) {
        self.exact.entry(name.into()).or_insert_with(|| Arc::clone(host));
    }
}

impl Service {
    /// Every name that a client of `namespace` may put into Host, without port, in lower case
    /// (istio/istio@86c9f01 pilot/pkg/networking/core/httproute.go, generateVirtualHostDomains).
    pub(crate) fn names_for(&self, namespace: &str) -> Vec<String> {
        let full = self.host.as_str();
        let mut names = vec![full.to_owned(), format!("{full}.")];
        let (name, home) = (&self.name, &self.namespace);
        names.push(format!("{name}.{home}.svc"));
        names.push(format!("{name}.{home}"));
        if &**home == namespace {
            names.push(name.to_string());
        }
        names.extend(
            self.addresses.iter().map(
                |address| {
                    if address.is_ipv6() { format!("[{address}]") } else { address.to_string() }
                },
            ),
        );
        names
    }
}

/// The names of every port that some service declares as HTTP.
pub(super) fn build(view: &View<'_>, clusters: &mut Clusters<'_, '_>) -> HashMap<u16, Domains> {
    let mut http_ports: BTreeMap<u16, Vec<(&Service, &ServicePort)>> = BTreeMap::new();
    for service in view.services() {
        for port in service.ports.iter().filter(|port| port.protocol.is_http()) {
            http_ports.entry(port.number).or_default().push((service, port));
        }
    }
    http_ports.into_iter().map(|(port, services)| (port, of_port(view, clusters, port, &services))).collect()
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
    for (service, port) in services {
        let host = of_service(view, clusters, service, port);
        for name in service.names_for(&view.scope.namespace) {
            domains.claim(&name, &host);
        }
        if service.addresses.is_empty() {
            // Headless: the names of its pods.
            domains.suffixes.push((format!(".{}", service.host).into(), Arc::clone(&host)));
        }
    }
    domains.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
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
            match host {
                HostPattern::Exact(name) if lives_here(view, name, port) => {
                    if let Some(host) = of_rule(view, clusters, rule, port) {
                        domains.claim(name.as_str(), &Arc::new(host));
                    }
                }
                HostPattern::Suffix(suffix) if port == PLAIN_HTTP && !covers_a_service(view, host) => {
                    if let Some(host) = of_rule(view, clusters, rule, port) {
                        domains.suffixes.push((suffix.as_ref().into(), Arc::new(host)));
                    }
                }
                HostPattern::Exact(_) | HostPattern::Suffix(_) | HostPattern::Any => {}
            }
        }
    }
}

/// An unregistered name lives on port 80 and beside services listed with it; a service without port 80 has its full name
/// there all the same.
fn lives_here(view: &View<'_>, name: &Hostname, port: u16) -> bool {
    match view.service(name) {
        None => true,
        Some(service) => port == PLAIN_HTTP && !service.ports.iter().any(|found| found.number == PLAIN_HTTP),
    }
}

fn has_http_port(view: &View<'_>, name: &Hostname, port: u16) -> bool {
    view.service(name)
        .is_some_and(|service| service.ports.iter().any(|found| found.number == port && found.protocol.is_http()))
}

fn covers_a_service(view: &View<'_>, host: &HostPattern) -> bool {
    view.services().any(|service| host.covers(&service.host))
}
