//! istio-semantics 4.1 to 4.3: which DestinationRule a client uses for a host, and what several of them make together.

use meshlet_routing::table::Table;

use crate::world::{cluster, faults, object, route, rule, table, table_for};

/// A rule that shows by its load balancer that it is in force. `metadata` and `spec` are what is needed beside that.
fn balancing(namespace: &str, name: &str, spec: &str, simple: &str) -> String {
    let metadata = format!("name: {name}, namespace: {namespace}");
    let spec = format!("{{{spec}, trafficPolicy: {{loadBalancer: {{simple: {simple}}}}}}}");
    object("DestinationRule", &metadata, &spec)
}

const WEB: &str = "host: web.shop.svc.cluster.local";

/// The load balancer in force and the rule it came from.
fn in_force(table: &Table) -> String {
    let cluster = cluster(table, 8080).expect("a cluster");
    format!("{:?} {}", cluster.load_balancer, cluster.destination_rule.as_deref().unwrap_or("-"))
}

fn check(rules: &str, namespace: &str, labels: &[(&str, &str)], expected: &str) {
    assert_eq!(in_force(&table_for(rules, namespace, labels)), expected, "{namespace} {labels:?} {rules}");
}

#[test]
fn given_4_1_1_a_wildcard_of_the_clients_namespace_then_it_beats_an_exact_rule_of_the_services() {
    let exact = balancing("shop", "exact", WEB, "RANDOM");
    let wildcard = balancing("pay", "wild", "host: '*.shop.svc.cluster.local'", "ROUND_ROBIN");
    let wider = balancing("pay", "wider", "host: '*.svc.cluster.local'", "LEAST_REQUEST");
    let all = exact + &wildcard + &wider;
    check(&all, "pay", &[], "RoundRobin pay/wild");
    check(&all, "other", &[], "Random shop/exact");
}

#[test]
fn given_4_1_1_a_client_of_the_root_namespace_then_only_its_private_rules_count_there() {
    let public = balancing("istio-system", "public", WEB, "RANDOM");
    let named = balancing("istio-system", "named", &format!("{WEB}, exportTo: [., pay]"), "RANDOM");
    let private = balancing("istio-system", "private", &format!("{WEB}, exportTo: [.]"), "ROUND_ROBIN");
    let owner = balancing("shop", "owner", WEB, "LEAST_REQUEST");
    check(&(public.clone() + &owner), "istio-system", &[], "LeastRequest shop/owner");
    check(&(named + &owner), "istio-system", &[], "LeastRequest shop/owner");
    check(&(private + &public + &owner), "istio-system", &[], "RoundRobin istio-system/private");
    check(&public, "istio-system", &[], "Random istio-system/public");
}

#[test]
fn given_1_6_a_rule_exported_only_to_others_then_it_is_unusable_at_home() {
    let rules = balancing("shop", "away", &format!("{WEB}, exportTo: [pay]"), "RANDOM");
    check(&rules, "shop", &[], "LeastRequest -");
    check(&rules, "pay", &[], "Random shop/away");
    check(&rules, "other", &[], "LeastRequest -");
}

#[test]
fn given_4_1_2_the_narrowest_host_is_not_exported_to_the_client_then_the_search_goes_on_in_the_root_namespace() {
    let exact = balancing("shop", "exact", &format!("{WEB}, exportTo: [pay]"), "RANDOM");
    let wildcard = balancing("shop", "wild", "host: '*.shop.svc.cluster.local'", "ROUND_ROBIN");
    let root = balancing("istio-system", "root", "host: '*'", "LEAST_REQUEST");
    let all = exact + &wildcard;
    check(&all, "other", &[], "LeastRequest -");
    check(&(all.clone() + &root), "other", &[], "LeastRequest istio-system/root");
    check(&(all + &root), "pay", &[], "Random shop/exact");
}

#[test]
fn given_4_1_2_a_private_exact_rule_of_the_service_then_it_does_not_hide_an_exported_wildcard() {
    let exact = balancing("shop", "exact", &format!("{WEB}, exportTo: [.]"), "RANDOM");
    let wildcard = balancing("shop", "wild", "host: '*.shop.svc.cluster.local'", "ROUND_ROBIN");
    check(&(exact.clone() + &wildcard), "pay", &[], "RoundRobin shop/wild");
    check(&(exact + &wildcard), "shop", &[], "Random shop/exact");
}

#[test]
fn given_4_1_3_rules_of_a_third_namespace_then_they_are_never_used() {
    check(&balancing("third", "x", WEB, "RANDOM"), "pay", &[], "LeastRequest -");
}

#[test]
fn given_4_1_an_empty_rule_in_the_clients_namespace_then_it_hides_the_owners_subsets() {
    let owner = rule("{host: web, subsets: [{name: v1, labels: {version: v1}}]}");
    let empty = object("DestinationRule", "name: empty, namespace: pay", &format!("{{{WEB}}}"));
    let rules = owner + &route("{destination: {host: web, subset: v1}}");
    assert_eq!(cluster(&table_for(&rules, "pay", &[]), 8080).map(|cluster| cluster.endpoints.len()), Ok(2));
    let hidden = table_for(&(rules + &empty), "pay", &[]);
    assert_eq!(cluster(&hidden, 8080).map(|cluster| cluster.endpoints.len()), Err("UnknownSubset"));
}

#[test]
fn given_4_2_several_rules_for_a_host_then_subsets_are_joined_and_the_first_policy_is_taken_whole() {
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
fn given_4_2_rules_that_are_exported_otherwise_then_they_stay_apart_and_the_last_is_used() {
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
fn given_4_2_a_selector_that_takes_the_client_then_that_rule_alone_is_used_whatever_the_age() {
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
fn given_4_1_a_rule_of_the_clients_namespace_for_other_clients_only_then_it_still_ends_the_search() {
    let selecting = balancing("pay", "x", &format!("{WEB}, workloadSelector: {{matchLabels: {{app: a}}}}"), "RANDOM");
    let owner = balancing("shop", "owner", WEB, "ROUND_ROBIN");
    check(&(selecting.clone() + &owner), "pay", &[("app", "a")], "Random pay/x");
    check(&(selecting + &owner), "pay", &[], "LeastRequest -");
}

#[test]
fn given_4_2_equal_selectors_then_their_subsets_are_joined() {
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

#[test]
fn given_4_3_policies_of_several_levels_then_each_block_is_composed() {
    let lb = |simple: &str| format!("loadBalancer: {{simple: {simple}}}");
    let port = |blocks: &str| format!("portLevelSettings: [{{port: {{number: 8080}}, {blocks}}}]");
    let tls = "tls: {mode: DISABLE}";
    for (top, subset, on_8080, on_9090) in [
        (lb("RANDOM"), String::new(), "Random", "Random"),
        // A port-level entry replaces every block, those it does not set by defaults.
        (format!("{}, {}", lb("RANDOM"), port(&lb("ROUND_ROBIN"))), String::new(), "RoundRobin", "Random"),
        (format!("{}, {}", lb("RANDOM"), port(tls)), String::new(), "LeastRequest", "Random"),
        // A subset's block replaces the block, and a block it leaves out stays.
        (lb("RANDOM"), lb("ROUND_ROBIN"), "RoundRobin", "RoundRobin"),
        (lb("RANDOM"), tls.to_owned(), "Random", "Random"),
        (lb("RANDOM"), "loadBalancer: {}".to_owned(), "LeastRequest", "LeastRequest"),
        // A subset's port-level entry leaves nothing of what is above it.
        (lb("RANDOM"), format!("{}, {}", lb("ROUND_ROBIN"), port(tls)), "LeastRequest", "RoundRobin"),
    ] {
        let policy = if subset.is_empty() { String::new() } else { format!(", trafficPolicy: {{{subset}}}") };
        let rules = rule(&format!("{{host: web, trafficPolicy: {{{top}}}, subsets: [{{name: v1{policy}}}]}}"))
            + &route("{destination: {host: web, subset: v1}}");
        let table = table(&rules);
        for (port, expected) in [(8080, on_8080), (9090, on_9090)] {
            let found = format!("{:?}", cluster(&table, port).expect("a cluster").load_balancer);
            assert_eq!(found, expected, "{top} | {subset} | {port}");
        }
    }
}

#[test]
fn given_1_6_an_empty_traffic_policy_then_the_rule_is_refused() {
    for (spec, path) in [
        ("{host: web, trafficPolicy: {}}", "spec.trafficPolicy"),
        ("{host: web, subsets: [{name: v1, trafficPolicy: {}}]}", "spec.subsets[0].trafficPolicy"),
        (
            "{host: web, trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}}",
            "spec.trafficPolicy.portLevelSettings[0]",
        ),
    ] {
        let found: Vec<String> = faults(&rule(spec)).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(&format!("{path}: sets nothing; ")), "{found:?}");
    }
}
