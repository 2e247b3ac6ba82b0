//! What one scope's rules come to, for `analyze`: the functions that compile the table, asked piece by piece.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Scope;
use super::clusters::{Clusters, Target};
use super::rules::View;
use super::virtual_host::{live, of_service};
use crate::model::{DestinationRule, Hostname, ObjectRef, Service, ServicePort, VirtualService, World};

/// The world through one scope's eyes.
pub(crate) struct Lens<'v, 'w> {
    view: &'v View<'w>,
    clusters: Clusters<'v, 'w>,
}

/// Looks at the world as clients of `scope` see it.
pub(crate) fn look<R>(world: &World, scope: &Scope, with: impl FnOnce(&mut Lens<'_, '_>) -> R) -> R {
    let view = View::new(world, scope);
    let mut lens = Lens { view: &view, clusters: Clusters::new(&view) };
    with(&mut lens)
}

impl<'w> Lens<'_, 'w> {
    /// Mesh-bound virtual services that the scope sees, strongest first.
    pub(crate) fn virtual_services(&self) -> &[&'w VirtualService] {
        self.view.virtual_services()
    }

    /// A service that the scope knows.
    pub(crate) fn service(&self, host: &Hostname) -> Option<&'w Service> {
        self.view.service(host)
    }

    /// `namespace/name` of the virtual service whose routes the service's port has; `None` for the default route.
    pub(crate) fn owner(&mut self, service: &Service, port: &ServicePort) -> Option<Arc<str>> {
        let host = of_service(self.view, &mut self.clusters, service, port);
        host.routes.first().and_then(|route| route.rule.virtual_service.clone())
    }

    /// Entries of `spec.http` that exist for clients of the scope on a port, whoever owns the host and whatever hides them.
    pub(crate) fn live(&mut self, rule: &VirtualService, port: u16) -> BTreeSet<usize> {
        let rules = rule.http.iter().enumerate();
        rules.filter(|(_, http)| !live(self.view, http, port).is_empty()).map(|(index, _)| index).collect()
    }

    /// Where a destination leads.
    pub(crate) fn target(&mut self, host: &Hostname, port: u16, subset: Option<&str>) -> Target {
        self.clusters.target(host, port, subset)
    }

    /// The destination rules in force for a service and the subsets they define.
    pub(crate) fn subsets(&self, service: &Service) -> (Vec<&'w ObjectRef>, Vec<&'w str>) {
        let policy = self.view.policy(&service.host, &service.namespace);
        (policy.rules, policy.subsets.iter().map(|subset| &*subset.name).collect())
    }

    /// Whether a destination rule is among those in force for a service.
    pub(crate) fn uses(&self, rule: &DestinationRule, service: &Service) -> bool {
        self.view.policy(&service.host, &service.namespace).rules.contains(&&rule.object)
    }
}
