//! Routes that need no bytes of a connection: what a kernel can carry out by itself when a pod connects.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::{Cluster, ClusterId, Finding, Leg, Table, Target};
use crate::balance::Balance;
use crate::decide::{Connection, Dialled, SelectedConnection, select_connection};
use crate::hash_key;
use crate::model::{ConnectionPool, Family, LoadBalancer, Protocol};

/// Shares finer than this are for the proxy: a kernel's table has a slot for each.
const MOST_SLOTS: u64 = 4096;

/// A route as a kernel carries it out: a destination is drawn by weight, then one of its slots is picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelRoute {
    /// At least one; the weights have no common factor and sum to at most 4096.
    pub destinations: Vec<(u32, KernelDestination)>,
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelDestination {
    /// The cluster that the endpoints are of; `None` when there is no such cluster.
    pub cluster: Option<ClusterId>,
    /// How a slot is picked.
    pub pick: KernelPick,
    /// The endpoint of each slot; none at all: connections to this destination are refused.
    pub slots: Vec<SocketAddr>,
}

/// How a slot is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelPick {
    /// At random.
    Random,
    /// In turn.
    Turn,
    /// The less busy of two drawn at random.
    Least,
    /// The one at the pod's place: its address has been hashed here.
    Pod,
}

/// Why a route is not for a kernel. Prints as half a sentence about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedsProxy {
    /// Nothing is known about the address.
    Unknown,
    /// What the client sends decides.
    Bytes,
    /// The client's connections are counted or timed.
    Limits,
    /// Failing endpoints are left alone.
    OutlierDetection,
    /// New endpoints get less at first.
    Warmup,
    /// Endpoints are spoken to in TLS.
    Tls,
    /// Endpoints are preferred by where they run.
    Locality,
    /// Endpoints have weights and do not take connections at random.
    Weights,
    /// The shares are too fine for a table of slots.
    Shares,
    /// It goes to the name that the client asks for.
    Name,
    /// The connection goes where it was dialled, or an endpoint has no address of that family.
    Address,
}

impl fmt::Display for NeedsProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no service has the address",
            Self::Bytes => "what the client sends decides",
            Self::Limits => "its connections are counted or timed (connectionPool)",
            Self::OutlierDetection => "failing endpoints are left alone (outlierDetection)",
            Self::Warmup => "new endpoints get less at first (warmup)",
            Self::Tls => "endpoints are spoken to in TLS (tls)",
            Self::Locality => "endpoints are preferred by where they run",
            Self::Weights => "endpoints have weights and do not take connections at random",
            Self::Shares => "its shares are too fine for a table of slots",
            Self::Name => "it goes to the name that the client asks for",
            Self::Address => "it keeps its address, or changes its family",
        })
    }
}

impl Table {
    /// What connections to an address do, as far as a kernel can do it. `pods` are the addresses of the pods whose places
    /// [`KernelPick::Pod`] means.
    ///
    /// # Errors
    ///
    /// Why the proxy is needed.
    pub fn kernel_route(&self, dialled: Dialled, pods: &[IpAddr]) -> Result<KernelRoute, NeedsProxy> {
        let treatment = self.treatment(dialled);
        if !matches!(treatment, Protocol::Tcp | Protocol::Tls) {
            return Err(NeedsProxy::Bytes);
        }
        let chains = self.filter_chains(dialled).ok_or(NeedsProxy::Unknown)?;
        if treatment == Protocol::Tls && chains.names_servers() {
            return Err(NeedsProxy::Bytes);
        }
        let connection = Connection { dialled, sni: None, source: None };
        let SelectedConnection::Route(route) = select_connection(self, &connection) else {
            return Err(NeedsProxy::Unknown);
        };
        let policy = route.action.policy;
        if policy.idle_timeout.is_some() || policy.max_duration.is_some() {
            return Err(NeedsProxy::Limits);
        }
        let keys = policy.hashes_source.then_some(pods);
        let mut below = 0;
        let destination = |leg: &Leg| {
            let weight = leg.upper - below;
            below = leg.upper;
            Ok((weight, self.kernel_destination(leg, dialled, keys)?))
        };
        let legs = route.action.targets.legs().iter().map(destination).collect::<Result<Vec<_>, NeedsProxy>>()?;
        let factor = legs.iter().fold(0, |factor, (weight, _)| common_factor(factor, *weight)).max(1);
        if legs.iter().map(|(weight, _)| weight / factor).sum::<u64>() > MOST_SLOTS {
            return Err(NeedsProxy::Shares);
        }
        let narrow = |(weight, leg): (u64, _)| Some((u32::try_from(weight / factor).ok()?, leg));
        Ok(KernelRoute { destinations: legs.into_iter().filter_map(narrow).collect() })
    }

    fn kernel_destination(
        &self,
        leg: &Leg,
        dialled: Dialled,
        keys: Option<&[IpAddr]>,
    ) -> Result<KernelDestination, NeedsProxy> {
        let Target::Cluster(id) = leg.target else {
            // No such cluster: the connection is closed.
            return Ok(KernelDestination { cluster: None, pick: KernelPick::Random, slots: Vec::new() });
        };
        let cluster = self.cluster(id);
        plain(cluster)?;
        // A socket of one family cannot be sent to the other. An endpoint of the other alone keeps its share: then the proxy goes
        // there, where kube-proxy would know nothing of it.
        let family = Family::of(dialled.address);
        if cluster.endpoints.iter().any(|endpoint| endpoint.of_family(family).is_none()) {
            return Err(NeedsProxy::Address);
        }
        let (pick, slots) = match (&cluster.load_balancer, keys) {
            (LoadBalancer::RingHash { .. } | LoadBalancer::Maglev { .. }, Some(pods)) => {
                // The same function that hashes for the proxy; a place without an endpoint leaves none at all.
                let own = |pod: &IpAddr| Balance::new().pick(cluster, Some(hash_key::of_source(*pod)), 0, &[]);
                let slots = pods
                    .iter()
                    .map_while(|pod| own(pod).map(|picked| cluster.towards(picked.address, family)))
                    .collect();
                (KernelPick::Pod, slots)
            }
            (LoadBalancer::RoundRobin, _) => (KernelPick::Turn, unweighted(cluster, family)?),
            (LoadBalancer::LeastRequest, _) => (KernelPick::Least, unweighted(cluster, family)?),
            // Without anything to hash any endpoint will do.
            (LoadBalancer::Random | LoadBalancer::RingHash { .. } | LoadBalancer::Maglev { .. }, _) => {
                (KernelPick::Random, weighted(cluster, family)?)
            }
            (LoadBalancer::Passthrough, _) => return Err(NeedsProxy::Address),
        };
        Ok(KernelDestination { cluster: Some(id), pick, slots })
    }
}

/// Whether every endpoint of a cluster may be used at any time, by as many connections as come.
fn plain(cluster: &Cluster) -> Result<(), NeedsProxy> {
    match cluster.finding {
        Finding::Endpoints if !cluster.unresolved => {}
        Finding::Endpoints | Finding::Dialled => return Err(NeedsProxy::Address),
        Finding::AskedName { .. } => return Err(NeedsProxy::Name),
    }
    // What is said about HTTP means nothing here.
    let limits = ConnectionPool {
        max_pending: None,
        max_requests: None,
        max_requests_per_connection: None,
        max_retries: None,
        http_idle: None,
        use_client_protocol: false,
        ..(*cluster.connection_pool).clone()
    };
    if limits != ConnectionPool::UNSET {
        return Err(NeedsProxy::Limits);
    }
    if cluster.outlier_detection.is_some() {
        return Err(NeedsProxy::OutlierDetection);
    }
    if cluster.warmup.is_some() {
        return Err(NeedsProxy::Warmup);
    }
    if cluster.tls.is_some() {
        return Err(NeedsProxy::Tls);
    }
    if cluster.layout.groups() > 1 { Err(NeedsProxy::Locality) } else { Ok(()) }
}

fn unweighted(cluster: &Cluster, family: Family) -> Result<Vec<SocketAddr>, NeedsProxy> {
    let weights = cluster.endpoints.iter().map(|endpoint| endpoint.weight);
    if weights.clone().min() != weights.max() {
        return Err(NeedsProxy::Weights);
    }
    Ok(cluster.endpoints.iter().map(|endpoint| endpoint.towards(family)).collect())
}

fn weighted(cluster: &Cluster, family: Family) -> Result<Vec<SocketAddr>, NeedsProxy> {
    let weights: Vec<u64> = cluster.endpoints.iter().map(|endpoint| u64::from(endpoint.weight.get())).collect();
    let factor = weights.iter().fold(0, |factor, weight| common_factor(factor, *weight)).max(1);
    if weights.iter().map(|weight| weight / factor).sum::<u64>() > MOST_SLOTS {
        return Err(NeedsProxy::Shares);
    }
    let times = |weight: u64| usize::try_from(weight / factor).unwrap_or(0);
    let slots = cluster.endpoints.iter().zip(weights);
    Ok(slots.flat_map(|(endpoint, weight)| std::iter::repeat_n(endpoint.towards(family), times(weight))).collect())
}

fn common_factor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common_factor(other, one % other) }
}
