//! What one worker last saw of [`Shared`]: kept until something changes, so that a pick asks nobody.

use std::sync::Arc;
use std::time::Duration;

use super::layout::Layout;
use super::shared::{Out, Shared};
use super::warmup;
use crate::model::{Endpoint, Warmup};
use crate::table::Cluster;

/// Where requests may go while somebody is out.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The endpoints that the rest is about.
    of: Option<Arc<[Endpoint]>>,
    changes: u64,
    next_look: Duration,
    /// The cluster's without those who are out; `None` when nobody is.
    layout: Option<Layout>,
}

impl Health {
    /// Keeps up with a cluster that has outlier detection.
    pub(super) fn follow(&mut self, cluster: &Cluster, shared: &Shared, now: Duration) {
        let Some(policy) = &cluster.outlier_detection else {
            *self = Self::default();
            return;
        };
        let same = self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, &cluster.endpoints));
        let waits = self.layout.is_some() && now >= self.next_look;
        if same && !waits && self.changes == shared.changes() {
            return;
        }
        let Out { changes, addresses, next_look } = shared.look(policy, &cluster.endpoints, now);
        let out = |at: usize| {
            cluster.endpoints.get(at).is_some_and(|endpoint| addresses.binary_search(&endpoint.address).is_ok())
        };
        self.layout =
            (!addresses.is_empty()).then(|| cluster.layout.without(&cluster.endpoints, policy.min_health_percent, out));
        (self.changes, self.next_look, self.of) = (changes, next_look, Some(Arc::clone(&cluster.endpoints)));
    }

    /// The layout in force.
    pub(super) fn layout<'l>(&'l self, cluster: &'l Cluster) -> &'l Layout {
        self.layout.as_ref().unwrap_or(&cluster.layout)
    }
}

/// Which endpoints are new.
#[derive(Debug, Default)]
pub(super) struct Ages {
    of: Option<Arc<[Endpoint]>>,
    joined: Box<[Duration]>,
    /// When the last of them is warm.
    warm: Duration,
}

impl Ages {
    /// Keeps up with a cluster.
    pub(super) fn follow(&mut self, cluster: &Cluster, shared: &Shared, now: Duration) {
        let Some(warmup) = &cluster.warmup else { return };
        if self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, &cluster.endpoints)) {
            return;
        }
        self.joined = shared.joined(&cluster.endpoints, now);
        self.warm = self.joined.iter().max().map_or(now, |last| *last + warmup.duration);
        self.of = Some(Arc::clone(&cluster.endpoints));
    }

    /// How the cluster's endpoints count while some of them are new; `None` when none is.
    pub(super) fn warming<'a>(&'a self, cluster: &'a Cluster, now: Duration) -> Option<Warming<'a>> {
        let warmup = cluster.warmup.as_ref().filter(|_| now < self.warm)?;
        Some(Warming { warmup, endpoints: &cluster.endpoints, joined: &self.joined, now })
    }
}

/// Endpoints some of which are new.
#[derive(Clone, Copy)]
pub(super) struct Warming<'a> {
    warmup: &'a Warmup,
    endpoints: &'a [Endpoint],
    joined: &'a [Duration],
    now: Duration,
}

impl Warming<'_> {
    /// The weight of the endpoint at this place of the cluster, as far as it is warm.
    pub(super) fn weight(&self, place: u32) -> f64 {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let (Some(endpoint), Some(joined)) = (self.endpoints.get(place), self.joined.get(place)) else { return 0.0 };
        f64::from(endpoint.weight.get()) * warmup::part(self.warmup, self.now.saturating_sub(*joined))
    }
}
