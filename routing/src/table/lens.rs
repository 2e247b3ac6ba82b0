//! What one scope's rules come to, for `analyze`: the functions that compile the table, asked piece by piece.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::Scope;
use super::clusters::Target;
use super::compiler::Clusters;
use super::filter_chains::RuleKind;
use super::rules::View;
use super::sidecars;
use super::virtual_host::{live, of_service};
use crate::model::{
    ExportTo, Hostname, L4Match, ObjectRef, Service, ServicePort, TcpRule, TlsRule, VirtualService, World,
};

/// The world through one scope's eyes.
pub(crate) struct Lens<'v, 'w> {
    view: &'v View<'w>,
    clusters: Clusters<'v, 'w>,
}

/// Looks at the world as clients of each scope see it. Scopes of one namespace in a row share the work, and so do those of
/// namespaces that no export names: they see the same objects.
pub(crate) fn look_each(world: &World, scopes: &[Scope], mut with: impl FnMut(&mut Lens<'_, '_>)) {
    let named = named_in_exports(world);
    let (mut own, mut general): (Option<View<'_>>, Option<View<'_>>) = (None, None);
    for scope in scopes {
        let is_named = named.contains(&*scope.namespace);
        let kept = if is_named { &mut own } else { &mut general };
        let view = match kept.take() {
            Some(view) if same_view(&view, world, scope, is_named) => view.for_clients(scope),
            _ => View::new(world, scope),
        };
        let mut lens = Lens { view: &view, clusters: Clusters::new(&view) };
        with(&mut lens);
        *kept = Some(view);
    }
}

/// Whether clients of another scope see the objects that a view has. What a Sidecar imports may depend on the namespace.
fn same_view(view: &View<'_>, world: &World, scope: &Scope, is_named: bool) -> bool {
    let at_home = view.scope.namespace == scope.namespace;
    match (view.sidecar(), sidecars::in_force(world, scope)) {
        (None, None) => at_home || !is_named,
        (Some(one), Some(other)) => at_home && std::ptr::eq(one, other),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Namespaces that some object is exported to by name.
fn named_in_exports(world: &World) -> HashSet<&str> {
    let of_rules = world.virtual_services.iter().map(|rule| &rule.export_to);
    let of_services = world.services.iter().map(|service| &service.export_to);
    let names = of_rules.chain(of_services).flat_map(|export_to| match export_to {
        ExportTo::All => &[][..],
        ExportTo::Namespaces(names) => names,
    });
    names.map(|name| &**name).collect()
}

impl<'w> Lens<'_, 'w> {
    /// Mesh-bound virtual services that the scope sees and that cover a host, strongest first.
    pub(crate) fn claimants(&self, host: &Hostname) -> Vec<&'w VirtualService> {
        self.view.claimants(host)
    }

    /// Whether the scope sees a mesh-bound virtual service.
    pub(crate) fn sees(&self, rule: &VirtualService) -> bool {
        rule.mesh && rule.export_to.reaches(&self.view.scope.namespace) && self.view.imports(rule)
    }

    /// A service that the scope knows.
    pub(crate) fn service(&self, host: &Hostname) -> Option<&'w Service> {
        self.view.service(host)
    }

    /// A service that the scope's routes may lead to.
    pub(crate) fn destination(&self, host: &Hostname) -> Option<&'w Service> {
        self.view.destination(host)
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

    /// Entries of `spec.tcp` or `spec.tls` that exist for clients of the scope on a port.
    pub(crate) fn live_connections(&self, rule: &VirtualService, kind: RuleKind, port: u16) -> BTreeSet<usize> {
        let live = |conditions: &L4Match| conditions.is_live(self.view.scope, port);
        let places = |found: Vec<bool>| found.into_iter().enumerate().filter(|(_, live)| *live).map(|(index, _)| index);
        match kind {
            RuleKind::Tcp => {
                let of_rule = |rule: &TcpRule| rule.matches.is_empty() || rule.matches.iter().any(live);
                places(rule.tcp.iter().map(of_rule).collect()).collect()
            }
            RuleKind::Tls => {
                let of_rule = |rule: &TlsRule| rule.matches.iter().any(|entry| live(&entry.conditions));
                places(rule.tls.iter().map(of_rule).collect()).collect()
            }
        }
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
}
