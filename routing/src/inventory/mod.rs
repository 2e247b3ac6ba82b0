//! Valid objects, one by one → the world they make. A change touches the services that it concerns and no others.

mod aliases;
mod entries;
mod join;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use self::names::Names;
use crate::model::{
    DefaultExport, DestinationRule, ExportTo, Hostname, Kind, MeshConfig, ObjectRef, Pod, Resolution, Service,
    VirtualService, World,
};
use crate::validate::{EndpointSlice, Object, ServiceEntry, ServiceSpec, Valid};

/// What became of a world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// A rule, a service or a namespace is another: tables are to be built again.
    pub rules: bool,
    /// Services that have other endpoints; for these [`crate::table::Table::with_endpoints`] is enough.
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
                (self.changed.rules, self.changed.clients) = (true, true);
                let name = Arc::clone(&namespace.name);
                let object = ObjectRef { kind: Kind::Namespace, namespace: "".into(), name };
                self.listed.put(&mut self.world.namespaces, &object, namespace.clone());
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
                self.services.insert(name.clone(), ServiceSpec { export_to, ..service.clone() });
                self.changed.rules = true;
                self.stale.insert(name);
            }
            Object::ServiceEntry(entry) => {
                let export_to = exported(&entry.export_to, &mesh.services, &entry.object);
                self.take_entry(&name(&entry.object));
                self.names.mention(entry);
                self.entries.insert(name(&entry.object), ServiceEntry { export_to, ..entry.clone() });
                self.changed.rules = true;
                self.stale_entries.insert(name(&entry.object));
            }
            Object::EndpointSlice(slice) => self.put_slice(slice),
            Object::VirtualService(rule) => {
                self.changed.rules = true;
                let export_to = exported(&rule.export_to, &mesh.virtual_services, &rule.object);
                let rule = VirtualService { export_to, ..rule.clone() };
                self.listed.put(&mut self.world.virtual_services, &rule.object.clone(), rule);
            }
            Object::DestinationRule(rule) => {
                self.changed.rules = true;
                let export_to = exported(&rule.export_to, &mesh.destination_rules, &rule.object);
                let rule = DestinationRule { export_to, ..rule.clone() };
                self.listed.put(&mut self.world.destination_rules, &rule.object.clone(), rule);
            }
            Object::Sidecar(sidecar) => {
                self.changed.rules = true;
                self.listed.put(&mut self.world.sidecars, &sidecar.object, sidecar.clone());
            }
            Object::HttpRoute(route) => {
                self.changed.rules = true;
                self.listed.put(&mut self.world.http_routes, &route.object, route.clone());
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
                self.changed.rules |= self.services.remove(&name).is_some();
                self.stale.insert(name);
            }
            Kind::Namespace => {
                let gone = self.listed.take(&mut world.namespaces, object);
                self.changed.rules |= gone;
                self.changed.clients |= gone;
            }
            Kind::VirtualService => {
                self.changed.rules |= self.listed.take(&mut world.virtual_services, object);
            }
            Kind::DestinationRule => {
                self.changed.rules |= self.listed.take(&mut world.destination_rules, object);
            }
            Kind::HttpRoute => {
                self.changed.rules |= self.listed.take(&mut world.http_routes, object);
            }
            Kind::Sidecar => self.changed.rules |= self.listed.take(&mut world.sidecars, object),
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
        if self.changed.rules {
            self.world.services.name(&aliases::aliases(self.services.values()));
        }
        std::mem::take(&mut self.changed)
    }

    /// Takes over what a service is now, and notes whether it has other endpoints.
    fn renew(&mut self, mut service: Service) {
        let known = self.world.services.of(&service.object, &service.host);
        if known.is_none_or(|known| !same_endpoints(known, &service)) {
            self.changed.endpoints.insert(service.host.clone());
            // The endpoints of a headless service are what its clients dial.
            self.changed.rules |= service.resolution == Resolution::Dialled;
        }
        service.aliases = known.map(|known| known.aliases.clone()).unwrap_or_default();
        self.world.services.put(service);
    }

    fn take_entry(&mut self, name: &Name) {
        let Some(gone) = self.entries.remove(name) else { return };
        self.changed.rules = true;
        self.names.leave(&gone);
        for host in &gone.hosts {
            self.world.services.take(&gone.object, host);
        }
    }

    /// Whatever runs on a node may be elsewhere now: that is rare.
    fn nodes_changed(&mut self) {
        (self.changed.rules, self.changed.clients) = (true, true);
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

/// Where an object stands in the list of its kind.
#[derive(Debug, Clone, Default)]
struct Listed(HashMap<ObjectRef, usize>);

impl Listed {
    fn put<T>(&mut self, list: &mut Vec<T>, object: &ObjectRef, value: T) {
        match self.0.get(object) {
            Some(place) => list[*place] = value,
            None => {
                self.0.insert(object.clone(), list.len());
                list.push(value);
            }
        }
    }

    /// Takes an object out, the last of the list into its place; false if it was not there.
    fn take<T>(&mut self, list: &mut Vec<T>, object: &ObjectRef) -> bool {
        let Some(place) = self.0.remove(object) else { return false };
        let last = list.len() - 1;
        list.swap_remove(place);
        let moved = self.0.iter_mut().find(|(known, found)| known.kind == object.kind && **found == last);
        if let Some((_, found)) = moved {
            *found = place;
        }
        true
    }
}
