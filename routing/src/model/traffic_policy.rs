//! The parts of a DestinationRule's `trafficPolicy` that are honoured.

/// A traffic policy block; `None` fields fall to the next level, then to defaults.
#[derive(Debug, Clone, Default)]
pub struct TrafficPolicy {
    /// `loadBalancer`.
    pub load_balancer: Option<LoadBalancer>,
    /// `portLevelSettings`: each replaces the whole block for its service port.
    pub ports: Vec<(u16, TrafficPolicy)>,
}

impl TrafficPolicy {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.load_balancer.is_none() && self.ports.is_empty()
    }

    /// The settings for one service port, if the policy has any of its own.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&TrafficPolicy> {
        self.ports.iter().find(|(port, _)| *port == number).map(|(_, policy)| policy)
    }
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadBalancer {
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
}

/// What a consistent hash is taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// Values of a header, its name in lower case.
    Header(Box<str>),
}
