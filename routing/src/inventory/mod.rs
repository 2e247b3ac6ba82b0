//! Valid objects, one by one → the world they make. A change touches the services that it concerns and no others.

mod join;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use crate::model::{Hostname, Kind, ObjectRef, Pod, Service, World};
use crate::validate::{EndpointSlice, Object, ServiceSpec, Valid};

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
    /// By the service that they belong to.
    slices: HashMap<Name, BTreeMap<Arc<str>, EndpointSlice>>,
    /// The service of each slice.
    slice_owners: HashMap<Name, Name>,
    /// Services whose slices speak of an address or of a pod.
    mentions: HashMap<Mention, BTreeSet<Name>>,
    listed: Listed,
    changed: Change,
    stale: BTreeSet<Name>,
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
        let mut inventory = Inventory::default();
        objects.into_iter().for_each(|object| inventory.put(object));
        inventory.settle();
        inventory.world
    }
}

impl Inventory {
    /// The world as it was when [`Self::settle`] was last called.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Puts an object in the place of the one of its kind, namespace and name.
    pub fn put(&mut self, Valid(object): &Valid) {
        match object {
            Object::Namespace(namespace) => {
                (self.changed.rules, self.changed.clients) = (true, true);
                let name = Arc::clone(&namespace.name);
                let object = ObjectRef { kind: Kind::Namespace, namespace: "".into(), name };
                self.listed.put(&mut self.world.namespaces, &object, namespace.clone());
            }
            Object::Pod(pod) => {
                let before = self.world.pods.put(pod.clone());
                self.pod_changed(before.as_ref(), Some(pod));
            }
            Object::Service(service) => {
                let name = (Arc::clone(&service.namespace), Arc::clone(&service.name));
                self.services.insert(name.clone(), service.clone());
                self.changed.rules = true;
                self.stale.insert(name);
            }
            Object::EndpointSlice(slice) => self.put_slice(slice),
            Object::VirtualService(rule) => {
                self.changed.rules = true;
                self.listed.put(&mut self.world.virtual_services, &rule.object, rule.clone());
            }
            Object::DestinationRule(rule) => {
                self.changed.rules = true;
                self.listed.put(&mut self.world.destination_rules, &rule.object, rule.clone());
            }
        }
    }

    /// Takes an object out; one that is not there is no matter.
    pub fn remove(&mut self, object: &ObjectRef) {
        let name = (Arc::clone(&object.namespace), Arc::clone(&object.name));
        let world = &mut self.world;
        match object.kind {
            Kind::Pod => {
                let before = world.pods.take(&object.namespace, &object.name);
                self.pod_changed(before.as_ref(), None);
            }
            Kind::EndpointSlice => self.take_slice(&name),
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
        }
    }

    /// Brings the world up to date with what was put and removed since, and says what is another.
    pub fn settle(&mut self) -> Change {
        for name in std::mem::take(&mut self.stale) {
            let host = Hostname::service(&name.1, &name.0);
            let Some(spec) = self.services.get(&name) else {
                self.world.services.take(&name.0, &host);
                continue;
            };
            let slices: Vec<&EndpointSlice> = self.slices.get(&name).into_iter().flat_map(BTreeMap::values).collect();
            let joined = join::join(spec, &self.world.pods, &slices);
            if self.world.services.of(&name.0, &host).is_none_or(|known| !same_endpoints(known, &joined)) {
                self.changed.endpoints.insert(host);
            }
            self.world.services.put(joined);
        }
        std::mem::take(&mut self.changed)
    }

    /// The services that select a pod, before or after, or whose slices speak of it, have to be looked at again.
    fn pod_changed(&mut self, before: Option<&Pod>, after: Option<&Pod>) {
        if before == after {
            return;
        }
        self.changed.clients = true;
        for pod in before.into_iter().chain(after) {
            let namespace = (Arc::clone(&pod.namespace), Arc::from(""));
            let own = self.services.range(namespace..).take_while(|((namespace, _), _)| *namespace == pod.namespace);
            let selecting = own.filter(|(_, service)| service.selects(&pod.labels));
            self.stale.extend(selecting.map(|(name, _)| name.clone()));
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
