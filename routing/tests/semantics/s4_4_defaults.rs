//! Section 4.4: what holds without a word about load balancing.

use meshlet_routing::balance::Balance;
use meshlet_routing::model::LoadBalancer;

use crate::places::{Place, address, at, check, client, cluster, draws, unready, weighing};

#[test]
fn s4_4_given_no_load_balancer_then_it_is_least_request_and_idle_endpoints_are_equally_likely() {
    for policy in ["", "loadBalancer: {simple: UNSPECIFIED}", "loadBalancer: {simple: LEAST_CONN}", "loadBalancer: {}"]
    {
        let cluster = cluster(policy, &[at(""); 4], &client("", ""));
        assert_eq!(cluster.load_balancer, LoadBalancer::LeastRequest, "{policy}");
        check(&mut Balance::new(), &cluster, &[(0, 25), (1, 25), (2, 25), (3, 25)], policy);
    }
}

#[test]
fn s4_4_given_two_choices_then_a_busy_endpoint_gets_a_request_only_when_it_is_drawn_twice() {
    let cluster = cluster("", &[at(""); 4], &client("", ""));
    let mut balance = Balance::new();
    let held = balance.pick(&cluster, None, 0, &[]).expect("an endpoint");
    let busy = held.address;
    let hits =
        draws(10_000).filter(|draw| balance.pick(&cluster, None, *draw, &[]).is_some_and(|new| new.address == busy));
    let hits = hits.count();
    // One in four twice in a row.
    assert!(hits.abs_diff(625) < 100, "{hits}");
}

#[test]
fn s4_4_given_weights_of_endpoints_then_shares_are_those_weights() {
    for simple in ["LEAST_REQUEST", "ROUND_ROBIN"] {
        let policy = format!("loadBalancer: {{simple: {simple}}}");
        let cluster = cluster(&policy, &[weighing(1), weighing(3), weighing(6)], &client("", ""));
        check(&mut Balance::new(), &cluster, &[(0, 10), (1, 30), (2, 60)], simple);
    }
    // Envoy's random balancer looks at no weights.
    let cluster = cluster("loadBalancer: {simple: RANDOM}", &[weighing(1), weighing(3)], &client("", ""));
    check(&mut Balance::new(), &cluster, &[(0, 50), (1, 50)], "RANDOM");
}

#[test]
fn s4_4_given_unready_endpoints_then_they_are_never_used_even_when_there_is_no_other() {
    let one = [unready(""), at(""), unready("")];
    check(&mut Balance::new(), &cluster("", &one, &client("", "")), &[(1, 100)], "one is ready");
    let none: [Place; 2] = [unready(""); 2];
    for policy in ["", "outlierDetection: {}", "loadBalancer: {consistentHash: {useSourceIp: true}}"] {
        let cluster = cluster(policy, &none, &client("", ""));
        assert!(cluster.is_empty());
        assert!(Balance::new().pick(&cluster, Some(1), 1, &[]).is_none(), "{policy}");
    }
    assert_eq!(address(1), ([10, 1, 0, 2], 80).into());
}
