//! Section 4.8: where endpoints are, and who gets requests because of it.

use meshlet_routing::balance::{Balance, Outcome};

use crate::ask::{errors, istio};
use crate::places::{Place, address, at, check, client, cluster, unready};

/// Failed endpoints are noticed, and all may be out.
const DETECTS: &str = "outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}";

fn setting(fields: &str) -> String {
    format!("{DETECTS}, loadBalancer: {{localityLbSetting: {{{fields}}}}}")
}

/// Throws endpoints out.
fn without(balance: &mut Balance, cluster: &meshlet_routing::table::Cluster, out: &[usize]) {
    out.iter().for_each(|number| balance.report(cluster, address(*number), Outcome::Failed));
}

#[test]
fn s4_8_given_failover_then_levels_are_sub_zone_zone_region_and_anywhere() {
    let places = [at("west/a/1"), at("west/a/2"), at("west/b/1"), at("east/a/1"), at("north/a/1")];
    let cluster = cluster(DETECTS, &places, &client("west/a/1", ""));
    let mut balance = Balance::new();
    for (out, expected) in [
        (vec![], vec![(0, 100)]),
        (vec![0], vec![(1, 100)]),
        (vec![1], vec![(2, 100)]),
        (vec![2], vec![(3, 50), (4, 50)]),
        (vec![3], vec![(4, 100)]),
    ] {
        without(&mut balance, &cluster, &out);
        check(&mut balance, &cluster, &expected, &format!("without {out:?} and those before"));
    }
}

#[test]
fn s4_8_given_no_outlier_detection_then_nothing_fails_over() {
    let places = [at("west/a"), at("east/a")];
    for fields in ["enabled: true", "failover: [{from: west, to: east}]", "failoverPriority: [version]"] {
        let policy = format!("loadBalancer: {{localityLbSetting: {{{fields}}}}}");
        check(&mut Balance::new(), &cluster(&policy, &places, &client("west/a", "")), &[(0, 50), (1, 50)], fields);
    }
}

#[test]
fn s4_8_given_the_setting_is_switched_off_then_places_do_not_matter() {
    let places = [at("west/a"), at("east/a")];
    for fields in ["enabled: false", "enabled: false, distribute: [{from: '*', to: {west: 100}}]"] {
        check(
            &mut Balance::new(),
            &cluster(&setting(fields), &places, &client("west/a", "")),
            &[(0, 50), (1, 50)],
            fields,
        );
    }
}

#[test]
fn s4_8_given_a_named_region_then_it_takes_over_before_the_others() {
    let places = [at("west/a"), at("east/a"), at("north/a")];
    let fields = "failover: [{from: east, to: west}, {from: west, to: north}]";
    let cluster = cluster(&setting(fields), &places, &client("west/a", ""));
    let mut balance = Balance::new();
    check(&mut balance, &cluster, &[(0, 100)], "all are there");
    without(&mut balance, &cluster, &[0]);
    check(&mut balance, &cluster, &[(2, 100)], "the named region");
    without(&mut balance, &cluster, &[2]);
    check(&mut balance, &cluster, &[(1, 100)], "the others are last, not out");
}

#[test]
fn s4_8_given_labels_in_order_then_the_first_that_differs_says_the_level() {
    let labelled = |label, locality| Place { label, ..at(locality) };
    let places = [
        labelled("version=v1", "west/a"),
        labelled("version=v1", "west/b"),
        labelled("version=v1", "east/a"),
        labelled("version=v2", "west/a"),
    ];
    let priority = "failoverPriority: [version, topology.kubernetes.io/region, topology.kubernetes.io/zone]";
    let cluster_of = |fields: &str, label: &str| cluster(&setting(fields), &places, &client("west/a", label));
    let cluster = cluster_of(priority, "version=v1");
    let mut balance = Balance::new();
    for (out, expected) in [(None, 0), (Some(0), 1), (Some(1), 2), (Some(2), 3)] {
        without(&mut balance, &cluster, out.as_slice());
        check(&mut balance, &cluster, &[(expected, 100)], &format!("{out:?}"));
    }
    // A written value takes the place of the client's own label.
    let cluster = cluster_of("failoverPriority: ['version=v2']", "version=v1");
    check(&mut Balance::new(), &cluster, &[(3, 100)], "written");
    // A label that neither has is one that they share.
    let cluster = cluster_of("failoverPriority: [no-such-label]", "version=v1");
    check(&mut Balance::new(), &cluster, &[(0, 25), (1, 25), (2, 25), (3, 25)], "nobody has it");
}

#[test]
fn q4_8_given_unready_endpoints_then_a_level_keeps_one_point_four_times_its_ready_part() {
    let near = |ready: usize, not: usize| {
        [vec![at("west/a"); ready], vec![unready("west/a"); not], vec![at("east/a")]].concat()
    };
    for (ready, not, kept) in [(2, 0, 100), (3, 1, 100), (5, 2, 100), (1, 1, 70), (1, 2, 46), (1, 4, 28), (0, 2, 0)] {
        let cluster = cluster(DETECTS, &near(ready, not), &client("west/a", ""));
        let found = crate::places::shares(&mut Balance::new(), &cluster);
        let far = found.get(&(ready + not)).copied().unwrap_or(0);
        assert!(far.abs_diff(20_000 - kept * 200) <= 200, "{ready} ready, {not} not: {found:?}");
    }
    // With a panic threshold they are not even listed.
    let policy = "outlierDetection: {minHealthPercent: 10}";
    check(&mut Balance::new(), &cluster(policy, &near(1, 1), &client("west/a", "")), &[(0, 100)], "not listed");
}

#[test]
fn s4_8_given_levels_that_together_are_not_whole_then_their_parts_are_scaled_up() {
    // 46 and 46 of 92: each gets 50, as there is nobody else.
    let places =
        [at("west/a"), unready("west/a"), unready("west/a"), at("east/a"), unready("east/a"), unready("east/a")];
    check(&mut Balance::new(), &cluster(DETECTS, &places, &client("west/a", "")), &[(0, 50), (3, 50)], "both");
}

#[test]
fn s4_8_given_shares_by_place_then_requests_are_shared_so_and_endpoints_elsewhere_are_not_used() {
    let places = [at("west/a"), at("west/a"), at("west/b"), at("east/a"), at("north/a")];
    let fields =
        "distribute: [{from: east, to: {east: 100}}, {from: west/*, to: {west/a/*: 60, west/b: 10, east: 30}}]";
    for detects in ["", "outlierDetection: {}, "] {
        let policy = format!("{detects}loadBalancer: {{localityLbSetting: {{{fields}}}}}");
        for (place, expected) in [
            ("west/a", vec![(0, 30), (1, 30), (2, 10), (3, 30)]),
            ("west/z", vec![(0, 30), (1, 30), (2, 10), (3, 30)]),
            ("east/a", vec![(3, 100)]),
            // Nobody's entry: as without a setting, and no failover either.
            ("south/a", vec![(0, 20), (1, 20), (2, 20), (3, 20), (4, 20)]),
        ] {
            check(&mut Balance::new(), &cluster(&policy, &places, &client(place, "")), &expected, place);
        }
    }
}

#[test]
fn s4_8_given_a_place_of_several_localities_then_its_share_is_divided_by_their_endpoints_and_rounded_up() {
    let places = [at("west/a"), at("west/a"), at("west/b"), at("east/a")];
    let fields = "loadBalancer: {localityLbSetting: {distribute: [{from: '*', to: {west: 50, east: 50}}]}}";
    // 50 * 2 / 3 and 50 / 3, rounded up to 34 and 17: of 101.
    check(
        &mut Balance::new(),
        &cluster(fields, &places, &client("", "")),
        &[(0, 17), (1, 17), (2, 17), (3, 49)],
        "shares",
    );
}

#[test]
fn s4_8_given_a_place_that_fails_then_its_share_goes_to_the_others_as_far_as_it_is_needed() {
    let places = [at("west/a"), at("west/a"), at("east/a")];
    let policy = format!(
        "{DETECTS}, loadBalancer: {{localityLbSetting: {{distribute: [{{from: '*', to: {{west: 50, east: 50}}}}]}}}}"
    );
    let cluster = cluster(&policy, &places, &client("", ""));
    let mut balance = Balance::new();
    without(&mut balance, &cluster, &[0]);
    // Half of its endpoints keep 70 of its 50 parts: 35 beside 50.
    check(&mut balance, &cluster, &[(1, 41), (2, 59)], "half of it");
    without(&mut balance, &cluster, &[1]);
    check(&mut balance, &cluster, &[(2, 100)], "all of it");
}

#[test]
fn s4_8_given_a_hash_then_it_stays_within_the_level_and_the_place() {
    let policy = format!("{DETECTS}, loadBalancer: {{consistentHash: {{useSourceIp: true}}}}");
    let cluster = cluster(&policy, &[at("west/a"), at("west/a"), at("east/a")], &client("west/a", ""));
    let mut balance = Balance::new();
    let owner = |balance: &mut Balance, key| balance.pick(&cluster, Some(key), 0, &[]).expect("an endpoint").address;
    for key in crate::places::draws(200) {
        assert!([address(0), address(1)].contains(&owner(&mut balance, key)));
    }
    without(&mut balance, &cluster, &[0, 1]);
    assert_eq!(owner(&mut balance, 1), address(2));
}

#[test]
fn s1_7_given_a_locality_setting_that_is_wrong_then_every_fault_is_named() {
    for (fields, expected) in [
        ("distribute: [], failover: []", "has both distribute and failover"),
        ("distribute: [{from: a, to: {b: 0, c: 100}}]", "distribute[0].to.b: is no share"),
        ("distribute: [{from: a, to: {b: 50}}]", "the shares sum to 50"),
        ("distribute: [{from: a//c, to: {b: 100}}]", "\"a//c\" is no locality"),
        ("distribute: [{from: 'a/*/c', to: {b: 100}}]", "\"a/*/c\" is no locality"),
        ("distribute: [{from: a, to: {b: 100}}, {from: a/b, to: {b: 100}}]", "a/b and a overlap"),
        ("failover: [{from: a, to: a}]", "fails over to the region itself"),
        ("failover: [{from: a/b, to: c}]", "\"a/b\" is no region"),
        ("failover: [{from: a, to: '*'}]", "\"*\" is no region"),
        (
            "failover: [{from: a, to: b}], failoverPriority: [topology.kubernetes.io/region]",
            "by label what failover says by region",
        ),
    ] {
        let rule =
            istio("DestinationRule", "shop", "web", &format!("{{host: web, trafficPolicy: {{{}}}}}", setting(fields)));
        let found = errors(&rule);
        assert!(found.iter().any(|fault| fault.contains(expected)), "{fields}: {found:?}");
    }
}
