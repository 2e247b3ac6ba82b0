//! HTTPRoutes that are attached to a service: which of them keep VirtualServices from it, and which are not used.

use super::LoserShown;
use crate::model::{Hostname, HttpRoute, Service, ServicePort};
use crate::table::{Unattached, View};

/// The HTTPRoutes whose rules a service's port has for the client, if it has any.
pub(super) fn used(view: &View<'_>, host: &Hostname, port: u16) -> Option<String> {
    let (service, port) = view.port(host, port)?;
    let used = of_port(view, service, port);
    (!used.is_empty()).then(|| used.join(", "))
}

/// Those that the client's requests to a service may meet, on any port.
pub(super) fn met(view: &View<'_>, service: &Service) -> Vec<String> {
    service.ports.iter().flat_map(|port| of_port(view, service, port)).collect()
}

fn of_port(view: &View<'_>, service: &Service, port: &ServicePort) -> Vec<String> {
    let judged = view.attached.judged(&view.scope.namespace, service, port);
    judged.iter().filter(|(_, verdict)| verdict.is_none()).map(|(route, _)| route.object.to_string()).collect()
}

/// Those that are attached and not used.
pub(super) fn losers(view: &View<'_>, host: &Hostname, port: u16) -> Vec<LoserShown> {
    let Some((service, port)) = view.port(host, port) else { return Vec::new() };
    let client = &view.scope.namespace;
    let loser = |(route, verdict): (&HttpRoute, Option<Unattached>)| {
        let (reason, message) = match verdict? {
            Unattached::OtherPort => ("OtherPort", format!("its parentRefs name another port than {}", port.number)),
            Unattached::OtherNamespace => {
                let own = &route.object.namespace;
                ("OtherNamespace", format!("it is a consumer's route, for clients in {own} and not in {client}"))
            }
            Unattached::Overridden => {
                ("ConsumerRouteFirst", format!("namespace {client} has a route of its own for {host}"))
            }
        };
        Some(LoserShown { object: route.object.to_string(), reason, message })
    };
    view.attached.judged(client, service, port).into_iter().filter_map(loser).collect()
}
