//! How full each map is.

use super::load::Kernel;
use super::sizes::Sort;

/// One map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MapUsage {
    /// Its name, as bpftool shows it.
    pub(crate) map: &'static str,
    /// Entries in use, as far as the daemon knows; of arrays those that will be free after a while as well.
    pub(crate) entries: u64,
    /// Entries that there is room for.
    pub(crate) max_entries: u64,
    /// Objects that there was no room for, each counted whenever it began to be refused; on the first map of a sort. Of
    /// addresses that were dialled: connects.
    pub(crate) refused: u64,
}

impl Kernel {
    /// All maps whose entries come and go.
    pub(crate) fn usage(&self) -> Vec<MapUsage> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let (maps, routes) = (self.maps.counts(), &self.routes);
        let (ports, ranges) = self.outbound.counts();
        [
            (Sort::Services, "meshlet_service", count(maps.services)),
            (Sort::Services, "meshlet_ids", count(maps.ids)),
            (Sort::Seen, "meshlet_seen", count(self.learned.known())),
            (Sort::Pods, "meshlet_pods", count(maps.pods)),
            (Sort::Routes, "meshlet_routes", routes.used(Sort::Routes).into()),
            (Sort::Slots, "meshlet_slots", routes.used(Sort::Slots).into()),
            (Sort::Endpoints, "meshlet_ends", routes.used(Sort::Endpoints).into()),
            (Sort::Ports, "meshlet_ports", count(ports)),
            (Sort::Ranges, "meshlet_ranges", count(ranges)),
        ]
        .map(|(sort, map, entries)| MapUsage {
            map,
            entries,
            max_entries: self.sizes.of_map(sort, map).into(),
            refused: match sort {
                Sort::Seen => self.learned.without(),
                _ if sort.maps().first() == Some(&map) => self.refusals.counted(sort),
                _ => 0,
            },
        })
        .into()
    }
}
