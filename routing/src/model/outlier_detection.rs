//! A DestinationRule's `outlierDetection`: when an endpoint that fails is left alone for a while.

use std::num::NonZeroU32;
use std::time::Duration;

/// Detection with its defaults applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlierDetection {
    /// 5xx answers and, unless they are counted apart, failures to connect, in a row; `None`: off.
    pub consecutive_5xx: Option<NonZeroU32>,
    /// 502, 503 and 504 in a row; `None`: off.
    pub consecutive_gateway: Option<NonZeroU32>,
    /// `splitExternalLocalOriginErrors` with `consecutiveLocalOriginFailures`: what fails before an endpoint answers counts
    /// by itself; `None`: it counts as a 5xx.
    pub consecutive_local_origin: Option<NonZeroU32>,
    /// Between two looks at what may come back.
    pub interval: Duration,
    /// How long an endpoint is out, times how often it was.
    pub base_ejection_time: Duration,
    /// Share of the listed endpoints that may be out at a time, the next one included; 0 to 100.
    pub max_ejection_percent: u8,
    /// Below this share of usable endpoints all are used; 0 to 100, of which 0 is never.
    pub min_health_percent: u8,
}

impl Default for OutlierDetection {
    /// What holds once the block exists (istio.io/api networking/v1alpha3/destination_rule.proto, OutlierDetection).
    fn default() -> Self {
        Self {
            consecutive_5xx: NonZeroU32::new(5),
            consecutive_gateway: None,
            consecutive_local_origin: None,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_percent: 10,
            min_health_percent: 0,
        }
    }
}
