//! Which rules a scope sees, and which of them wins.

use std::collections::HashMap;

use super::Scope;
use crate::model::{
    DestinationRule, ExportTo, HostPattern, Hostname, ObjectRef, Service, Subset, TrafficPolicy, VirtualService, World,
};

/// Where rules of last resort live.
const ROOT_NAMESPACE: &str = "istio-system";

/// The world through one scope's eyes.
pub(crate) struct View<'w> {
    /// Who looks.
    pub(crate) scope: &'w Scope,
    services: HashMap<&'w Hostname, &'w Service>,
    ordered_services: Vec<&'w Service>,
    /// Mesh-bound and visible, strongest first.
    virtual_services: Vec<&'w VirtualService>,
    destination_rules: &'w [DestinationRule],
}

/// The destination rules that apply to one host, merged.
#[derive(Default)]
pub(crate) struct Policy<'w> {
    /// Those that were merged, oldest first.
    pub(crate) rules: Vec<&'w ObjectRef>,
    /// The first non-empty `trafficPolicy`.
    pub(crate) traffic: Option<&'w TrafficPolicy>,
    /// Of a name the first definition.
    pub(crate) subsets: Vec<&'w Subset>,
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
        Self {
            scope,
            services: ordered_services.iter().map(|service| (&service.host, *service)).collect(),
            ordered_services,
            virtual_services,
            destination_rules: &world.destination_rules,
        }
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

    /// Rules that list `host` itself, strongest first.
    pub(crate) fn exact_owners<'s>(&'s self, host: &'s Hostname) -> impl Iterator<Item = &'w VirtualService> + 's {
        self.virtual_services.iter().copied().filter(move |rule| {
            rule.hosts.iter().any(|pattern| matches!(pattern, HostPattern::Exact(name) if name == host))
        })
    }

    /// The rule whose wildcard covers `host` most narrowly; of equals the strongest.
    pub(crate) fn wildcard_owner(&self, host: &Hostname) -> Option<&'w VirtualService> {
        let narrowness = |rule: &VirtualService| {
            rule.hosts.iter().filter(|pattern| pattern.covers(host)).map(HostPattern::specificity).max()
        };
        let candidates = self.virtual_services.iter().filter_map(|rule| Some((narrowness(rule)?, *rule)));
        // `max_by_key` would take the last of equals.
        candidates.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, rule)| rule)
    }

    /// The destination rules in force for a client of this scope and `host`: those of the client's namespace, else of the
    /// service's, else of the root namespace; the first place that has any ends the search
    /// (istio/istio@86c9f01 pilot/pkg/model/push_context.go, destinationRule).
    pub(crate) fn policy(&self, host: &Hostname, service_namespace: &str) -> Policy<'w> {
        let client = &*self.scope.namespace;
        let usable_at_home = |rule: &DestinationRule| match &rule.export_to {
            // A client of the root namespace finds only private rules here.
            ExportTo::All => client != ROOT_NAMESPACE,
            ExportTo::Namespaces(_) => rule.export_to.reaches(client),
        };
        if let Some(policy) = self.narrowest(client, host, usable_at_home) {
            return policy;
        }
        for namespace in [service_namespace, ROOT_NAMESPACE] {
            // The narrowest host is chosen first and tested for export afterwards.
            if let Some(rules) = self.most_specific(namespace, host, |_| true)
                && let Some(policy) = merge(rules.into_iter().filter(|rule| rule.export_to.reaches(client)).collect())
            {
                return policy;
            }
        }
        Policy::default()
    }

    fn narrowest(
        &self,
        namespace: &str,
        host: &Hostname,
        usable: impl Fn(&DestinationRule) -> bool,
    ) -> Option<Policy<'w>> {
        merge(self.most_specific(namespace, host, usable)?)
    }

    /// The rules of a namespace that cover `host` with the narrowest pattern, oldest first.
    fn most_specific(
        &self,
        namespace: &str,
        host: &Hostname,
        usable: impl Fn(&DestinationRule) -> bool,
    ) -> Option<Vec<&'w DestinationRule>> {
        let covering = |rule: &&DestinationRule| &*rule.object.namespace == namespace && rule.host.covers(host);
        let mut rules: Vec<&DestinationRule> =
            self.destination_rules.iter().filter(covering).filter(|rule| usable(rule)).collect();
        let narrowest = rules.iter().map(|rule| rule.host.specificity()).max()?;
        rules.retain(|rule| rule.host.specificity() == narrowest);
        rules.sort_by_key(|rule| (&rule.created, &rule.object.name));
        Some(rules)
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

/// Concatenates the subsets and takes the first policy, of rules that are exported alike; one exported otherwise stays an
/// entry of its own, and the last entry is used (istio/istio@86c9f01 pilot/pkg/model/destination_rule.go,
/// mergeDestinationRule).
fn merge(rules: Vec<&DestinationRule>) -> Option<Policy<'_>> {
    let mut entries: Vec<(&ExportTo, Policy<'_>)> = Vec::new();
    for rule in rules {
        let entry = match entries.iter_mut().find(|(export_to, _)| mergeable(export_to, &rule.export_to)) {
            Some((_, entry)) => entry,
            None => &mut entries.push_mut((&rule.export_to, Policy::default())).1,
        };
        entry.rules.push(&rule.object);
        if !rule.policy.is_empty() {
            entry.traffic.get_or_insert(&rule.policy);
        }
        for subset in &rule.subsets {
            if !entry.subsets.iter().any(|known| known.name == subset.name) {
                entry.subsets.push(subset);
            }
        }
    }
    entries.pop().map(|(_, policy)| policy)
}

fn mergeable(old: &ExportTo, new: &ExportTo) -> bool {
    match (old, new) {
        (ExportTo::All, ExportTo::All) => true,
        (ExportTo::Namespaces(old), ExportTo::Namespaces(new)) => {
            !old.is_empty() && old.iter().all(|name| new.contains(name)) || old == new
        }
        (ExportTo::All, ExportTo::Namespaces(_)) | (ExportTo::Namespaces(_), ExportTo::All) => false,
    }
}
