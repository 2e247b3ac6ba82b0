//! Which outbound connections of a pod its annotations keep out of capture.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::Subnet;

/// Ports and ranges that a captured pod's annotations name. The default names none: everything may be captured.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutboundCapture {
    /// `excludeOutboundPorts`.
    pub excluded_ports: BTreeSet<u16>,
    /// `excludeOutboundIPRanges`.
    pub excluded_ranges: BTreeSet<Subnet>,
    /// `includeOutboundPorts`, as far as it is not every port.
    pub included_ports: BTreeSet<u16>,
    /// `includeOutboundIPRanges`.
    pub included_ranges: IncludedRanges,
}

/// Which addresses are captured unless they are excluded.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum IncludedRanges {
    /// All.
    #[default]
    All,
    /// These, which may be none.
    Only(BTreeSet<Subnet>),
}

/// Why a connection is not captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excluded {
    /// Its port is.
    Port(u16),
    /// Its address is.
    IpRange(Subnet),
    /// Neither its address nor its port is included.
    NotIncluded,
}

/// What the ranges alone say of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeVerdict {
    /// Never captured.
    Excluded,
    /// Captured.
    Included,
    /// Captured where the port is included.
    NotIncluded,
}

impl OutboundCapture {
    /// Whether it keeps nothing out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        let excludes = !self.excluded_ports.is_empty() || !self.excluded_ranges.is_empty();
        !excludes && self.included_ranges == IncludedRanges::All
    }

    /// Why a connection is not captured; `None` when the annotations leave it to the rules. An IPv4-mapped address is IPv4.
    ///
    /// The order is that of the chain `ISTIO_OUTPUT`: excluded ports, excluded ranges, included ports, included ranges
    /// (istio/istio@0098d99 tools/istio-iptables/pkg/capture/run.go, Run).
    #[must_use]
    pub fn excludes(&self, address: IpAddr, port: u16) -> Option<Excluded> {
        let address = address.to_canonical();
        if self.excluded_ports.contains(&port) {
            return Some(Excluded::Port(port));
        }
        if let Some(range) = self.excluded_ranges.iter().find(|range| range.contains(address)) {
            return Some(Excluded::IpRange(*range));
        }
        let included = self.included_ports.contains(&port)
            || match &self.included_ranges {
                IncludedRanges::All => true,
                IncludedRanges::Only(ranges) => ranges.iter().any(|range| range.contains(address)),
            };
        (!included).then_some(Excluded::NotIncluded)
    }

    /// What becomes of every address, by the longest of these ranges that it is in. Both families have one of length zero, so
    /// that each address is in some range.
    #[must_use]
    pub fn ranges(&self) -> BTreeMap<Subnet, RangeVerdict> {
        let none = BTreeSet::new();
        let included = match &self.included_ranges {
            IncludedRanges::All => &none,
            IncludedRanges::Only(ranges) => ranges,
        };
        let written = self.excluded_ranges.iter().chain(included);
        written.chain(&[Subnet::ALL_V4, Subnet::ALL_V6]).map(|range| (*range, self.of_range(*range))).collect()
    }

    /// How many ports it names, at most.
    #[must_use]
    pub fn port_count(&self) -> usize {
        self.excluded_ports.len() + self.included_ports.len()
    }

    /// How many [`Self::ranges`] has, at most.
    #[must_use]
    pub fn range_count(&self) -> usize {
        let included = match &self.included_ranges {
            IncludedRanges::All => 0,
            IncludedRanges::Only(ranges) => ranges.len(),
        };
        self.excluded_ranges.len() + included + 2
    }

    /// What becomes of the addresses of a range that are in no longer one: every range with such an address covers this one.
    fn of_range(&self, range: Subnet) -> RangeVerdict {
        let covered = |by: &BTreeSet<Subnet>| range.widened().any(|wider| by.contains(&wider));
        match &self.included_ranges {
            _ if covered(&self.excluded_ranges) => RangeVerdict::Excluded,
            IncludedRanges::All => RangeVerdict::Included,
            IncludedRanges::Only(ranges) if covered(ranges) => RangeVerdict::Included,
            IncludedRanges::Only(_) => RangeVerdict::NotIncluded,
        }
    }
}

impl Excluded {
    /// The same word in `explain`, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Port(_) => "ExcludedPort",
            Self::IpRange(_) => "ExcludedIpRange",
            Self::NotIncluded => "NotIncluded",
        }
    }
}

impl fmt::Display for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "the pod's excludeOutboundPorts names {port}"),
            Self::IpRange(range) => write!(f, "the pod's excludeOutboundIPRanges names {range}"),
            Self::NotIncluded => {
                f.write_str("neither the pod's includeOutboundIPRanges nor its includeOutboundPorts names it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(written: &[&str]) -> BTreeSet<Subnet> {
        written.iter().map(|range| Subnet::parse(range).expect(range)).collect()
    }

    fn capture(excluded: (&[u16], &[&str]), included: (&[u16], Option<&[&str]>)) -> OutboundCapture {
        OutboundCapture {
            excluded_ports: excluded.0.iter().copied().collect(),
            excluded_ranges: ranges(excluded.1),
            included_ports: included.0.iter().copied().collect(),
            included_ranges: included.1.map_or(IncludedRanges::All, |only| IncludedRanges::Only(ranges(only))),
        }
    }

    fn check(capture: &OutboundCapture, cases: &[(&str, u16, Option<&str>)]) {
        for (address, port, expected) in cases {
            let found = capture.excludes(address.parse().expect(address), *port);
            assert_eq!(found.map(Excluded::as_str), *expected, "{address} {port}");
        }
    }

    #[test]
    fn given_no_annotations_then_nothing_is_excluded() {
        assert!(OutboundCapture::default().is_everything());
        check(&OutboundCapture::default(), &[("10.0.0.1", 80, None), ("fd00::1", 1, None)]);
    }

    #[test]
    fn given_exclusions_then_they_win_over_every_inclusion() {
        let all = capture((&[81], &["10.1.0.0/16", "fd00::/64"]), (&[80, 81], None));
        check(
            &all,
            &[
                ("10.0.0.1", 80, None),
                ("10.0.0.1", 81, Some("ExcludedPort")),
                ("10.1.0.1", 80, Some("ExcludedIpRange")),
                ("10.1.0.1", 81, Some("ExcludedPort")),
                ("::ffff:10.1.0.1", 80, Some("ExcludedIpRange")),
                ("fd00::1", 80, Some("ExcludedIpRange")),
                ("fd00:0:0:1::1", 80, None),
            ],
        );
        let inside = capture((&[], &["10.1.0.0/16"]), (&[], Some(&["10.1.2.0/24", "10.2.0.0/16"])));
        check(&inside, &[("10.1.2.3", 80, Some("ExcludedIpRange")), ("10.2.0.1", 80, None)]);
    }

    #[test]
    fn given_included_ranges_then_nothing_else_is_captured_but_included_ports() {
        let some = capture((&[], &[]), (&[9090], Some(&["10.1.0.0/16"])));
        check(
            &some,
            &[
                ("10.1.0.1", 80, None),
                ("10.2.0.1", 80, Some("NotIncluded")),
                ("10.2.0.1", 9090, None),
                ("fd00::1", 80, Some("NotIncluded")),
                ("fd00::1", 9090, None),
            ],
        );
        let none = capture((&[], &[]), (&[9090], Some(&[])));
        assert!(!none.is_everything());
        check(&none, &[("10.1.0.1", 80, Some("NotIncluded")), ("10.1.0.1", 9090, None)]);
    }

    /// Addresses and ranges close together, so that ranges nest and addresses fall into them.
    fn address() -> impl Strategy<Value = IpAddr> {
        (any::<bool>(), 0_u8..4, 0_u8..4, any::<u8>()).prop_map(|(v4, a, b, c)| match v4 {
            true => IpAddr::from([10, a, b, c]),
            false => IpAddr::from([0xfd00, 0, 0, a.into(), 0, 0, b.into(), c.into()]),
        })
    }

    fn subnet() -> impl Strategy<Value = Subnet> {
        (address(), 0_u8..=128).prop_map(|(address, length)| {
            let length = if address.is_ipv4() { length % 33 } else { length };
            Subnet::parse(&format!("{address}/{length}")).expect("a range")
        })
    }

    fn subnets() -> impl Strategy<Value = BTreeSet<Subnet>> {
        prop::collection::btree_set(subnet(), 0..8)
    }

    proptest! {
        #[test]
        fn given_any_ranges_then_the_longest_of_the_merged_ones_says_what_the_definition_says(
            excluded_ranges in subnets(),
            only in prop::option::of(subnets()),
            addresses in prop::collection::vec(address(), 1..32),
        ) {
            let included_ranges = only.map_or(IncludedRanges::All, IncludedRanges::Only);
            let capture = OutboundCapture { excluded_ranges, included_ranges, ..OutboundCapture::default() };
            let merged = capture.ranges();
            for address in addresses {
                let longest = merged.iter().filter(|(range, _)| range.contains(address)).max_by_key(|(range, _)| range.length());
                let (_, verdict) = longest.expect("each address is in some range");
                let expected = match capture.excludes(address, 80) {
                    Some(Excluded::IpRange(_)) => RangeVerdict::Excluded,
                    Some(Excluded::NotIncluded) => RangeVerdict::NotIncluded,
                    Some(Excluded::Port(_)) | None => RangeVerdict::Included,
                };
                prop_assert_eq!(*verdict, expected, "{}", address);
            }
        }
    }
}
