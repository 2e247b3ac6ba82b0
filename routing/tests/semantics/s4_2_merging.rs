//! Section 4.2: several rules for the same host in one namespace.

use crate::shop::{WEB, balancing, check, cluster, in_force, object, route, table, table_for};

#[test]
fn s4_2_given_several_rules_for_a_host_then_subsets_are_joined_and_the_first_policy_is_taken_whole() {
    let young = "name: a, namespace: shop, creationTimestamp: '2026-02-01T00:00:00Z'";
    let old = "name: b, namespace: shop, creationTimestamp: '2026-01-01T00:00:00Z'";
    let older = object(
        "DestinationRule",
        old,
        "{host: web, trafficPolicy: {tls: {mode: DISABLE}}, subsets: [{name: v1, labels: {version: v1}}]}",
    );
    let younger = object(
        "DestinationRule",
        young,
        "{host: web, trafficPolicy: {loadBalancer: {simple: RANDOM}},
          subsets: [{name: v1, labels: {version: none}}, {name: v2, labels: {version: v2}}]}",
    );
    for subset in ["v1", "v2"] {
        let rules = younger.clone() + &older + &route(&format!("{{destination: {{host: web, subset: {subset}}}}}"));
        let table = table(&rules);
        let cluster = cluster(&table, 8080).expect("a cluster");
        assert_eq!(cluster.endpoints.len(), 2, "{subset}");
        // The older policy says nothing about load balancing, and the younger adds nothing to it.
        assert_eq!(in_force(&table), "LeastRequest shop/b");
    }
}

#[test]
fn q4_2_given_rules_that_are_exported_otherwise_then_they_stay_apart_and_the_last_is_used() {
    let of = |name: &str, day: u8, export: &str, simple: &str| {
        let metadata = format!("name: {name}, namespace: shop, creationTimestamp: '2026-01-0{day}T00:00:00Z'");
        let spec =
            format!("{{host: web, exportTo: [{export}], trafficPolicy: {{loadBalancer: {{simple: {simple}}}}}}}");
        object("DestinationRule", &metadata, &spec)
    };
    // Another set: an entry of its own, and the last one wins.
    check(&(of("a", 1, "'*'", "RANDOM") + &of("b", 2, "'.'", "ROUND_ROBIN")), "shop", &[], "RoundRobin shop/b");
    check(&(of("a", 2, "'*'", "RANDOM") + &of("b", 1, "'.'", "ROUND_ROBIN")), "shop", &[], "Random shop/a");
    // A superset of one that is not empty: merged, and the first policy wins.
    check(&(of("a", 1, "'.'", "RANDOM") + &of("b", 2, "., pay", "ROUND_ROBIN")), "shop", &[], "Random shop/a");
}

#[test]
fn s4_2_given_a_selector_that_takes_the_client_then_that_rule_alone_is_used_whatever_the_age() {
    let with = |selector: &str| format!("{WEB}, workloadSelector: {{matchLabels: {selector}}}");
    let selecting = object(
        "DestinationRule",
        "name: selecting, namespace: shop, creationTimestamp: '2026-09-01T00:00:00Z'",
        &format!("{{{}, exportTo: ['*'], trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}}}", with("{app: client}")),
    );
    let general = object(
        "DestinationRule",
        "name: general, namespace: shop, creationTimestamp: '2026-01-01T00:00:00Z'",
        "{host: web, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}, subsets: [{name: v1}]}",
    );
    let both = selecting.clone() + &general;
    check(&both, "shop", &[("app", "client"), ("x", "y")], "Random shop/selecting");
    check(&both, "shop", &[("app", "other")], "RoundRobin shop/general");
    check(&both, "pay", &[("app", "client")], "RoundRobin shop/general");
    // Private whatever its exportTo.
    check(&selecting, "pay", &[("app", "client")], "LeastRequest -");
    // Alone: the general rule's subsets are not there.
    let subset = both + &route("{destination: {host: web, subset: v1}}");
    assert!(cluster(&table_for(&subset, "shop", &[("app", "client")]), 8080).is_err());
    assert!(cluster(&table_for(&subset, "shop", &[]), 8080).is_ok());
    // Of two that take the client the older.
    let second = balancing("shop", "another", &with("{x: y}"), "ROUND_ROBIN");
    check(&(second + &selecting), "shop", &[("app", "client"), ("x", "y")], "RoundRobin shop/another");
}

#[test]
fn s4_2_given_equal_selectors_then_their_subsets_are_joined() {
    let of = |name: &str| {
        let metadata = format!("name: {name}, namespace: shop");
        let spec = format!("{{host: web, workloadSelector: {{matchLabels: {{app: a}}}}, subsets: [{{name: {name}}}]}}");
        object("DestinationRule", &metadata, &spec)
    };
    for subset in ["v1", "v2"] {
        let rules = of("v1") + &of("v2") + &route(&format!("{{destination: {{host: web, subset: {subset}}}}}"));
        assert!(cluster(&table_for(&rules, "shop", &[("app", "a")]), 8080).is_ok(), "{subset}");
    }
}
