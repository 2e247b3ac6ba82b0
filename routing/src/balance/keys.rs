//! Which endpoint a hash belongs to.

use super::maglev::Maglev;
use super::ring_hash::Ring;
use crate::model::{Endpoint, LoadBalancer};

/// Laid out once per cluster.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    Ring(Ring),
    Maglev(Maglev),
}

impl Keys {
    /// `None` for a load balancer that does not hash.
    pub(crate) fn new(load_balancer: &LoadBalancer, endpoints: &[Endpoint]) -> Option<Self> {
        match load_balancer {
            LoadBalancer::RingHash { minimum_size, .. } => Some(Self::Ring(Ring::new(endpoints, *minimum_size))),
            LoadBalancer::Maglev { table_size, .. } => Some(Self::Maglev(Maglev::new(endpoints, *table_size))),
            LoadBalancer::Passthrough
            | LoadBalancer::RoundRobin
            | LoadBalancer::Random
            | LoadBalancer::LeastRequest => None,
        }
    }

    /// The index of the endpoint that owns `key`, among those that are usable: no key moves but those of the others.
    pub(crate) fn pick(&self, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        match self {
            Self::Ring(ring) => ring.pick(key, usable),
            Self::Maglev(table) => table.pick(key, usable),
        }
    }
}
