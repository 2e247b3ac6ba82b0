//! The services that a scope knows: those that its requests may name, and those that its routes may lead to.

use super::Scope;
use crate::map::HashMap;
use crate::model::{
    Alias, Hostname, HttpAction, HttpRule, Kind, Service, ServicePort, Sidecar, Split, VirtualService, World,
};

/// Services as one scope knows them.
pub(super) struct Registry<'w> {
    /// Oldest first.
    imported: Vec<&'w Service>,
    /// Of each host those that are imported, strongest first. They may have different ports.
    by_host: HashMap<&'w Hostname, Vec<&'w Service>>,
    /// Destinations of visible rules that are not imported: routes lead to them, but nothing is known by their name.
    inferred: HashMap<&'w Hostname, &'w Service>,
    /// Names of ExternalName services, and what they stand for.
    aliases: HashMap<&'w Hostname, &'w Hostname>,
}

impl<'w> Registry<'w> {
    /// What is exported to the scope and imported by its Sidecar.
    pub(super) fn new(
        world: &'w World,
        scope: &Scope,
        sidecar: Option<&Sidecar>,
        rules: &[&'w VirtualService],
    ) -> Self {
        let client = &scope.namespace;
        let wanted = |service: &&Service| {
            sidecar.is_none_or(|sidecar| sidecar.imports_service(&service.namespace, &service.host, client))
        };
        let visible = || world.services.iter().filter(|service| service.export_to.reaches(client));
        let mut imported: Vec<&Service> = visible().filter(wanted).collect();
        imported.sort_by_key(|service| (&service.created, &service.name, &service.namespace, &service.host));
        let mut by_host: HashMap<&Hostname, Vec<&Service>> = HashMap::default();
        for service in &imported {
            by_host.entry(&service.host).or_default().push(service);
        }
        for services in by_host.values_mut().filter(|services| services.len() > 1) {
            strongest_first(services, scope, sidecar);
        }
        if sidecar.is_some() {
            // The others of a host are no longer there, not even with their other ports.
            imported.retain(|service| by_host[&service.host].iter().any(|kept| std::ptr::eq(*kept, *service)));
        }
        let aliases = imported.iter().flat_map(|service| {
            let visible = service.aliases.iter().filter(|alias| visible_alias(alias, scope, sidecar));
            visible.map(|alias| (&alias.host, &service.host))
        });
        let aliases = aliases.filter(|(alias, _)| !by_host.contains_key(alias)).collect();
        let mut registry = Self { imported, by_host, inferred: HashMap::default(), aliases };
        if sidecar.is_some() {
            registry.infer(world, scope, rules);
        }
        registry
    }

    /// Those that are imported, oldest first.
    pub(super) fn imported(&self) -> &[&'w Service] {
        &self.imported
    }

    /// The imported service of a host.
    pub(super) fn service(&self, host: &Hostname) -> Option<&'w Service> {
        self.by_host.get(host)?.first().copied()
    }

    /// The imported service that has a port of a host: of several of a host each may have ports of its own.
    pub(super) fn port(&self, host: &Hostname, number: u16) -> Option<(&'w Service, &'w ServicePort)> {
        let services = self.by_host.get(host)?;
        services.iter().find_map(|service| Some((*service, service.port(number)?)))
    }

    /// The service that a destination names.
    pub(super) fn destination(&self, host: &Hostname) -> Option<&'w Service> {
        let host = self.meant(host);
        self.service(host).or_else(|| self.inferred.get(host).copied())
    }

    /// The same with one of its ports.
    pub(super) fn destination_port(&self, host: &Hostname, number: u16) -> Option<(&'w Service, &'w ServicePort)> {
        let host = self.meant(host);
        let inferred = || self.inferred.get(host).and_then(|service| Some((*service, service.port(number)?)));
        self.port(host, number).or_else(inferred)
    }

    /// What a name stands for: that of an ExternalName service is its target's.
    fn meant<'h>(&'h self, host: &'h Hostname) -> &'h Hostname {
        self.aliases.get(host).copied().unwrap_or(host)
    }

    /// Destinations of visible rules and attached routes are imported without being asked for: the client's namespace's own first, else the
    /// first by namespace (istio/istio@86c9f01 pilot/pkg/model/sidecar.go, convertToSidecarScope).
    fn infer(&mut self, world: &'w World, scope: &Scope, rules: &[&'w VirtualService]) {
        let attached = world.http_routes.iter().filter(|route| {
            route.parents.iter().any(|parent| {
                let own = &route.object.namespace;
                self.by_host.contains_key(&parent.host) && (*own == scope.namespace || *own == parent.namespace)
            })
        });
        let of_attached = attached.flat_map(|route| led_to(&route.rules));
        let hosts: Vec<&Hostname> =
            rules.iter().flat_map(|rule| destinations(rule, world)).chain(of_attached).collect();
        for host in hosts {
            if self.by_host.contains_key(host) || self.inferred.contains_key(host) {
                continue;
            }
            let visible = world.services.of_host(host).filter(|found| found.export_to.reaches(&scope.namespace));
            let first = |service: &&Service| {
                (service.namespace != scope.namespace, service.namespace.clone(), service.object.clone())
            };
            if let Some(service) = visible.min_by_key(first) {
                self.inferred.insert(&service.host, service);
            }
        }
    }
}

/// A Kubernetes Service cannot be ousted by an entry that was there before it; under a Sidecar what lives with the client
/// comes first and is the only one.
fn strongest_first(services: &mut Vec<&Service>, scope: &Scope, sidecar: Option<&Sidecar>) {
    let elsewhere = |service: &Service| sidecar.is_some() && service.namespace != scope.namespace;
    services.sort_by_key(|service| (elsewhere(service), service.object.kind != Kind::Service));
    if let (Some(_), Some(first)) = (sidecar, services.first().map(|first| &first.namespace)) {
        services.retain(|service| service.namespace == *first);
    }
}

/// Whether a scope knows a service by another of its names.
pub(super) fn visible_alias(alias: &Alias, scope: &Scope, sidecar: Option<&Sidecar>) -> bool {
    let imported = |sidecar: &Sidecar| sidecar.imports_service(&alias.object.namespace, &alias.host, &scope.namespace);
    alias.export_to.reaches(&scope.namespace) && sidecar.is_none_or(imported)
}

/// Hosts that a rule leads to, those of its delegates included.
fn destinations<'w>(rule: &'w VirtualService, world: &'w World) -> Vec<&'w Hostname> {
    let mut found = led_to(&rule.http);
    let connections = rule.tcp.iter().map(|tcp| &tcp.split).chain(rule.tls.iter().map(|tls| &tls.split));
    found.extend(connections.flat_map(Split::destinations).map(|(_, destination)| &destination.host));
    for http in &rule.http {
        if let HttpAction::Delegate { namespace, name, .. } = &http.action {
            let named = |other: &&VirtualService| other.object.namespace == *namespace && other.object.name == *name;
            found.extend(world.virtual_services.iter().find(named).into_iter().flat_map(|rule| led_to(&rule.http)));
        }
    }
    found
}

fn led_to(rules: &[HttpRule]) -> Vec<&Hostname> {
    let routes = rules.iter().filter_map(HttpRule::split).flat_map(|split| split.destinations());
    let mirrors = rules.iter().flat_map(|http| &http.mirrors).map(|mirror| &mirror.destination);
    routes.map(|(_, destination)| destination).chain(mirrors).map(|destination| &destination.host).collect()
}
