//! Section 3.11: weights.

use std::collections::BTreeMap;

use meshlet_routing::decide::{Outcome, Request};
use meshlet_routing::table::Table;
use proptest::prelude::*;

use crate::ask::{decided, errors, get, istio, pod, sent, service, table};

const SERVICES: [&str; 4] = ["a", "b", "c", "d"];

fn shop(routes: &str) -> String {
    let spec = |number: usize| format!("clusterIP: 10.96.1.{number}, ports: [{{name: http, port: 80}}]");
    let services: String = (1..).zip(SERVICES).map(|(number, name)| service("shop", name, &spec(number))).collect();
    let pods: String =
        (1..).zip(SERVICES).map(|(number, name)| pod("shop", name, "v1", &format!("10.1.0.{number}"))).collect();
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &services
        + &pods
        + &istio("VirtualService", "shop", "web", &format!("{{hosts: [web], http: [{{route: [{routes}]}}]}}"))
}

/// Destinations with their weights; 0 is left out where it is written so.
fn routes(weights: &[u32]) -> String {
    let route = |(name, weight): (&&str, &u32)| format!("{{weight: {weight}, destination: {{host: {name}}}}}");
    SERVICES.iter().zip(weights).map(route).collect::<Vec<String>>().join(", ")
}

fn chosen(table: &Table, draw: u32) -> String {
    let cluster = sent(table, "10.96.0.1:80", &get("web", "/"), draw);
    cluster.split('|').nth(3).map_or(cluster.clone(), |host| host.split('.').next().unwrap_or(host).to_owned())
}

/// How many of all 2^32 draws each destination gets. Each has one run of them, whose end is searched for.
fn draws_of_each(table: &Table) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut begin = 0_u64;
    while begin < 1 << 32 {
        let draw = |point: u64| u32::try_from(point).expect("below 2^32");
        let name = chosen(table, draw(begin));
        let (mut inside, mut outside) = (begin, 1_u64 << 32);
        while outside - inside > 1 {
            let middle = inside + (outside - inside) / 2;
            if chosen(table, draw(middle)) == name { inside = middle } else { outside = middle }
        }
        *counts.entry(name).or_insert(0) += outside - begin;
        begin = outside;
    }
    counts
}

#[test]
fn s3_11_given_weights_then_each_share_is_its_part_of_the_sum() {
    for (weights, shares) in [
        (&[1, 1][..], &[0.5, 0.5][..]),
        (&[90, 10], &[0.9, 0.1]),
        (&[3, 1], &[0.75, 0.25]),
        (&[1, 2, 3, 4], &[0.1, 0.2, 0.3, 0.4]),
        (&[500, 1500], &[0.25, 0.75]),
    ] {
        let table = table(&shop(&routes(weights)), "shop");
        let counts = draws_of_each(&table);
        for (name, share) in SERVICES.iter().zip(shares) {
            let expected = (1_u64 << 32) as f64 * share;
            assert!((counts[*name] as f64 - expected).abs() <= 1.0, "{weights:?} {name} {counts:?}");
        }
    }
}

#[test]
fn s3_11_given_a_weight_of_zero_or_none_beside_others_then_the_destination_is_removed() {
    for routes in [
        "{weight: 0, destination: {host: a}}, {weight: 5, destination: {host: b}}",
        "{destination: {host: a}}, {weight: 5, destination: {host: b}}",
    ] {
        let table = table(&shop(routes), "shop");
        assert_eq!(draws_of_each(&table), BTreeMap::from([("b".to_owned(), 1 << 32)]), "{routes}");
    }
}

#[test]
fn s3_11_given_weights_that_sum_to_zero_then_the_object_is_refused() {
    for routes in [
        "{weight: 0, destination: {host: a}}, {weight: 0, destination: {host: b}}",
        "{destination: {host: a}}, {destination: {host: b}}",
    ] {
        let errors = errors(&shop(routes));
        assert!(errors.len() == 1 && errors[0].contains("spec.http[0].route: the weights sum to 0"), "{errors:?}");
    }
}

#[test]
fn s3_11_given_one_destination_then_it_gets_everything_whatever_its_weight() {
    for routes in
        ["{destination: {host: a}}", "{weight: 0, destination: {host: a}}", "{weight: 7, destination: {host: a}}"]
    {
        let table = table(&shop(routes), "shop");
        assert_eq!(draws_of_each(&table), BTreeMap::from([("a".to_owned(), 1 << 32)]), "{routes}");
    }
}

#[test]
fn s3_11_given_the_same_client_and_request_then_the_draw_alone_decides() {
    let hash = |name| {
        istio(
            "DestinationRule",
            "shop",
            name,
            &format!(
                "{{host: {name}, trafficPolicy: {{loadBalancer: {{consistentHash: {{httpHeaderName: x-user}}}}}}}}"
            ),
        )
    };
    let table = table(&(shop(&routes(&[1, 1])) + &hash("a") + &hash("b")), "shop");
    let headers: &[(&str, &[u8])] = &[("x-user", b"jane")];
    let request = Request { headers, ..get("web", "/") };
    let mut keys = Vec::new();
    for (draw, expected) in [(0, "a"), (u32::MAX, "b"), (1, "a")] {
        match decided(&table, "10.96.0.1:80", &request, draw).outcome {
            Outcome::Route(route) => {
                assert!(route.cluster.name.contains(&format!("|{expected}.shop")), "{draw} {}", route.cluster.name);
                keys.push(route.key);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "the hash is the request's own");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn s3_11_over_all_draws_each_destination_gets_exactly_its_weight(
        weights in proptest::collection::vec(0..1_000_000_u32, 2..=4)
    ) {
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        prop_assume!(sum > 0);
        let table = table(&shop(&routes(&weights)), "shop");
        let counts = draws_of_each(&table);
        prop_assert_eq!(counts.values().sum::<u64>(), 1 << 32);
        for (name, weight) in SERVICES.iter().zip(&weights) {
            let exact = u128::from(*weight) << 32;
            let got = u128::from(counts.get(*name).copied().unwrap_or(0));
            // Rounded to whole draws at either end of the run.
            prop_assert!((got * u128::from(sum)).abs_diff(exact) <= u128::from(sum), "{} of {:?}: {:?}", name, weights, counts);
        }
    }
}
