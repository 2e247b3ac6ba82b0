//! Section 4.3: what the levels of a policy come to for one cluster.

use std::num::NonZeroU32;

use meshlet_routing::model::{ConnectionPool, OutlierDetection, PolicyDefaults};

use crate::ask::{istio, pod, service};
use crate::explained::explained;
use crate::shop::{cluster, get, route, routed, rule, table, table_with};

#[test]
fn s4_3_given_policies_of_several_levels_then_each_block_is_composed() {
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

/// The three blocks in force for port 8080 of subset v1, by the number that each rule gives them.
fn blocks(rules: &str, defaults: &PolicyDefaults) -> String {
    let table = table_with(rules, defaults);
    let cluster = cluster(&table, 8080).expect("a cluster");
    let pool = cluster.connection_pool.max_connections.map_or(0, u32::from);
    let outlier = cluster.outlier_detection.as_ref().map_or(0, |found| found.consecutive_5xx.map_or(0, u32::from));
    format!("{:?} {pool} {outlier}", cluster.load_balancer)
}

fn pool(number: u32) -> String {
    format!("connectionPool: {{tcp: {{maxConnections: {number}}}}}")
}

fn outlier(number: u32) -> String {
    format!("outlierDetection: {{consecutive5xxErrors: {number}}}")
}

fn levels(top: &str, port: &str, subset: &str, subset_port: &str) -> String {
    let at_port = |blocks: &str| format!("portLevelSettings: [{{port: {{number: 8080}}, {blocks}}}]");
    let policy = |top: &str, port: &str| {
        let parts = [top.to_owned(), if port.is_empty() { String::new() } else { at_port(port) }];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { String::new() } else { format!(", trafficPolicy: {{{}}}", parts.join(", ")) }
    };
    let subset = format!("{{name: v1{}}}", policy(subset, subset_port));
    rule(&format!("{{host: web{}, subsets: [{subset}]}}", policy(top, port)))
        + &route("{destination: {host: web, subset: v1}}")
}

#[test]
fn s4_3_given_blocks_at_every_level_then_each_comes_from_where_istio_takes_it() {
    let lb = "loadBalancer: {simple: RANDOM}";
    let all = |number| format!("{}, {}", pool(number), outlier(number));
    let none = PolicyDefaults::default();
    for (text, expected) in [
        (levels(&all(1), "", "", ""), "LeastRequest 1 1"),
        // Port level replaces all of them, and inherits nothing.
        (levels(&all(1), &pool(2), "", ""), "LeastRequest 2 0"),
        (levels(&all(1), lb, "", ""), "Random 0 0"),
        // A subset replaces block by block.
        (levels(&all(1), "", &pool(3), ""), "LeastRequest 3 1"),
        (levels(&all(1), &outlier(2), &pool(3), ""), "LeastRequest 3 2"),
        // Its own port level leaves nothing of anything else.
        (levels(&all(1), &all(2), &all(3), &outlier(4)), "LeastRequest 0 4"),
        (levels("", "", "", ""), "LeastRequest 0 0"),
    ] {
        assert_eq!(blocks(&text, &none), expected, "{text}");
    }
}

#[test]
fn s4_3_given_a_default_traffic_policy_of_the_mesh_then_it_fills_what_is_missing_in_the_end() {
    let number = NonZeroU32::new(9);
    let defaults = PolicyDefaults {
        connection_pool: Some(ConnectionPool { max_connections: number, ..ConnectionPool::UNSET }.into()),
        outlier_detection: Some(OutlierDetection { consecutive_5xx: number, ..OutlierDetection::default() }.into()),
        ..PolicyDefaults::default()
    };
    for (text, expected) in [
        (route("{destination: {host: web}}"), "LeastRequest 9 9"),
        (levels("", "", "", ""), "LeastRequest 9 9"),
        (levels(&pool(1), "", "", ""), "LeastRequest 1 9"),
        // A block is taken whole: what it leaves out is unset, not the mesh's.
        (levels("connectionPool: {http: {}}", "", "", ""), "LeastRequest 0 9"),
        (levels(&pool(1), "", "", &outlier(4)), "LeastRequest 9 4"),
    ] {
        assert_eq!(blocks(&text, &defaults), expected, "{text}");
    }
}

#[test]
fn s4_3_given_any_block_that_is_felt_then_the_default_route_is_a_rules_work() {
    for (policy, expected) in [
        (pool(1), "DestinationRuleOnly"),
        (outlier(1), "DestinationRuleOnly"),
        ("loadBalancer: {simple: RANDOM}".to_owned(), "DestinationRuleOnly"),
        ("tls: {mode: SIMPLE}".to_owned(), "DestinationRuleOnly"),
        ("tls: {mode: DISABLE}".to_owned(), "DefaultRoute"),
    ] {
        let table = table(&rule(&format!("{{host: web, trafficPolicy: {{{policy}}}}}")));
        assert_eq!(routed(&table, &get("/", &[]), 0).reason.as_str(), expected, "{policy}");
    }
}

#[test]
fn s4_3_given_blocks_in_force_then_explain_shows_them_and_nothing_where_there_are_none() {
    let of = |policy: &str| {
        let text = service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
            + &pod("shop", "web", "v1", "10.1.0.1")
            + &pod("shop", "web", "v1", "10.1.0.2")
            + &istio("DestinationRule", "shop", "web", &format!("{{host: web, trafficPolicy: {{{policy}}}}}"));
        explained(&text, "shop", "web", crate::ask::get("web", "/"))["destinations"][0].clone()
    };
    let shown = of(
        "connectionPool: {tcp: {maxConnections: 3, connectTimeout: 2s, idleTimeout: 0s}, http: {http2MaxRequests: 7}}, outlierDetection: {maxEjectionPercent: 50}",
    );
    let pool = serde_json::json!({"maxConnections": 3, "maxRequests": 7, "connectTimeoutMs": 2000, "idleTimeoutMs": 0});
    let outlier = serde_json::json!({
        "consecutive5xxErrors": 5, "intervalMs": 10000, "baseEjectionTimeMs": 30000,
        "maxEjectionPercent": 50, "minHealthPercent": 0, "maxEjected": 1,
    });
    assert_eq!((&shown["connectionPool"], &shown["outlierDetection"]), (&pool, &outlier), "{shown}");
    let bare = of("loadBalancer: {simple: RANDOM}");
    for key in ["connectionPool", "outlierDetection", "locality"] {
        assert!(bare.get(key).is_none(), "{bare}");
    }
}
