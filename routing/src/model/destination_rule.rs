//! DestinationRules.

use super::{Creation, ExportTo, HostPattern, Labels, ObjectRef, TrafficPolicy};

/// Subsets and policies for a host.
#[derive(Debug, Clone)]
pub struct DestinationRule {
    /// Which object.
    pub object: ObjectRef,
    /// Age.
    pub created: Creation,
    /// `spec.host`, resolved in the rule's own namespace.
    pub host: HostPattern,
    /// Namespaces whose clients may use it.
    pub export_to: ExportTo,
    /// `spec.workloadSelector.matchLabels`: only clients of the rule's own namespace with all these labels use it; such a
    /// rule is private whatever its `exportTo`.
    pub selector: Option<Labels>,
    /// `spec.trafficPolicy`.
    pub policy: Option<TrafficPolicy>,
    /// `spec.subsets`, names unique.
    pub subsets: Vec<Subset>,
}

/// A named part of a service's endpoints.
#[derive(Debug, Clone)]
pub struct Subset {
    /// Its name.
    pub name: Box<str>,
    /// All must match; none selects every endpoint.
    pub labels: Labels,
    /// Replaces blocks of the rule's own policy.
    pub policy: TrafficPolicy,
}
