//! Who gets copies of a route's requests.

use super::clusters::Target;
use super::compiler::Clusters;
use crate::model::{Hostname, Mirror, Percent};

/// One mirror of a route.
#[derive(Debug)]
pub(crate) struct MirrorLeg {
    /// How many requests are copied.
    pub(crate) percent: Percent,
    /// What was asked for, whether it exists or not.
    pub(crate) host: Hostname,
    pub(crate) port: u16,
    pub(crate) subset: Option<Box<str>>,
    pub(crate) target: Target,
}

impl MirrorLeg {
    /// Where a mirror leads; without a port it is the listener's.
    pub(super) fn new(clusters: &mut Clusters<'_, '_>, mirror: &Mirror, port: u16) -> Self {
        let destination = &mirror.destination;
        let (host, subset) = (destination.host.clone(), destination.subset.clone());
        let port = destination.port.unwrap_or(port);
        let target = clusters.target(&host, port, subset.as_deref());
        Self { percent: mirror.percent, host, port, subset, target }
    }
}
