//! What the kernel decides by itself: the routes of every scope on this node that need no bytes.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use meshlet_routing::decide::Dialled;
use meshlet_routing::model::{Family, PodAddresses};
use meshlet_routing::table::{KernelDestination, KernelPick, KernelRoute, Scope, Table};
use meshlet_wire::RouteKey;

use super::ids::Ids;
use crate::kernel::{Leaf, Pick, RoutePlan};
use crate::metrics::{Destination, Destinations};

/// Numbers of scopes, by which the hooks find a pod's routes; one is never used for another scope.
#[derive(Default)]
pub(crate) struct ScopeNumbers {
    known: HashMap<Scope, u32>,
    last: u32,
}

impl ScopeNumbers {
    /// The number of a scope.
    pub(crate) fn of(&mut self, scope: &Scope) -> u32 {
        if let Some(number) = self.known.get(scope) {
            return *number;
        }
        self.last += 1;
        self.known.insert(scope.clone(), self.last);
        self.last
    }

    /// The scope that a number stands for.
    pub(crate) fn named(&self, number: u32) -> Option<&Scope> {
        self.known.iter().find(|(_, known)| **known == number).map(|(scope, _)| scope)
    }

    /// Forgets scopes that no pod has any more.
    pub(crate) fn keep(&mut self, used: impl Fn(&Scope) -> bool) {
        self.known.retain(|scope, _| used(scope));
    }
}

/// The routes of all scopes to the services that have ids. `pods` are the addresses of captured pods by their places.
pub(crate) fn plan(
    tables: &HashMap<Scope, Arc<Table>>,
    numbers: &mut ScopeNumbers,
    ids: &Ids,
    pods: &[PodAddresses],
    destinations: &mut Destinations,
) -> BTreeMap<RouteKey, RoutePlan> {
    destinations.begin();
    let mut wanted = BTreeMap::new();
    // A client hashes as the address that it speaks from; a place without one of the family is never asked for.
    let of = |family| -> Vec<IpAddr> {
        pods.iter().map(|pod| pod.of(family).unwrap_or(Ipv4Addr::UNSPECIFIED.into())).collect()
    };
    let (v4, v6) = (of(Family::V4), of(Family::V6));
    for (scope, table) in tables {
        let number = numbers.of(scope);
        for ((address, port), service) in ids.live() {
            let pods = match Family::of(address) {
                Family::V4 => &v4,
                Family::V6 => &v6,
            };
            if let Ok(route) = table.kernel_route(Dialled { address, port }, pods) {
                wanted.insert(RouteKey { scope: number, service }, laid_out(route, table, destinations));
            }
        }
    }
    wanted
}

fn laid_out(route: KernelRoute, table: &Table, destinations: &mut Destinations) -> RoutePlan {
    let mut leaves: Vec<(u32, Leaf)> =
        route.destinations.into_iter().map(|(weight, one)| (weight, leaf(one, table, destinations))).collect();
    match leaves.pop() {
        Some((_, only)) if leaves.is_empty() => RoutePlan::Sole(only),
        last => RoutePlan::Weighted(leaves.into_iter().chain(last).collect()),
    }
}

/// Each endpoint is numbered once, however many slots it has.
fn leaf(one: KernelDestination, table: &Table, destinations: &mut Destinations) -> Leaf {
    let Some(cluster) = one.cluster.map(|id| table.cluster(id)) else {
        return Leaf { pick: picked(one.pick), slots: Vec::new() };
    };
    let mut numbers: HashMap<SocketAddr, u32> = HashMap::new();
    let mut number = |address: SocketAddr| {
        *numbers.entry(address).or_insert_with(|| destinations.number(Destination::of(cluster, Some(address))))
    };
    let slots = one.slots.into_iter().map(|address| (address, number(address))).collect();
    Leaf { pick: picked(one.pick), slots }
}

fn picked(pick: KernelPick) -> Pick {
    match pick {
        KernelPick::Random => Pick::Random,
        KernelPick::Turn => Pick::Turn,
        KernelPick::Least => Pick::Least,
        KernelPick::Pod => Pick::Pod,
    }
}
