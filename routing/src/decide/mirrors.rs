//! Which mirrors get a copy of one request.

use std::sync::Arc;

use super::further;
use crate::table::{Cluster, Finding, Forward, Table, Target};

/// Draws of their own, one per mirror, apart from all others.
const MIRROR: u32 = 1 << 17;

/// Those whose share the request falls in. A mirror that is not there, or has nobody to send to, is passed over in silence.
pub(super) fn drawn(table: &Table, forward: &Forward, draw: u32) -> Vec<Arc<Cluster>> {
    let drawn =
        (MIRROR..).zip(&forward.mirrors).filter(|(purpose, mirror)| mirror.percent.takes(further(draw, *purpose)));
    let clusters = drawn.filter_map(|(_, mirror)| match mirror.target {
        Target::Cluster(id) => Some(table.cluster(id)),
        Target::UnknownHost | Target::UnknownSubset => None,
    });
    clusters.filter(|cluster| cluster.finding == Finding::Endpoints && !cluster.is_empty()).cloned().collect()
}
