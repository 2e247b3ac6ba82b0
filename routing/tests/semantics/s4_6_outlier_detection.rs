//! Section 4.6, and 1.9 as far as it concerns outlier detection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use meshlet_routing::balance::{Balance, Outcome, Shared};
use meshlet_routing::table::Cluster;

use crate::places::{Place, address, at, check, client, cluster, draws, shares, unready};

const ALL: &str = "maxEjectionPercent: 100";

fn detecting(fields: &str, places: &[Place]) -> Arc<Cluster> {
    cluster(&format!("loadBalancer: {{simple: ROUND_ROBIN}}, outlierDetection: {{{fields}}}"), places, &client("", ""))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn report(balance: &mut Balance, cluster: &Cluster, number: usize, outcome: Outcome, times: usize) {
    (0..times).for_each(|_| balance.report(cluster, address(number), outcome));
}

/// Numbers of the endpoints that get requests.
fn used(balance: &mut Balance, cluster: &Cluster) -> Vec<usize> {
    shares(balance, cluster).into_keys().collect()
}

#[test]
fn s4_6_given_as_many_5xx_in_a_row_as_the_policy_bears_then_the_endpoint_is_out() {
    use Outcome::{Answered, Failed, TimedOut};
    let (five, three) = ("", "consecutive5xxErrors: 3");
    for (fields, outcomes, out) in [
        (five, vec![(Answered(500), 5)], true),
        (five, vec![(Answered(500), 4)], false),
        (three, vec![(Answered(599), 3)], true),
        (three, vec![(Answered(500), 2), (Answered(200), 1), (Answered(500), 2)], false),
        (three, vec![(Answered(404), 30)], false),
        // What fails before there is an answer counts as one.
        (three, vec![(Failed, 3)], true),
        (three, vec![(Failed, 1), (Answered(500), 1), (TimedOut, 1)], true),
        ("consecutive5xxErrors: 0", vec![(Answered(500), 100), (Failed, 100)], false),
        // Gateway errors are counted only where that is asked for.
        (
            "consecutive5xxErrors: 0, consecutiveGatewayErrors: 3",
            vec![(Answered(502), 1), (Answered(503), 1), (Answered(504), 1)],
            true,
        ),
        (
            "consecutive5xxErrors: 0, consecutiveGatewayErrors: 3",
            vec![(Answered(502), 2), (Answered(500), 1), (Answered(502), 2)],
            false,
        ),
        ("consecutive5xxErrors: 0, consecutiveGatewayErrors: 3", vec![(Failed, 2), (TimedOut, 1)], true),
        ("consecutive5xxErrors: 0, consecutiveGatewayErrors: 0", vec![(Answered(503), 100)], false),
        ("consecutive5xxErrors: 9, consecutiveGatewayErrors: 2", vec![(Answered(503), 2)], true),
    ] {
        let cluster = detecting(&format!("{ALL}, {fields}"), &[at(""); 3]);
        let mut balance = Balance::new();
        for (outcome, times) in &outcomes {
            report(&mut balance, &cluster, 1, *outcome, *times);
        }
        let expected: &[usize] = if out { &[0, 2] } else { &[0, 1, 2] };
        assert_eq!(used(&mut balance, &cluster), expected, "{fields} {outcomes:?}");
    }
}

#[test]
fn s1_9_given_no_block_then_nothing_is_ever_thrown_out() {
    let cluster = cluster("loadBalancer: {simple: ROUND_ROBIN}", &[at(""); 3], &client("", ""));
    let mut balance = Balance::new();
    report(&mut balance, &cluster, 1, Outcome::Failed, 1000);
    assert_eq!(used(&mut balance, &cluster), [0, 1, 2]);
}

#[test]
fn s1_9_given_split_errors_then_what_fails_before_an_answer_is_counted_by_itself() {
    use Outcome::{Answered, Failed, TimedOut};
    let split = "splitExternalLocalOriginErrors: true";
    for (fields, outcomes, out) in [
        // Five by default, whatever the limit on 5xx.
        ("consecutive5xxErrors: 1", vec![(Failed, 4)], false),
        ("consecutive5xxErrors: 1", vec![(Failed, 3), (TimedOut, 2)], true),
        ("consecutiveLocalOriginFailures: 2", vec![(Failed, 2)], true),
        ("consecutiveLocalOriginFailures: 2", vec![(Failed, 1), (Answered(500), 1), (Failed, 1)], false),
        ("consecutive5xxErrors: 2", vec![(Answered(500), 1), (Failed, 1), (Answered(500), 1)], true),
    ] {
        let cluster = detecting(&format!("{ALL}, {split}, {fields}"), &[at(""); 3]);
        let mut balance = Balance::new();
        for (outcome, times) in &outcomes {
            report(&mut balance, &cluster, 1, *outcome, *times);
        }
        let expected: &[usize] = if out { &[0, 2] } else { &[0, 1, 2] };
        assert_eq!(used(&mut balance, &cluster), expected, "{fields} {outcomes:?}");
    }
}

#[test]
fn s1_9_given_an_ejection_then_it_lasts_the_base_times_their_number_and_ends_with_a_sweep() {
    let cluster = detecting(
        "maxEjectionPercent: 100, consecutive5xxErrors: 1, interval: 10s, baseEjectionTime: 25s",
        &[at(""); 3],
    );
    let mut balance = Balance::new();
    let mut is_out = |from: u64, to: u64| {
        report(balance.at(seconds(from)), &cluster, 1, Outcome::Answered(500), 1);
        for (second, out) in [(from, true), (to - 1, true), (to, false)] {
            assert_eq!(!used(balance.at(seconds(second)), &cluster).contains(&1), out, "from {from} at {second}");
        }
    };
    // Sweeps are every ten seconds from the start; 25 s are over at 26, and the next sweep is at 31.
    is_out(1, 31);
    // The second time twice as long: over at 31 + 50.
    is_out(31, 81);
    is_out(81, 161);
    // Each sweep that finds it in use makes its next ejection shorter again: after six of them it is as at first.
    is_out(221, 251);
}

#[test]
fn s1_9_given_ejections_without_end_then_none_is_longer_than_five_minutes_or_the_base() {
    for (base, longest) in [("60s", 300), ("600s", 600)] {
        let fields = format!("{ALL}, consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: {base}");
        let cluster = detecting(&fields, &[at(""); 2]);
        let mut balance = Balance::new();
        let mut now = 0;
        for _ in 0..12 {
            report(balance.at(seconds(now)), &cluster, 0, Outcome::Failed, 1);
            assert_eq!(used(&mut balance, &cluster), [1]);
            now += longest;
            assert_eq!(used(balance.at(seconds(now)), &cluster), [0, 1], "at {now}");
        }
    }
}

#[test]
fn q1_9_given_the_share_that_may_be_out_then_the_candidate_counts_as_well() {
    for (fields, count, out) in [
        // Ten per cent by default: nobody below ten endpoints.
        ("", 9, 0),
        ("", 10, 1),
        ("", 19, 1),
        ("", 20, 2),
        ("maxEjectionPercent: 0", 10, 1),
        ("maxEjectionPercent: 50", 2, 1),
        ("maxEjectionPercent: 49", 2, 0),
        ("maxEjectionPercent: 100", 3, 3),
    ] {
        let cluster = detecting(&format!("consecutive5xxErrors: 1, {fields}"), &vec![at(""); count]);
        let mut balance = Balance::new();
        (0..count).for_each(|number| report(&mut balance, &cluster, number, Outcome::Failed, 1));
        assert_eq!(used(&mut balance, &cluster).len(), count - out, "{fields} of {count}");
    }
    // Those that are not ready are hosts too.
    let cluster = detecting("consecutive5xxErrors: 1", &[[at(""); 5], [unready(""); 5]].concat());
    let mut balance = Balance::new();
    report(&mut balance, &cluster, 0, Outcome::Failed, 1);
    assert_eq!(used(&mut balance, &cluster), [1, 2, 3, 4]);
}

#[test]
fn s4_6_given_an_endpoint_that_is_thrown_out_by_one_client_then_all_of_its_workers_know_and_no_other_client() {
    let cluster = detecting(&format!("{ALL}, consecutive5xxErrors: 2"), &[at(""); 2]);
    let pod = Arc::new(Shared::default());
    let (mut one, mut other, mut stranger) = (Balance::with(Arc::clone(&pod)), Balance::with(pod), Balance::new());
    assert_eq!(used(&mut other, &cluster), [0, 1]);
    // In a row for the pod, whoever of its workers saw it.
    report(&mut one, &cluster, 0, Outcome::Answered(500), 1);
    report(&mut other, &cluster, 0, Outcome::Answered(500), 1);
    for balance in [&mut one, &mut other] {
        assert_eq!(used(balance, &cluster), [1]);
    }
    assert_eq!(used(&mut stranger, &cluster), [0, 1]);
    // One worker sees it come back, the other as well.
    assert_eq!(used(one.at(seconds(30)), &cluster), [0, 1]);
    assert_eq!(used(&mut other, &cluster), [0, 1]);
}

#[test]
fn s4_6_given_many_failures_that_are_not_in_a_row_then_nobody_is_thrown_out_by_success_rate() {
    let cluster = detecting(&format!("{ALL}, consecutive5xxErrors: 3"), &[at(""); 5]);
    let mut balance = Balance::new();
    for _ in 0..1000 {
        report(&mut balance, &cluster, 0, Outcome::Answered(500), 2);
        report(&mut balance, &cluster, 0, Outcome::Answered(200), 1);
        (1..5).for_each(|number| report(&mut balance, &cluster, number, Outcome::Answered(200), 3));
    }
    assert_eq!(used(&mut balance, &cluster), [0, 1, 2, 3, 4]);
}

#[test]
fn s4_6_given_all_endpoints_out_and_no_panic_then_there_is_none() {
    for lb in ["simple: RANDOM", "simple: ROUND_ROBIN", "consistentHash: {useSourceIp: true}", "simple: LEAST_REQUEST"]
    {
        let policy = format!("loadBalancer: {{{lb}}}, outlierDetection: {{{ALL}, consecutive5xxErrors: 1}}");
        let cluster = cluster(&policy, &[at(""); 2], &client("", ""));
        let mut balance = Balance::new();
        (0..2).for_each(|number| report(&mut balance, &cluster, number, Outcome::Failed, 1));
        assert!(balance.pick(&cluster, Some(7), 7, &[]).is_none(), "{lb}");
    }
}

#[test]
fn s1_9_given_a_minimum_of_health_when_less_is_left_then_all_are_used_but_for_those_that_are_not_ready() {
    let places = [at(""), at(""), at(""), unready("")];
    for (minimum, out, expected) in [
        (0, vec![0, 1], vec![2]),
        (0, vec![0, 1, 2], vec![]),
        (50, vec![0], vec![1, 2]),
        (50, vec![0, 1], vec![0, 1, 2]),
        (1, vec![0, 1, 2], vec![0, 1, 2]),
    ] {
        let cluster = detecting(&format!("{ALL}, consecutive5xxErrors: 1, minHealthPercent: {minimum}"), &places);
        let mut balance = Balance::new();
        out.iter().for_each(|number| report(&mut balance, &cluster, *number, Outcome::Failed, 1));
        assert_eq!(used(&mut balance, &cluster), expected, "{minimum} {out:?}");
    }
}

#[test]
fn s4_6_given_a_hash_then_a_key_whose_endpoint_is_out_walks_on_and_comes_back_with_it() {
    for algorithm in ["ringHash: {minimumRingSize: 64}", "maglev: {tableSize: 1009}"] {
        let policy = format!(
            "loadBalancer: {{consistentHash: {{useSourceIp: true, {algorithm}}}}}, outlierDetection: {{{ALL}, consecutive5xxErrors: 1}}"
        );
        let cluster = cluster(&policy, &[at(""); 4], &client("", ""));
        let mut balance = Balance::new();
        let owners = |balance: &mut Balance| -> Vec<SocketAddr> {
            draws(500).map(|key| balance.pick(&cluster, Some(key), 0, &[]).expect("an endpoint").address).collect()
        };
        let before = owners(&mut balance);
        report(&mut balance, &cluster, 2, Outcome::Failed, 1);
        let during = owners(&mut balance);
        for (before, during) in before.iter().zip(&during) {
            assert_ne!(*during, address(2));
            assert!(*before == address(2) || before == during, "no other key moves");
        }
        assert_eq!(owners(balance.at(seconds(30))), before, "{algorithm}");
    }
}

#[test]
fn s4_6_given_an_endpoint_that_is_gone_then_its_ejection_counts_no_longer() {
    let fields = "maxEjectionPercent: 50, consecutive5xxErrors: 1";
    let mut balance = Balance::new();
    let before = detecting(fields, &[at(""); 3]);
    report(&mut balance, &before, 2, Outcome::Failed, 1);
    assert_eq!(used(&mut balance, &before), [0, 1]);
    let after = detecting(fields, &[at(""); 2]);
    assert_eq!(used(&mut balance, &after), [0, 1]);
    report(&mut balance, &after, 0, Outcome::Failed, 1);
    assert_eq!(used(&mut balance, &after), [1], "there is room for it again");
}

#[test]
fn q4_6_given_outlier_detection_then_the_meshs_locality_setting_comes_into_force() {
    let places = [at("west/a"), at("west/b"), at("east/a")];
    let here = client("west/a", "");
    check(&mut Balance::new(), &cluster("", &places, &here), &[(0, 33), (1, 33), (2, 33)], "without");
    let detecting = cluster("outlierDetection: {}", &places, &here);
    check(&mut Balance::new(), &detecting, &[(0, 100)], "with");
}
