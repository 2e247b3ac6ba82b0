//! Shares over draws, and keys over rings.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::layout::{Layout, Plan};
use super::outlier::Outliers;
use super::ring_hash::Ring;
use super::shares::{Shares, scale};
use super::{Balance, Keys, Outcome, Picked, hash, mix, warmup};
use crate::model::{Endpoint, HashKey, Hostname, Kind, LoadBalancer, ObjectRef, OutlierDetection, Protocol, Warmup};
use crate::table::{Cluster, Finding, Scope};

fn endpoints(count: usize) -> Vec<Endpoint> {
    let address = |index: usize| format!("10.1.{}.{}:80", index / 250, index % 250 + 1).parse().expect("an address");
    (0..count).map(|index| Endpoint::new(address(index))).collect()
}

fn cluster(load_balancer: LoadBalancer, count: usize) -> Cluster {
    let endpoints: Arc<[Endpoint]> = endpoints(count).into();
    let plan = Plan { weight: 1, ready: (0..).take(count).collect(), ..Plan::default() };
    let layout = Layout::new(vec![plan], &endpoints, &load_balancer);
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
        tls: None,
        finding: Finding::Endpoints,
        unresolved: false,
        service: ObjectRef { kind: Kind::Service, namespace: "default".into(), name: "a".into() },
        node_local: false,
        near_first: false,
        endpoints,
        selector: Arc::default(),
        layout: layout.into(),
        client: Arc::new(Scope::new("shop".into(), Arc::default())),
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
    fn given_all_draws_then_endpoints_have_equal_runs(count in 1_u64..50) {
        let place = |draw: u64| scale(draw, count).0;
        for index in 1..count {
            // The first draw that is this endpoint's: index / count of the way through all 2^64.
            let first = u64::try_from((u128::from(index) << 64).div_ceil(u128::from(count))).expect("below 2^64");
            prop_assert_eq!(place(first), index);
            prop_assert_eq!(place(first - 1), index - 1);
        }
        prop_assert_eq!((place(0), place(u64::MAX)), (0, count - 1));
    }

    /// Each entry has its run of the draws, from the first that is its own to the last.
    #[test]
    fn given_all_draws_then_shares_are_exactly_the_weights(weights in prop::collection::vec(0_u64..1000, 1..20)) {
        let shares = Shares::new(weights.iter().copied());
        let total: u64 = weights.iter().sum();
        let mut below = 0_u64;
        for (index, weight) in weights.iter().enumerate() {
            prop_assert_eq!(shares.weight(index), *weight);
            if *weight > 0 {
                let edge = |sum: u64| (u128::from(sum) << 64).div_ceil(u128::from(total));
                let (first, end) = (edge(below), edge(below + weight));
                let drawn = |draw: u128| shares.draw(u64::try_from(draw).expect("below 2^64")).map(|(entry, _)| entry);
                prop_assert_eq!((drawn(first), drawn(end - 1)), (Some(index), Some(index)));
                below += weight;
            }
        }
        prop_assert_eq!(shares.draw(0).is_none(), total == 0);
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

    /// A ring gives each endpoint what its weight says, to within what chance does, and the other keys stay where they are
    /// when one goes.
    #[test]
    fn given_weights_then_a_hash_shares_by_them(weights in prop::collection::vec(1_u32..5, 2..5), maglev in any::<bool>()) {
        let mut endpoints = endpoints(weights.len());
        for (endpoint, weight) in endpoints.iter_mut().zip(&weights) {
            endpoint.weight = NonZeroU32::new(*weight).expect("above 0");
        }
        let keys = if maglev { self::maglev(65_537) } else { ring_hash() };
        let keys = Keys::new(&keys, &endpoints).expect("a table");
        let mut counts = vec![0_u32; weights.len()];
        for number in 0..20_000 {
            counts[keys.pick(mix(number), |_| true).expect("an endpoint")] += 1;
        }
        let sum: u32 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(&weights) {
            let (share, ideal) = (f64::from(*count) / 20_000.0, f64::from(*weight) / f64::from(sum));
            prop_assert!((share - ideal).abs() < 0.06, "{:?} by {:?}", counts, weights);
        }
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

fn warming(duration: u64, minimum_percent: f64, aggression: f64) -> Warmup {
    Warmup { duration: Duration::from_secs(duration), minimum_percent, aggression }
}

#[test]
fn given_a_warm_up_then_a_new_endpoint_counts_for_envoys_part_of_its_weight() {
    for (warmup, age, expected) in [
        (warming(100, 10.0, 1.0), 0, 0.1),
        (warming(100, 10.0, 1.0), 5, 0.1),
        (warming(100, 10.0, 1.0), 50, 0.5),
        (warming(100, 10.0, 1.0), 100, 1.0),
        (warming(100, 10.0, 1.0), 1000, 1.0),
        (warming(100, 0.0, 2.0), 25, 0.5),
        (warming(100, 60.0, 2.0), 25, 0.6),
        (warming(100, 100.0, 1.0), 0, 1.0),
    ] {
        let part = warmup::part(&warmup, Duration::from_secs(age));
        assert!((part - expected).abs() < 1e-9, "{warmup:?} at {age} s: {part}");
    }
}

#[test]
fn given_a_warm_up_when_an_endpoint_joins_then_its_share_grows_to_the_others() {
    for load_balancer in [LoadBalancer::RoundRobin, LoadBalancer::LeastRequest] {
        let of = |count| Cluster { warmup: Some(warming(100, 10.0, 1.0)), ..cluster(load_balancer.clone(), count) };
        let (before, after) = (of(3), of(4));
        let new = after.endpoints[3].address;
        let mut balance = Balance::new();
        balance.pick(&before, None, 1, &[]).expect("an endpoint");
        for (second, percent) in [(1000, 3), (1050, 14), (1090, 23), (1100, 25)] {
            let counts = counts(balance.at(Duration::from_secs(second)), &after, 10_000);
            let share = counts.get(&new).copied().unwrap_or(0);
            assert!(share.abs_diff(percent * 100) < 120, "{load_balancer:?} at {second} s: {share}");
        }
    }
}

proptest! {
    /// Older is never less, and never beyond the whole.
    #[test]
    fn given_a_warm_up_then_a_part_never_shrinks(
        duration in 1_u64..10_000, minimum in 0.0_f64..=100.0, aggression in 1.0_f64..20.0, ages in prop::collection::vec(0_u64..20_000_000, 2..20)
    ) {
        let (warmup, mut ages) = (warming(duration, minimum, aggression), ages);
        ages.sort_unstable();
        let parts: Vec<f64> = ages.iter().map(|age| warmup::part(&warmup, Duration::from_millis(*age))).collect();
        prop_assert!(parts.iter().all(|part| *part > 0.0 && *part <= 1.0), "{:?}", parts);
        prop_assert!(parts.is_sorted(), "{:?}", parts);
    }

    /// Whatever happens in whatever order, no more are out than the share allows, and all come back.
    #[test]
    fn given_any_outcomes_then_no_more_are_out_than_the_share_allows(
        percent in 0_u8..=100,
        listed in 1_usize..30,
        events in prop::collection::vec((0_usize..30, 0_u16..4, 0_u64..20), 1..300),
    ) {
        let policy = OutlierDetection {
            consecutive_5xx: NonZeroU32::new(1),
            max_ejection_percent: percent,
            ..OutlierDetection::default()
        };
        let (mut outliers, mut now) = (Outliers::default(), Duration::ZERO);
        let endpoints = endpoints(listed);
        for (host, status, wait) in events {
            now += Duration::from_secs(wait);
            outliers.sweep(&policy, now);
            let outcome = if status == 0 { Outcome::Failed } else { Outcome::Answered(status * 200) };
            let address = endpoints[host % listed].address;
            let before = outliers.out().count();
            let ejected = outliers.report(&policy, address, outcome, listed, now);
            let after = outliers.out().count();
            prop_assert_eq!(after, before + usize::from(ejected));
            prop_assert!(100 * after <= usize::from(percent) * listed, "{} of {} are out at {} %", after, listed, percent);
        }
        outliers.sweep(&policy, now + Duration::from_secs(100_000));
        prop_assert!(outliers.is_clean());
    }

    /// However few of them are usable, and however they are spread: levels get 100 per cent together, and a level without any
    /// usable endpoint nothing, as long as there is another.
    #[test]
    fn given_levels_in_any_state_then_all_requests_go_to_usable_endpoints(
        levels in prop::collection::vec((1_usize..6, 0_u32..6), 1..5),
        out in prop::collection::vec(any::<bool>(), 30),
        draws in prop::collection::vec(any::<u64>(), 20),
    ) {
        let count: usize = levels.iter().map(|(ready, _)| ready).sum();
        let endpoints = endpoints(count);
        let mut place = 0..;
        let plans = levels.iter().enumerate().map(|(level, (ready, unready))| {
            let ready = place.by_ref().take(*ready).collect();
            Plan { level, weight: 1, ready, unready: *unready }
        });
        let layout = Layout::new(plans.collect(), &endpoints, &LoadBalancer::Random);
        let cut = layout.without(&endpoints, 0, |place| out[place]);
        prop_assert_eq!(cut.levels().map(|(load, _)| load).sum::<u32>(), 100);
        let any = (0..count).any(|place| !out[place]);
        prop_assert_eq!(cut.is_empty(), !any);
        for draw in draws {
            let members = cut.draw(draw).map(|(group, ..)| group.members().to_vec()).unwrap_or_default();
            prop_assert_eq!(members.is_empty(), !any);
            prop_assert!(members.iter().all(|place| !out[usize::try_from(*place).expect("small")]));
        }
    }
}
