//! Which rules a scope sees, and which of them wins.

use super::Scope;
use super::by_host::ByHost;
use super::delegation::Delegates;
use super::destination_rules::{self, Policy, PolicyIndex};
use super::http_routes::Attached;
use super::registry::{Registry, visible_alias};
use super::sidecars;
use crate::model::{
    ExportTo, Hostname, MeshConfig, OutboundTraffic, PolicyDefaults, Service, ServicePort, Sidecar, VirtualService,
    World,
};

/// The world through one scope's eyes.
pub(crate) struct View<'w> {
    /// Who looks.
    pub(crate) scope: &'w Scope,
    pub(crate) mesh: &'w MeshConfig,
    /// What the scope imports; `None`: everything.
    sidecar: Option<&'w Sidecar>,
    registry: Registry<'w>,
    /// What rules may hand their requests to.
    pub(crate) delegates: Delegates<'w>,
    pub(crate) attached: Attached<'w>,
    /// Mesh-bound and visible, strongest first; delegates are nobody's own.
    virtual_services: Vec<&'w VirtualService>,
    /// Places in `virtual_services` by the hosts they list.
    owners: ByHost<'w, usize>,
    destination_rules: PolicyIndex<'w>,
}

impl<'w> View<'w> {
    pub(crate) fn new(world: &'w World, scope: &'w Scope) -> Self {
        let sidecar = sidecars::in_force(world, scope);
        let mut virtual_services: Vec<&VirtualService> = world
            .virtual_services
            .iter()
            .filter(|rule| rule.mesh && !rule.hosts.is_empty() && rule.export_to.reaches(&scope.namespace))
            .filter(|rule| imports(sidecar, scope, rule))
            .collect();
        virtual_services
            .sort_by_key(|rule| (visibility(rule, scope), &rule.created, &rule.object.name, &rule.object.namespace));
        let mut owners = ByHost::default();
        for (place, rule) in virtual_services.iter().enumerate() {
            rule.hosts.iter().for_each(|host| owners.insert(host, place));
        }
        Self {
            scope,
            mesh: &world.mesh,
            sidecar,
            registry: Registry::new(world, scope, sidecar, &virtual_services),
            delegates: Delegates::new(world),
            attached: Attached::new(world),
            virtual_services,
            owners,
            destination_rules: PolicyIndex::new(&world.destination_rules),
        }
    }

    /// The same for other clients who see the same objects: those of the namespace, whatever their labels, and of others that
    /// no export names.
    pub(super) fn for_clients(self, scope: &'w Scope) -> Self {
        Self { scope, ..self }
    }

    /// Services that the scope's requests may name, by age, then name.
    pub(crate) fn services(&self) -> impl Iterator<Item = &'w Service> + '_ {
        self.registry.imported().iter().copied()
    }

    /// The service of a host that the scope's requests may name.
    pub(crate) fn service(&self, host: &Hostname) -> Option<&'w Service> {
        self.registry.service(host)
    }

    /// The same with one of its ports; several objects may each give a host some.
    pub(crate) fn port(&self, host: &Hostname, number: u16) -> Option<(&'w Service, &'w ServicePort)> {
        self.registry.port(host, number)
    }

    /// The service that a destination of a rule names, which may be one that the scope does not import.
    pub(crate) fn destination(&self, host: &Hostname) -> Option<&'w Service> {
        self.registry.destination(host)
    }

    /// The same with one of its ports.
    pub(crate) fn destination_port(&self, host: &Hostname, number: u16) -> Option<(&'w Service, &'w ServicePort)> {
        self.registry.destination_port(host, number)
    }

    /// Every name that the scope's clients may put into Host for a service, without port, in lower case.
    pub(crate) fn names(&self, service: &Service) -> Vec<String> {
        service.names(&self.scope.namespace, |alias| visible_alias(alias, self.scope, self.sidecar))
    }

    /// Whether the Sidecar in force imports a rule.
    pub(crate) fn imports(&self, rule: &VirtualService) -> bool {
        imports(self.sidecar, self.scope, rule)
    }

    /// The Sidecar in force.
    pub(crate) fn sidecar(&self) -> Option<&'w Sidecar> {
        self.sidecar
    }

    /// What becomes of requests and connections to what the scope does not know.
    pub(crate) fn outbound(&self) -> OutboundTraffic {
        self.sidecar.and_then(|sidecar| sidecar.outbound).unwrap_or(self.mesh.outbound)
    }

    pub(crate) fn virtual_services(&self) -> &[&'w VirtualService] {
        &self.virtual_services
    }

    /// Rules that list `host` or a wildcard that covers it, strongest first.
    pub(crate) fn claimants(&self, host: &Hostname) -> Vec<&'w VirtualService> {
        let mut places: Vec<usize> = self.owners.covering(host).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|place| self.virtual_services[place]).collect()
    }

    /// Rules that list `host` itself, strongest first.
    pub(crate) fn exact_owners(&self, host: &Hostname) -> impl Iterator<Item = &'w VirtualService> + '_ {
        let mut places = self.owners.exact(host).to_vec();
        // A rule may list a host twice.
        places.dedup();
        places.into_iter().map(|place| self.virtual_services[place])
    }

    /// The rule whose wildcard covers `host` most narrowly; of equals the strongest.
    pub(crate) fn wildcard_owner(&self, host: &Hostname) -> Option<&'w VirtualService> {
        self.owners.wildcards(host).find_map(|places| places.first()).map(|place| self.virtual_services[*place])
    }

    /// The destination rules in force for a client of this scope and `host`.
    pub(crate) fn policy(&self, host: &Hostname, service_namespace: &str) -> Policy<'w> {
        let places = [service_namespace, &self.mesh.root_namespace];
        destination_rules::policy(&self.destination_rules, self.scope, host, places)
    }

    /// What the mesh's configuration adds to them.
    pub(crate) fn policy_defaults(&self) -> &'w PolicyDefaults {
        &self.mesh.policy
    }
}

fn imports(sidecar: Option<&Sidecar>, scope: &Scope, rule: &VirtualService) -> bool {
    sidecar.is_none_or(|sidecar| sidecar.imports_rule(&rule.object.namespace, &rule.hosts, &scope.namespace))
}

/// Rules private to the client's namespace and living in it, then those exported to it by name, then public ones; within
/// each class age decides (istio/istio@86c9f01 pilot/pkg/model/push_context.go, VirtualServicesForGateway).
fn visibility(rule: &VirtualService, scope: &Scope) -> u8 {
    match &rule.export_to {
        ExportTo::Namespaces(names) if rule.object.namespace == scope.namespace && names.len() == 1 => 0,
        ExportTo::Namespaces(_) => 1,
        ExportTo::All => 2,
    }
}
