//! Objects that concern a host and were not used, each with the reason.

use std::collections::BTreeSet;

use super::passed_over::{self, Met};
use super::{LoserShown, Question, attached, client_namespace, named};
use crate::decide::without_port;
use crate::model::{DestinationRule, Excluded, ExportTo, Hostname, ObjectRef, Service, Sidecar, VirtualService, World};
use crate::table::{Undelegated, View};

/// What keeps a connection out of every rule's reach.
#[derive(Debug, Clone, Copy)]
pub(super) enum Native {
    /// Its client is not captured.
    Client,
    /// Its client's annotations exclude it.
    Connection(Excluded),
}

/// For a connection that no rule ever meets: everything that concerns the host.
pub(super) fn of_native(world: &World, question: &Question<'_>, native: Native) -> Vec<LoserShown> {
    let namespace = client_namespace(&question.client);
    let Some(host) = concerned(world, question.host, &namespace) else { return Vec::new() };
    let (reason, message) = match native {
        Native::Client => ("ClientNotCaptured", "the client is not captured: kube-proxy decides".to_owned()),
        Native::Connection(excluded) => (excluded.as_str(), format!("{excluded}: kube-proxy decides")),
    };
    let loser = |object: &ObjectRef| LoserShown { object: object.to_string(), reason, message: message.clone() };
    let virtual_services =
        world.virtual_services.iter().filter(|rule| owns(rule, &host)).map(|rule| loser(&rule.object));
    let policies =
        world.destination_rules.iter().filter(|rule| rule.host.covers(&host)).map(|rule| loser(&rule.object));
    let routes = world.http_routes.iter().filter(|route| route.parents.iter().any(|parent| parent.host == host));
    virtual_services.chain(policies).chain(routes.map(|route| loser(&route.object))).collect()
}

/// What is asked about, and what became of it.
pub(super) struct Concern<'a> {
    /// The host as it is written.
    pub(super) asked: &'a str,
    /// The port dialled.
    pub(super) port: u16,
    /// The virtual service that took the host or the connection.
    pub(super) owner: Option<&'a str>,
    /// By which of its rules.
    pub(super) met: Met,
}

/// For a captured client: `host` is the service's; without one it is what was asked for.
pub(super) fn of_captured(
    view: &View<'_>,
    world: &World,
    host: Option<&Hostname>,
    concern: &Concern<'_>,
) -> Vec<LoserShown> {
    let literal = Hostname::new(without_port(concern.asked));
    let host = host.unwrap_or(&literal);
    let routed = attached::used(view, host, concern.port);
    let claimants = world.virtual_services.iter().filter(|rule| owns(rule, host));
    let judge = |rule: &VirtualService| {
        let (reason, message) = passed_over::why(view, rule, host, concern, routed.as_deref())?;
        Some(LoserShown { object: rule.object.to_string(), reason, message })
    };
    let mut losers: Vec<LoserShown> = claimants.filter_map(judge).collect();
    losers.extend(attached::losers(view, host, concern.port));
    losers.extend(
        view.virtual_services().iter().filter(|rule| owns(rule, host)).flat_map(|rule| undelegated(view, rule)),
    );
    let service_namespace = view.service(host).map_or("", |service| &service.namespace);
    let used = view.policy(host, service_namespace).rules;
    let unused = |rule: &&DestinationRule| rule.host.covers(host) && !used.contains(&&rule.object);
    losers.extend(world.destination_rules.iter().filter(unused).map(|rule| {
        let (reason, message) = unread(view, rule, service_namespace, used.first().copied());
        LoserShown { object: rule.object.to_string(), reason, message }
    }));
    losers.extend(world.services.iter().filter_map(|service| unseen(view, service, concern.asked)));
    losers
}

/// A service of the name that was asked for, which the client does not know.
fn unseen(view: &View<'_>, service: &Service, asked: &str) -> Option<LoserShown> {
    let client = &view.scope.namespace;
    if !named(service.names_for(client), asked) {
        return None;
    }
    let (reason, message) = if !service.export_to.reaches(client) {
        ("NotExported", format!("it is not exported to namespace {client}, which does not know it by name"))
    } else {
        let imports = |sidecar: &&Sidecar| sidecar.imports_service(&service.namespace, &service.host, client);
        let sidecar = view.sidecar().filter(|sidecar| !imports(sidecar))?;
        ("NotImported", format!("{} does not import it, so its clients do not know it by name", sidecar.object))
    };
    Some(LoserShown { object: service.object.to_string(), reason, message })
}

/// The objects that the client's requests may meet.
pub(super) fn visible(view: &View<'_>) -> Vec<String> {
    let rules = view.virtual_services().iter().map(|rule| rule.object.to_string());
    let used = view.services().flat_map(|service| view.policy(&service.host, &service.namespace).rules);
    let policies: BTreeSet<String> = used.map(ToString::to_string).collect();
    let routes: BTreeSet<String> = view.services().flat_map(|service| attached::met(view, service)).collect();
    rules.chain(policies).chain(routes).collect()
}

fn concerned(world: &World, host: &str, namespace: &str) -> Option<Hostname> {
    let host = without_port(host);
    let named = |names: Vec<String>| names.iter().any(|name| name.eq_ignore_ascii_case(host));
    world.services.iter().find(|service| named(service.names_for(namespace))).map(|service| service.host.clone())
}

fn owns(rule: &VirtualService, host: &Hostname) -> bool {
    rule.hosts.iter().any(|pattern| pattern.covers(host))
}

/// Delegates that a rule names and that are not used.
fn undelegated(view: &View<'_>, root: &VirtualService) -> Vec<LoserShown> {
    let unused = view.delegates.unused(root).into_iter().map(|unused| {
        let reason = match unused.because {
            Undelegated::NotFound => "DelegateNotFound",
            Undelegated::NotExported => "DelegateNotExported",
            Undelegated::Outside => "DelegateOutsideRoot",
        };
        let message = format!("{} rule {} is dropped: {}", root.object, unused.index, unused.message());
        LoserShown { object: format!("VirtualService {}/{}", unused.namespace, unused.name), reason, message }
    });
    unused.collect()
}

fn unread(
    view: &View<'_>,
    rule: &DestinationRule,
    service_namespace: &str,
    used: Option<&ObjectRef>,
) -> (&'static str, String) {
    let (own, client) = (&*rule.object.namespace, &*view.scope.namespace);
    if ![client, service_namespace, &view.mesh.root_namespace].contains(&own) {
        return ("NamespaceNotConsulted", "it is not in the client's, the service's or the root namespace".to_owned());
    }
    if !rule.export_to.reaches(client) {
        let exported = match &rule.export_to {
            ExportTo::All => "everybody".to_owned(),
            ExportTo::Namespaces(names) => names.join(", "),
        };
        return ("NotExported", format!("exportTo [{exported}] does not reach namespace {client}"));
    }
    match used {
        Some(used) => ("Shadowed", format!("{used} is found first, and rules of different places are not merged")),
        None => ("NotApplicable", "the host is no service that this client knows".to_owned()),
    }
}
