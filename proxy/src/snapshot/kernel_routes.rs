//! What the kernel decides by itself: the routes of every scope on this node that need no bytes.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use meshlet_routing::decide::Dialled;
use meshlet_routing::table::{KernelDestination, KernelPick, KernelRoute, Scope, Table};
use meshlet_wire::RouteKey;

use super::ids::Ids;
use crate::kernel::{Leaf, Pick, RoutePlan};

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
    pods: &[IpAddr],
) -> BTreeMap<RouteKey, RoutePlan> {
    let mut wanted = BTreeMap::new();
    for (scope, table) in tables {
        let number = numbers.of(scope);
        for ((address, port), service) in ids.live() {
            if let Ok(route) = table.kernel_route(Dialled { address, port }, pods) {
                wanted.insert(RouteKey { scope: number, service }, laid_out(route));
            }
        }
    }
    wanted
}

fn laid_out(KernelRoute { mut destinations }: KernelRoute) -> RoutePlan {
    let leaf = |KernelDestination { pick, slots }| Leaf { pick: picked(pick), slots };
    match destinations.pop() {
        Some((_, only)) if destinations.is_empty() => RoutePlan::Sole(leaf(only)),
        last => {
            RoutePlan::Weighted(destinations.into_iter().chain(last).map(|(weight, one)| (weight, leaf(one))).collect())
        }
    }
}

fn picked(pick: KernelPick) -> Pick {
    match pick {
        KernelPick::Random => Pick::Random,
        KernelPick::Turn => Pick::Turn,
        KernelPick::Least => Pick::Least,
        KernelPick::Pod => Pick::Pod,
    }
}
