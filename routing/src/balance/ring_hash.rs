//! Envoy's ring: each endpoint owns points on a circle of 64-bit hashes, a key belongs to the next point.

use twox_hash::XxHash64;

use crate::model::Endpoint;

/// Envoy's bound of a ring.
const LARGEST: u64 = 8 * 1024 * 1024;

/// XXH64 with seed 0, as Envoy hashes keys and points.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    hash_seeded(0, bytes)
}

/// XXH64.
pub(super) fn hash_seeded(seed: u64, bytes: &[u8]) -> u64 {
    XxHash64::oneshot(seed, bytes)
}

/// Points in ascending order, each with the index of its endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Ring {
    points: Box<[(u64, u32)]>,
}

impl Ring {
    /// Lays out `points` points for every endpoint: the hashes of `ADDRESS:PORT_0`, `ADDRESS:PORT_1` …, Envoy's names of
    /// them (envoy source/extensions/load_balancing_policies/ring_hash/ring_hash_lb.cc, Ring::Ring).
    ///
    /// Envoy shares the ring's minimum size out among the endpoints, so that with every one that goes the others gain
    /// points and take keys from each other: 11 % beyond the ideal from six to five at its default of 1024. Here each
    /// endpoint has that many of its own, times its weight, and no key moves but those of the endpoint that goes.
    pub(crate) fn new(endpoints: &[Endpoint], points: u32) -> Self {
        let weights = weights(endpoints);
        let sum = weights.iter().sum::<u64>().max(1);
        let each = u64::from(points).clamp(1, (LARGEST / sum).max(1));
        let capacity = usize::try_from(each * sum).unwrap_or(0);
        let mut points: Vec<(u64, u32)> = Vec::with_capacity(capacity);
        for ((index, endpoint), weight) in (0_u32..).zip(endpoints).zip(weights) {
            let address = endpoint.address.to_string();
            let own = (0..each * weight).map(|number| (hash(format!("{address}_{number}").as_bytes()), index));
            points.extend(own);
        }
        points.sort_unstable();
        Self { points: points.into() }
    }

    /// The index of the endpoint that owns `key`; where it is not usable, that of the next point whose endpoint is.
    pub(crate) fn pick(&self, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let next = self.points.partition_point(|(point, _)| *point < key);
        let (before, behind) = self.points.split_at(next);
        let owners = behind.iter().chain(before).filter_map(|(_, index)| usize::try_from(*index).ok());
        owners.into_iter().find(|index| usable(*index))
    }
}

/// Weights in their lowest terms, and no more than the largest ring has room for.
fn weights(endpoints: &[Endpoint]) -> Vec<u64> {
    let written = || endpoints.iter().map(|endpoint| u64::from(endpoint.weight.get()));
    let divisor = written().fold(0, greatest_common_divisor).max(1);
    let sum: u64 = written().map(|weight| weight / divisor).sum();
    let excess = sum.div_ceil(LARGEST).max(1);
    written().map(|weight| (weight / divisor / excess).max(1)).collect()
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}
