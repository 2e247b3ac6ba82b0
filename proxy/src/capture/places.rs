//! Places of captured pods among those of the node: what is hashed by a pod's address is laid out by its place.

use std::collections::BTreeSet;

use meshlet_routing::model::PodAddresses;

use super::enrolled::Enrolled;

/// The lowest place that no captured pod has.
pub(crate) fn free<'e>(enrolled: impl Iterator<Item = &'e Enrolled>) -> u32 {
    let taken: BTreeSet<u32> = enrolled.map(|pod| pod.place).collect();
    (0..).find(|place| !taken.contains(place)).unwrap_or(u32::MAX)
}

/// The addresses of captured pods by their places. A place that is free is nobody's: it has none.
pub(crate) fn addresses<'e>(enrolled: impl Iterator<Item = &'e Enrolled>) -> Vec<PodAddresses> {
    let mut addresses = Vec::new();
    for pod in enrolled {
        let place = usize::try_from(pod.place).unwrap_or_default();
        if addresses.len() <= place {
            addresses.resize(place + 1, PodAddresses::default());
        }
        addresses[place] = pod.addresses;
    }
    addresses
}
