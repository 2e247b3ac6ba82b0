//! Where routes lie in the arrays that programs read: route word → slots → endpoints. Which cells are whose is decided here, and
//! written; no system call is made.
//!
//! What a route names is written before the route, and not used for anything else before every connect that may have read
//! it is long over.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Instant;

use meshlet_wire::{
    EndpointEntry, MODE_LEAST, MODE_POD, MODE_RANDOM, MODE_REFUSE, MODE_TURN, Route, RouteKey, SUBROUTE, Slot,
};

use super::cells::{Addresses, Cells, Region, Regions};
use super::sizes::{Sizes, Sort};
use super::words::Words;

/// How a slot is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// At random.
    Random,
    /// By the pod's own place: its consistent hash has been taken already.
    Pod,
    /// In turn.
    Turn,
    /// The less busy of two.
    Least,
}

/// What one scope's connects to one service do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoutePlan {
    /// To one destination.
    Sole(Leaf),
    /// To several, each with its share.
    Weighted(Vec<(u32, Leaf)>),
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// How.
    pub(crate) pick: Pick,
    /// One entry a slot, an endpoint and the number that its connections are counted by; none at all means that the connect is
    /// refused.
    pub(crate) slots: Vec<(SocketAddr, u32)>,
}

/// A plan as it is laid out.
struct Written {
    plan: RoutePlan,
    top: Laid,
    /// One for each destination of several.
    legs: Vec<Laid>,
}

/// A route in its cell.
struct Laid {
    cell: u32,
    region: Region,
    /// What its slots hold.
    held: Vec<SocketAddr>,
}

/// The arrays.
pub(super) struct Arrays {
    pub(super) routes: Words,
    pub(super) slots: Words,
    pub(super) endpoints: Words,
    pub(super) open: Words,
}

/// Where a route is found is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// In this cell.
    To(RouteKey, u32),
    /// Nowhere.
    Away(RouteKey),
}

/// What the arrays have no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Full(pub(super) Sort);

/// See the module. One writer: the node loop.
pub(super) struct Layout {
    arrays: Arrays,
    written: HashMap<RouteKey, Written>,
    cells: Cells,
    regions: Regions,
    addresses: Addresses,
}

impl Layout {
    pub(super) fn new(arrays: Arrays, sizes: &Sizes) -> Self {
        Self {
            arrays,
            written: HashMap::new(),
            cells: Cells::new(sizes.of(Sort::Routes)),
            regions: Regions::new(sizes.of(Sort::Slots)),
            addresses: Addresses::new(sizes.of(Sort::Endpoints)),
        }
    }

    /// Lays out exactly `wanted`; `moved` is to be carried out before the next call. What does not fit has no route at all; it is
    /// returned with what there is no room for, and the rest goes on.
    pub(super) fn set(
        &mut self,
        wanted: &BTreeMap<RouteKey, RoutePlan>,
        now: Instant,
    ) -> (Vec<Moved>, Vec<(RouteKey, Full)>) {
        self.cells.reclaim(now);
        self.regions.reclaim(now);
        self.addresses.reclaim(now);
        let (mut moved, mut refused) = (Vec::new(), Vec::new());
        let gone: Vec<RouteKey> = self.written.keys().filter(|key| !wanted.contains_key(*key)).copied().collect();
        for key in gone {
            self.withdraw(key, now);
            moved.push(Moved::Away(key));
        }
        for (key, plan) in wanted {
            let known = self.written.get(key);
            if known.is_some_and(|written| written.plan == *plan) {
                continue;
            }
            let before = known.map(|written| written.top.cell);
            match self.write(*key, plan, now) {
                Ok(cell) if before == Some(cell) => {}
                Ok(cell) => moved.push(Moved::To(*key, cell)),
                Err(full) => {
                    moved.extend(before.map(|_| Moved::Away(*key)));
                    refused.push((*key, full));
                }
            }
        }
        (moved, refused)
    }

    /// What is laid out.
    pub(super) fn plans(&self) -> impl Iterator<Item = (RouteKey, &RoutePlan)> {
        self.written.iter().map(|(key, written)| (*key, &written.plan))
    }

    /// Connections that the programs count for an endpoint.
    pub(super) fn open(&self, endpoint: SocketAddr) -> u64 {
        self.addresses.cell(endpoint).map_or(0, |cell| self.arrays.open.at(cell).load(Ordering::Relaxed))
    }

    /// How many parts of an array are somebody's, or will be nobody's after a while.
    pub(super) fn used(&self, sort: Sort) -> u32 {
        match sort {
            Sort::Routes => self.cells.used(),
            Sort::Slots => self.regions.used(),
            Sort::Endpoints => self.addresses.used(),
            Sort::Services | Sort::Seen | Sort::Pods | Sort::Ports | Sort::Ranges => 0,
        }
    }

    /// Lays a plan out and gives the cell of its route; where there was one, its cells stay what they are, with whose turn it is.
    fn write(&mut self, key: RouteKey, plan: &RoutePlan, now: Instant) -> Result<u32, Full> {
        let before = self.written.remove(&key);
        let (mut old_top, old_legs) = before.map_or((None, Vec::new()), |written| (Some(written.top), written.legs));
        let mut old_legs = old_legs.into_iter();
        let mut legs = Vec::new();
        let leaves: &[(u32, Leaf)] = if let RoutePlan::Weighted(leaves) = plan { leaves } else { &[] };
        let laid = leaves
            .iter()
            .try_for_each(|(_, leaf)| self.lay(leaf, old_legs.next(), now).map(|laid| legs.push(laid)))
            .and_then(|()| match plan {
                RoutePlan::Sole(leaf) => self.lay(leaf, old_top.take(), now),
                RoutePlan::Weighted(leaves) => {
                    let shares = legs
                        .iter()
                        .zip(leaves)
                        .map(|(laid, (weight, _))| (Slot { cell: laid.cell | SUBROUTE, destination: 0 }, *weight));
                    let slots: Vec<Slot> = shares.flat_map(|(slot, weight)| (0..weight).map(move |_| slot)).collect();
                    self.lay_slots(MODE_RANDOM, &slots, old_top.take(), now)
                }
            });
        // What it no longer has.
        old_legs.chain(old_top).for_each(|laid| self.clear(laid, now));
        match laid {
            Ok(top) => {
                let cell = top.cell;
                self.written.insert(key, Written { plan: plan.clone(), top, legs });
                Ok(cell)
            }
            Err(full) => {
                legs.into_iter().for_each(|laid| self.clear(laid, now));
                Err(full)
            }
        }
    }

    fn lay(&mut self, leaf: &Leaf, before: Option<Laid>, now: Instant) -> Result<Laid, Full> {
        let mut slots = Vec::with_capacity(leaf.slots.len());
        for (address, destination) in &leaf.slots {
            let Some((cell, fresh)) = self.addresses.hold(*address) else {
                leaf.slots.iter().take(slots.len()).for_each(|(address, _)| self.addresses.release(*address, now));
                before.into_iter().for_each(|laid| self.clear(laid, now));
                return Err(Full(Sort::Endpoints));
            };
            if fresh {
                self.write_endpoint(cell, *address);
            }
            slots.push(Slot { cell, destination: *destination });
        }
        let laid = self.lay_slots(mode(leaf), &slots, before, now);
        match laid {
            Ok(laid) => Ok(Laid { held: leaf.slots.iter().map(|(address, _)| *address).collect(), ..laid }),
            Err(full) => {
                leaf.slots.iter().for_each(|(address, _)| self.addresses.release(*address, now));
                Err(full)
            }
        }
    }

    /// Slots first, then the word that names them; what was there before is not used for anything else for a while.
    fn lay_slots(&mut self, mode: u8, slots: &[Slot], before: Option<Laid>, now: Instant) -> Result<Laid, Full> {
        let room = u32::try_from(slots.len()).ok().and_then(|count| self.regions.take(count));
        let cell = before.as_ref().map(|laid| laid.cell).or_else(|| self.cells.take());
        let (Some(region), Some(cell)) = (room, cell) else {
            let full = Full(if room.is_none() { Sort::Slots } else { Sort::Routes });
            room.into_iter().for_each(|region| self.regions.retire(region, now));
            match before {
                Some(laid) => self.clear(laid, now),
                None => cell.into_iter().for_each(|cell| self.cells.retire(cell, now)),
            }
            return Err(full);
        };
        for (place, slot) in (region.base..).zip(slots) {
            self.arrays.slots.at(place).store(slot.word(), Ordering::Release);
        }
        let word = Route { mode, base: region.base, count: region.count }.word();
        self.arrays.routes.at(cell).store(word, Ordering::Release);
        if let Some(laid) = before {
            laid.held.iter().for_each(|address| self.addresses.release(*address, now));
            self.regions.retire(laid.region, now);
        }
        Ok(Laid { cell, region, held: Vec::new() })
    }

    /// Forgets a route.
    pub(super) fn withdraw(&mut self, key: RouteKey, now: Instant) {
        let Some(written) = self.written.remove(&key) else { return };
        written.legs.into_iter().chain([written.top]).for_each(|laid| self.clear(laid, now));
    }

    fn clear(&mut self, laid: Laid, now: Instant) {
        laid.held.iter().for_each(|address| self.addresses.release(*address, now));
        self.regions.retire(laid.region, now);
        self.cells.retire(laid.cell, now);
    }

    /// Nobody names the cell yet.
    fn write_endpoint(&self, cell: u32, address: SocketAddr) {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let entry = EndpointEntry { address: ip.octets(), port: address.port().to_be_bytes(), reserved: [0; 6] };
        let [low, high] = [&entry.address[..8], &entry.address[8..]].map(|half| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(half);
            u64::from_ne_bytes(bytes)
        });
        // Nobody is connected to it yet.
        self.arrays.open.at(cell).store(0, Ordering::Relaxed);
        let [a, b] = entry.port;
        let first = cell * ENDPOINT_WORDS;
        self.arrays.endpoints.at(first).store(low, Ordering::Relaxed);
        self.arrays.endpoints.at(first + 1).store(high, Ordering::Relaxed);
        self.arrays.endpoints.at(first + 2).store(u64::from_ne_bytes([a, b, 0, 0, 0, 0, 0, 0]), Ordering::Release);
    }
}

/// Words of an [`EndpointEntry`].
pub(super) const ENDPOINT_WORDS: u32 = 3;
const _: () = assert!(size_of::<EndpointEntry>() == 24, "an endpoint is written in three words");

fn mode(leaf: &Leaf) -> u8 {
    match leaf.pick {
        _ if leaf.slots.is_empty() => MODE_REFUSE,
        Pick::Random => MODE_RANDOM,
        Pick::Pod => MODE_POD,
        Pick::Turn => MODE_TURN,
        Pick::Least => MODE_LEAST,
    }
}

#[cfg(test)]
mod tests;
