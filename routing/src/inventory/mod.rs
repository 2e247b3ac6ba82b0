//! Valid objects, one by one → the world they make. A change touches the services that it concerns and no others.

mod aliases;
mod entries;
mod join;
mod listed;
mod names;
#[cfg(test)]
mod tests;
mod touched;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use self::listed::Listed;
use self::names::Names;
pub use self::touched::Touched;
use crate::map::HashMap;
use crate::model::{
    DefaultExport, DestinationRule, ExportTo, Hostname, Kind, MeshConfig, ObjectRef, Pod, Resolution, Service,
    VirtualService, World,
};
use crate::validate::{EndpointSlice, Object, ServiceEntry, ServiceSpec, Valid};

/// What became of a world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Hosts whose rules or services are others; what depends on them is to be compiled again.
    pub rules: Touched,
    /// Services that have other endpoints; routes stay as they are.
    pub endpoints: BTreeSet<Hostname>,
    /// A pod or a namespace is another, and with it perhaps who is captured.
    pub clients: bool,
}

impl Change {
    /// Whether nothing is another.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Namespace and name.
type Name = (Arc<str>, Arc<str>);

/// All valid objects. One writer; the order in which objects come has no influence.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    world: World,
    services: BTreeMap<Name, ServiceSpec>,
    entries: BTreeMap<Name, ServiceEntry>,
    /// By the service that they belong to.
    slices: HashMap<Name, BTreeMap<Arc<str>, EndpointSlice>>,
    /// The service of each slice.
    slice_owners: HashMap<Name, Name>,
    /// Services whose slices speak of an address or of a pod.
    mentions: HashMap<Mention, BTreeSet<Name>>,
    names: Names,
    listed: Listed,
    changed: Change,
    stale: BTreeSet<Name>,
    stale_entries: BTreeSet<Name>,
}

/// What a slice knows a pod by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Mention {
    Address(IpAddr),
    Pod(Name),
}

impl World {
    /// Puts objects together.
    #[must_use]
    pub fn assemble<'o>(objects: impl IntoIterator<Item = &'o Valid>) -> Self {
        Self::assemble_in(MeshConfig::default(), objects)
    }

    /// Puts objects together in a mesh that is configured so.
    #[must_use]
    pub fn assemble_in<'o>(mesh: MeshConfig, objects: impl IntoIterator<Item = &'o Valid>) -> Self {
        let mut inventory = Inventory::new(mesh);
        objects.into_iter().for_each(|object| inventory.put(object));
        inventory.settle();
        inventory.world
    }
}

impl Inventory {
    /// Nothing, in a mesh that is configured so.
    #[must_use]
    pub fn new(mesh: MeshConfig) -> Self {
        Self { world: World { mesh, ..World::default() }, ..Self::default() }
    }

    /// The world as it was when [`Self::settle`] was last called.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Puts an object in the place of the one of its kind, namespace and name.
    pub fn put(&mut self, valid: &Valid) {
        let exported = |own: &ExportTo, default: &DefaultExport, object: &ObjectRef| {
            if valid.says_export { own.clone() } else { default.of(&object.namespace) }
        };
        let mesh = &self.world.mesh;
        match &valid.object {
            Object::Namespace(namespace) => {
                self.changed.clients = true;
                let name = Arc::clone(&namespace.name);
                let object = ObjectRef { kind: Kind::Namespace, namespace: "".into(), name };
                drop(self.listed.put(&mut self.world.namespaces, &object, namespace.clone()));
            }
            Object::Node(node) => {
                if self.world.nodes.put(Arc::clone(&node.name), Arc::clone(&node.locality)) {
                    self.nodes_changed();
                }
            }
            Object::Pod(pod) => {
                let before = self.world.pods.put(pod.clone());
                self.pod_changed(before.as_ref(), Some(pod));
            }
            Object::Service(service) => {
                let name = name(&service.object);
                let export_to = exported(&service.export_to, &mesh.services, &service.object);
                let before = self.services.insert(name.clone(), ServiceSpec { export_to, ..service.clone() });
                self.service_changed([before.as_ref(), Some(service)].into_iter().flatten());
                self.stale.insert(name);
            }
            Object::ServiceEntry(entry) => {
                let export_to = exported(&entry.export_to, &mesh.services, &entry.object);
                self.take_entry(&name(&entry.object));
                self.names.mention(entry);
                entry.hosts.iter().for_each(|host| self.changed.rules.service(host.clone()));
                self.entries.insert(name(&entry.object), ServiceEntry { export_to, ..entry.clone() });
                self.stale_entries.insert(name(&entry.object));
            }
            Object::EndpointSlice(slice) => self.put_slice(slice),
            Object::VirtualService(rule) => {
                let export_to = exported(&rule.export_to, &mesh.virtual_services, &rule.object);
                let next = VirtualService { export_to, ..rule.clone() };
                let before = self.listed.put(&mut self.world.virtual_services, &rule.object, next);
                self.virtual_service_changed(before.as_ref(), Some(rule));
            }
            Object::DestinationRule(rule) => {
                let export_to = exported(&rule.export_to, &mesh.destination_rules, &rule.object);
                let next = DestinationRule { export_to, ..rule.clone() };
                let before = self.listed.put(&mut self.world.destination_rules, &rule.object, next);
                before.iter().chain([rule]).for_each(|rule| self.changed.rules.pattern(&rule.host));
            }
            Object::Sidecar(sidecar) => {
                self.changed.rules.everything();
                drop(self.listed.put(&mut self.world.sidecars, &sidecar.object, sidecar.clone()));
            }
            Object::HttpRoute(route) => {
                let before = self.listed.put(&mut self.world.http_routes, &route.object, route.clone());
                before.iter().chain([route]).for_each(|route| self.changed.rules.parents(route));
            }
        }
    }

    /// Takes an object out; one that is not there is no matter.
    pub fn remove(&mut self, object: &ObjectRef) {
        let name = name(object);
        let world = &mut self.world;
        match object.kind {
            Kind::Pod => {
                let before = world.pods.take(&object.namespace, &object.name);
                self.pod_changed(before.as_ref(), None);
            }
            Kind::EndpointSlice => self.take_slice(&name),
            Kind::Node => {
                if world.nodes.take(&object.name) {
                    self.nodes_changed();
                }
            }
            Kind::ServiceEntry => self.take_entry(&name),
            Kind::Service => {
                let gone = self.services.remove(&name);
                self.service_changed(gone.iter());
                self.stale.insert(name);
            }
            Kind::Namespace => {
                self.changed.clients |= self.listed.take(&mut world.namespaces, object).is_some();
            }
            Kind::VirtualService => {
                let gone = self.listed.take(&mut world.virtual_services, object);
                self.virtual_service_changed(gone.as_ref(), None);
            }
            Kind::DestinationRule => {
                let gone = self.listed.take(&mut world.destination_rules, object);
                gone.iter().for_each(|rule| self.changed.rules.pattern(&rule.host));
            }
            Kind::HttpRoute => {
                let gone = self.listed.take(&mut world.http_routes, object);
                gone.iter().for_each(|route| self.changed.rules.parents(route));
            }
            Kind::Sidecar => {
                if self.listed.take(&mut world.sidecars, object).is_some() {
                    self.changed.rules.everything();
                }
            }
            // It comes with the inventory.
            Kind::MeshConfig => {}
        }
    }

    /// The DNS names that endpoints are known by, in order and in lower case: what is to be resolved.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.mentioned()
    }

    /// The addresses that a DNS name comes to now, in the order of the answer; without any its endpoints have none. They are
    /// kept until other ones are told, or nothing has the name any more.
    pub fn resolved(&mut self, name: &str, addresses: &[IpAddr]) {
        if self.names.resolve(name, addresses) {
            self.stale_entries.extend(self.names.mentioning(name));
        }
    }

    /// Brings the world up to date with what was put and removed since, and says what is another.
    pub fn settle(&mut self) -> Change {
        for name in std::mem::take(&mut self.stale) {
            let host = Hostname::service(&name.1, &name.0);
            match self.services.get(&name).filter(|spec| spec.external_name.is_none()) {
                Some(spec) => {
                    let slices = self.slices.get(&name).into_iter().flat_map(BTreeMap::values);
                    let joined = join::join(spec, &self.world, &slices.collect::<Vec<_>>());
                    self.renew(joined);
                }
                None => drop(self.world.services.take(&service_of(&name), &host)),
            }
        }
        for name in std::mem::take(&mut self.stale_entries) {
            let entry = self.entries.get(&name);
            let services = entry.into_iter().flat_map(|entry| entries::services(entry, &self.world, &self.names));
            let joined: Vec<Service> = services.collect();
            joined.into_iter().for_each(|service| self.renew(service));
        }
        self.names.forget();
        let mut changed = std::mem::take(&mut self.changed);
        if !changed.rules.is_empty() {
            self.world.services.name(&aliases::aliases(self.services.values()));
            // Whoever asked for a service by another of its names did not see the service while it was not there.
            let of_host = |host| self.world.services.of_host(host).flat_map(|service| &service.aliases);
            let aliases: Vec<Hostname> =
                changed.rules.names().flat_map(of_host).map(|alias| alias.host.clone()).collect();
            aliases.into_iter().for_each(|alias| changed.rules.name(alias));
        }
        changed
    }

    /// A service is another. One that is a name for another one may change what any name stands for: that is rare.
    fn service_changed<'s>(&mut self, versions: impl Iterator<Item = &'s ServiceSpec>) {
        for version in versions {
            self.changed.rules.service(Hostname::service(&version.object.name, &version.object.namespace));
            if version.external_name.is_some() {
                self.changed.rules.everything();
            }
        }
    }

    /// Who has no hosts speaks for those that hand their requests to it.
    fn virtual_service_changed(&mut self, before: Option<&VirtualService>, after: Option<&VirtualService>) {
        for version in before.into_iter().chain(after) {
            version.hosts.iter().for_each(|host| self.changed.rules.pattern(host));
            if version.hosts.is_empty() {
                let roots = self.world.virtual_services.iter().filter(|root| root.delegates_to(&version.object));
                roots.flat_map(|root| &root.hosts).for_each(|host| self.changed.rules.pattern(host));
            }
        }
    }

    /// Takes over what a service is now, and notes whether it has other endpoints.
    fn renew(&mut self, mut service: Service) {
        let known = self.world.services.of(&service.object, &service.host);
        if known.is_none_or(|known| !same_endpoints(known, &service)) {
            self.changed.endpoints.insert(service.host.clone());
            // The endpoints of a headless service are what its clients dial.
            if service.resolution == Resolution::Dialled {
                self.changed.rules.name(service.host.clone());
            }
        }
        service.aliases = known.map(|known| known.aliases.clone()).unwrap_or_default();
        self.world.services.put(service);
    }

    fn take_entry(&mut self, name: &Name) {
        let Some(gone) = self.entries.remove(name) else { return };
        self.names.leave(&gone);
        for host in &gone.hosts {
            self.changed.rules.service(host.clone());
            self.world.services.take(&gone.object, host);
        }
    }

    /// Whatever runs on a node may be elsewhere now: that is rare.
    fn nodes_changed(&mut self) {
        self.changed.rules.everything();
        self.changed.clients = true;
        self.stale.extend(self.services.keys().cloned());
        self.stale_entries.extend(self.entries.keys().cloned());
    }

    /// The services that select a pod, before or after, or whose slices speak of it, have to be looked at again.
    fn pod_changed(&mut self, before: Option<&Pod>, after: Option<&Pod>) {
        if before == after {
            return;
        }
        self.changed.clients = true;
        for pod in before.into_iter().chain(after) {
            let namespace = (Arc::clone(&pod.namespace), Arc::from(""));
            let own =
                self.services.range(namespace.clone()..).take_while(|((namespace, _), _)| *namespace == pod.namespace);
            let selecting = own.filter(|(_, service)| service.selects(&pod.labels));
            self.stale.extend(selecting.map(|(name, _)| name.clone()));
            let own = self.entries.range(namespace..).take_while(|((namespace, _), _)| *namespace == pod.namespace);
            self.stale_entries.extend(own.filter(|(_, entry)| entry.selects(pod)).map(|(name, _)| name.clone()));
            let addresses = pod.addresses.iter().map(|address| Mention::Address(*address));
            let name = Mention::Pod((Arc::clone(&pod.namespace), Arc::clone(&pod.name)));
            for mention in addresses.chain([name]) {
                self.stale.extend(self.mentions.get(&mention).into_iter().flatten().cloned());
            }
        }
    }

    fn put_slice(&mut self, slice: &EndpointSlice) {
        let name = (Arc::clone(&slice.namespace), Arc::clone(&slice.name));
        self.take_slice(&name);
        let owner: Name = (Arc::clone(&slice.namespace), slice.service.clone().into());
        for mention in mentions(slice) {
            self.mentions.entry(mention).or_default().insert(owner.clone());
        }
        self.slices.entry(owner.clone()).or_default().insert(Arc::clone(&slice.name), slice.clone());
        self.stale.insert(owner.clone());
        self.slice_owners.insert(name, owner);
    }

    fn take_slice(&mut self, name: &Name) {
        let Some(owner) = self.slice_owners.remove(name) else { return };
        let Some(slices) = self.slices.get_mut(&owner) else { return };
        let gone = slices.remove(&name.1);
        for mention in gone.iter().flat_map(mentions) {
            // Another slice of the service may speak of it too, while endpoints move from one to the other.
            if slices.values().flat_map(mentions).any(|other| other == mention) {
                continue;
            }
            if let Some(services) = self.mentions.get_mut(&mention) {
                services.remove(&owner);
                if services.is_empty() {
                    self.mentions.remove(&mention);
                }
            }
        }
        if slices.is_empty() {
            self.slices.remove(&owner);
        }
        self.stale.insert(owner);
    }
}

fn name(object: &ObjectRef) -> Name {
    (Arc::clone(&object.namespace), Arc::clone(&object.name))
}

fn service_of((namespace, name): &Name) -> ObjectRef {
    ObjectRef { kind: Kind::Service, namespace: Arc::clone(namespace), name: Arc::clone(name) }
}

fn mentions(slice: &EndpointSlice) -> impl Iterator<Item = Mention> {
    slice.endpoints.iter().flat_map(|endpoint| {
        let pod = endpoint.pod.as_ref().map(|pod| Mention::Pod((Arc::clone(&slice.namespace), pod.clone().into())));
        endpoint.addresses.iter().map(|address| Mention::Address(*address)).chain(pod)
    })
}

fn same_endpoints(one: &Service, other: &Service) -> bool {
    let endpoints =
        |service: &Service| service.ports.iter().map(|port| Arc::clone(&port.endpoints)).collect::<Vec<_>>();
    endpoints(one) == endpoints(other)
}
