//! Backends of HTTPRoutes that nobody knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::input::Input;
use super::sight::{Clients, Sight};
use super::{Findings, Level, code, list};
use crate::model::{Destination, HttpRoute, HttpRule, Split};
use crate::table::{Lens, Target};

/// What is wrong with a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    Service,
    Port,
}

/// What is wrong with the backends of HTTPRoutes, by path, for clients of which namespaces.
#[derive(Default)]
pub(super) struct Backends(BTreeMap<(usize, String, Cause), BTreeSet<Arc<str>>>);

/// A backend with its path.
pub(super) struct Written<'w> {
    /// `spec.rules[0].backendRefs[1]`.
    pub(super) path: String,
    pub(super) mirror: bool,
    pub(super) destination: &'w Destination,
}

impl Backends {
    /// Follows the backends of the route at a place, for a client.
    pub(super) fn look(&mut self, sight: &Sight<'_>, place: usize, lens: &mut Lens<'_, '_>, clients: &Clients<'_>) {
        let input = sight.input();
        let route = &input.world.http_routes[place];
        let met: Vec<&Arc<str>> = clients.namespaces().filter(|client| meets(route, client)).collect();
        if met.is_empty() || !route.parents.iter().any(|parent| lens.service(&parent.host).is_some()) {
            return;
        }
        for written in services(input, route) {
            let host = &written.destination.host;
            let port = written.destination.port.unwrap_or_default();
            let cause = match lens.target(host, port, None) {
                Target::UnknownHost if lens.destination(host).is_none() => Cause::Service,
                Target::UnknownHost => Cause::Port,
                Target::Cluster(_) | Target::UnknownSubset => continue,
            };
            self.0.entry((place, written.path, cause)).or_default().extend(met.iter().copied().cloned());
        }
    }

    /// What was found.
    pub(super) fn find(self, sight: &Sight<'_>, findings: &mut Findings) {
        let input = sight.input();
        for ((place, path, cause), namespaces) in &self.0 {
            let route = &input.world.http_routes[*place];
            let backends = services(input, route);
            let Some(backend) = backends.iter().find(|written| written.path == *path) else { continue };
            let all = sight.namespaces().iter().filter(|client| meets(route, client)).count();
            let who =
                if namespaces.len() == all { String::new() } else { format!(" for clients in {}", list(namespaces)) };
            let level = if backend.mirror { Level::Warning } else { Level::Error };
            let Said { path, problem, remedy } = backend.said(input, *cause, &who);
            findings.add_as(&code::UNKNOWN_REFERENCE, level, input.place(&route.object, &path), problem, remedy);
        }
    }
}

/// What there is to say about a backend.
pub(super) struct Said {
    pub(super) path: String,
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Written<'_> {
    /// What is wrong with it, whoever asks.
    pub(super) fn cause(&self, input: &Input<'_>) -> Option<Cause> {
        let Some(service) = input.service(&self.destination.host) else { return Some(Cause::Service) };
        let wanted = self.destination.port.unwrap_or_default();
        (!service.ports.iter().any(|port| port.number == wanted)).then_some(Cause::Port)
    }

    /// The same as a sentence; `who` is that for which clients.
    pub(super) fn said(&self, input: &Input<'_>, cause: Cause, who: &str) -> Said {
        let effect = if self.mirror { "no copies are sent" } else { "its share of requests is answered 500" };
        let (path, host) = (&self.path, &self.destination.host);
        let (path, problem, remedy) = match (cause, input.service(host)) {
            (Cause::Service, Some(_)) => (
                format!("{path}.name"),
                format!("{host} is not known{who}"),
                "correct its networking.istio.io/exportTo",
            ),
            (Cause::Service, None) => {
                (format!("{path}.name"), format!("there is no service {host}"), "correct the name, or add the service")
            }
            (Cause::Port, service) => {
                let numbers = list(service.iter().flat_map(|service| &service.ports).map(|port| port.number));
                let wanted = self.destination.port.unwrap_or_default();
                let problem = format!("{host} has no port {wanted}{who}, it has {numbers}");
                (format!("{path}.port"), problem, "name a port of the Service, not the pods' own")
            }
        };
        Said { path, problem, remedy: format!("{remedy}: {effect}") }
    }
}

/// Whether clients of a namespace may meet the route: those everywhere where it lives with a parent, else its own.
fn meets(route: &HttpRoute, client: &str) -> bool {
    let own = &route.object.namespace;
    **own == *client || route.parents.iter().any(|parent| parent.namespace == *own)
}

/// Backends that get something, and mirrors. Validation has its say on those that are no Services.
fn services<'w>(input: &Input<'_>, route: &'w HttpRoute) -> Vec<Written<'w>> {
    let mut found = written(input, route);
    found.retain(|written| !written.destination.host.as_str().contains('/'));
    found
}

/// The same with those that are no Services.
pub(super) fn written<'w>(input: &Input<'_>, route: &'w HttpRoute) -> Vec<Written<'w>> {
    let rules = input.manifest(&route.object).and_then(|manifest| manifest.body.get("spec")?.get("rules"));
    let mut found = Vec::new();
    for (index, rule) in route.rules.iter().enumerate() {
        let as_written = rules.and_then(|rules| rules.get(index));
        let array = |key: &str| as_written.and_then(|rule| rule.get(key)).and_then(Value::as_array);
        let places = |key: &str, counts: fn(&Value) -> bool| -> Vec<usize> {
            let entries = array(key).into_iter().flatten().enumerate();
            entries.filter(|(_, entry)| counts(entry)).map(|(number, _)| number).collect()
        };
        let backends: Vec<&Destination> = HttpRule::split(rule)
            .into_iter()
            .flat_map(Split::destinations)
            .map(|(_, destination)| destination)
            .collect();
        let (kept, mirrors) = match rules {
            Some(_) => (
                places("backendRefs", |backend| backend.get("weight").and_then(Value::as_u64).unwrap_or(1) > 0),
                places("filters", |filter| filter.get("type").and_then(Value::as_str) == Some("RequestMirror")),
            ),
            // Nearly always the same: backends of weight 0 are seldom written before others, and other filters before mirrors.
            None => ((0..backends.len()).collect(), (0..rule.mirrors.len()).collect()),
        };
        for (number, destination) in kept.into_iter().zip(backends) {
            let path = format!("spec.rules[{index}].backendRefs[{number}]");
            found.push(Written { path, mirror: false, destination });
        }
        for (number, mirror) in mirrors.into_iter().zip(&rule.mirrors) {
            let path = format!("spec.rules[{index}].filters[{number}].requestMirror.backendRef");
            found.push(Written { path, mirror: true, destination: &mirror.destination });
        }
    }
    found
}
