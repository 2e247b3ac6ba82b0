//! Shares over draws, and keys over rings.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::ring_hash::Ring;
use super::{Balance, Keys, Picked, at, hash, mix};
use crate::model::{Endpoint, HashKey, Hostname, LoadBalancer, Protocol};
use crate::table::Cluster;

fn endpoints(count: usize) -> Vec<Endpoint> {
    let address = |index: usize| format!("10.1.{}.{}:80", index / 250, index % 250 + 1).parse().expect("an address");
    (0..count).map(|index| Endpoint::new(address(index))).collect()
}

fn cluster(load_balancer: LoadBalancer, count: usize) -> Cluster {
    let endpoints: Arc<[Endpoint]> = endpoints(count).into();
    let keys = Keys::new(&load_balancer, &endpoints);
    Cluster {
        name: "outbound|80||a".into(),
        host: Hostname::new("a"),
        port: 80,
        subset: None,
        protocol: Protocol::Http,
        destination_rule: None,
        load_balancer,
        warmup: None,
        locality: Arc::default(),
        connection_pool: Arc::default(),
        outlier_detection: None,
        original_destination: false,
        endpoints,
        selector: Arc::default(),
        keys,
    }
}

fn ring_hash() -> LoadBalancer {
    LoadBalancer::RingHash { key: HashKey::Header("foo".into()), minimum_size: 1024 }
}

fn counts(balance: &mut Balance, cluster: &Cluster, picks: u64) -> HashMap<SocketAddr, u64> {
    let mut counts = HashMap::new();
    for number in 0..picks {
        let picked = balance.pick(cluster, None, mix(number), &[]).expect("an endpoint");
        *counts.entry(picked.address).or_default() += 1;
    }
    counts
}

#[test]
fn given_round_robin_then_the_turns_are_even() {
    let counts = counts(&mut Balance::new(), &cluster(LoadBalancer::RoundRobin, 5), 1000);
    assert!(counts.values().all(|count| *count == 200), "{counts:?}");
}

#[test]
fn given_random_or_idle_least_request_then_shares_are_even() {
    for load_balancer in [LoadBalancer::Random, LoadBalancer::LeastRequest] {
        let counts = counts(&mut Balance::new(), &cluster(load_balancer, 4), 40_000);
        assert!(counts.values().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
    }
}

#[test]
fn given_least_request_then_a_busy_endpoint_is_avoided() {
    let (mut balance, cluster) = (Balance::new(), cluster(LoadBalancer::LeastRequest, 2));
    let held: Vec<Picked> = (0..50).filter_map(|number| balance.pick(&cluster, None, mix(number), &[])).collect();
    let busy = |address| held.iter().filter(|picked| picked.address == address).count();
    let spread: Vec<usize> = cluster.endpoints.iter().map(|endpoint| busy(endpoint.address)).collect();
    assert!(spread.iter().all(|count| (23..=27).contains(count)), "{spread:?}");
    drop(held);
    assert!(balance.busy.values().all(|busy| busy.get() == 0));
}

#[test]
fn given_endpoints_that_were_tried_then_a_retry_takes_another() {
    let mut balance = Balance::new();
    let tried = endpoints(1).first().map(|endpoint| endpoint.address).into_iter().collect::<Vec<_>>();
    let others = (0..1000).filter(|number| {
        let picked = balance.pick(&cluster(LoadBalancer::RoundRobin, 3), None, mix(*number), &tried);
        picked.is_some_and(|picked| !tried.contains(&picked.address))
    });
    assert_eq!(others.count(), 1000);
}

#[test]
fn given_no_endpoints_then_nothing_is_picked() {
    for load_balancer in [LoadBalancer::RoundRobin, LoadBalancer::Random, LoadBalancer::LeastRequest, ring_hash()] {
        assert!(Balance::new().pick(&cluster(load_balancer, 0), Some(1), 1, &[]).is_none());
    }
}

#[test]
fn given_xxh64_then_the_published_vectors_hold() {
    // github.com/Cyan4973/xxHash, tests/sanity_test_vectors.h, and Envoy's test/common/common/hash_test.cc
    assert_eq!(hash(b""), 0xef46_db37_51d8_e999);
    assert_eq!(hash(b"foo"), 3_728_699_739_546_630_719);
    assert_eq!(hash(b"bar"), 5_234_164_152_756_840_025);
}

proptest! {
    #[test]
    fn given_a_key_then_it_stays_with_its_endpoint_over_draws(key in any::<u64>(), draws in prop::collection::vec(any::<u64>(), 8)) {
        let cluster = cluster(ring_hash(), 6);
        let mut balance = Balance::new();
        let first = balance.pick(&cluster, Some(key), 0, &[]).map(|picked| picked.address);
        for draw in draws {
            let tried: Vec<SocketAddr> = first.into_iter().collect();
            prop_assert_eq!(balance.pick(&cluster, Some(key), draw, &tried).map(|picked| picked.address), first);
        }
    }

    /// Keys of the endpoints that stay do not move at all, so what moves is what the one that went had: its ideal share and
    /// at most a few per cent.
    #[test]
    fn given_an_endpoint_that_goes_then_few_keys_beyond_the_ideal_move(count in 2_usize..20, gone in any::<prop::sample::Index>()) {
        let before = endpoints(count);
        let gone = gone.index(count);
        let after: Vec<Endpoint> = before.iter().enumerate().filter(|(index, _)| *index != gone).map(|(_, endpoint)| endpoint.clone()).collect();
        let (old, new) = (Ring::new(&before, 1024), Ring::new(&after, 1024));
        let keys = 20_000_u64;
        let moved = (0..keys).map(mix).filter(|key| {
            let owner = |ring: &Ring, of: &[Endpoint]| ring.pick(*key, |_| true).and_then(|index| of.get(index)).map(|endpoint| endpoint.address);
            owner(&old, &before) != owner(&new, &after)
        }).count();
        let ideal = 1.0 / f64::from(u32::try_from(count).expect("small"));
        let share = f64::from(u32::try_from(moved).expect("small")) / 20_000.0;
        prop_assert!(share < ideal + 0.06, "{} of the keys moved, ideal is {}", share, ideal);
    }

    #[test]
    fn given_all_draws_then_endpoints_have_equal_runs(count in 1_usize..50) {
        let endpoints = endpoints(count);
        let address = |draw: u64| at(&endpoints, draw).map(|endpoint| endpoint.address);
        for (index, endpoint) in endpoints.iter().enumerate().skip(1) {
            // The first draw that is this endpoint's: index / count of the way through all 2^64.
            let first = u64::try_from(((index as u128) << 64).div_ceil(count as u128)).expect("below 2^64");
            prop_assert_eq!(address(first), Some(endpoint.address));
            prop_assert_eq!(address(first - 1), endpoints.get(index - 1).map(|endpoint| endpoint.address));
        }
        prop_assert_eq!(address(0), endpoints.first().map(|endpoint| endpoint.address));
        prop_assert_eq!(address(u64::MAX), endpoints.last().map(|endpoint| endpoint.address));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Of 65537 places every endpoint has its share to within one place, far below 1 %.
    #[test]
    fn given_a_maglev_table_then_it_is_balanced_within_one_per_cent(count in 1_usize..60) {
        let table = Keys::new(&maglev(65_537), &endpoints(count)).expect("a table");
        let mut counts = vec![0_u64; count];
        for place in 0..65_537 {
            counts[table.pick(place, |_| true).expect("an endpoint")] += 1;
        }
        let ideal = 65_537 / count as u64;
        prop_assert!(counts.iter().all(|count| count.abs_diff(ideal) <= ideal.div_ceil(100)), "{:?}", counts);
    }

    /// What an endpoint had must move; beyond that the table of the others differs in a few places.
    #[test]
    fn given_a_maglev_table_when_an_endpoint_goes_then_disruption_is_bounded(count in 2_usize..20, gone in any::<prop::sample::Index>()) {
        let gone = gone.index(count);
        let mut after = endpoints(count);
        after.remove(gone);
        let (old, new) = (Keys::new(&maglev(65_537), &endpoints(count)).expect("a table"), Keys::new(&maglev(65_537), &after).expect("a table"));
        let moved = (0..65_537).filter(|key| {
            let before = old.pick(*key, |_| true).expect("an endpoint");
            let now = new.pick(*key, |_| true).expect("an endpoint");
            before != gone && before != if now < gone { now } else { now + 1 }
        });
        let moved = moved.count();
        prop_assert!(moved < 65_537 / 20, "{} places moved without need", moved);
    }

    /// An endpoint that may not be used gives its keys to others, and no other key moves.
    #[test]
    fn given_an_unusable_endpoint_then_only_its_keys_move(count in 2_usize..8, out in any::<prop::sample::Index>(), key in any::<u64>()) {
        let out = out.index(count);
        for load_balancer in [ring_hash(), maglev(257)] {
            let keys = Keys::new(&load_balancer, &endpoints(count)).expect("a table");
            let (all, without) = (keys.pick(key, |_| true), keys.pick(key, |index| index != out));
            prop_assert!(without.is_some() && without != Some(out));
            prop_assert!(all == Some(out) || all == without);
            prop_assert_eq!(keys.pick(key, |_| false), None);
        }
    }
}

fn maglev(table_size: u32) -> LoadBalancer {
    LoadBalancer::Maglev { key: HashKey::SourceIp, table_size }
}
