//! Where something runs, and what that means for where requests go.

use std::fmt;

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

/// `localityLbSetting`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LocalitySetting {
    /// `enabled: false`: an endpoint's place does not matter.
    Off,
    /// Neither `distribute` nor `failover`: what is near goes first. The mesh's default.
    #[default]
    Nearest,
    /// `distribute`: shares by place.
    Distribute(Box<[Distribute]>),
    /// `failover` and `failoverPriority`: which place is next.
    Failover {
        /// Region of the client → region that takes over.
        regions: Box<[(Box<str>, Box<str>)]>,
        /// Labels that an endpoint should share with the client, the most important first.
        priority: Box<[FailoverLabel]>,
    },
}

/// One entry of `distribute`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribute {
    /// Clients it is for.
    pub from: LocalityPattern,
    /// Share of each place in per cent, 1 to 100; they sum to 100.
    pub to: Box<[(LocalityPattern, u32)]>,
}

/// One entry of `failoverPriority`: `label`, or `label=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailoverLabel {
    /// Its key.
    pub key: Box<str>,
    /// What an endpoint's label must be; `None`: what the client's is.
    pub value: Option<Box<str>>,
}

/// `region/zone/sub-zone`, where a part that is absent or `*` is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalityPattern(Box<[Box<str>]>);

impl LocalityPattern {
    /// Reads the written form; what it may look like is validated where it is read.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.splitn(3, '/').map(Box::from).collect())
    }

    /// Whether a locality is meant (istio/istio@86c9f01 pilot/pkg/networking/util/util.go, LocalityMatch).
    #[must_use]
    pub fn covers(&self, locality: &Locality) -> bool {
        let parts = [&locality.region, &locality.zone, &locality.sub_zone];
        self.0.iter().zip(parts).all(|(wanted, part)| &**wanted == "*" || wanted == part)
    }

    /// Whether some locality is meant by both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let mut parts = self.0.iter().zip(&other.0);
        parts.all(|(one, other)| one == other || &**one == "*" || &**other == "*")
    }
}

impl fmt::Display for LocalityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}
