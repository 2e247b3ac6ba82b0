//! Where something runs.

/// Region, zone and sub-zone; a part that is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locality {
    /// `topology.kubernetes.io/region`.
    pub region: Box<str>,
    /// `topology.kubernetes.io/zone`.
    pub zone: Box<str>,
    /// `topology.istio.io/subzone`.
    pub sub_zone: Box<str>,
}
