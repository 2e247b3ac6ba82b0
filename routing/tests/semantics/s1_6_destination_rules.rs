//! Section 1.6: the top level of a DestinationRule.

use crate::shop::{WEB, balancing, check, cluster, faults, route, rule, table};

#[test]
fn q1_6_given_a_rule_exported_only_to_others_then_it_is_unusable_at_home() {
    let rules = balancing("shop", "away", &format!("{WEB}, exportTo: [pay]"), "RANDOM");
    check(&rules, "shop", &[], "LeastRequest -");
    check(&rules, "pay", &[], "Random shop/away");
    check(&rules, "other", &[], "LeastRequest -");
}

#[test]
fn s1_6_given_an_empty_traffic_policy_then_the_rule_is_refused() {
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

#[test]
fn s1_6_given_subsets_then_names_are_dns_labels_of_either_case_and_unique() {
    for (names, expected) in [
        (vec!["v1", "V2", "a-b", "'0'"], None),
        (vec!["v1", "v1"], Some("spec.subsets[1].name: \"v1\" is defined twice")),
        (vec!["a_b"], Some("spec.subsets[0].name: \"a_b\" is not a DNS label")),
        (vec!["-a"], Some("spec.subsets[0].name: \"-a\" is not a DNS label")),
        (vec!["a.b"], Some("spec.subsets[0].name: \"a.b\" is not a DNS label")),
        (vec!["''"], Some("spec.subsets[0].name: is missing")),
    ] {
        let subsets: Vec<String> = names.iter().map(|name| format!("{{name: {name}}}")).collect();
        let found: Vec<String> = faults(&rule(&format!("{{host: web, subsets: [{}]}}", subsets.join(", "))))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found.len(), usize::from(expected.is_some()), "{names:?}: {found:?}");
        assert!(found.iter().all(|fault| fault.contains(expected.unwrap_or_default())), "{found:?}");
    }
}

#[test]
fn s1_6_given_labels_that_no_pod_can_carry_then_the_rule_is_refused() {
    for (labels, good) in [
        ("{version: v1, app.kubernetes.io/name: web, empty: ''}", true),
        ("{version: 'v 1'}", false),
        ("{'-version': v1}", false),
        ("{version: v1-}", false),
        ("{'a_b/version': v1}", false),
    ] {
        let found = faults(&rule(&format!("{{host: web, subsets: [{{name: v1, labels: {labels}}}]}}")));
        assert_eq!(found.is_empty(), good, "{labels}: {found:?}");
    }
}

#[test]
fn s1_6_given_a_subset_then_all_its_labels_must_match_and_none_selects_every_endpoint() {
    for (labels, count) in [
        ("", 4),
        (", labels: {}", 4),
        (", labels: {app: web}", 4),
        (", labels: {app: web, version: v1}", 2),
        (", labels: {app: other, version: v1}", 0),
    ] {
        let rules = rule(&format!("{{host: web, subsets: [{{name: s{labels}}}]}}"))
            + &route("{destination: {host: web, subset: s}}");
        let found = cluster(&table(&rules), 8080).map(|cluster| cluster.endpoints.len());
        assert_eq!(found, if count > 0 { Ok(count) } else { Err("NoHealthyEndpoint") }, "{labels}");
    }
}

#[test]
fn s1_6_given_port_level_settings_for_a_port_that_nobody_has_then_they_are_silently_useless() {
    let spec = "{host: web, trafficPolicy: {loadBalancer: {simple: RANDOM}, portLevelSettings: [{port: {number: 1}, loadBalancer: {simple: ROUND_ROBIN}}]}}";
    assert!(faults(&rule(spec)).is_empty());
    check(&rule(spec), "shop", &[], "Random shop/web");
}

#[test]
fn s1_6_given_settings_for_a_port_twice_then_the_first_count_and_the_second_are_reported() {
    let port = |simple: &str| format!("{{port: {{number: 8080}}, loadBalancer: {{simple: {simple}}}}}");
    let spec =
        format!("{{host: web, trafficPolicy: {{portLevelSettings: [{}, {}]}}}}", port("RANDOM"), port("ROUND_ROBIN"));
    let found = faults(&rule(&spec));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].to_string().contains("portLevelSettings[1].port.number: 8080 has settings already"), "{found:?}");
    check(&rule(&spec), "shop", &[], "Random shop/web");
}

#[test]
fn s1_6_given_a_selector_without_labels_then_it_is_reported() {
    let found = faults(&rule("{host: web, workloadSelector: {}}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].to_string().contains("spec.workloadSelector: selects by no label"), "{found:?}");
}
