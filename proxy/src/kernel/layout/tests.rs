//! The arrays as the programs of `ebpf/src/pick.rs` read them, with so little room that there is often none.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::Duration;

use proptest::prelude::*;

use super::super::sizes::MapSize;
use super::*;

/// Longer than a part that was given back is kept.
const LONG: Duration = Duration::from_secs(6);

/// A layout, with the map that says where routes are.
struct Kernel {
    layout: Layout,
    keys: HashMap<RouteKey, u32>,
    now: Instant,
}

impl Kernel {
    fn new(routes: u32, slots: u32, endpoints: u32) -> Self {
        let sizes = [format!("routes={routes}"), format!("slots={slots}"), format!("endpoints={endpoints}")];
        let sizes = Sizes::new(&sizes.map(|text| MapSize::parse(&text).expect("a size")));
        let arrays = Arrays {
            routes: Words::own(routes),
            slots: Words::own(slots),
            endpoints: Words::own(endpoints * ENDPOINT_WORDS),
            open: Words::own(endpoints),
        };
        Self { layout: Layout::new(arrays, &sizes), keys: HashMap::new(), now: Instant::now() }
    }

    fn set(&mut self, wanted: &BTreeMap<RouteKey, RoutePlan>) -> BTreeMap<RouteKey, Full> {
        let (moved, refused) = self.layout.set(wanted, self.now);
        for step in moved {
            match step {
                Moved::To(key, cell) => drop(self.keys.insert(key, cell)),
                Moved::Away(key) => assert!(self.keys.remove(&key).is_some(), "{key:?} was there"),
            }
        }
        refused.into_iter().collect()
    }

    /// Where connects by a route may go and what they are counted by, by what is drawn first and second.
    fn reached(&self, key: RouteKey) -> Option<Vec<Vec<(SocketAddr, u32)>>> {
        let cell = *self.keys.get(&key)?;
        Some(self.slots(cell).into_iter().map(|slot| self.behind(slot)).collect())
    }

    fn behind(&self, slot: Slot) -> Vec<(SocketAddr, u32)> {
        let named = |slot: Slot| (self.endpoint(slot.cell), slot.destination);
        if slot.cell & SUBROUTE == 0 {
            return vec![named(slot)];
        }
        self.slots(slot.cell & !SUBROUTE).into_iter().map(named).collect()
    }

    fn slots(&self, cell: u32) -> Vec<Slot> {
        let route = Route::of(self.layout.arrays.routes.at(cell).load(Ordering::Acquire));
        assert_eq!(route.mode == MODE_REFUSE, route.count == 0, "{route:?}");
        let slots = route.base..route.base + route.count;
        slots.map(|place| Slot::of(self.layout.arrays.slots.at(place).load(Ordering::Acquire))).collect()
    }

    fn endpoint(&self, cell: u32) -> SocketAddr {
        let word = |place| self.layout.arrays.endpoints.at(cell * ENDPOINT_WORDS + place).load(Ordering::Acquire);
        let mut address = [0; 16];
        address[..8].copy_from_slice(&word(0).to_ne_bytes());
        address[8..].copy_from_slice(&word(1).to_ne_bytes());
        let [a, b, ..] = word(2).to_ne_bytes();
        SocketAddr::new(Ipv6Addr::from(address).to_canonical(), u16::from_be_bytes([a, b]))
    }

    fn used(&self) -> [u32; 3] {
        [Sort::Routes, Sort::Slots, Sort::Endpoints].map(|sort| self.layout.used(sort))
    }
}

/// What [`Kernel::reached`] is to be.
fn meant(plan: &RoutePlan) -> Vec<Vec<(SocketAddr, u32)>> {
    match plan {
        RoutePlan::Sole(leaf) => leaf.slots.iter().map(|slot| vec![*slot]).collect(),
        RoutePlan::Weighted(leaves) => {
            let times = |(weight, leaf): &(u32, Leaf)| (0..*weight).map(|_| leaf.slots.clone()).collect::<Vec<_>>();
            leaves.iter().flat_map(times).collect()
        }
    }
}

fn key(service: u32) -> RouteKey {
    RouteKey { scope: 1, service }
}

fn leaf(hosts: &[u8]) -> Leaf {
    let slots = hosts.iter().map(|host| (SocketAddr::from(([10, 0, 0, *host], 80)), 100 + u32::from(*host))).collect();
    Leaf { pick: Pick::Random, slots }
}

fn sole(hosts: &[u8]) -> RoutePlan {
    RoutePlan::Sole(leaf(hosts))
}

fn wanted(plans: impl IntoIterator<Item = (u32, RoutePlan)>) -> BTreeMap<RouteKey, RoutePlan> {
    plans.into_iter().map(|(service, plan)| (key(service), plan)).collect()
}

#[test]
fn given_a_route_of_several_destinations_then_each_slot_leads_to_one_in_its_share() {
    let mut kernel = Kernel::new(8, 64, 8);
    let plan = RoutePlan::Weighted(vec![(1, leaf(&[1])), (3, leaf(&[2, 3]))]);
    assert!(kernel.set(&wanted([(1, plan.clone())])).is_empty());
    assert_eq!(kernel.reached(key(1)), Some(meant(&plan)));
    assert_eq!(kernel.used(), [3, 7, 3]);
}

#[test]
fn given_full_arrays_then_a_new_route_is_refused_by_what_is_full_and_the_old_ones_stay() {
    for (sizes, full, newer) in [
        ((1, 64, 8), Sort::Routes, sole(&[1])),
        ((8, 2, 8), Sort::Slots, sole(&[1])),
        ((8, 64, 2), Sort::Endpoints, sole(&[3])),
        // What is above its destinations does not fit.
        ((3, 64, 8), Sort::Routes, RoutePlan::Weighted(vec![(1, leaf(&[1])), (1, leaf(&[2]))])),
        ((8, 5, 8), Sort::Slots, RoutePlan::Weighted(vec![(1, leaf(&[1])), (2, leaf(&[2]))])),
    ] {
        let (routes, slots, endpoints) = sizes;
        let mut kernel = Kernel::new(routes, slots, endpoints);
        let old = wanted([(7, sole(&[1, 2]))]);
        assert!(kernel.set(&old).is_empty());
        let mut both = old.clone();
        both.insert(key(1), newer);
        for _ in 0..50 {
            // Room for the new one would have to come from what the refusals before have lost.
            assert_eq!(kernel.set(&both), BTreeMap::from([(key(1), Full(full))]), "{sizes:?}");
            assert_eq!((kernel.reached(key(7)), kernel.reached(key(1))), (Some(meant(&sole(&[1, 2]))), None));
            kernel.now += LONG;
        }
        kernel.set(&old);
        kernel.now += LONG;
        kernel.set(&old);
        assert_eq!(kernel.used(), [1, 2, 2], "{sizes:?}: nothing is lost");
    }
}

#[test]
fn given_a_route_that_grows_beyond_the_room_then_it_is_nobodys_any_more_and_not_what_it_was() {
    let mut kernel = Kernel::new(4, 4, 8);
    kernel.set(&wanted([(1, sole(&[1, 2]))]));
    let grown = wanted([(1, sole(&[3, 4, 5]))]);
    assert_eq!(kernel.set(&grown), BTreeMap::from([(key(1), Full(Sort::Slots))]));
    assert_eq!(kernel.reached(key(1)), None, "the proxy decides, by what is true now");
    kernel.now += LONG;
    assert!(kernel.set(&grown).is_empty(), "what it had is free");
    assert_eq!(kernel.reached(key(1)), Some(meant(&sole(&[3, 4, 5]))));
}

#[test]
fn given_a_route_that_becomes_one_of_several_destinations_and_does_not_fit_then_its_cell_is_not_lost() {
    let mut kernel = Kernel::new(4, 64, 2);
    let several = RoutePlan::Weighted(vec![(1, leaf(&[1])), (1, leaf(&[2, 3]))]);
    for _ in 0..20 {
        assert!(kernel.set(&wanted([(1, sole(&[1]))])).is_empty());
        assert_eq!(kernel.set(&wanted([(1, several.clone())])), BTreeMap::from([(key(1), Full(Sort::Endpoints))]));
        kernel.now += LONG;
    }
    kernel.set(&BTreeMap::new());
    assert_eq!(kernel.used(), [0, 0, 0]);
}

fn any_leaf() -> impl Strategy<Value = Leaf> {
    prop::collection::vec(1_u8..12, 0..5).prop_map(|hosts| leaf(&hosts))
}

fn any_plan() -> impl Strategy<Value = RoutePlan> {
    prop_oneof![
        any_leaf().prop_map(RoutePlan::Sole),
        prop::collection::vec((1_u32..4, any_leaf()), 2..4).prop_map(RoutePlan::Weighted),
    ]
}

proptest! {
    #[test]
    fn given_any_history_then_a_route_leads_where_it_should_or_is_refused_and_nothing_is_lost(
        steps in prop::collection::vec((prop::collection::btree_map(0_u32..6, any_plan(), 0..6), 0_u64..9), 1..40),
        sizes in (1_u32..14, 1_u32..40, 1_u32..12),
    ) {
        let mut kernel = Kernel::new(sizes.0, sizes.1, sizes.2);
        for (plans, pause) in steps {
            let wanted = wanted(plans);
            let refused = kernel.set(&wanted);
            let routed: BTreeSet<RouteKey> = kernel.keys.keys().copied().collect();
            let expected: BTreeSet<RouteKey> = wanted.keys().filter(|key| !refused.contains_key(key)).copied().collect();
            prop_assert_eq!(routed, expected);
            for (key, plan) in wanted.iter().filter(|(key, _)| !refused.contains_key(key)) {
                prop_assert_eq!(kernel.reached(*key), Some(meant(plan)));
            }
            kernel.now += Duration::from_secs(pause);
        }
        kernel.set(&BTreeMap::new());
        kernel.now += LONG;
        kernel.set(&BTreeMap::new());
        prop_assert_eq!(kernel.used(), [0, 0, 0]);
    }

    #[test]
    fn given_a_program_that_has_just_read_a_route_then_what_it_read_keeps_its_meaning_while_it_runs(
        before in any_plan(),
        after in prop::collection::vec(prop::collection::btree_map(0_u32..6, any_plan(), 0..6), 1..6),
    ) {
        let mut kernel = Kernel::new(64, 400, 12);
        kernel.set(&wanted([(0, before)]));
        let read: Vec<(u32, SocketAddr)> = kernel.keys.get(&key(0)).map_or_else(Vec::new, |cell| {
            kernel.slots(*cell).into_iter().map(|slot| slot.cell).filter(|cell| cell & SUBROUTE == 0).map(|cell| (cell, kernel.endpoint(cell))).collect()
        });
        for plans in after {
            kernel.set(&wanted(plans));
            for (cell, endpoint) in &read {
                prop_assert_eq!(kernel.endpoint(*cell), *endpoint);
            }
        }
    }
}
