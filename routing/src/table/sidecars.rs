//! Which Sidecar is in force for a scope.

use super::Scope;
use crate::model::{Sidecar, World};

/// The oldest of the client's namespace whose selector takes it, else the oldest there without one, else the oldest of the
/// root namespace without one; never two at once (istio/istio@86c9f01 pilot/pkg/model/push_context.go, getSidecarScope).
pub(crate) fn in_force<'w>(world: &'w World, scope: &Scope) -> Option<&'w Sidecar> {
    let root = &world.mesh.root_namespace;
    let rank = |sidecar: &Sidecar| match &sidecar.selector {
        Some(labels) if sidecar.object.namespace == scope.namespace => scope.meets(labels, None).then_some(0),
        None if sidecar.object.namespace == scope.namespace => Some(1),
        None if sidecar.object.namespace == *root => Some(2),
        _ => None,
    };
    let candidates = world.sidecars.iter().filter_map(|sidecar| Some((rank(sidecar)?, sidecar)));
    let strongest = candidates.min_by_key(|(rank, sidecar)| (*rank, &sidecar.created, &sidecar.object.name));
    strongest.map(|(_, sidecar)| sidecar)
}
