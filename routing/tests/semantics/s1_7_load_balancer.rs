//! Section 1.7: the load balancer, but for hashing (4.5) and localities (4.8).

use std::time::Duration;

use meshlet_routing::fault::Severity;
use meshlet_routing::model::{LoadBalancer, Warmup};

use crate::shop::{ask, cluster, faults, get, route, rule, table};

fn block(fields: &str) -> String {
    rule(&format!("{{host: web, trafficPolicy: {{loadBalancer: {{{fields}}}}}}}"))
}

fn in_force(fields: &str) -> LoadBalancer {
    cluster(&table(&block(fields)), 8080).expect("a cluster").load_balancer.clone()
}

#[test]
fn s1_7_given_a_simple_algorithm_then_each_word_means_what_istio_means() {
    for (word, expected) in [
        ("LEAST_REQUEST", LoadBalancer::LeastRequest),
        ("LEAST_CONN", LoadBalancer::LeastRequest),
        ("UNSPECIFIED", LoadBalancer::LeastRequest),
        ("ROUND_ROBIN", LoadBalancer::RoundRobin),
        ("RANDOM", LoadBalancer::Random),
    ] {
        assert_eq!(in_force(&format!("simple: {word}")), expected, "{word}");
    }
}

#[test]
fn s1_7_given_passthrough_then_the_connection_goes_where_the_client_dialled_and_labels_of_subsets_are_void() {
    let to_v9 = route("{destination: {host: web, subset: v9}}");
    let subset = |policy: &str| format!("subsets: [{{name: v9, labels: {{version: v9}}{policy}}}]");
    let passes = "trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}";
    for rules in [
        block("simple: PASSTHROUGH"),
        // No endpoint has the label, and none is chosen.
        rule(&format!("{{host: web, {passes}, {}}}", subset(""))) + &to_v9,
        rule(&format!("{{host: web, {}}}", subset(&format!(", {passes}")))) + &to_v9,
        // A subset cannot take it back.
        rule(&format!("{{host: web, {passes}, {}}}", subset(", trafficPolicy: {loadBalancer: {simple: RANDOM}}")))
            + &to_v9,
    ] {
        let table = table(&rules);
        let found = format!("{:?}", ask(&table, 8080, &get("/", &[]), 0));
        assert!(found.contains("OriginalDestination") || found.contains("finding: Dialled"), "{rules}: {found}");
    }
}

#[test]
fn s1_7_given_a_warm_up_then_its_parts_have_istios_defaults() {
    let of = |seconds, minimum_percent, aggression| Warmup {
        duration: Duration::from_secs(seconds),
        minimum_percent,
        aggression,
    };
    for (fields, expected) in [
        ("simple: ROUND_ROBIN, warmup: {duration: 60s}", Some(of(60, 10.0, 1.0))),
        ("warmup: {duration: 60s, minimumPercent: 0, aggression: 1.5}", Some(of(60, 0.0, 1.5))),
        ("simple: LEAST_REQUEST, warmupDurationSecs: 30s", Some(of(30, 10.0, 1.0))),
        ("warmupDurationSecs: 30s, warmup: {duration: 60s, minimumPercent: 20}", Some(of(60, 20.0, 1.0))),
        ("simple: RANDOM, warmup: {duration: 60s}", None),
        ("consistentHash: {useSourceIp: true}, warmup: {duration: 60s}", None),
    ] {
        assert_eq!(cluster(&table(&block(fields)), 8080).expect("a cluster").warmup, expected, "{fields}");
    }
}

#[test]
fn s1_7_given_a_load_balancer_that_is_wrong_then_the_fault_says_so() {
    for (fields, severity, expected) in [
        ("simple: BEST", Severity::Error, "simple: \"BEST\" is not a load balancer"),
        ("simple: RANDOM, consistentHash: {useSourceIp: true}", Severity::Error, "has both simple and consistentHash"),
        ("simple: LEAST_CONN", Severity::Warning, "simple: LEAST_CONN is the deprecated name"),
        ("warmup: {}", Severity::Error, "warmup.duration: is missing"),
        ("warmup: {duration: 0s}", Severity::Error, "warmup.duration: is less than 1ms"),
        ("warmup: {duration: 1500us}", Severity::Error, "warmup.duration: is no whole number of milliseconds"),
        ("warmup: {duration: 1s, minimumPercent: 101}", Severity::Error, "warmup.minimumPercent: is 101"),
        ("warmup: {duration: 1s, aggression: 0.5}", Severity::Error, "warmup.aggression: is 0.5"),
        ("warmupDurationSecs: 1s", Severity::Warning, "warmupDurationSecs: is deprecated"),
        ("simple: RANDOM, warmup: {duration: 1s}", Severity::Warning, "warmup: has no effect beside this algorithm"),
        ("zoneAwareLbSetting: {enabled: true}", Severity::Warning, "zoneAwareLbSetting: is not honoured"),
        ("backendUtilization: {}", Severity::Warning, "backendUtilization: is not honoured"),
        (
            "zoneAwareLbSetting: {}, localityLbSetting: {}",
            Severity::Error,
            "has both localityLbSetting and zoneAwareLbSetting",
        ),
        (
            "localityLbSetting: {failover: [{from: a, to: b}]}",
            Severity::Warning,
            "fails over only with outlierDetection",
        ),
        (
            "consistentHash: {useSourceIp: true, minimumRingSize: 8, ringHash: {}}",
            Severity::Error,
            "has minimumRingSize beside",
        ),
    ] {
        let found = faults(&block(fields));
        let fits =
            |fault: &meshlet_routing::fault::Fault| fault.severity == severity && fault.to_string().contains(expected);
        assert!(found.iter().any(fits), "{fields}: {found:?}");
        assert_eq!(
            found.iter().any(|fault| fault.severity == Severity::Error),
            severity == Severity::Error,
            "{found:?}"
        );
    }
}
