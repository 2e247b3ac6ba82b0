//! Which rules a scope sees, and which of them wins.

use std::collections::HashMap;

use super::Scope;
use super::by_host::ByHost;
use super::destination_rules::{self, Policy, PolicyIndex};
use crate::model::{ExportTo, Hostname, PolicyDefaults, Service, VirtualService, World};

/// The world through one scope's eyes.
pub(crate) struct View<'w> {
    /// Who looks.
    pub(crate) scope: &'w Scope,
    services: HashMap<&'w Hostname, &'w Service>,
    ordered_services: Vec<&'w Service>,
    /// Mesh-bound and visible, strongest first.
    virtual_services: Vec<&'w VirtualService>,
    /// Places in `virtual_services` by the hosts they list.
    owners: ByHost<'w, usize>,
    destination_rules: PolicyIndex<'w>,
    policy_defaults: &'w PolicyDefaults,
}

impl<'w> View<'w> {
    pub(crate) fn new(world: &'w World, scope: &'w Scope) -> Self {
        let visible = |service: &&Service| service.export_to.reaches(&scope.namespace);
        let mut ordered_services: Vec<&Service> = world.services.iter().filter(visible).collect();
        ordered_services.sort_by_key(|service| (&service.created, &service.host));
        let mut virtual_services: Vec<&VirtualService> = world
            .virtual_services
            .iter()
            .filter(|rule| rule.mesh && rule.export_to.reaches(&scope.namespace))
            .collect();
        virtual_services
            .sort_by_key(|rule| (visibility(rule, scope), &rule.created, &rule.object.name, &rule.object.namespace));
        let mut owners = ByHost::default();
        for (place, rule) in virtual_services.iter().enumerate() {
            rule.hosts.iter().for_each(|host| owners.insert(host, place));
        }
        Self {
            scope,
            services: ordered_services.iter().map(|service| (&service.host, *service)).collect(),
            ordered_services,
            virtual_services,
            owners,
            destination_rules: PolicyIndex::new(&world.destination_rules),
            policy_defaults: &world.policy_defaults,
        }
    }

    /// The same for other clients who see the same objects: those of the namespace, whatever their labels, and of others that
    /// no export names.
    pub(super) fn for_clients(self, scope: &'w Scope) -> Self {
        Self { scope, ..self }
    }

    /// Services by age, then name.
    pub(crate) fn services(&self) -> impl Iterator<Item = &'w Service> + '_ {
        self.ordered_services.iter().copied()
    }

    pub(crate) fn service(&self, host: &Hostname) -> Option<&'w Service> {
        self.services.get(host).copied()
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
        destination_rules::policy(&self.destination_rules, self.scope, host, service_namespace)
    }

    /// What the mesh's configuration adds to them.
    pub(crate) fn policy_defaults(&self) -> &'w PolicyDefaults {
        self.policy_defaults
    }
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
