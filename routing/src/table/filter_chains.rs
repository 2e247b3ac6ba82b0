//! What one address of a service does with connections that are not read as HTTP: Envoy's filter chains.

use std::net::IpAddr;
use std::sync::Arc;

use super::compiler::Clusters;
use super::policy::OfConnections;
use super::rules::View;
use super::targets::Targets;
use super::{RuleRef, Scope};
use crate::decide::Reason;
use crate::map::HashMap;
use crate::model::{
    Destination, HostPattern, Hostname, L4Match, Protocol, Service, ServicePort, Split, Subnet, TcpRule, TlsRule,
    VirtualService,
};

/// The routes of one port of a service. A connection meets those of the narrowest subnet that it was dialled in and no
/// others: there is no way back to a wider one when none of them takes its server name
/// (envoy source/common/listener_manager/filter_chain_manager_impl.cc, findFilterChainForDestinationIP).
#[derive(Debug, Clone, Default)]
pub(crate) struct FilterChains {
    /// Longest prefix first.
    subnets: Vec<(Subnet, ServerNames)>,
    anywhere: ServerNames,
    ruled: bool,
    /// Whose address it is; of several that share it the oldest.
    pub(crate) service: Option<Arc<Owner>>,
}

/// A service's port.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) host: Hostname,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
}

/// One way a connection may go.
#[derive(Debug)]
pub(crate) struct ConnectionRoute {
    pub(crate) kind: RuleKind,
    pub(crate) rule: Arc<RuleRef>,
    pub(crate) action: Arc<ConnectionAction>,
    pub(crate) reason: Reason,
    /// The service that it is a route of.
    pub(crate) service: Arc<Owner>,
}

/// What a route does with its connections.
#[derive(Debug)]
pub(crate) struct ConnectionAction {
    pub(crate) targets: Targets,
    pub(crate) policy: OfConnections,
}

/// In which list of a VirtualService a rule is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// `spec.tcp`, and what a service does without any rule.
    Tcp,
    /// `spec.tls`.
    Tls,
}

impl RuleKind {
    /// The field's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// Routes by the name in the ClientHello: the exact one, else the longest wildcard, else whatever the name is.
#[derive(Debug, Clone, Default)]
struct ServerNames {
    exact: HashMap<Box<str>, Arc<ConnectionRoute>>,
    /// Longest first.
    suffixes: Vec<(Box<str>, Arc<ConnectionRoute>)>,
    any: Option<Arc<ConnectionRoute>>,
}

impl ServerNames {
    fn find(&self, sni: Option<&str>) -> Option<&Arc<ConnectionRoute>> {
        let named = sni.and_then(|name| {
            let covers = |suffix: &str| name.len() > suffix.len() && name.ends_with(suffix);
            let by_suffix = || self.suffixes.iter().find(|(suffix, _)| covers(suffix)).map(|(_, route)| route);
            self.exact.get(name).or_else(by_suffix)
        });
        named.or(self.any.as_ref())
    }

    /// Adds what another has, as far as it is not claimed.
    fn join(&mut self, later: &Self) {
        for (name, route) in &later.exact {
            self.exact.entry(name.clone()).or_insert_with(|| Arc::clone(route));
        }
        for (suffix, route) in &later.suffixes {
            self.claim(&HostPattern::Suffix((&**suffix).into()), route);
        }
        if let Some(route) = &later.any {
            self.claim(&HostPattern::Any, route);
        }
    }

    /// The first to claim a name keeps it.
    fn claim(&mut self, name: &HostPattern, route: &Arc<ConnectionRoute>) {
        let route = Arc::clone(route);
        match name {
            HostPattern::Exact(name) => drop(self.exact.entry(name.as_str().into()).or_insert(route)),
            HostPattern::Suffix(suffix) => {
                let place = self.suffixes.partition_point(|(known, _)| known.len() > suffix.len());
                let mut equals = self.suffixes[place..].iter().take_while(|(known, _)| known.len() == suffix.len());
                if !equals.any(|(known, _)| **known == **suffix) {
                    self.suffixes.insert(place, ((&**suffix).into(), route));
                }
            }
            HostPattern::Any => drop(self.any.get_or_insert(route)),
        }
    }
}

impl FilterChains {
    /// The route of a connection; `sni` is the name in its ClientHello, in lower case, if it has one.
    pub(crate) fn find(&self, dialled: IpAddr, sni: Option<&str>) -> Option<&Arc<ConnectionRoute>> {
        let within = self.subnets.iter().find(|(subnet, _)| subnet.contains(dialled)).map(|(_, names)| names);
        within.unwrap_or(&self.anywhere).find(sni)
    }

    /// Whether the name in a ClientHello makes a difference.
    pub(crate) fn names_servers(&self) -> bool {
        let all = self.subnets.iter().map(|(_, names)| names).chain([&self.anywhere]);
        all.into_iter().any(|names| !names.exact.is_empty() || !names.suffixes.is_empty())
    }

    /// Whether an object somebody wrote stands behind it.
    pub(crate) fn ruled(&self) -> bool {
        self.ruled
    }

    /// Adds the chains of a younger service at the same address, but for conditions that are there already
    /// (istio/istio@86c9f01 pilot/pkg/networking/core/listener.go, mergeTCPFilterChains).
    pub(super) fn join(&mut self, later: &Self) {
        self.anywhere.join(&later.anywhere);
        for (subnet, names) in &later.subnets {
            self.names(Some(*subnet)).join(names);
        }
        self.ruled |= later.ruled;
    }

    fn names(&mut self, subnet: Option<Subnet>) -> &mut ServerNames {
        let Some(subnet) = subnet else { return &mut self.anywhere };
        let place = self.subnets.iter().position(|(known, _)| *known == subnet).unwrap_or_else(|| {
            let place = self.subnets.partition_point(|(known, _)| known.length() >= subnet.length());
            self.subnets.insert(place, (subnet, ServerNames::default()));
            place
        });
        &mut self.subnets[place].1
    }

    fn claim(&mut self, conditions: &L4Match, name: &HostPattern, route: &Arc<ConnectionRoute>) {
        if conditions.destination_subnets.is_empty() {
            self.anywhere.claim(name, route);
        }
        for subnet in &conditions.destination_subnets {
            self.names(Some(*subnet)).claim(name, route);
        }
        self.ruled = true;
    }
}

/// The chains of a service's port for connections. On a port declared TLS a rule for server names leaves no room for
/// others; everywhere else what no rule takes is the service's own
/// (istio/istio@86c9f01 pilot/pkg/networking/core/tls.go, buildSidecarOutboundTCPTLSFilterChainOpts).
pub(super) fn of_service(
    view: &View<'_>,
    clusters: &mut Clusters<'_, '_>,
    service: &Service,
    port: &ServicePort,
) -> Arc<FilterChains> {
    clusters.chains(service, port.number, |clusters| chains(view, clusters, service, port))
}

fn chains(view: &View<'_>, clusters: &mut Clusters<'_, '_>, service: &Service, port: &ServicePort) -> FilterChains {
    let owner = Arc::new(Owner { host: service.host.clone(), port: port.number, protocol: port.protocol });
    let service_of_all = Some(Arc::clone(&owner));
    let mut building = Building { view, clusters, port: port.number, chains: FilterChains::default(), owner };
    let rules: Vec<&VirtualService> = view.claimants(&service.host);
    if port.protocol != Protocol::Tcp {
        rules.iter().for_each(|rule| building.tls(rule));
    }
    let complete = match port.protocol {
        Protocol::Tls => building.chains.ruled,
        _ => rules.iter().any(|rule| building.tcp(rule)),
    };
    if !complete {
        building.default_route(service, port.protocol);
    }
    FilterChains { service: service_of_all, ..building.chains }
}

impl L4Match {
    /// The conditions that are decided while compiling; unlike those of HTTP all of them count, whatever `gateways` says
    /// (istio/istio@86c9f01 pilot/pkg/networking/core/tls.go, matchTCP and matchTLS).
    pub(crate) fn is_live(&self, scope: &Scope, port: u16) -> bool {
        !self.gateways_only
            && self.port.is_none_or(|own| own == port)
            && scope.meets(&self.source_labels, self.source_namespace.as_deref())
    }
}

struct Building<'b, 'v, 'w> {
    view: &'b View<'b>,
    clusters: &'b mut Clusters<'v, 'w>,
    port: u16,
    chains: FilterChains,
    owner: Arc<Owner>,
}

impl Building<'_, '_, '_> {
    /// Adds the TLS rules of an object; of a name's routes the first stays.
    fn tls(&mut self, object: &VirtualService) {
        for (index, TlsRule { matches, split }) in object.tls.iter().enumerate() {
            let mut action = None;
            for (entry, found) in matches.iter().enumerate() {
                if !found.conditions.is_live(self.view.scope, self.port) {
                    continue;
                }
                let action = action.get_or_insert_with(|| Arc::new(self.action(split)));
                let route = self.route(RuleKind::Tls, object, index, Some(entry), action);
                found.sni_hosts.iter().for_each(|name| self.chains.claim(&found.conditions, name, &route));
            }
        }
    }

    /// Adds the TCP rules of an object up to the first that takes every connection; gives whether there is one. A rule does
    /// as soon as one of its matches names no subnet.
    fn tcp(&mut self, object: &VirtualService) -> bool {
        for (index, TcpRule { matches, split }) in object.tcp.iter().enumerate() {
            let live: Vec<(usize, &L4Match)> = matches
                .iter()
                .enumerate()
                .filter(|(_, conditions)| conditions.is_live(self.view.scope, self.port))
                .collect();
            let anywhere = live.iter().find(|(_, conditions)| conditions.destination_subnets.is_empty());
            let everything = L4Match::default();
            let (routes, complete) = match anywhere {
                _ if matches.is_empty() => (vec![(None, &everything)], true),
                Some((entry, _)) => (vec![(Some(*entry), &everything)], true),
                None => (live.into_iter().map(|(entry, conditions)| (Some(entry), conditions)).collect(), false),
            };
            if routes.is_empty() {
                continue;
            }
            let action = Arc::new(self.action(split));
            for (entry, conditions) in routes {
                let route = self.route(RuleKind::Tcp, object, index, entry, &action);
                self.chains.claim(conditions, &HostPattern::Any, &route);
            }
            if complete {
                return true;
            }
        }
        false
    }

    /// All of the service's endpoints, balanced as its DestinationRule says.
    fn default_route(&mut self, service: &Service, protocol: Protocol) {
        let reason = if self.clusters.has_policy(&service.host, self.port) {
            Reason::DestinationRuleOnly
        } else {
            Reason::DefaultRoute
        };
        let target = self.clusters.target(&service.host, self.port, None);
        let action = Arc::new(ConnectionAction {
            targets: Targets::sole(service.host.clone(), self.port, target, Arc::default()),
            policy: self.clusters.of_connections(&service.host, None),
        });
        let rule = Arc::new(RuleRef::default());
        let route =
            Arc::new(ConnectionRoute { kind: RuleKind::Tcp, rule, action, reason, service: Arc::clone(&self.owner) });
        // Only where no address tells services apart does the server name.
        let name = if service.addresses.is_empty() && protocol == Protocol::Tls {
            HostPattern::literal(service.host.as_str())
        } else {
            HostPattern::Any
        };
        self.chains.anywhere.claim(&name, &route);
        self.chains.ruled |= reason == Reason::DestinationRuleOnly;
    }

    fn action(&mut self, split: &Split) -> ConnectionAction {
        let targets = Targets::new(split, |destination| {
            let port = destination.port.unwrap_or_else(|| self.inferred_port(&destination.host));
            let target = self.clusters.target(&destination.host, port, destination.subset.as_deref());
            (port, target, Arc::default())
        });
        // What the first destination's rule says goes for all; its subset counts only when it is the sole one.
        let (first, subset) = match split {
            Split::Sole(destination) => (Some(destination), destination.subset.as_deref()),
            Split::Weighted(destinations) => (destinations.first().map(|(_, destination)| destination), None),
        };
        let policy = first.map(|Destination { host, .. }| self.clusters.of_connections(host, subset));
        ConnectionAction { targets, policy: policy.unwrap_or_default() }
    }

    /// The only port of a service that has one, else the dialled one. The complete service is asked, unlike for HTTP
    /// (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, GetDestinationCluster).
    fn inferred_port(&self, host: &Hostname) -> u16 {
        match self.view.destination(host).map(|service| &*service.ports) {
            Some([only]) => only.number,
            Some(_) | None => self.port,
        }
    }

    fn route(
        &self,
        kind: RuleKind,
        object: &VirtualService,
        index: usize,
        entry: Option<usize>,
        action: &Arc<ConnectionAction>,
    ) -> Arc<ConnectionRoute> {
        let object = format!("{}/{}", object.object.namespace, object.object.name);
        let rule = Arc::new(RuleRef { virtual_service: Some(object.into()), index, entry, ..RuleRef::default() });
        let (action, service) = (Arc::clone(action), Arc::clone(&self.owner));
        Arc::new(ConnectionRoute { kind, rule, action, reason: Reason::VirtualServiceRule, service })
    }
}
