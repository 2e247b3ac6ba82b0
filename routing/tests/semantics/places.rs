//! A service whose endpoints a test lays out, and what its clients' choices come to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use meshlet_routing::balance::Balance;
use meshlet_routing::model::{Endpoint, Labels, Locality};
use meshlet_routing::table::{Cluster, Scope, Table};

use crate::ask::{pod, service, world};

/// One endpoint of `web`.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// `region/zone/sub-zone`, as far as known.
    pub(crate) locality: &'static str,
    /// Whether it may be used.
    pub(crate) ready: bool,
    /// Its weight.
    pub(crate) weight: u32,
    /// `key=value`, or nothing.
    pub(crate) label: &'static str,
}

/// A ready endpoint of weight 1.
pub(crate) fn at(locality: &'static str) -> Place {
    Place { locality, ready: true, weight: 1, label: "" }
}

/// One that is not ready.
pub(crate) fn unready(locality: &'static str) -> Place {
    Place { ready: false, ..at(locality) }
}

/// A ready one that counts for as many.
pub(crate) fn weighing(weight: u32) -> Place {
    Place { weight, ..at("") }
}

/// Endpoint number `number`, from 0.
pub(crate) fn address(number: usize) -> SocketAddr {
    ([10, 1, 0, u8::try_from(number + 1).expect("few endpoints")], 80).into()
}

fn labels(text: &str) -> Arc<Labels> {
    Arc::new(text.split_once('=').map(|(key, value)| (key.into(), value.into())).into_iter().collect())
}

fn locality(text: &str) -> Arc<Locality> {
    let mut parts = text.split('/').chain(["", "", ""]).map(Box::from);
    let mut next = || parts.next().unwrap_or_default();
    Arc::new(Locality { region: next(), zone: next(), sub_zone: next() })
}

/// A client at a locality with a label.
pub(crate) fn client(place: &str, label: &str) -> Scope {
    Scope { locality: locality(place), ..Scope::new("shop".into(), labels(label)) }
}

/// The cluster that requests for `web` go to. `policy` is the trafficPolicy of its DestinationRule; without one, none.
pub(crate) fn cluster(policy: &str, places: &[Place], client: &Scope) -> Arc<Cluster> {
    let rule = format!("{{host: web, trafficPolicy: {{{policy}}}}}");
    let rule =
        if policy.is_empty() { String::new() } else { crate::ask::istio("DestinationRule", "shop", "web", &rule) };
    let text = service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &rule;
    let mut world = world(&text);
    let mut web = world.services.first().expect("the service").clone();
    let endpoint = |(number, place): (usize, &Place)| Endpoint {
        ready: place.ready,
        weight: NonZeroU32::new(place.weight).expect("a weight above 0"),
        locality: locality(place.locality),
        labels: labels(place.label),
        ..Endpoint::new(address(number))
    };
    web.ports[0].endpoints = places.iter().enumerate().map(endpoint).collect();
    world.services.put(web);
    let table = Table::build(&world, client);
    table.clusters().find(|cluster| cluster.name.starts_with("outbound|80||web")).expect("a cluster").clone()
}

/// Numbers that look drawn at random, the same each time (splitmix64).
pub(crate) fn draws(count: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(|number| {
        let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// How many of 20 000 requests each endpoint gets, by its number; those that get none are left out.
pub(crate) fn shares(balance: &mut Balance, cluster: &Cluster) -> BTreeMap<usize, u64> {
    let mut counts = BTreeMap::new();
    for draw in draws(20_000) {
        let Some(picked) = balance.pick(cluster, None, draw, &[]) else { continue };
        let number = (0..250).find(|number| address(*number) == picked.address).expect("an endpoint");
        *counts.entry(number).or_default() += 1;
    }
    counts
}

/// The shares in per cent, within one per cent.
pub(crate) fn check(balance: &mut Balance, cluster: &Cluster, expected: &[(usize, u64)], what: &str) {
    let found = shares(balance, cluster);
    let keys: Vec<usize> = found.keys().copied().collect();
    assert_eq!(keys, expected.iter().map(|(number, _)| *number).collect::<Vec<_>>(), "{what}: {found:?}");
    for (number, percent) in expected {
        assert!(found[number].abs_diff(percent * 200) <= 200, "{what}: {found:?}, expected {expected:?}");
    }
}
