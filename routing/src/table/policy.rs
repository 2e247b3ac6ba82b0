//! What the levels of a DestinationRule and the mesh's defaults come to for one cluster.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    ConnectionPool, HashKey, IdleTimeout, LoadBalancer, LoadBalancing, LocalitySetting, OutlierDetection,
    PolicyDefaults, TlsOrigination, TrafficPolicy, UpstreamTls, Warmup,
};

/// The blocks in force for a cluster.
#[derive(Debug, Clone)]
pub(super) struct Composed {
    pub(super) load_balancer: LoadBalancer,
    pub(super) warmup: Option<Warmup>,
    /// `None`: the service's, else the mesh's.
    pub(super) locality: Option<Arc<LocalitySetting>>,
    pub(super) connection_pool: Arc<ConnectionPool>,
    pub(super) outlier_detection: Option<Arc<OutlierDetection>>,
    pub(super) tls: Option<Arc<TlsOrigination>>,
    /// Endpoints are not chosen: the load balancer says so, here or for the whole host.
    pub(super) original_destination: bool,
}

/// Block by block: a subset's port-level entry gives all of them, else what the subset sets, else the port-level entry of
/// the whole host or, without one, its top level (istio/istio@86c9f01 pilot/pkg/networking/core/cluster_builder.go,
/// applyDestinationRule, and pilot/pkg/networking/util/util.go, MergeSubsetTrafficPolicy). The mesh fills what is missing then.
pub(super) fn compose(
    top: Option<&TrafficPolicy>,
    subset: Option<&TrafficPolicy>,
    port: u16,
    defaults: &PolicyDefaults,
) -> Composed {
    let base = for_port(top, port);
    let own = subset.and_then(|subset| subset.port(port));
    let load_balancing = block(base, subset, own, |policy| policy.load_balancer.as_ref());
    let connection_pool = block(base, subset, own, |policy| policy.connection_pool.as_ref());
    let outlier_detection = block(base, subset, own, |policy| policy.outlier_detection.as_ref());
    let tls = block(base, subset, own, |policy| policy.tls.as_ref());
    let passes =
        |found: Option<&LoadBalancing>| found.is_some_and(|found| found.algorithm == LoadBalancer::Passthrough);
    let mut connection_pool = connection_pool.or(defaults.connection_pool.as_ref()).cloned().unwrap_or_default();
    if connection_pool.connect_timeout.is_none() && defaults.connect_timeout.is_some() {
        Arc::make_mut(&mut connection_pool).connect_timeout = defaults.connect_timeout;
    }
    Composed {
        load_balancer: load_balancing.map_or(LoadBalancer::LeastRequest, |found| found.algorithm.clone()),
        warmup: load_balancing.and_then(|found| found.warmup),
        locality: load_balancing.and_then(|found| found.locality.clone()),
        connection_pool,
        outlier_detection: outlier_detection.or(defaults.outlier_detection.as_ref()).cloned(),
        tls: tls.and_then(UpstreamTls::origination).cloned(),
        // Subset clusters take their type from the cluster of the whole host, so a subset cannot take this back.
        original_destination: passes(load_balancing) || passes(base.and_then(|base| base.load_balancer.as_ref())),
    }
}

fn block<'p, T>(
    base: Option<&'p TrafficPolicy>,
    subset: Option<&'p TrafficPolicy>,
    subset_port: Option<&'p TrafficPolicy>,
    get: impl Fn(&'p TrafficPolicy) -> Option<&'p T>,
) -> Option<&'p T> {
    match subset_port {
        Some(subset_port) => get(subset_port),
        None => subset.and_then(&get).or_else(|| base.and_then(&get)),
    }
}

/// The hash key that a route to a destination carries. Behind a virtual service a port-level policy counts only if the
/// destination names the port (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, getHashPolicy).
pub(super) fn hash_key(
    top: Option<&TrafficPolicy>,
    subset: Option<&TrafficPolicy>,
    port: u16,
    port_named: bool,
) -> Option<HashKey> {
    let base = if port_named { for_port(top, port) } else { top };
    let own = subset.and_then(|subset| subset.port(port));
    let of_subset = own.or(subset).and_then(|policy| policy.load_balancer.as_ref());
    let load_balancing = of_subset.or_else(|| base?.load_balancer.as_ref())?;
    load_balancing.algorithm.hash_key().cloned()
}

/// What a route for connections takes from the rule of its first destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OfConnections {
    /// A consistent hash is taken of the client's address.
    pub(crate) hashes_source: bool,
    /// When a silent connection ends; `None`: as Envoy's default says.
    pub(crate) idle_timeout: Option<IdleTimeout>,
    /// When a connection ends whatever it does.
    pub(crate) max_duration: Option<Duration>,
}

/// The top level counts, port-level settings do not; a subset that is the sole destination has its own say in what is hashed
/// (istio/istio@86c9f01 pilot/pkg/networking/core/networkfilter.go, maybeSetHashPolicy and
/// buildOutboundNetworkFiltersWithSingleDestination).
pub(super) fn of_connections(top: Option<&TrafficPolicy>, subset: Option<&TrafficPolicy>) -> OfConnections {
    let of_subset = subset.and_then(|policy| policy.load_balancer.as_ref());
    let load_balancing = of_subset.or_else(|| top?.load_balancer.as_ref());
    let pool = top.and_then(|policy| policy.connection_pool.as_ref());
    OfConnections {
        hashes_source: load_balancing.and_then(|found| found.algorithm.hash_key()) == Some(&HashKey::SourceIp),
        idle_timeout: pool.and_then(|pool| pool.tcp_idle),
        max_duration: pool.and_then(|pool| pool.max_connection_duration),
    }
}

/// Whether the blocks for a port's whole host change anything about a request.
pub(super) fn is_felt(top: Option<&TrafficPolicy>, port: u16) -> bool {
    for_port(top, port).is_some_and(|policy| {
        policy.load_balancer.is_some()
            || policy.connection_pool.is_some()
            || policy.outlier_detection.is_some()
            || policy.tls.as_ref().and_then(UpstreamTls::origination).is_some()
    })
}

/// A port-level entry replaces the top level whole.
fn for_port(top: Option<&TrafficPolicy>, port: u16) -> Option<&TrafficPolicy> {
    top.map(|top| top.port(port).unwrap_or(top))
}
