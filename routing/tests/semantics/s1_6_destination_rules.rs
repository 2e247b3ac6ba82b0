//! Section 1.6: the top level of a DestinationRule.

use crate::shop::{WEB, balancing, check, faults, rule};

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
