//! Where things run, by the labels that say so.

use crate::model::{Labels, Locality};

/// Istio's own label of a pod, `region.zone.subzone` since a label holds no slash
/// (istio/istio@86c9f01 pkg/model/proxy.go, GetLocalityLabel).
const ISTIO: &str = "istio-locality";

/// Of a pod: its `istio-locality`, else the topology labels that the scheduler gave it.
pub(super) fn of_pod(labels: &Labels) -> Locality {
    match labels.get(ISTIO) {
        Some(written) if !written.is_empty() => {
            let separator = if written.contains('/') { '/' } else { '.' };
            split(written, separator)
        }
        _ => of_labels(labels),
    }
}

/// Of a node, and of a pod that has no label of Istio's.
pub(super) fn of_labels(labels: &Labels) -> Locality {
    let of = |key: &str| labels.get(key).cloned().unwrap_or_default();
    Locality {
        region: of("topology.kubernetes.io/region"),
        zone: of("topology.kubernetes.io/zone"),
        sub_zone: of("topology.istio.io/subzone"),
    }
}

/// `region/zone/subzone` as a ServiceEntry's endpoint has it; parts from the right may be missing.
pub(super) fn written(text: &str) -> Locality {
    split(text, '/')
}

fn split(text: &str, separator: char) -> Locality {
    let mut parts = text.splitn(3, separator).map(Box::from);
    let mut next = || parts.next().unwrap_or_default();
    Locality { region: next(), zone: next(), sub_zone: next() }
}
