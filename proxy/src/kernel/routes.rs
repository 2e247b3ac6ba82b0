//! Routes that the kernel decides by itself, laid out in shared memory: route word → slots → endpoints.
//!
//! What a route names is written before the route, and not used for anything else before every connect that may have read
//! it is long over. A change of endpoints costs no system call; a service that comes or goes costs one.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use aya::Ebpf;
use aya::maps::{HashMap as KernelMap, Map, MapData};
use meshlet_wire::{
    ENDPOINTS, EndpointEntry, MODE_LEAST, MODE_POD, MODE_RANDOM, MODE_REFUSE, MODE_TURN, ROUTES, Route, RouteKey,
    SLOTS, SUBROUTE,
};

use super::cells::{Addresses, Cells, Region, Regions};
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
    /// One entry a slot; none at all means that the connect is refused.
    pub(crate) slots: Vec<SocketAddr>,
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

/// The routes in force. One writer: the node loop.
pub(crate) struct Routes {
    keys: KernelMap<MapData, RouteKey, u32>,
    routes: Words,
    slots: Words,
    endpoints: Words,
    open: Words,
    written: HashMap<RouteKey, Written>,
    cells: Cells,
    regions: Regions,
    addresses: Addresses,
}

impl Routes {
    pub(super) fn take(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        let keys = ebpf.take_map("meshlet_l4").ok_or_else(|| anyhow!("the kernel object has no map meshlet_l4"))?;
        Ok(Self {
            keys: KernelMap::try_from(keys)?,
            routes: array(ebpf, "meshlet_routes", ROUTES)?,
            slots: array(ebpf, "meshlet_slots", SLOTS)?,
            endpoints: array(ebpf, "meshlet_ends", ENDPOINTS * ENDPOINT_WORDS)?,
            open: array(ebpf, "meshlet_open", ENDPOINTS)?,
            written: HashMap::new(),
            cells: Cells::new(ROUTES),
            regions: Regions::new(SLOTS),
            addresses: Addresses::new(ENDPOINTS),
        })
    }

    /// Decides exactly `wanted` in the kernel. What does not fit is left to the proxy; it is returned with the reason, the rest
    /// goes on.
    pub(crate) fn set(
        &mut self,
        wanted: &BTreeMap<RouteKey, RoutePlan>,
        now: Instant,
    ) -> Vec<(RouteKey, anyhow::Error)> {
        self.cells.reclaim(now);
        self.regions.reclaim(now);
        self.addresses.reclaim(now);
        let gone: Vec<RouteKey> = self.written.keys().filter(|key| !wanted.contains_key(*key)).copied().collect();
        for key in gone {
            self.withdraw(key, now);
        }
        let mut failed = Vec::new();
        for (key, plan) in wanted {
            if self.written.get(key).is_some_and(|written| written.plan == *plan) {
                continue;
            }
            if let Err(error) = self.write(*key, plan, now) {
                self.withdraw(*key, now);
                failed.push((*key, error));
            }
        }
        failed
    }

    /// Lays a plan out; where there was one, its cells stay what they are, with whose turn it is.
    fn write(&mut self, key: RouteKey, plan: &RoutePlan, now: Instant) -> anyhow::Result<()> {
        let before = self.written.remove(&key);
        let (mut old_top, old_legs) = before.map_or((None, Vec::new()), |written| (Some(written.top), written.legs));
        let mut old_legs = old_legs.into_iter();
        let mut legs = Vec::new();
        let leaves: &[(u32, Leaf)] = if let RoutePlan::Weighted(leaves) = plan { leaves } else { &[] };
        let fresh = old_top.is_none();
        let laid = leaves
            .iter()
            .try_for_each(|(_, leaf)| self.lay(leaf, old_legs.next(), now).map(|laid| legs.push(laid)))
            .and_then(|()| match plan {
                RoutePlan::Sole(leaf) => self.lay(leaf, old_top.take(), now),
                RoutePlan::Weighted(leaves) => {
                    let shares = legs.iter().zip(leaves).map(|(laid, (weight, _))| (laid.cell | SUBROUTE, *weight));
                    let slots: Vec<u32> = shares.flat_map(|(slot, weight)| (0..weight).map(move |_| slot)).collect();
                    self.lay_slots(MODE_RANDOM, &slots, old_top.take(), now)
                }
            });
        // What it no longer has.
        old_legs.chain(old_top).for_each(|laid| self.clear(laid, now));
        match laid {
            Ok(top) => {
                let cell = top.cell;
                self.written.insert(key, Written { plan: plan.clone(), top, legs });
                if fresh { self.keys.insert(key, cell, 0).context("writing map meshlet_l4") } else { Ok(()) }
            }
            Err(error) => {
                legs.into_iter().for_each(|laid| self.clear(laid, now));
                drop(self.keys.remove(&key));
                Err(error)
            }
        }
    }

    fn lay(&mut self, leaf: &Leaf, before: Option<Laid>, now: Instant) -> anyhow::Result<Laid> {
        let mut slots = Vec::with_capacity(leaf.slots.len());
        for address in &leaf.slots {
            let Some((cell, fresh)) = self.addresses.hold(*address) else {
                leaf.slots.iter().take(slots.len()).for_each(|address| self.addresses.release(*address, now));
                before.into_iter().for_each(|laid| self.clear(laid, now));
                return Err(anyhow!("map meshlet_ends is full"));
            };
            if fresh {
                self.write_endpoint(cell, *address);
            }
            slots.push(cell);
        }
        let laid = self.lay_slots(mode(leaf), &slots, before, now);
        match laid {
            Ok(laid) => Ok(Laid { held: leaf.slots.clone(), ..laid }),
            Err(error) => {
                leaf.slots.iter().for_each(|address| self.addresses.release(*address, now));
                Err(error)
            }
        }
    }

    /// Slots first, then the word that names them; what was there before is not used for anything else for a while.
    fn lay_slots(&mut self, mode: u8, slots: &[u32], before: Option<Laid>, now: Instant) -> anyhow::Result<Laid> {
        let room = u32::try_from(slots.len()).ok().and_then(|count| self.regions.take(count));
        let cell = before.as_ref().map(|laid| laid.cell).or_else(|| self.cells.take());
        let (Some(region), Some(cell)) = (room, cell) else {
            room.into_iter().for_each(|region| self.regions.retire(region, now));
            before.into_iter().for_each(|laid| self.clear(laid, now));
            return Err(anyhow!("map meshlet_slots or meshlet_routes is full"));
        };
        for (place, slot) in (region.base..).zip(slots) {
            self.slots.at(place).store(u64::from(*slot), Ordering::Release);
        }
        let word = Route { mode, base: region.base, count: region.count }.word();
        self.routes.at(cell).store(word, Ordering::Release);
        if let Some(laid) = before {
            laid.held.iter().for_each(|address| self.addresses.release(*address, now));
            self.regions.retire(laid.region, now);
        }
        Ok(Laid { cell, region, held: Vec::new() })
    }

    fn withdraw(&mut self, key: RouteKey, now: Instant) {
        let Some(written) = self.written.remove(&key) else { return };
        // Gone already is as good as gone now.
        drop(self.keys.remove(&key));
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
        self.open.at(cell).store(0, Ordering::Relaxed);
        let [a, b] = entry.port;
        let first = cell * ENDPOINT_WORDS;
        self.endpoints.at(first).store(low, Ordering::Relaxed);
        self.endpoints.at(first + 1).store(high, Ordering::Relaxed);
        self.endpoints.at(first + 2).store(u64::from_ne_bytes([a, b, 0, 0, 0, 0, 0, 0]), Ordering::Release);
    }
}

/// Words of an [`EndpointEntry`].
const ENDPOINT_WORDS: u32 = 3;
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

fn array(ebpf: &Ebpf, name: &str, words: u32) -> anyhow::Result<Words> {
    let map = ebpf.map(name).ok_or_else(|| anyhow!("the kernel object has no map {name}"))?;
    let Map::Array(data) = map else { return Err(anyhow!("{name} is not an array")) };
    Words::map(data.fd().as_fd(), words).with_context(|| format!("mapping {name}"))
}
