//! Envoy's Maglev table: every endpoint has its own order of preference over the places, and they take turns.

use super::ring_hash::{hash, hash_seeded};
use crate::model::Endpoint;

/// One endpoint's way through the places.
struct Order {
    index: u32,
    next: u64,
    skip: u64,
    weight: u64,
    /// What it has saved up towards a turn.
    credit: u64,
}

/// Which endpoint has each place.
#[derive(Debug, Clone)]
pub(crate) struct Maglev {
    places: Box<[u32]>,
}

impl Maglev {
    /// Fills `size` places, a prime, evenly to within one
    /// (envoy source/extensions/load_balancing_policies/maglev/maglev_lb.cc, OriginalMaglevTable::constructImplementationInternals).
    pub(crate) fn new(endpoints: &[Endpoint], size: u32) -> Self {
        const FREE: u32 = u32::MAX;
        let wide = u64::from(size.max(2));
        // Of unequal weights the heaviest has a turn in every round, the others as often as their part of that weight says.
        let heaviest = endpoints.iter().map(|endpoint| u64::from(endpoint.weight.get())).max().unwrap_or(1);
        let mut orders: Vec<Order> = (0..)
            .zip(endpoints)
            .map(|(index, endpoint)| {
                let address = endpoint.address.to_string();
                let (offset, skip) = (hash(address.as_bytes()), hash_seeded(1, address.as_bytes()));
                let weight = u64::from(endpoint.weight.get());
                Order { index, next: offset % wide, skip: skip % (wide - 1) + 1, weight, credit: 0 }
            })
            .collect();
        if orders.is_empty() {
            return Self { places: Box::default() };
        }
        let mut places = vec![FREE; usize::try_from(wide).unwrap_or_default()];
        let mut free = places.len();
        'filled: loop {
            for Order { index, next, skip, weight, credit } in &mut orders {
                *credit += *weight;
                if *credit < heaviest {
                    continue;
                }
                *credit -= heaviest;
                // Skips are prime to the size, so each order visits every place.
                let place = loop {
                    let place = usize::try_from(*next).ok().and_then(|place| places.get_mut(place));
                    *next = (*next + *skip) % wide;
                    match place {
                        Some(place) if *place == FREE => break place,
                        _ => {}
                    }
                };
                *place = *index;
                free -= 1;
                if free == 0 {
                    break 'filled;
                }
            }
        }
        Self { places: places.into() }
    }

    /// The index of the endpoint that has `key`; where it is not usable, that of the next place whose endpoint is.
    pub(crate) fn pick(&self, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let size = u64::try_from(self.places.len()).ok()?;
        let start = usize::try_from(key.checked_rem(size)?).ok()?;
        let from_start = self.places.iter().cycle().skip(start).take(self.places.len());
        from_start.filter_map(|index| usize::try_from(*index).ok()).find(|index| usable(*index))
    }
}
