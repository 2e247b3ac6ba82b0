//! Section 4.3: what the levels of a policy come to for one cluster.

use crate::shop::{cluster, route, rule, table};

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
