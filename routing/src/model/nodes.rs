//! Where the nodes are, and with them what runs on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Locality, Pod};

/// The locality of each node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nodes(BTreeMap<Arc<str>, Arc<Locality>>);

impl Nodes {
    /// Notes where a node is; false if that was known.
    pub fn put(&mut self, name: Arc<str>, locality: Arc<Locality>) -> bool {
        self.0.insert(name, Arc::clone(&locality)) != Some(locality)
    }

    /// Forgets a node; false if it was not known.
    pub fn take(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Of a node; empty when it is not known.
    #[must_use]
    pub fn locality(&self, name: Option<&str>) -> Arc<Locality> {
        name.and_then(|name| self.0.get(name)).cloned().unwrap_or_default()
    }

    /// Of a pod: its own, else its node's.
    #[must_use]
    pub fn of_pod(&self, pod: &Pod) -> Arc<Locality> {
        if *pod.locality == Locality::default() {
            self.locality(pod.node.as_deref())
        } else {
            Arc::clone(&pod.locality)
        }
    }

    /// The region that a zone is in, which is one alone; empty when no node tells.
    #[must_use]
    pub fn region(&self, zone: &str) -> Box<str> {
        self.0.values().find(|node| &*node.zone == zone).map(|node| node.region.clone()).unwrap_or_default()
    }
}
