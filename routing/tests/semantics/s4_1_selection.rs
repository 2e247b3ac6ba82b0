//! Section 4.1: which DestinationRule a client uses for a host.

use crate::shop::{WEB, balancing, check, cluster, object, route, rule, table_for};

#[test]
fn q4_1_given_a_wildcard_of_the_clients_namespace_then_it_beats_an_exact_rule_of_the_services() {
    let exact = balancing("shop", "exact", WEB, "RANDOM");
    let wildcard = balancing("pay", "wild", "host: '*.shop.svc.cluster.local'", "ROUND_ROBIN");
    let wider = balancing("pay", "wider", "host: '*.svc.cluster.local'", "LEAST_REQUEST");
    let all = exact + &wildcard + &wider;
    check(&all, "pay", &[], "RoundRobin pay/wild");
    check(&all, "other", &[], "Random shop/exact");
}

#[test]
fn s4_1_given_a_client_of_the_root_namespace_then_only_its_private_rules_count_there() {
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
fn q4_1_given_the_narrowest_host_is_not_exported_to_the_client_then_the_search_goes_on_in_the_root_namespace() {
    let exact = balancing("shop", "exact", &format!("{WEB}, exportTo: [pay]"), "RANDOM");
    let wildcard = balancing("shop", "wild", "host: '*.shop.svc.cluster.local'", "ROUND_ROBIN");
    let root = balancing("istio-system", "root", "host: '*'", "LEAST_REQUEST");
    let all = exact + &wildcard;
    check(&all, "other", &[], "LeastRequest -");
    check(&(all.clone() + &root), "other", &[], "LeastRequest istio-system/root");
    check(&(all + &root), "pay", &[], "Random shop/exact");
}

#[test]
fn s4_1_given_a_private_exact_rule_of_the_service_then_it_does_not_hide_an_exported_wildcard() {
    let exact = balancing("shop", "exact", &format!("{WEB}, exportTo: [.]"), "RANDOM");
    let wildcard = balancing("shop", "wild", "host: '*.shop.svc.cluster.local'", "ROUND_ROBIN");
    check(&(exact.clone() + &wildcard), "pay", &[], "RoundRobin shop/wild");
    check(&(exact + &wildcard), "shop", &[], "Random shop/exact");
}

#[test]
fn s4_1_given_rules_of_a_third_namespace_then_they_are_never_used() {
    check(&balancing("third", "x", WEB, "RANDOM"), "pay", &[], "LeastRequest -");
}

#[test]
fn s4_1_given_an_empty_rule_in_the_clients_namespace_then_it_hides_the_owners_subsets() {
    let owner = rule("{host: web, subsets: [{name: v1, labels: {version: v1}}]}");
    let empty = object("DestinationRule", "name: empty, namespace: pay", &format!("{{{WEB}}}"));
    let rules = owner + &route("{destination: {host: web, subset: v1}}");
    assert_eq!(cluster(&table_for(&rules, "pay", &[]), 8080).map(|cluster| cluster.endpoints.len()), Ok(2));
    let hidden = table_for(&(rules + &empty), "pay", &[]);
    assert_eq!(cluster(&hidden, 8080).map(|cluster| cluster.endpoints.len()), Err("UnknownSubset"));
}

#[test]
fn s4_1_given_a_rule_of_the_clients_namespace_for_other_clients_only_then_it_still_ends_the_search() {
    let selecting = balancing("pay", "x", &format!("{WEB}, workloadSelector: {{matchLabels: {{app: a}}}}"), "RANDOM");
    let owner = balancing("shop", "owner", WEB, "ROUND_ROBIN");
    check(&(selecting.clone() + &owner), "pay", &[("app", "a")], "Random pay/x");
    check(&(selecting + &owner), "pay", &[], "LeastRequest -");
}
