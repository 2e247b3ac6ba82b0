//! Which endpoint a hash belongs to.

use std::sync::OnceLock;

use super::maglev::Maglev;
use super::ring_hash::Ring;
use crate::model::{Endpoint, LoadBalancer};

/// Who owns which hashes, among some endpoints. Laid out when a hash is first looked up: a ring of ten endpoints is 160 KB, and
/// of a large mesh's clusters most are never asked.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    plan: Plan,
    endpoints: Box<[Endpoint]>,
    laid: OnceLock<Laid>,
}

#[derive(Debug, Clone, Copy)]
enum Plan {
    Ring { minimum_size: u32 },
    Maglev { table_size: u32 },
}

#[derive(Debug, Clone)]
enum Laid {
    Ring(Ring),
    Maglev(Maglev),
}

impl Keys {
    /// `None` for a load balancer that does not hash.
    pub(crate) fn new(load_balancer: &LoadBalancer, endpoints: &[Endpoint]) -> Option<Self> {
        let plan = match load_balancer {
            LoadBalancer::RingHash { minimum_size, .. } => Plan::Ring { minimum_size: *minimum_size },
            LoadBalancer::Maglev { table_size, .. } => Plan::Maglev { table_size: *table_size },
            LoadBalancer::Passthrough
            | LoadBalancer::RoundRobin
            | LoadBalancer::Random
            | LoadBalancer::LeastRequest => return None,
        };
        Some(Self { plan, endpoints: endpoints.into(), laid: OnceLock::new() })
    }

    /// Whether a hash has been looked up.
    pub(crate) fn is_laid(&self) -> bool {
        self.laid.get().is_some()
    }

    /// Does the work of the first look-up beforehand.
    pub(crate) fn lay(&self) {
        self.laid();
    }

    fn laid(&self) -> &Laid {
        self.laid.get_or_init(|| match self.plan {
            Plan::Ring { minimum_size } => Laid::Ring(Ring::new(&self.endpoints, minimum_size)),
            Plan::Maglev { table_size } => Laid::Maglev(Maglev::new(&self.endpoints, table_size)),
        })
    }

    /// The index of the endpoint that owns `key`, among those that are usable: no key moves but those of the others.
    pub(crate) fn pick(&self, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        match self.laid() {
            Laid::Ring(ring) => ring.pick(key, usable),
            Laid::Maglev(table) => table.pick(key, usable),
        }
    }
}
