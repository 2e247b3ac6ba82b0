//! All pods of a world, found by what endpoints refer to them with.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use super::Pod;

/// Pods in no order, found by name, address and namespace.
#[derive(Debug, Clone, Default)]
pub struct Pods {
    all: Vec<Pod>,
    by_name: HashMap<Arc<str>, BTreeMap<Arc<str>, usize>>,
    by_address: HashMap<IpAddr, Vec<usize>>,
}

impl Pods {
    /// By namespace and name.
    #[must_use]
    pub fn named(&self, namespace: &str, name: &str) -> Option<&Pod> {
        self.place(namespace, name).map(|place| &self.all[place])
    }

    /// The pod that has an address; of several, while one takes over from another, the first by name.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> Option<&Pod> {
        let places = self.by_address.get(&address)?;
        places.iter().map(|place| &self.all[*place]).min_by_key(|pod| (&pod.namespace, &pod.name))
    }

    /// All of a namespace, by name.
    pub fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = &Pod> {
        self.by_name.get(namespace).into_iter().flat_map(|names| names.values()).map(|place| &self.all[*place])
    }

    /// Puts a pod in the place of the one of its name, which it returns.
    pub fn put(&mut self, pod: Pod) -> Option<Pod> {
        let before = self.take(&pod.namespace, &pod.name);
        let place = self.all.len();
        self.by_name.entry(Arc::clone(&pod.namespace)).or_default().insert(Arc::clone(&pod.name), place);
        for address in own_addresses(&pod) {
            self.by_address.entry(*address).or_default().push(place);
        }
        self.all.push(pod);
        before
    }

    /// Takes a pod out.
    pub fn take(&mut self, namespace: &str, name: &str) -> Option<Pod> {
        let names = self.by_name.get_mut(namespace)?;
        let place = names.remove(name)?;
        if names.is_empty() {
            self.by_name.remove(namespace);
        }
        let last = self.all.len() - 1;
        let gone = self.all.swap_remove(place);
        for address in own_addresses(&gone) {
            if let Some(places) = self.by_address.get_mut(address) {
                places.retain(|found| *found != place);
                if places.is_empty() {
                    self.by_address.remove(address);
                }
            }
        }
        if let Some(moved) = self.all.get(place) {
            // The last one has taken the free place.
            if let Some(found) = self.by_name.get_mut(&moved.namespace).and_then(|names| names.get_mut(&moved.name)) {
                *found = place;
            }
            for address in own_addresses(moved) {
                self.by_address
                    .get_mut(address)
                    .into_iter()
                    .flatten()
                    .filter(|found| **found == last)
                    .for_each(|found| *found = place);
            }
        }
        Some(gone)
    }

    fn place(&self, namespace: &str, name: &str) -> Option<usize> {
        self.by_name.get(namespace)?.get(name).copied()
    }
}

impl Deref for Pods {
    type Target = [Pod];

    fn deref(&self) -> &[Pod] {
        &self.all
    }
}

impl<'s> IntoIterator for &'s Pods {
    type Item = &'s Pod;
    type IntoIter = std::slice::Iter<'s, Pod>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl FromIterator<Pod> for Pods {
    fn from_iter<I: IntoIterator<Item = Pod>>(pods: I) -> Self {
        let mut all = Self::default();
        pods.into_iter().for_each(|pod| drop(all.put(pod)));
        all
    }
}

/// Addresses that are no other pod's: not the node's, and not one that the pod has given back.
fn own_addresses(pod: &Pod) -> &[IpAddr] {
    if pod.host_network || pod.completed { &[] } else { &pod.addresses }
}
