//! Routes that the kernel decides by itself: which route is whose is a hash map, the routes themselves are shared memory
//! ([`super::layout`]). A change of endpoints costs no system call; a service that comes or goes costs one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use aya::Ebpf;
use aya::maps::{HashMap as KernelMap, Map, MapData};
use meshlet_wire::RouteKey;

use super::layout::{Arrays, ENDPOINT_WORDS, Layout, Moved, RoutePlan};
use super::sizes::{Sizes, Sort};
use super::words::Words;

/// The routes in force. One writer: the node loop.
pub(crate) struct Routes {
    keys: KernelMap<MapData, RouteKey, u32>,
    layout: Layout,
}

impl Routes {
    pub(super) fn take(ebpf: &mut Ebpf, sizes: &Sizes) -> anyhow::Result<Self> {
        let keys = ebpf.take_map("meshlet_l4").ok_or_else(|| anyhow!("the kernel object has no map meshlet_l4"))?;
        let (routes, endpoints) = (sizes.of(Sort::Routes), sizes.of(Sort::Endpoints));
        let arrays = Arrays {
            routes: array(ebpf, "meshlet_routes", routes)?,
            slots: array(ebpf, "meshlet_slots", sizes.of(Sort::Slots))?,
            endpoints: array(ebpf, "meshlet_ends", endpoints * ENDPOINT_WORDS)?,
            open: array(ebpf, "meshlet_open", endpoints)?,
        };
        Ok(Self { keys: KernelMap::try_from(keys)?, layout: Layout::new(arrays, sizes) })
    }

    /// Decides exactly `wanted` in the kernel. What does not fit is left to the proxy; it is returned with what there is no room
    /// for, the rest goes on.
    pub(crate) fn set(&mut self, wanted: &BTreeMap<RouteKey, RoutePlan>, now: Instant) -> Vec<(RouteKey, Sort)> {
        let (moved, refused) = self.layout.set(wanted, now);
        let mut refused: Vec<(RouteKey, Sort)> = refused.into_iter().map(|(key, full)| (key, full.0)).collect();
        for step in moved {
            match step {
                // Gone already is as good as gone now.
                Moved::Away(key) => drop(self.keys.remove(&key)),
                Moved::To(key, cell) => {
                    if self.keys.insert(key, cell, 0).is_err() {
                        self.layout.withdraw(key, now);
                        refused.push((key, Sort::Routes));
                    }
                }
            }
        }
        refused
    }

    /// What is laid out.
    pub(crate) fn plans(&self) -> impl Iterator<Item = (RouteKey, &RoutePlan)> {
        self.layout.plans()
    }

    /// Connections to an endpoint that the kernel has picked it for.
    pub(crate) fn open(&self, endpoint: SocketAddr) -> u64 {
        self.layout.open(endpoint)
    }

    /// How many of a sort are in use.
    pub(super) fn used(&self, sort: Sort) -> u32 {
        self.layout.used(sort)
    }
}

fn array(ebpf: &Ebpf, name: &str, words: u32) -> anyhow::Result<Words> {
    let map = ebpf.map(name).ok_or_else(|| anyhow!("the kernel object has no map {name}"))?;
    let Map::Array(data) = map else { return Err(anyhow!("{name} is not an array")) };
    Words::map(data.fd().as_fd(), words).with_context(|| format!("mapping {name}"))
}
