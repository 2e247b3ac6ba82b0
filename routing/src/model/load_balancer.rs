//! How an endpoint is chosen: a DestinationRule's `loadBalancer`.

use std::sync::Arc;
use std::time::Duration;

use super::LocalitySetting;

/// The whole block.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadBalancing {
    /// `simple` or `consistentHash`.
    pub algorithm: LoadBalancer,
    /// `localityLbSetting`; `None`: the service's, else the mesh's.
    pub locality: Option<Arc<LocalitySetting>>,
    /// `warmup`, of use to ROUND_ROBIN and LEAST_REQUEST alone.
    pub warmup: Option<Warmup>,
}

/// How a new endpoint's share grows from its minimum to the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warmup {
    /// How long it takes.
    pub duration: Duration,
    /// Least part of its share, in per cent, 0 to 100.
    pub minimum_percent: f64,
    /// 1 is linear, more is quicker at the start; at least 1.
    pub aggression: f64,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadBalancer {
    /// Not at all: the connection goes where the client dialled.
    Passthrough,
    /// In turn.
    RoundRobin,
    /// Uniformly.
    Random,
    /// The less busy of two drawn at random; Istio's default.
    LeastRequest,
    /// Consistent hash over Envoy's ring.
    RingHash {
        /// What is hashed.
        key: HashKey,
        /// Least number of points on the ring, 1 to 8388608; Istio's default is 1024.
        minimum_size: u32,
    },
    /// Consistent hash over a Maglev table.
    Maglev {
        /// What is hashed.
        key: HashKey,
        /// Places in the table: a prime of at least 2 and below 5000011.
        table_size: u32,
    },
}

impl LoadBalancer {
    /// What a consistent hash is taken of.
    #[must_use]
    pub fn hash_key(&self) -> Option<&HashKey> {
        match self {
            Self::RingHash { key, .. } | Self::Maglev { key, .. } => Some(key),
            Self::Passthrough | Self::RoundRobin | Self::Random | Self::LeastRequest => None,
        }
    }
}

/// What a consistent hash is taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// Values of a header, its name in lower case.
    Header(Box<str>),
    /// A cookie's value.
    Cookie(HashCookie),
    /// First value of a query parameter.
    QueryParameter(Box<str>),
    /// The client pod's address.
    SourceIp,
}

/// `consistentHash.httpCookie`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashCookie {
    /// Its name.
    pub name: Box<str>,
    /// `Path` of a cookie that the proxy makes, may be empty.
    pub path: Box<str>,
    /// A request without the cookie gets one that lives this long, zero as long as the browser; `None`: it gets none.
    pub ttl: Option<Duration>,
    /// Further attributes of a cookie that the proxy makes; of an empty value the name alone is written.
    pub attributes: Vec<(Box<str>, Box<str>)>,
}
