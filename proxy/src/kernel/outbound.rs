//! What pods' annotations keep out of capture, as lists that the hooks look up. Pods with the same annotations share a list.
//!
//! A list is written before a pod's entry names it and never changed, so that no connect sees half of one. It goes when no
//! pod has named it for longer than any connect takes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use aya::Ebpf;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{HashMap, MapData};
use meshlet_routing::model::{OutboundCapture, RangeVerdict, Subnet};
use meshlet_wire::{LIST_EXCLUDED, LIST_INCLUDED, LIST_NOT_INCLUDED, NO_LIST, PortKey, RangeKey, ServiceKey};

use super::maps::take;
use super::sizes::{Sizes, Sort};

/// How long a list that no pod names is kept.
const GRACE: Duration = Duration::from_secs(5);
/// Bits of a range's key before the address.
const LIST_BITS: u32 = u32::BITS;
/// Bits of an IPv4-mapped address before the IPv4 address.
const MAPPED_BITS: u32 = 96;

/// The lists in the hooks' maps.
pub(crate) struct Outbound {
    ports: HashMap<MapData, PortKey, u32>,
    ranges: LpmTrie<MapData, RangeKey, u32>,
    lists: BTreeMap<Arc<OutboundCapture>, List>,
    sizes: Sizes,
    next: u32,
}

struct List {
    number: u32,
    /// Entries that it has in the maps.
    ports: usize,
    ranges: usize,
    named: Instant,
}

impl Outbound {
    pub(super) fn take(ebpf: &mut Ebpf, sizes: &Sizes) -> anyhow::Result<Self> {
        Ok(Self {
            ports: HashMap::try_from(take(ebpf, "meshlet_ports")?)?,
            ranges: LpmTrie::try_from(take(ebpf, "meshlet_ranges")?)?,
            lists: BTreeMap::new(),
            sizes: sizes.clone(),
            next: NO_LIST + 1,
        })
    }

    /// The number of a list, which is there for as long as it is asked for every now and then.
    ///
    /// # Errors
    /// When it does not fit, with what there is no room for. What it excludes must not be captured, so the pod cannot be.
    pub(crate) fn list(&mut self, capture: &Arc<OutboundCapture>, now: Instant) -> Result<u32, (Sort, anyhow::Error)> {
        if capture.is_everything() {
            return Ok(NO_LIST);
        }
        if let Some(list) = self.lists.get_mut(capture) {
            list.named = now;
            return Ok(list.number);
        }
        self.check_room(capture)?;
        let number = self.next;
        let written = self.write(number, capture);
        if written.is_err() {
            self.erase(number, capture);
        }
        let (ports, ranges) = written?;
        self.next = number.checked_add(1).unwrap_or(NO_LIST + 1);
        self.lists.insert(Arc::clone(capture), List { number, ports, ranges, named: now });
        Ok(number)
    }

    /// How many ports and ranges there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        self.lists.values().fold((0, 0), |(ports, ranges), list| (ports + list.ports, ranges + list.ranges))
    }

    /// Drops the lists that no pod has named lately.
    pub(crate) fn sweep(&mut self, now: Instant) {
        let mut gone = Vec::new();
        self.lists.retain(|capture, list| {
            let keep = now.saturating_duration_since(list.named) < GRACE;
            if !keep {
                gone.push((list.number, Arc::clone(capture)));
            }
            keep
        });
        for (number, capture) in gone {
            self.erase(number, &capture);
        }
    }

    /// Counted beforehand: writing a long list in vain, every round, would keep the node from its work.
    fn check_room(&self, wanted: &OutboundCapture) -> Result<(), (Sort, anyhow::Error)> {
        let (ports, ranges) = self.counts();
        let checks = [(Sort::Ports, ports + wanted.port_count()), (Sort::Ranges, ranges + wanted.range_count())];
        let room = |sort| usize::try_from(self.sizes.of(sort)).unwrap_or(usize::MAX);
        match checks.into_iter().find(|(sort, count)| *count > room(*sort)) {
            Some((sort, count)) => Err((sort, anyhow!("{count} with those that are there"))),
            None => Ok(()),
        }
    }

    fn write(&mut self, list: u32, capture: &OutboundCapture) -> Result<(usize, usize), (Sort, anyhow::Error)> {
        let (mut ports, mut ranges) = (0, 0);
        for (key, verdict) in port_entries(list, capture) {
            let written = self.ports.insert(key, verdict, 0).context("writing map meshlet_ports");
            written.map_err(|error| (Sort::Ports, error))?;
            ports += 1;
        }
        for (key, verdict) in range_entries(list, capture) {
            let written = self.ranges.insert(&key, verdict, 0).context("writing map meshlet_ranges");
            written.map_err(|error| (Sort::Ranges, error))?;
            ranges += 1;
        }
        Ok((ports, ranges))
    }

    fn erase(&mut self, list: u32, capture: &OutboundCapture) {
        // Not there is as good as gone.
        for (key, _) in port_entries(list, capture) {
            drop(self.ports.remove(&key));
        }
        for (key, _) in range_entries(list, capture) {
            drop(self.ranges.remove(&key));
        }
    }
}

/// Exclusion comes first.
fn port_entries(list: u32, capture: &OutboundCapture) -> BTreeMap<PortKey, u32> {
    let entry = |port: &u16, verdict| (PortKey { list, port: port.to_be_bytes(), reserved: [0; 2] }, verdict);
    let included = capture.included_ports.iter().map(|port| entry(port, LIST_INCLUDED));
    included.chain(capture.excluded_ports.iter().map(|port| entry(port, LIST_EXCLUDED))).collect()
}

fn range_entries(list: u32, capture: &OutboundCapture) -> impl Iterator<Item = (Key<RangeKey>, u32)> {
    let entry = move |(range, verdict)| {
        let verdict = match verdict {
            RangeVerdict::Excluded => LIST_EXCLUDED,
            RangeVerdict::Included => LIST_INCLUDED,
            RangeVerdict::NotIncluded => LIST_NOT_INCLUDED,
        };
        (range_key(list, range), verdict)
    };
    capture.ranges().into_iter().map(entry)
}

fn range_key(list: u32, range: Subnet) -> Key<RangeKey> {
    let length = u32::from(range.length());
    let (bits, address) = match range.network() {
        IpAddr::V4(network) => (MAPPED_BITS + length, ServiceKey::v4(network.octets(), [0; 2]).address),
        IpAddr::V6(network) => (length, network.octets()),
    };
    Key::new(LIST_BITS + bits, RangeKey { list, address })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use meshlet_routing::model::IncludedRanges;
    use meshlet_wire::RANGE_BITS;

    use super::*;

    /// What the trie of the kernel does, bit by bit.
    fn longest(entries: &[(Key<RangeKey>, u32)], address: IpAddr) -> Option<u32> {
        let bits = |key: RangeKey| {
            let [list, address] = [u128::from(key.list), Ipv6Addr::from(key.address).to_bits()];
            (list, address)
        };
        let address = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let matches = |key: &Key<RangeKey>| {
            let (list, network) = bits(key.data());
            let length = key.prefix_len() - LIST_BITS;
            let differ = (network ^ address.to_bits()).leading_zeros();
            list == 7 && differ >= length
        };
        entries
            .iter()
            .filter(|(key, _)| matches(key))
            .max_by_key(|(key, _)| key.prefix_len())
            .map(|(_, verdict)| *verdict)
    }

    #[test]
    fn given_ranges_of_both_families_then_the_longest_prefix_in_the_trie_is_the_verdict_of_the_annotations() {
        let ranges = |written: &[&str]| written.iter().map(|range| Subnet::parse(range).expect(range)).collect();
        let capture = OutboundCapture {
            excluded_ranges: ranges(&["10.1.0.0/16", "::/0", "0.0.0.0/1"]),
            included_ranges: IncludedRanges::Only(ranges(&["10.1.2.0/24", "192.168.0.0/16", "fd00::/64"])),
            ..OutboundCapture::default()
        };
        let entries: Vec<_> = range_entries(7, &capture).collect();
        assert!(entries.iter().all(|(key, _)| key.prefix_len() <= RANGE_BITS));
        for (address, expected) in [
            ("10.1.2.3", LIST_EXCLUDED),
            ("9.0.0.1", LIST_EXCLUDED),
            ("192.168.1.1", LIST_INCLUDED),
            ("192.169.1.1", LIST_NOT_INCLUDED),
            ("fd00::1", LIST_EXCLUDED),
        ] {
            assert_eq!(longest(&entries, address.parse().expect(address)), Some(expected), "{address}");
        }
    }

    #[test]
    fn given_a_port_that_is_excluded_and_included_then_it_is_excluded() {
        let capture = OutboundCapture {
            excluded_ports: [80].into(),
            included_ports: [80, 81].into(),
            ..OutboundCapture::default()
        };
        let entries: Vec<(u16, u32)> = port_entries(7, &capture)
            .into_iter()
            .map(|(key, verdict)| (u16::from_be_bytes(key.port), verdict))
            .collect();
        assert_eq!(entries, [(80, LIST_EXCLUDED), (81, LIST_INCLUDED)]);
    }
}
