//! HTTPRoutes attached to Services: which of them a client's requests meet, and in which order their matches are tried.

use std::cmp::Reverse;
use std::sync::Arc;

use super::RuleRef;
use super::action::Action;
use super::compiler::Clusters;
use super::rules::View;
use super::virtual_host::{Route, RouteMatch, VirtualHost};
use crate::decide::Reason;
use crate::map::HashMap;
use crate::model::{
    Hostname, HttpMatch, HttpRoute, HttpRule, ObjectRef, Service, ServiceParent, ServicePort, StringMatch, World,
};

/// The status of a destination that is not there, where Istio's own routes have 503: the Gateway API wants it so
/// (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, applyHTTPRouteDestination: ClusterNotFoundResponseCode).
const NO_BACKEND: u16 = 500;

/// HTTPRoutes by the Services that are their parents.
#[derive(Debug, Default)]
pub(crate) struct Attached<'w>(HashMap<&'w Hostname, Vec<(&'w HttpRoute, &'w ServiceParent)>>);

/// Why a route that is attached to a service is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unattached {
    /// It is for another port.
    OtherPort,
    /// It is for clients of its own namespace, which is neither the client's nor the service's.
    OtherNamespace,
    /// The client's namespace has routes of its own for the service.
    Overridden,
}

impl<'w> Attached<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let mut by_host: HashMap<&Hostname, Vec<(&HttpRoute, &ServiceParent)>> = HashMap::default();
        for route in &world.http_routes {
            for parent in &route.parents {
                by_host.entry(&parent.host).or_default().push((route, parent));
            }
        }
        Self(by_host)
    }

    /// Every route of a service's port, each once, with what keeps it from being used. A consumer's routes, which live with
    /// the client, take the place of the producer's, which live with the service.
    pub(crate) fn judged(
        &self,
        namespace: &str,
        service: &Service,
        port: &ServicePort,
    ) -> Vec<(&'w HttpRoute, Option<Unattached>)> {
        let mut judged: Vec<(&HttpRoute, Option<Unattached>)> = Vec::new();
        for (route, parent) in self.0.get(&service.host).map(Vec::as_slice).unwrap_or_default() {
            let own = &*route.object.namespace;
            let verdict = if !parent.names(port) {
                Some(Unattached::OtherPort)
            } else if own != namespace && *own != *parent.namespace {
                Some(Unattached::OtherNamespace)
            } else {
                None
            };
            match judged.iter_mut().find(|(known, _)| std::ptr::eq(*known, *route)) {
                Some((_, known)) => *known = known.and(verdict),
                None => judged.push((route, verdict)),
            }
        }
        let consumed = |(route, verdict): &(&HttpRoute, Option<Unattached>)| {
            verdict.is_none() && *route.object.namespace != *service.namespace
        };
        if judged.iter().any(consumed) {
            for (route, verdict) in &mut judged {
                if verdict.is_none() && route.object.namespace == service.namespace {
                    *verdict = Some(Unattached::Overridden);
                }
            }
        }
        judged
    }
}

/// The routes of a service's port by its HTTPRoutes; `None` when it has none that a client meets.
pub(super) fn of_service(
    view: &View<'_>,
    clusters: &mut Clusters<'_, '_>,
    service: &Service,
    port: &ServicePort,
) -> Option<VirtualHost> {
    let judged = view.attached.judged(&view.scope.namespace, service, port);
    let used: Vec<&HttpRoute> =
        judged.into_iter().filter(|(_, verdict)| verdict.is_none()).map(|(route, _)| route).collect();
    let mut entries: Vec<Entry<'_>> = used.iter().flat_map(|route| entries(route)).collect();
    if entries.is_empty() {
        return None;
    }
    entries.sort_by_cached_key(Entry::rank);
    let mut actions: HashMap<*const HttpRule, Arc<Action>> = HashMap::default();
    let routes = entries.iter().filter_map(|entry| {
        let rule: *const HttpRule = entry.rule;
        if let Some(action) = actions.get(&rule) {
            return Some(entry.route(action));
        }
        let action = Arc::new(Action::new(clusters, entry.rule, port.number)?.missing(NO_BACKEND));
        actions.insert(rule, Arc::clone(&action));
        Some(entry.route(&action))
    });
    Some(VirtualHost::new(routes.collect(), Reason::HttpRouteRule))
}

/// One match of one rule.
struct Entry<'w> {
    object: &'w HttpRoute,
    rule: &'w HttpRule,
    condition: &'w HttpMatch,
    /// Positions of the rule and of the match.
    place: (usize, usize),
}

fn entries(object: &HttpRoute) -> impl Iterator<Item = Entry<'_>> {
    object.rules.iter().enumerate().flat_map(move |(index, rule)| {
        let entry = move |(number, condition)| Entry { object, rule, condition, place: (index, number) };
        rule.matches.iter().enumerate().map(entry)
    })
}

impl<'w> Entry<'w> {
    /// The order in which matches are tried: exact paths, then prefixes, then expressions, the longer first; then those with a
    /// method, with more headers, with more query parameters; then by age of the object, its namespace and name, and last as
    /// written (Gateway API, HTTPRouteRule.matches; where it leaves expressions open, as Istio's sortHTTPRoutes).
    fn rank(&self) -> impl Ord + use<'w> {
        let condition = self.condition;
        let (kind, length) = match &condition.uri {
            Some(StringMatch::Exact(path)) => (0_u8, path.len()),
            Some(StringMatch::Prefix(path) | StringMatch::Segments(path)) => (1, path.len()),
            Some(StringMatch::Regex(regex)) => (2, regex.as_str().len()),
            None => (3, 0),
        };
        let specific = (kind, Reverse(length), condition.method.is_none());
        let more = (Reverse(condition.headers.len()), Reverse(condition.query_params.len()));
        let ObjectRef { namespace, name, .. } = &self.object.object;
        (specific, more, self.object.created.clone(), Arc::clone(namespace), Arc::clone(name), self.place)
    }

    fn route(&self, action: &Arc<Action>) -> Route {
        let rule = RuleRef {
            virtual_service: None,
            http_route: Some(self.object.object.qualified_name()),
            index: self.place.0,
            entry: Some(self.place.1),
            name: self.rule.name.clone().unwrap_or_else(|| "".into()),
            delegate: None,
        };
        Route {
            rule: Arc::new(rule),
            condition: Some(RouteMatch::new(self.condition)),
            action: Arc::clone(action),
            fault: self.rule.fault,
            reason: Reason::HttpRouteRule,
        }
    }
}
