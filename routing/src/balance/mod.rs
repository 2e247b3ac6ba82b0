//! (cluster, key, draw, time) → endpoint. Each worker keeps one [`Balance`] per client pod and cluster, as each worker of a
//! sidecar would; what all workers of a pod must agree on is in [`Shared`].
//!
//! [`layout`] says which endpoints stand where: levels of preference by locality, groups by weight. [`outlier`] takes some
//! of them away for a while, [`warmup`] makes new ones count for less, [`keys`] gives a hash its owner, and [`scale`] holds a
//! draw against the weights that result. [`breakers`] count how much is under way.

mod breakers;
mod health;
mod keys;
pub(crate) mod layout;
mod maglev;
mod outlier;
mod ring_hash;
mod scale;
mod shared;
mod shares;
#[cfg(test)]
mod tests;
mod warmup;

use std::cell::Cell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use breakers::{Breakers, Permit, Resource};
pub(crate) use keys::Keys;
pub use outlier::Outcome;
pub(crate) use ring_hash::hash;
pub use shared::Shared;

use health::{Ages, Health};
use layout::Group;
use scale::Scale;

use crate::model::{Endpoint, LoadBalancer};
use crate::table::Cluster;

/// Draws of another endpoint that a retry makes before it settles for one already tried
/// (Istio's `host_selection_retry_max_attempts`).
const OTHER_ENDPOINT_ATTEMPTS: u64 = 5;

/// Turns times this part of a circle, the golden one, come close to every share early and hit it in the long run.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The state behind one client's choices in one cluster. It survives changes of the cluster's endpoints.
#[derive(Debug, Default)]
pub struct Balance {
    /// The last turn of each group.
    turns: Vec<Option<u64>>,
    busy: HashMap<SocketAddr, Rc<Cell<u32>>>,
    now: Duration,
    shared: Arc<Shared>,
    health: Health,
    ages: Ages,
}

/// A chosen endpoint; counts as busy until dropped.
#[derive(Debug)]
pub struct Picked {
    /// Where to connect.
    pub address: SocketAddr,
    busy: Rc<Cell<u32>>,
}

impl Drop for Picked {
    fn drop(&mut self) {
        self.busy.set(self.busy.get().saturating_sub(1));
    }
}

impl Balance {
    /// Nothing is busy, and nobody else serves the client.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing is busy here; `shared` is what all who serve the client know.
    #[must_use]
    pub fn with(shared: Arc<Shared>) -> Self {
        Self { shared, ..Self::default() }
    }

    /// What all who serve the client know.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The same at a later time: what has passed since any moment, the same one for all who share [`Self::shared`]. Who does
    /// not tell the time stays at its start.
    pub fn at(&mut self, now: Duration) -> &mut Self {
        self.now = now;
        self
    }

    /// Chooses an endpoint, if the cluster has any that is not thrown out. `key` steers a consistent hash; without one it
    /// picks at random, as Envoy does. `draw` is uniform over all of `u64`. `tried` are endpoints a retry should avoid; a
    /// consistent hash stays where it is.
    pub fn pick(&mut self, cluster: &Cluster, key: Option<u64>, draw: u64, tried: &[SocketAddr]) -> Option<Picked> {
        self.health.follow(cluster, &self.shared, self.now);
        self.ages.follow(cluster, &self.shared, self.now);
        let mut draw = draw;
        let mut address = self.choose(cluster, key, draw)?;
        for _ in 0..OTHER_ENDPOINT_ATTEMPTS {
            if !tried.contains(&address) {
                break;
            }
            draw = mix(draw);
            address = self.choose(cluster, key, draw)?;
        }
        self.forget_idle(&cluster.endpoints);
        let busy = Rc::clone(self.busy.entry(address).or_default());
        busy.set(busy.get() + 1);
        Some(Picked { address, busy })
    }

    /// Takes note of what came of a request at an endpoint: one that fails too often in a row is not picked for a while.
    pub fn report(&mut self, cluster: &Cluster, address: SocketAddr, outcome: Outcome) {
        self.shared.report(cluster, address, outcome, self.now);
    }

    fn choose(&mut self, cluster: &Cluster, key: Option<u64>, draw: u64) -> Option<SocketAddr> {
        let layout = self.health.layout(cluster);
        let place = match &cluster.load_balancer {
            LoadBalancer::RingHash { .. } | LoadBalancer::Maglev { .. } => {
                let key = key.unwrap_or(draw);
                layout.of_key(key)?.owner(key)?
            }
            simple => {
                let (group, number, draw) = layout.draw(draw)?;
                let scale = Scale::of(group, self.ages.warming(cluster, self.now));
                let member = match simple {
                    LoadBalancer::RoundRobin => {
                        if self.turns.len() <= number {
                            self.turns.resize(layout.groups(), None);
                        }
                        next(self.turns.get_mut(number)?, &scale, group, draw)
                    }
                    LoadBalancer::LeastRequest => less_busy(&self.busy, &cluster.endpoints, &scale, group, draw),
                    // Envoy's is blind to the weights of endpoints, as opposed to those of localities.
                    _ => usize::try_from(shares::scale(draw, group.members().len() as u64).0).ok(),
                };
                *group.members().get(member?)?
            }
        };
        cluster.endpoints.get(usize::try_from(place).ok()?).map(|endpoint| endpoint.address)
    }

    /// Keeps the counters no longer than their endpoints and the requests under way.
    fn forget_idle(&mut self, endpoints: &[Endpoint]) {
        if self.busy.len() > endpoints.len() * 2 + 16 {
            self.busy.retain(|_, busy| busy.get() > 0);
        }
    }
}

/// In turn, from a random start, so that many clients do not march in step.
fn next(turn: &mut Option<u64>, scale: &Scale<'_>, group: &Group, draw: u64) -> Option<usize> {
    let this = turn.map_or(draw >> 32, |turn| turn.wrapping_add(1));
    *turn = Some(this);
    if scale.is_even() {
        return usize::try_from(this.checked_rem(group.members().len() as u64)?).ok();
    }
    scale.draw(this.wrapping_mul(GOLDEN))
}

/// The less busy, for its weight, of two drawn by weight, which may be the same; of equals the first, so that idle ones get
/// their shares (envoy source/extensions/load_balancing_policies/least_request/least_request_lb.cc, unweightedHostPick; of
/// unequal weights Envoy takes all into account instead of two).
fn less_busy(
    busy: &HashMap<SocketAddr, Rc<Cell<u32>>>,
    endpoints: &[Endpoint],
    scale: &Scale<'_>,
    group: &Group,
    draw: u64,
) -> Option<usize> {
    let (first, second) = (scale.draw(draw)?, scale.draw(mix(draw))?);
    let busy = |member: usize| {
        let place = group.members().get(member).and_then(|place| usize::try_from(*place).ok());
        let endpoint = place.and_then(|place| endpoints.get(place));
        endpoint.and_then(|endpoint| busy.get(&endpoint.address)).map_or(0, |busy| busy.get())
    };
    let (of_first, of_second) = (f64::from(busy(first)), f64::from(busy(second)));
    Some(if of_second * scale.weight(first) < of_first * scale.weight(second) { second } else { first })
}

/// A further draw out of one (the finaliser of splitmix64).
pub(crate) fn mix(draw: u64) -> u64 {
    let mut z = draw.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
