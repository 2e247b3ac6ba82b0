//! The parts of a DestinationRule's `trafficPolicy` that are honoured.

use std::sync::Arc;
use std::time::Duration;

use super::{ConnectionPool, LoadBalancing, LocalitySetting, OutlierDetection, UpstreamTls};

/// A traffic policy block; `None` fields fall to the next level, then to defaults.
#[derive(Debug, Clone, Default)]
pub struct TrafficPolicy {
    /// `loadBalancer`.
    pub load_balancer: Option<LoadBalancing>,
    /// `connectionPool`.
    pub connection_pool: Option<Arc<ConnectionPool>>,
    /// `outlierDetection`.
    pub outlier_detection: Option<Arc<OutlierDetection>>,
    /// `tls`.
    pub tls: Option<UpstreamTls>,
    /// `portLevelSettings`: each replaces the whole block for its service port.
    pub ports: Vec<(u16, TrafficPolicy)>,
}

impl TrafficPolicy {
    /// The settings for one service port, if the policy has any of its own.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&TrafficPolicy> {
        self.ports.iter().find(|(port, _)| *port == number).map(|(_, policy)| policy)
    }
}

/// What the mesh's configuration adds to every cluster: `defaultTrafficPolicy`, `localityLbSetting` and `connectTimeout`.
#[derive(Debug, Clone, Default)]
pub struct PolicyDefaults {
    /// In force where no DestinationRule has a `connectionPool`.
    pub connection_pool: Option<Arc<ConnectionPool>>,
    /// In force where no DestinationRule has an `outlierDetection`.
    pub outlier_detection: Option<Arc<OutlierDetection>>,
    /// In force where neither a DestinationRule nor the service says anything; near endpoints first unless it is switched
    /// off.
    pub locality: Arc<LocalitySetting>,
    /// In force where no `connectionPool` has one.
    pub connect_timeout: Option<Duration>,
}
