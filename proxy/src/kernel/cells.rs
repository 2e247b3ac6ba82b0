//! Who uses which part of an array that programs read: a part that is given back is not used again before every program
//! that may have read it is long over.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long that is: a program takes microseconds.
const PAUSE: Duration = Duration::from_secs(5);

/// Numbers below a bound, each used by one and free again only after a pause.
#[derive(Debug)]
pub(super) struct Cells {
    next: u32,
    bound: u32,
    free: Vec<u32>,
    retired: Vec<(u32, Instant)>,
}

impl Cells {
    pub(super) fn new(bound: u32) -> Self {
        Self { next: 0, bound, free: Vec::new(), retired: Vec::new() }
    }

    /// Those that nobody may take.
    pub(super) fn used(&self) -> u32 {
        self.next - u32::try_from(self.free.len()).unwrap_or(self.next)
    }

    pub(super) fn take(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| {
            let cell = (self.next < self.bound).then_some(self.next)?;
            self.next += 1;
            Some(cell)
        })
    }

    pub(super) fn retire(&mut self, cell: u32, now: Instant) {
        self.retired.push((cell, now));
    }

    pub(super) fn reclaim(&mut self, now: Instant) {
        let over = self.retired.extract_if(.., |(_, since)| now.duration_since(*since) >= PAUSE);
        self.free.extend(over.map(|(cell, _)| cell));
    }
}

/// Endpoint cells by address, with how many slots name each.
#[derive(Debug)]
pub(super) struct Addresses {
    cells: Cells,
    known: HashMap<SocketAddr, (u32, u64)>,
}

impl Addresses {
    pub(super) fn new(bound: u32) -> Self {
        Self { cells: Cells::new(bound), known: HashMap::new() }
    }

    pub(super) fn reclaim(&mut self, now: Instant) {
        self.cells.reclaim(now);
    }

    /// Cells that no other address may have.
    pub(super) fn used(&self) -> u32 {
        self.cells.used()
    }

    /// The cell of an address, and whether it has to be written first.
    pub(super) fn hold(&mut self, address: SocketAddr) -> Option<(u32, bool)> {
        if let Some((cell, holders)) = self.known.get_mut(&address) {
            *holders += 1;
            return Some((*cell, false));
        }
        let cell = self.cells.take()?;
        self.known.insert(address, (cell, 1));
        Some((cell, true))
    }

    /// The cell that it has.
    pub(super) fn cell(&self, address: SocketAddr) -> Option<u32> {
        self.known.get(&address).map(|(cell, _)| *cell)
    }

    pub(super) fn release(&mut self, address: SocketAddr, now: Instant) {
        if let Some((cell, holders)) = self.known.get_mut(&address) {
            *holders -= 1;
            if *holders == 0 {
                self.cells.retire(*cell, now);
                self.known.remove(&address);
            }
        }
    }
}

/// A run of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) base: u32,
    pub(super) count: u32,
}

/// Free runs of slots by where they start; neighbours are one run.
#[derive(Debug)]
pub(super) struct Regions {
    free: BTreeMap<u32, u32>,
    /// Slots that are in none of those.
    used: u32,
    retired: Vec<(Region, Instant)>,
}

impl Regions {
    pub(super) fn new(bound: u32) -> Self {
        Self { free: BTreeMap::from([(0, bound)]), used: 0, retired: Vec::new() }
    }

    /// Slots that nobody may take.
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// The first run that is long enough.
    pub(super) fn take(&mut self, count: u32) -> Option<Region> {
        if count == 0 {
            return Some(Region { base: 0, count: 0 });
        }
        let (base, length) =
            self.free.iter().find(|(_, length)| **length >= count).map(|(base, length)| (*base, *length))?;
        self.free.remove(&base);
        self.used += count;
        if length > count {
            self.free.insert(base + count, length - count);
        }
        Some(Region { base, count })
    }

    pub(super) fn retire(&mut self, region: Region, now: Instant) {
        if region.count > 0 {
            self.retired.push((region, now));
        }
    }

    pub(super) fn reclaim(&mut self, now: Instant) {
        let over: Vec<_> = self.retired.extract_if(.., |(_, since)| now.duration_since(*since) >= PAUSE).collect();
        over.into_iter().for_each(|(region, _)| self.give_back(region));
    }

    fn give_back(&mut self, region: Region) {
        let Region { mut base, mut count } = region;
        self.used -= count;
        if let Some((before, length)) = self.free.range(..base).next_back().map(|(before, length)| (*before, *length))
            && before + length == base
        {
            self.free.remove(&before);
            (base, count) = (before, length + count);
        }
        if let Some(length) = self.free.remove(&(base + count)) {
            count += length;
        }
        self.free.insert(base, count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn given_a_cell_that_is_retired_then_it_is_free_again_after_the_pause_and_not_before() {
        let (mut cells, start) = (Cells::new(2), Instant::now());
        assert_eq!((cells.take(), cells.take(), cells.take()), (Some(0), Some(1), None));
        cells.retire(0, start);
        cells.reclaim(start + PAUSE / 2);
        assert_eq!(cells.take(), None);
        cells.reclaim(start + PAUSE);
        assert_eq!((cells.take(), cells.take()), (Some(0), None));
    }

    proptest! {
        #[test]
        fn given_any_history_then_no_slot_belongs_to_two_and_all_come_back(
            steps in prop::collection::vec((1_u32..40, any::<prop::sample::Index>(), any::<bool>()), 1..200),
        ) {
            let (mut regions, mut held, mut now) = (Regions::new(256), Vec::<Region>::new(), Instant::now());
            for (count, which, take) in steps {
                now += PAUSE / 3;
                regions.reclaim(now);
                if take {
                    if let Some(region) = regions.take(count) {
                        let apart = |other: &Region| {
                            region.base + region.count <= other.base || other.base + other.count <= region.base
                        };
                        prop_assert!(held.iter().all(apart), "{region:?} overlaps one of {held:?}");
                        prop_assert!(regions.retired.iter().all(|(other, _)| apart(other)), "{region:?} is not over its pause");
                        held.push(region);
                    }
                } else if !held.is_empty() {
                    regions.retire(held.swap_remove(which.index(held.len())), now);
                }
            }
            held.into_iter().for_each(|region| regions.retire(region, now));
            regions.reclaim(now + PAUSE);
            prop_assert_eq!(regions.used(), 0);
            prop_assert_eq!(regions.free, BTreeMap::from([(0, 256)]));
        }
    }
}
