//! How much the kernel's maps hold, and what an operator may change about it.

use std::collections::BTreeMap;

use clap::ValueEnum as _;
use meshlet_wire::{ENDPOINTS, LEARNED, LISTED_PORTS, LISTED_RANGES, PODS, ROUTES, SEEN, SERVICES, SLOTS};

/// The maps whose entries outlive what they are for.
const IDS: [&str; 2] = ["meshlet_ids", "meshlet_seenid"];

/// What maps hold; those of one sort are of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Sort {
    /// Captured addresses, and their ids.
    Services,
    /// Addresses that were dialled and captured with their port alone, and their ids.
    Seen,
    /// Captured pods, and their listeners.
    Pods,
    /// Routes that the kernel decides.
    Routes,
    /// Slots of those routes.
    Slots,
    /// Endpoints that slots name.
    Endpoints,
    /// Ports that pods' annotations name.
    Ports,
    /// Ranges of addresses that they name.
    Ranges,
}

impl Sort {
    pub(super) const ALL: [Self; 8] =
        [Self::Services, Self::Seen, Self::Pods, Self::Routes, Self::Slots, Self::Endpoints, Self::Ports, Self::Ranges];

    /// Its maps; the first is the one that is told about.
    pub(super) fn maps(self) -> &'static [&'static str] {
        match self {
            Self::Services => &["meshlet_service", IDS[0]],
            Self::Seen => &["meshlet_seen", IDS[1]],
            Self::Pods => &["meshlet_pods", "meshlet_listen"],
            Self::Routes => &["meshlet_routes", "meshlet_l4", "meshlet_turns"],
            Self::Slots => &["meshlet_slots"],
            Self::Endpoints => &["meshlet_ends", "meshlet_open"],
            Self::Ports => &["meshlet_ports"],
            Self::Ranges => &["meshlet_ranges"],
        }
    }

    /// As `--map-size` has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Seen => "seen",
            Self::Pods => "pods",
            Self::Routes => "routes",
            Self::Slots => "slots",
            Self::Endpoints => "endpoints",
            Self::Ports => "ports",
            Self::Ranges => "ranges",
        }
    }

    fn default_size(self) -> u32 {
        match self {
            Self::Services => SERVICES,
            Self::Seen => SEEN,
            Self::Pods => PODS,
            Self::Routes => ROUTES,
            Self::Slots => SLOTS,
            Self::Endpoints => ENDPOINTS,
            Self::Ports => LISTED_PORTS,
            Self::Ranges => LISTED_RANGES,
        }
    }

    /// An id must fit into an address, and one that is drawn be free most times; a slot into 31 bits. Beyond this it is memory
    /// that ends first.
    fn most(self) -> u32 {
        match self {
            Self::Services => LEARNED / 2 - 1,
            Self::Seen => LEARNED / 8,
            Self::Pods | Self::Routes | Self::Slots | Self::Endpoints | Self::Ports | Self::Ranges => 1 << 24,
        }
    }
}

/// `SORT=N` of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MapSize {
    sort: Sort,
    entries: u32,
}

impl MapSize {
    /// Reads `SORT=N`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (word, number) = text.split_once('=').ok_or("write it as SORT=N, such as services=131072")?;
        let sort = Sort::from_str(word, false)
            .map_err(|_| format!("{word} is not one of {}", Sort::ALL.map(Sort::word).join(", ")))?;
        match number.parse() {
            Ok(entries) if (1..=sort.most()).contains(&entries) => Ok(Self { sort, entries }),
            _ => Err(format!("{number} is not a number from 1 to {}", sort.most())),
        }
    }
}

/// How much of every sort there may be.
#[derive(Debug, Clone)]
pub(crate) struct Sizes(BTreeMap<Sort, u32>);

impl Sizes {
    /// The usual ones, but for what is asked for; of several for one sort the last counts.
    pub(crate) fn new(asked: &[MapSize]) -> Self {
        let usual = Sort::ALL.into_iter().map(|sort| (sort, sort.default_size()));
        Self(usual.chain(asked.iter().map(|size| (size.sort, size.entries))).collect())
    }

    /// How many of a sort there may be.
    pub(crate) fn of(&self, sort: Sort) -> u32 {
        self.0.get(&sort).copied().unwrap_or_else(|| sort.default_size())
    }

    /// How many ids may stand for something: all services may be others at once, and what was before keeps its ids for a while.
    pub(crate) fn ids(&self) -> u32 {
        self.of(Sort::Services).saturating_mul(2)
    }

    /// The size of each map.
    pub(super) fn of_maps(&self) -> impl Iterator<Item = (&'static str, u32)> {
        Sort::ALL.into_iter().flat_map(move |sort| sort.maps().iter().map(move |map| (*map, self.of_map(sort, map))))
    }

    /// The size of a map of a sort.
    pub(super) fn of_map(&self, sort: Sort, map: &str) -> u32 {
        if IDS.contains(&map) { self.of(sort).saturating_mul(2) } else { self.of(sort) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_sizes_then_those_asked_for_count_and_what_is_none_is_refused() {
        let asked = ["services=2", "slots=16777216", "services=3"].map(|text| MapSize::parse(text).expect("a size"));
        let sizes = Sizes::new(&asked);
        assert_eq!((sizes.of(Sort::Services), sizes.of(Sort::Slots), sizes.of(Sort::Pods)), (3, 16_777_216, 4_096));
        for wrong in [
            "services",
            "services=",
            "services=0",
            "services=1048576",
            "seen=262145",
            "ids=4",
            "slots=-1",
            "slots=16777217",
        ] {
            assert!(MapSize::parse(wrong).is_err(), "{wrong}");
        }
    }
}
