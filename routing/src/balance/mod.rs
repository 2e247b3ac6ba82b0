//! (cluster, key, draw) → endpoint. Each worker keeps one [`Balance`] per client pod and cluster, as each sidecar would.

mod keys;
mod maglev;
mod ring_hash;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

pub(crate) use keys::Keys;
pub(crate) use ring_hash::hash;

use crate::model::{Endpoint, LoadBalancer};
use crate::table::Cluster;

/// Draws of another endpoint that a retry makes before it settles for one already tried
/// (Istio's `host_selection_retry_max_attempts`).
const OTHER_ENDPOINT_ATTEMPTS: u64 = 5;

/// The state behind one client's choices in one cluster. It survives changes of the cluster's endpoints.
#[derive(Debug, Default)]
pub struct Balance {
    turn: Option<usize>,
    busy: HashMap<SocketAddr, Rc<Cell<u32>>>,
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
    /// Nothing is busy.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses an endpoint, if the cluster has any. `key` steers a consistent hash; without one it picks at random, as
    /// Envoy does. `draw` is uniform over all of `u64`. `tried` are endpoints a retry should avoid; a consistent hash stays
    /// where it is.
    pub fn pick(&mut self, cluster: &Cluster, key: Option<u64>, draw: u64, tried: &[SocketAddr]) -> Option<Picked> {
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

    fn choose(&mut self, cluster: &Cluster, key: Option<u64>, draw: u64) -> Option<SocketAddr> {
        let endpoints = &cluster.endpoints;
        let endpoint = match (&cluster.load_balancer, &cluster.keys) {
            (LoadBalancer::RoundRobin, _) => self.next(endpoints, draw),
            (LoadBalancer::LeastRequest, _) => self.less_busy(endpoints, draw),
            (LoadBalancer::Random | LoadBalancer::Passthrough, _) | (_, None) => at(endpoints, draw),
            (_, Some(keys)) => endpoints.get(keys.pick(key.unwrap_or(draw), |_| true)?),
        };
        endpoint.map(|endpoint| endpoint.address)
    }

    /// In turn, from a random start, so that many clients do not march in step.
    fn next<'e>(&mut self, endpoints: &'e [Endpoint], draw: u64) -> Option<&'e Endpoint> {
        let start = || usize::try_from(draw >> 32).unwrap_or(0);
        let turn = self.turn.map_or_else(start, |turn| turn.wrapping_add(1));
        self.turn = Some(turn);
        endpoints.get(turn.checked_rem(endpoints.len())?)
    }

    /// The less busy of two drawn at random, which may be the same; of equals the first
    /// (envoy source/extensions/load_balancing_policies/least_request/least_request_lb.cc, unweightedHostPick).
    fn less_busy<'e>(&self, endpoints: &'e [Endpoint], draw: u64) -> Option<&'e Endpoint> {
        let (first, second) = (at(endpoints, draw)?, at(endpoints, mix(draw))?);
        Some(if self.busy(second) < self.busy(first) { second } else { first })
    }

    fn busy(&self, endpoint: &Endpoint) -> u32 {
        self.busy.get(&endpoint.address).map_or(0, |busy| busy.get())
    }

    /// Keeps the counters no longer than their endpoints and the requests under way.
    fn forget_idle(&mut self, endpoints: &[Endpoint]) {
        if self.busy.len() > endpoints.len() * 2 + 16 {
            self.busy.retain(|_, busy| busy.get() > 0);
        }
    }
}

/// Maps a draw to an endpoint, each with the same share of the draws.
fn at(endpoints: &[Endpoint], draw: u64) -> Option<&Endpoint> {
    let scaled = (u128::from(draw) * endpoints.len() as u128) >> 64;
    endpoints.get(usize::try_from(scaled).ok()?)
}

/// A further draw out of one (the finaliser of splitmix64).
pub(crate) fn mix(draw: u64) -> u64 {
    let mut z = draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
