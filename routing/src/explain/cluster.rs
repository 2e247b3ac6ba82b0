//! What a DestinationRule adds to a destination, as `explain` shows it: only what is in force.

use std::time::Duration;

use serde::Serialize;

use crate::balance::layout::Group;
use crate::model::{ConnectionPool, IdleTimeout, OutlierDetection, Trust};
use crate::table::Cluster;

/// When an endpoint that fails is left alone.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named after the DestinationRule's fields")]
pub struct OutlierShown {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive5xx_errors: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_gateway_errors: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_local_origin_failures: Option<u32>,
    pub interval_ms: u64,
    pub base_ejection_time_ms: u64,
    pub max_ejection_percent: u8,
    pub min_health_percent: u8,
    /// How many endpoints may be out at a time, of as many as there are now.
    pub max_ejected: usize,
}

impl OutlierShown {
    pub(super) fn of(cluster: &Cluster) -> Option<Self> {
        let OutlierDetection {
            consecutive_5xx,
            consecutive_gateway,
            consecutive_local_origin,
            interval,
            base_ejection_time,
            max_ejection_percent,
            min_health_percent,
        } = &**cluster.outlier_detection.as_ref()?;
        Some(Self {
            consecutive5xx_errors: consecutive_5xx.map(Into::into),
            consecutive_gateway_errors: consecutive_gateway.map(Into::into),
            consecutive_local_origin_failures: consecutive_local_origin.map(Into::into),
            interval_ms: millis(*interval),
            base_ejection_time_ms: millis(*base_ejection_time),
            max_ejection_percent: *max_ejection_percent,
            min_health_percent: *min_health_percent,
            max_ejected: usize::from(*max_ejection_percent) * cluster.listed() / 100,
        })
    }
}

/// How much one client may ask of the destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named after the DestinationRule's fields")]
pub struct PoolShown {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pending_requests: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_requests_per_connection: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout_ms: Option<u64>,
    /// 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connection_duration_ms: Option<u64>,
}

impl PoolShown {
    /// `None` when nothing is set.
    pub(super) fn of(pool: &ConnectionPool) -> Option<Self> {
        let shown = Self {
            max_connections: pool.max_connections.map(Into::into),
            max_pending_requests: pool.max_pending.map(Into::into),
            max_requests: pool.max_requests.map(Into::into),
            max_requests_per_connection: pool.max_requests_per_connection.map(Into::into),
            max_retries: pool.max_retries.map(Into::into),
            connect_timeout_ms: pool.connect_timeout.map(millis),
            idle_timeout_ms: pool.idle_timeout().map(|idle| match idle {
                IdleTimeout::Never => 0,
                IdleTimeout::After(idle) => millis(idle),
            }),
            max_connection_duration_ms: pool.max_connection_duration.map(millis),
        };
        (shown != Self::default()).then_some(shown)
    }
}

/// How TLS is spoken to the endpoints.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named after the DestinationRule's fields")]
pub struct TlsShown {
    pub mode: &'static str,
    /// None: the name in the request's authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// None: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_certificates: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_alt_names: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}

impl TlsShown {
    pub(super) fn of(cluster: &Cluster) -> Option<Self> {
        let origination = cluster.tls.as_ref()?;
        let (ca_certificates, subject_alt_names) = match &origination.trust {
            Trust::Anyone => (None, Vec::new()),
            Trust::SignedBy { authorities, names } => {
                (authorities.as_deref().map(str::to_owned), names.iter().map(ToString::to_string).collect())
            }
        };
        Some(Self {
            mode: "SIMPLE",
            sni: origination.sni.as_deref().map(str::to_owned),
            ca_certificates,
            subject_alt_names,
            insecure_skip_verify: origination.trust == Trust::Anyone,
        })
    }
}

/// Endpoints that are taken alike, where their places make a difference.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are their own explanation")]
pub struct PlaceShown {
    /// The level of preference, from 0, and the share of all requests that it gets in per cent.
    pub priority: usize,
    pub percent: u32,
    /// Share beside the other places of the level.
    pub weight: u32,
    pub endpoints: Vec<String>,
}

impl PlaceShown {
    /// Empty when all endpoints are taken alike.
    pub(super) fn all(cluster: &Cluster) -> Vec<Self> {
        if cluster.layout.groups() < 2 {
            return Vec::new();
        }
        let address = |place: &u32| {
            let endpoint = usize::try_from(*place).ok().and_then(|place| cluster.endpoints.get(place));
            endpoint.map(|endpoint| endpoint.address.to_string())
        };
        let place = |priority: usize, percent: u32, group: &Group| Self {
            priority,
            percent,
            weight: group.weight(),
            endpoints: group.members().iter().filter_map(address).collect(),
        };
        let levels = cluster.layout.levels().enumerate();
        levels.flat_map(|(at, (load, groups))| groups.iter().map(move |group| place(at, load, group))).collect()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
