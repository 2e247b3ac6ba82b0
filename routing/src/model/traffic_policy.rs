//! The parts of a DestinationRule's `trafficPolicy` that are honoured.

use super::LoadBalancer;

/// A traffic policy block; `None` fields fall to the next level, then to defaults.
#[derive(Debug, Clone, Default)]
pub struct TrafficPolicy {
    /// `loadBalancer`.
    pub load_balancer: Option<LoadBalancer>,
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
