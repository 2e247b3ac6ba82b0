//! The routes of one host on one port, in the order they are tried.

use std::sync::Arc;

use super::RuleRef;
use super::clusters::Clusters;
use super::effects::Effects;
use super::mirrors::MirrorLeg;
use super::rules::View;
use super::targets::Targets;
use crate::decide::Reason;
use crate::model::{
    FaultInjection, HashKey, HeaderMatch, Hostname, HttpAction, HttpMatch, HttpRule, Protocol, Service, ServicePort,
    Split, StringMatch, VirtualService,
};

/// The routes of one host; a request that none takes is answered 404.
#[derive(Debug)]
pub(crate) struct VirtualHost {
    pub(crate) routes: Vec<Route>,
    reason: Reason,
    /// Whose names these are; `None` for a host that is no service's.
    pub(crate) service: Option<(Hostname, u16, Protocol)>,
}

/// One way a request may go.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) rule: Arc<RuleRef>,
    /// `None` takes everything.
    pub(crate) condition: Option<RouteMatch>,
    pub(crate) action: Arc<Action>,
    /// Injected before anything else is done.
    pub(crate) fault: FaultInjection,
    pub(crate) reason: Reason,
}

/// What a route does.
#[derive(Debug)]
pub(crate) struct Action {
    pub(crate) targets: Targets,
    /// Hashed together, in the order of the destinations.
    pub(crate) keys: Vec<HashKey>,
    /// Who gets copies.
    pub(crate) mirrors: Box<[MirrorLeg]>,
}

/// The conditions that only a request can answer.
#[derive(Debug)]
pub(crate) struct RouteMatch {
    pub(crate) uri: Option<StringMatch>,
    pub(crate) ignore_uri_case: bool,
    pub(crate) method: Option<StringMatch>,
    pub(crate) authority: Option<StringMatch>,
    pub(crate) headers: Vec<HeaderMatch>,
    pub(crate) without_headers: Vec<HeaderMatch>,
}

impl VirtualHost {
    /// Whether an object somebody wrote stands behind it.
    pub(crate) fn ruled(&self) -> bool {
        self.reason != Reason::DefaultRoute
    }
}

/// The routes of a service's own names on one of its ports: those of the rule that owns the host, else the default route
/// (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, BuildSidecarVirtualHostWrapper).
pub(super) fn of_service(
    view: &View<'_>,
    clusters: &mut Clusters<'_, '_>,
    service: &Service,
    port: &ServicePort,
) -> Arc<VirtualHost> {
    if let Some(host) = clusters.host(service, port.number) {
        return host;
    }
    let mut exact = view.exact_owners(&service.host).peekable();
    let owned = if exact.peek().is_none() {
        // The choice among wildcards ignores whether the rule has a route here.
        view.wildcard_owner(&service.host).and_then(|rule| of_rule(view, clusters, rule, port.number))
    } else {
        exact.find_map(|rule| of_rule(view, clusters, rule, port.number))
    };
    let host = owned.unwrap_or_else(|| default_route(clusters, service, port));
    let names = Some((service.host.clone(), port.number, port.protocol));
    clusters.keep_host(service, port.number, VirtualHost { service: names, ..host })
}

/// The routes of one rule for a client on a port. `None` when all of them drop out by their static conditions: such a rule
/// counts as absent, it does not answer 404.
pub(super) fn of_rule(
    view: &View<'_>,
    clusters: &mut Clusters<'_, '_>,
    rule: &VirtualService,
    port: u16,
) -> Option<VirtualHost> {
    let mut routes = Vec::new();
    for (index, http) in rule.http.iter().enumerate() {
        let live: Vec<(usize, &HttpMatch)> =
            http.matches.iter().enumerate().filter(|(_, entry)| holds_statically(entry, view, port)).collect();
        if live.is_empty() && !http.matches.is_empty() {
            continue;
        }
        let HttpAction::Route(split) = &http.action else { continue };
        let action = Arc::new(action(clusters, http, split, port));
        if http.matches.is_empty() {
            routes.push(route(rule, index, http, None, &action));
        }
        routes.extend(live.into_iter().map(|entry| route(rule, index, http, Some(entry), &action)));
    }
    (!routes.is_empty()).then_some(VirtualHost { routes, reason: Reason::VirtualServiceRule, service: None })
}

fn route(
    rule: &VirtualService,
    index: usize,
    http: &HttpRule,
    entry: Option<(usize, &HttpMatch)>,
    action: &Arc<Action>,
) -> Route {
    let names = [http.name.as_deref(), entry.and_then(|(_, entry)| entry.name.as_deref())];
    let name: Vec<&str> = names.into_iter().flatten().collect();
    let rule = RuleRef {
        virtual_service: Some(format!("{}/{}", rule.object.namespace, rule.object.name).into()),
        index,
        entry: entry.map(|(number, _)| number),
        name: name.join(".").into(),
    };
    let condition = entry.map(|(_, entry)| RouteMatch {
        uri: entry.uri.clone(),
        ignore_uri_case: entry.ignore_uri_case,
        method: entry.method.clone(),
        authority: entry.authority.clone(),
        headers: entry.headers.clone(),
        without_headers: entry.without_headers.clone(),
    });
    let (action, fault) = (Arc::clone(action), http.fault);
    Route { rule: Arc::new(rule), condition, action, fault, reason: Reason::VirtualServiceRule }
}

/// The conditions that are decided while compiling. `gateways` in an entry overrides its source conditions
/// (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, sourceMatchHTTP).
fn holds_statically(entry: &HttpMatch, view: &View<'_>, port: u16) -> bool {
    if entry.port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    if let Some(lists_mesh) = entry.gateways_list_mesh {
        return lists_mesh;
    }
    view.scope.meets(&entry.source_labels, entry.source_namespace.as_deref())
}

fn action(clusters: &mut Clusters<'_, '_>, rule: &HttpRule, split: &Split, port: u16) -> Action {
    let mut keys: Vec<HashKey> = Vec::new();
    for (_, destination) in split.destinations() {
        let (number, named) = (destination.port.unwrap_or(port), destination.port.is_some());
        let key = clusters.hash_key(&destination.host, number, named, destination.subset.as_deref());
        keys.extend(key.filter(|key| !keys.contains(key)));
    }
    let effects = Arc::new(Effects::of_rule(rule, !keys.is_empty()));
    let targets = Targets::new(split, |destination| {
        // Without a port it is the listener's: Istio looks the service up among those that have it.
        let number = destination.port.unwrap_or(port);
        let target = clusters.target(&destination.host, number, destination.subset.as_deref());
        (number, target, Arc::clone(&effects))
    });
    let mirrors = rule.mirrors.iter().map(|mirror| MirrorLeg::new(clusters, mirror, port)).collect();
    Action { targets, keys, mirrors }
}

/// What a service does that no virtual service owns: all its endpoints, balanced as its DestinationRule says.
fn default_route(clusters: &mut Clusters<'_, '_>, service: &Service, port: &ServicePort) -> VirtualHost {
    let reason = if clusters.has_policy(&service.host, port.number) {
        Reason::DestinationRuleOnly
    } else {
        Reason::DefaultRoute
    };
    let target = clusters.target(&service.host, port.number, None);
    let keys: Vec<HashKey> = clusters.hash_key(&service.host, port.number, true, None).into_iter().collect();
    let effects = Arc::new(Effects::of_default(!keys.is_empty()));
    let targets = Targets::sole(service.host.clone(), port.number, target, effects);
    let route = Route {
        rule: Arc::new(RuleRef { virtual_service: None, index: 0, entry: None, name: "default".into() }),
        condition: None,
        action: Arc::new(Action { targets, keys, mirrors: [].into() }),
        fault: FaultInjection::default(),
        reason,
    };
    VirtualHost { routes: vec![route], reason, service: None }
}
