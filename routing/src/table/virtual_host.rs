//! The routes of one host on one port, in the order they are tried.

use std::sync::Arc;

use super::action::{Action, Forward};
use super::compiler::Clusters;
use super::delegation::Placed;
use super::effects::Effects;
use super::http_routes;
use super::rules::View;
use super::targets::Targets;
use super::{DelegateRef, RuleRef};
use crate::decide::Reason;
use crate::model::{
    FaultInjection, HashKey, HeaderMatch, Hostname, HttpMatch, HttpRule, Protocol, QueryMatch, Service, ServicePort,
    StringMatch, VirtualService,
};

/// The routes of one host; a request that none takes is answered 404.
#[derive(Debug)]
pub(crate) struct VirtualHost {
    pub(crate) routes: Vec<Route>,
    /// Entries behind a route that takes everything. Istio does not build them.
    pub(crate) unbuilt: Vec<RuleRef>,
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

/// The conditions that only a request can answer.
#[derive(Debug)]
pub(crate) struct RouteMatch {
    pub(crate) uri: Option<StringMatch>,
    pub(crate) ignore_uri_case: bool,
    pub(crate) scheme: Option<StringMatch>,
    pub(crate) method: Option<StringMatch>,
    pub(crate) authority: Option<StringMatch>,
    pub(crate) headers: Vec<HeaderMatch>,
    pub(crate) without_headers: Vec<HeaderMatch>,
    pub(crate) query_params: Vec<QueryMatch>,
}

impl RouteMatch {
    pub(super) fn new(entry: &HttpMatch) -> Self {
        Self {
            uri: entry.uri.clone(),
            ignore_uri_case: entry.ignore_uri_case,
            scheme: entry.scheme.clone(),
            method: entry.method.clone(),
            authority: entry.authority.clone(),
            headers: entry.headers.clone(),
            without_headers: entry.without_headers.clone(),
            query_params: entry.query_params.clone(),
        }
    }
}

impl Route {
    /// No condition, or none but prefix `/` or regex `.*`
    /// (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, IsCatchAllRoute).
    fn takes_all(&self) -> bool {
        let Some(condition) = &self.condition else { return true };
        let RouteMatch { uri, ignore_uri_case: _, scheme, method, authority, headers, without_headers, query_params } =
            condition;
        let any_path = match uri {
            None => true,
            Some(StringMatch::Prefix(prefix)) => &**prefix == "/",
            Some(StringMatch::Regex(regex)) => regex.as_str() == StringMatch::ANY,
            Some(StringMatch::Exact(_) | StringMatch::Segments(_)) => false,
        };
        let texts = [scheme, method, authority];
        let lists_are_empty = headers.is_empty() && without_headers.is_empty() && query_params.is_empty();
        any_path && lists_are_empty && texts.into_iter().all(Option::is_none)
    }
}

impl VirtualHost {
    pub(super) fn new(routes: Vec<Route>, reason: Reason) -> Self {
        Self { routes, unbuilt: Vec::new(), reason, service: None }
    }

    /// Whether an object somebody wrote stands behind it.
    pub(crate) fn ruled(&self) -> bool {
        self.reason != Reason::DefaultRoute
    }
}

/// The routes of a service's own names on one of its ports: those of HTTPRoutes attached to it, else those of the
/// VirtualService that owns the host, else the default route. Which of the two kinds goes first Istio leaves undefined
/// (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, BuildSidecarVirtualHostWrapper).
pub(super) fn of_service(
    view: &View<'_>,
    clusters: &mut Clusters<'_, '_>,
    service: &Service,
    port: &ServicePort,
) -> Arc<VirtualHost> {
    clusters.host(service, port.number, |clusters| {
        let attached = http_routes::of_service(view, clusters, service, port);
        let owned = attached.or_else(|| of_owner(view, clusters, service, port.number));
        let host = owned.unwrap_or_else(|| default_route(clusters, service, port));
        let names = Some((service.host.clone(), port.number, port.protocol));
        VirtualHost { service: names, ..host }
    })
}

fn of_owner(view: &View<'_>, clusters: &mut Clusters<'_, '_>, service: &Service, port: u16) -> Option<VirtualHost> {
    let mut exact = view.exact_owners(&service.host).peekable();
    if exact.peek().is_none() {
        // The choice among wildcards ignores whether the rule has a route here.
        return view.wildcard_owner(&service.host).and_then(|rule| of_rule(view, clusters, rule, port));
    }
    exact.find_map(|rule| of_rule(view, clusters, rule, port))
}

/// The routes of one rule for a client on a port. `None` when all of them drop out by their static conditions: such a rule
/// counts as absent, it does not answer 404.
pub(super) fn of_rule<'w>(
    view: &View<'w>,
    clusters: &mut Clusters<'_, '_>,
    rule: &'w VirtualService,
    port: u16,
) -> Option<VirtualHost> {
    let (mut routes, mut unbuilt): (Vec<Route>, _) = (Vec::new(), Vec::new());
    for placed in view.delegates.placed(rule) {
        let entries = live(view, &placed.rule, port);
        let complete = routes.last().is_some_and(Route::takes_all);
        let action = if entries.is_empty() || complete { None } else { Action::new(clusters, &placed.rule, port) };
        let action = action.map(Arc::new);
        for entry in entries {
            let reference = reference(rule, &placed, entry);
            if routes.last().is_some_and(Route::takes_all) {
                unbuilt.push(reference);
            } else if let Some(action) = &action {
                routes.push(route(reference, &placed.rule, entry, action));
            }
        }
    }
    let reason = Reason::VirtualServiceRule;
    (!routes.is_empty()).then_some(VirtualHost { routes, unbuilt, reason, service: None })
}

/// The entries of a rule's `match` that exist for a client on a port, each with its position; `None` stands for a rule
/// without any, which takes everything.
pub(super) fn live<'r>(view: &View<'_>, http: &'r HttpRule, port: u16) -> Vec<Option<(usize, &'r HttpMatch)>> {
    if http.matches.is_empty() {
        return vec![None];
    }
    let entries = http.matches.iter().enumerate();
    entries.filter(|(_, entry)| holds_statically(entry, view, port)).map(Some).collect()
}

fn reference(rule: &VirtualService, placed: &Placed<'_>, entry: Option<(usize, &HttpMatch)>) -> RuleRef {
    let names = [placed.rule.name.as_deref(), entry.and_then(|(_, entry)| entry.name.as_deref())];
    let name: Vec<&str> = names.into_iter().flatten().collect();
    let entries = placed.entries(entry.map(|(number, _)| number));
    RuleRef {
        virtual_service: Some(rule.object.qualified_name()),
        http_route: None,
        index: placed.index,
        entry: entries.root,
        name: name.join(".").into(),
        delegate: placed.delegated.as_ref().map(|delegated| DelegateRef {
            virtual_service: delegated.by.object.qualified_name(),
            index: delegated.index,
            entry: entries.delegate,
        }),
    }
}

fn route(rule: RuleRef, http: &HttpRule, entry: Option<(usize, &HttpMatch)>, action: &Arc<Action>) -> Route {
    let condition = entry.map(|(_, entry)| RouteMatch::new(entry));
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

/// What a service does that no virtual service owns: all its endpoints, balanced as its DestinationRule says.
fn default_route(clusters: &mut Clusters<'_, '_>, service: &Service, port: &ServicePort) -> VirtualHost {
    let reason = if clusters.has_policy(&service.host, port.number) {
        Reason::DestinationRuleOnly
    } else {
        Reason::DefaultRoute
    };
    let target = clusters.target(&service.host, port.number, None);
    let keys: Vec<HashKey> = clusters.hash_key(&service.host, port.number, true, None).into_iter().collect();
    let effects = Arc::new(Effects::of_default(clusters.default_retries(), !keys.is_empty()));
    let targets = Targets::sole(service.host.clone(), port.number, target, effects);
    let route = Route {
        rule: Arc::new(RuleRef {
            virtual_service: None,
            http_route: None,
            index: 0,
            entry: None,
            name: "default".into(),
            delegate: None,
        }),
        condition: None,
        action: Arc::new(Action::Forward(Forward::plain(targets, keys))),
        fault: FaultInjection::default(),
        reason,
    };
    VirtualHost { routes: vec![route], unbuilt: Vec::new(), reason, service: None }
}
