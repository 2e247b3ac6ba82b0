//! What is compiled once for each port of a service, and kept for as long as nothing that it was made of is another.

use std::hash::Hash;
use std::sync::Arc;

use super::clusters::ClusterId;
use super::filter_chains::FilterChains;
use super::routes::Routes;
use super::virtual_host::VirtualHost;
use crate::inventory::Touched;
use crate::map::HashMap;
use crate::model::{Hostname, ObjectRef};

/// By host and port.
pub(super) type OfHost = (Hostname, u16);

/// By service, which may share its host and port with others, and port.
pub(super) type OfService = (ObjectRef, Hostname, u16);

/// The routes of all services that a scope knows.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) hosts: HashMap<OfHost, Unit<VirtualHost>>,
    pub(super) chains: HashMap<OfService, Unit<FilterChains>>,
}

/// Something compiled, with what it was made of.
#[derive(Debug)]
pub(super) struct Unit<T> {
    pub(super) value: Arc<T>,
    pub(super) trace: Arc<Trace>,
}

impl<T> Clone for Unit<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), trace: Arc::clone(&self.trace) }
    }
}

/// What a compilation looked at, and what it led to.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Hosts whose services or rules it asked for, whether there are any or not.
    pub(super) hosts: Vec<Hostname>,
    /// Clusters that its routes name.
    pub(super) clusters: Vec<ClusterId>,
}

impl Trace {
    pub(super) fn host(&mut self, host: &Hostname) {
        // A route asks for one host several times in a row.
        if !self.hosts.iter().rev().take(4).any(|known| known == host) {
            self.hosts.push(host.clone());
        }
    }

    pub(super) fn cluster(&mut self, id: ClusterId) {
        if self.clusters.last() != Some(&id) {
            self.clusters.push(id);
        }
    }

    fn holds(&self, touched: &Touched) -> bool {
        !self.hosts.iter().any(|host| touched.holds(host))
    }
}

/// What was compiled for an earlier world, and the hosts of which something is another since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Earlier<'e> {
    pub(super) compiled: &'e Compiled,
    pub(super) routes: &'e Routes,
    pub(super) touched: &'e Touched,
}

impl Earlier<'_> {
    /// A unit that still holds.
    pub(super) fn keep<K: Hash + Eq, T>(
        &self,
        units: impl FnOnce(&Compiled) -> &HashMap<K, Unit<T>>,
        key: &K,
    ) -> Option<Unit<T>> {
        units(self.compiled).get(key).filter(|unit| unit.trace.holds(self.touched)).cloned()
    }
}
