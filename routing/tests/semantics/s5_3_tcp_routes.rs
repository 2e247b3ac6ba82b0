//! Section 5.3 with 1.4, 2.6 and 2.7: TCP routes.

use std::time::Duration;

use meshlet_routing::model::IdleTimeout;

use crate::ask::{connected, connected_from, errors, istio, pod, relayed, service, table, table_for, warnings};

const DB: &str = "10.96.0.1:5432";

/// `db` listens on 5432 declared TCP, `other` on 5432 and 9000, `single` on 9090 alone, `headless` has no address.
fn shop(rules: &str) -> String {
    service("shop", "db", "clusterIP: 10.96.0.1, ports: [{name: tcp, port: 5432}]")
        + &service("shop", "other", "clusterIP: 10.96.0.2, ports: [{name: tcp, port: 5432}, {name: tcp-b, port: 9000}]")
        + &service("shop", "single", "clusterIP: 10.96.0.3, ports: [{name: tcp, port: 9090}]")
        + &service("shop", "headless", "clusterIP: None, ports: [{name: tcp, port: 5432}]")
        + &service("shop", "empty", "clusterIP: 10.96.0.5, ports: [{name: tcp, port: 5432}]")
        + &pod("shop", "db", "v1", "10.1.0.1")
        + &pod("shop", "db", "v2", "10.1.0.2")
        + &pod("shop", "other", "v1", "10.1.0.3")
        + &pod("shop", "single", "v1", "10.1.0.4")
        + &pod("shop", "headless", "v1", "10.1.0.5")
        + rules
}

fn rule(spec: &str) -> String {
    istio("VirtualService", "shop", "db", spec)
}

fn to(name: &str) -> String {
    format!("route: [{{destination: {{host: {name}}}}}]")
}

fn on(name: &str, port: u16) -> String {
    format!("outbound|{port}||{name}.shop.svc.cluster.local")
}

#[test]
fn s5_3_given_no_rule_then_all_goes_to_the_service_itself() {
    let table = table(&shop(""), "shop");
    assert_eq!(connected(&table, DB, None), on("db", 5432));
    assert_eq!(table.ruled().count(), 0, "nothing of it needs the proxy");
}

#[test]
fn s5_3_given_a_destination_rule_alone_then_the_service_is_balanced_by_it_and_captured() {
    let policy = istio("DestinationRule", "shop", "db", "{host: db, trafficPolicy: {loadBalancer: {simple: RANDOM}}}");
    let table = table(&shop(&policy), "shop");
    assert_eq!(relayed(&table, DB, None, |route| route.reason.as_str()), Some("DestinationRuleOnly"));
    let ruled: Vec<_> = table.ruled().map(|(address, port)| format!("{address}:{port}")).collect();
    assert_eq!(ruled, [DB]);
}

#[test]
fn s5_3_given_several_routes_then_the_first_whose_static_conditions_hold_wins() {
    let rules = rule(&format!(
        "{{hosts: [db], tcp: [
           {{match: [{{port: 1}}], {a}}},
           {{match: [{{sourceLabels: {{app: web}}}}, {{sourceNamespace: pay}}], {b}}},
           {{match: [{{gateways: [edge/public]}}], {a}}},
           {{match: [{{gateways: [edge/public, mesh], port: 5432}}], {c}}},
           {{{a}}}]}}",
        a = to("empty"),
        b = to("other"),
        c = to("db"),
    ));
    let text = shop(&rules);
    assert_eq!(connected(&table_for(&text, "shop", &[("app", "web")]), DB, None), on("other", 5432));
    assert_eq!(connected(&table(&text, "pay"), DB, None), on("other", 5432));
    let table = table(&text, "shop");
    assert_eq!(connected(&table, DB, None), on("db", 5432));
    let seen = |route: &meshlet_routing::decide::RoutedConnection<'_>| {
        (route.kind.as_str(), route.rule.virtual_service.clone(), route.rule.index, route.rule.entry)
    };
    assert_eq!(relayed(&table, DB, None, seen), Some(("tcp", Some("shop/db".into()), 3, Some(0))));
}

#[test]
fn s1_4_given_gateways_and_source_conditions_in_one_tcp_match_then_all_of_them_must_hold() {
    // In an http match `gateways` would switch the others off.
    let entry = "{gateways: [mesh], sourceLabels: {app: web}, sourceNamespace: shop, port: 5432}";
    let text = shop(&rule(&format!("{{hosts: [db], tcp: [{{match: [{entry}], {}}}]}}", to("other"))));
    for (namespace, labels, expected) in [
        ("shop", &[("app", "web")][..], "other"),
        ("shop", &[], "db"),
        ("shop", &[("app", "api")], "db"),
        ("pay", &[("app", "web")], "db"),
    ] {
        let table = table_for(&text, namespace, labels);
        assert_eq!(connected(&table, DB, None), on(expected, 5432), "{namespace} {labels:?}");
    }
}

#[test]
fn s1_4_given_a_source_subnet_then_it_is_accepted_without_effect_and_reported() {
    let text =
        shop(&rule(&format!("{{hosts: [db], tcp: [{{match: [{{sourceSubnet: 192.0.2.0/24}}], {}}}]}}", to("other"))));
    assert_eq!(errors(&text), [""; 0]);
    let said = warnings(&text);
    assert!(said.len() == 1 && said[0].contains("spec.tcp[0].match[0].sourceSubnet: has no effect"), "{said:?}");
    assert_eq!(connected_from(&table(&text, "shop"), DB, None, "10.9.9.9"), on("other", 5432));
}

#[test]
fn s5_3_given_no_route_left_for_the_client_then_the_service_itself_answers() {
    let text = shop(&rule(&format!("{{hosts: [db], tcp: [{{match: [{{port: 1}}], {}}}]}}", to("other"))));
    let table = table(&text, "shop");
    assert_eq!(relayed(&table, DB, None, |route| route.reason.as_str()), Some("DefaultRoute"));
    assert_eq!(table.ruled().count(), 0);
}

#[test]
fn s5_3_given_destination_subnets_then_the_narrowest_that_the_address_is_in_decides() {
    let subnet = |subnet: &str, name: &str| format!("{{match: [{{destinationSubnets: [{subnet}]}}], {}}}", to(name));
    for (rules, expected) in [
        (vec![subnet("10.0.0.0/8", "other"), subnet("10.96.0.0/16", "single")], on("single", 9090)),
        (vec![subnet("10.96.0.0/16", "single"), subnet("10.0.0.0/8", "other")], on("single", 9090)),
        (vec![subnet("10.96.0.1", "other"), subnet("10.96.0.0/16", "single")], on("other", 5432)),
        // Of the same subnet the first stays.
        (vec![subnet("10.96.0.0/16", "other"), subnet("10.96.0.0/16", "single")], on("other", 5432)),
        // Not within: the route without subnets, else the service.
        (vec![subnet("192.0.2.0/24", "other"), format!("{{{}}}", to("single"))], on("single", 9090)),
        (vec![subnet("192.0.2.0/24", "other")], on("db", 5432)),
        // A subnet goes before a route without any, which was written first and ends the list.
        (vec![subnet("10.0.0.0/8", "other"), format!("{{{}}}", to("single"))], on("other", 5432)),
        (vec![format!("{{{}}}", to("single")), subnet("10.0.0.0/8", "other")], on("single", 9090)),
    ] {
        let text = shop(&rule(&format!("{{hosts: [db], tcp: [{}]}}", rules.join(", "))));
        assert_eq!(connected(&table(&text, "shop"), DB, None), expected, "{rules:?}");
    }
}

#[test]
fn s5_3_given_a_rule_with_one_match_that_names_no_subnet_then_it_takes_everything() {
    let rules = format!(
        "{{hosts: [db], tcp: [{{match: [{{destinationSubnets: [192.0.2.0/24]}}, {{port: 5432}}], {}}}, {{{}}}]}}",
        to("other"),
        to("single")
    );
    let table = table(&shop(&rule(&rules)), "shop");
    assert_eq!(connected(&table, DB, None), on("other", 5432));
    assert_eq!(relayed(&table, DB, None, |route| route.rule.entry), Some(Some(1)));
}

#[test]
fn s5_3_given_wildcards_then_they_are_tried_in_candidate_order_whatever_they_cover() {
    let wide = |created: &str, name: &str| {
        format!(
            "\n---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: wide, namespace: shop, creationTimestamp: '{created}'}}, spec: {{hosts: ['*.shop.svc.cluster.local'], tcp: [{{match: [{{port: 5432}}], {}}}]}}}}\n",
            to(name)
        )
    };
    let exact = "\n---\n{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: exact, namespace: shop, creationTimestamp: '2026-02-01T00:00:00Z'}, spec: {hosts: [db], tcp: [{route: [{destination: {host: single}}]}]}}\n";
    for (created, expected) in
        [("2026-01-01T00:00:00Z", on("other", 5432)), ("2026-03-01T00:00:00Z", on("single", 9090))]
    {
        let text = shop(&(wide(created, "other") + exact));
        assert_eq!(connected(&table(&text, "shop"), DB, None), expected, "{created}");
    }
    // A candidate without a route for the port leaves the rest of the candidates theirs.
    let text = shop(&(wide("2026-01-01T00:00:00Z", "other").replace("port: 5432", "port: 1") + exact));
    assert_eq!(connected(&table(&text, "shop"), DB, None), on("single", 9090));
}

#[test]
fn s5_3_given_several_destinations_then_connections_are_drawn_by_weight_and_weight_zero_gets_none() {
    let route = "{hosts: [db], tcp: [{route: [{weight: 1, destination: {host: other}}, {weight: 3, destination: {host: db}}, {destination: {host: single}}]}]}";
    let table = table(&shop(&rule(route)), "shop");
    let share = |wanted: String| {
        let draws = (0..1000_u32).map(|share| share * (u32::MAX / 1000) + u32::MAX / 2000);
        draws.filter(|draw| crate::ask::connected_by(&table, DB, None, *draw) == wanted).count()
    };
    assert_eq!([share(on("other", 5432)), share(on("db", 5432)), share(on("single", 9090))], [250, 750, 0]);
}

#[test]
fn s5_3_given_weights_that_are_all_zero_then_the_object_is_refused_and_a_sole_destination_needs_none() {
    let two = "{hosts: [db], tcp: [{route: [{destination: {host: other}}, {destination: {host: db}}]}]}";
    let said = errors(&rule(two));
    assert!(said.len() == 1 && said[0].contains("spec.tcp[0].route: the weights sum to 0"), "{said:?}");
    let one = shop(&rule("{hosts: [db], tcp: [{route: [{weight: 0, destination: {host: other}}]}]}"));
    assert_eq!(connected(&table(&one, "shop"), DB, None), on("other", 5432));
}

#[test]
fn s5_3_given_the_first_destinations_rule_hashes_the_source_then_its_client_sticks_for_all() {
    let hash =
        |host: &str, policy: &str| istio("DestinationRule", "shop", host, &format!("{{host: {host}, {policy}}}"));
    let source = "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}";
    let header = "trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x}}}";
    let subset = "subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]";
    let own = "subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}]";
    let port = "trafficPolicy: {portLevelSettings: [{port: {number: 5432}, loadBalancer: {consistentHash: {useSourceIp: true}}}]}";
    let both = "route: [{weight: 1, destination: {host: db, subset: v1}}, {weight: 1, destination: {host: other}}]";
    for (rules, route, expected) in [
        (hash("db", source), to("db"), true),
        (hash("db", header), to("db"), false),
        (hash("db", ""), to("db"), false),
        // A subset's own load balancer counts for a sole destination alone.
        (
            hash("db", &format!("{source}, {subset}")),
            "route: [{destination: {host: db, subset: v1}}]".to_owned(),
            false,
        ),
        (hash("db", own), "route: [{destination: {host: db, subset: v1}}]".to_owned(), true),
        (hash("db", &format!("{source}, {subset}")), both.to_owned(), true),
        (hash("db", own), both.to_owned(), false),
        (hash("other", source), both.replace(", subset: v1", ""), false),
        // Port-level settings make the cluster's ring, but no connection brings a key to it.
        (hash("db", port), to("db"), false),
    ] {
        let text = shop(&(rules.clone() + &rule(&format!("{{hosts: [db], tcp: [{{{route}}}]}}"))));
        let key = relayed(&table(&text, "shop"), DB, None, |route| route.key).flatten();
        assert_eq!(key.is_some(), expected, "{rules} {route}");
    }
    let table = table(&shop(&hash("db", source)), "shop");
    let key = |source: &str| crate::ask::relayed_from(&table, DB, None, source, |route| route.key).flatten();
    assert!(key("10.1.9.1").is_some() && key("10.1.9.1") == key("10.1.9.1") && key("10.1.9.1") != key("10.1.9.2"));
}

#[test]
fn s5_3_given_idle_timeouts_then_that_of_the_first_destinations_top_level_counts() {
    let pool = |host: &str, timeout: &str| {
        let pool = format!("connectionPool: {{tcp: {{idleTimeout: {timeout}}}}}");
        let ports = "portLevelSettings: [{port: {number: 5432}, connectionPool: {tcp: {idleTimeout: 7s}}}]";
        istio("DestinationRule", "shop", host, &format!("{{host: {host}, trafficPolicy: {{{pool}, {ports}}}}}"))
    };
    let both = "route: [{weight: 1, destination: {host: db}}, {weight: 1, destination: {host: other}}]".to_owned();
    let after = |seconds| Some(IdleTimeout::After(Duration::from_secs(seconds)));
    for (rules, route, expected) in [
        (pool("db", "5s"), to("db"), after(5)),
        (pool("db", "0s"), to("db"), Some(IdleTimeout::Never)),
        (pool("db", "5s") + &pool("other", "6s"), both.clone(), after(5)),
        (pool("other", "6s"), both, None),
    ] {
        let text = shop(&(rules + &rule(&format!("{{hosts: [db], tcp: [{{{route}}}]}}"))));
        assert_eq!(relayed(&table(&text, "shop"), DB, None, |route| route.idle_timeout), Some(expected), "{route}");
    }
    let alone = table(&shop(&pool("db", "5s")), "shop");
    assert_eq!(relayed(&alone, DB, None, |route| route.idle_timeout), Some(after(5)), "without any route too");
}

#[test]
fn s5_3_given_longest_durations_then_that_of_the_first_destinations_top_level_counts() {
    let pool = |host: &str, limit: &str| {
        let pool = format!("connectionPool: {{tcp: {{maxConnectionDuration: {limit}}}}}");
        istio("DestinationRule", "shop", host, &format!("{{host: {host}, trafficPolicy: {{{pool}}}}}"))
    };
    let both = "route: [{weight: 1, destination: {host: db}}, {weight: 1, destination: {host: other}}]".to_owned();
    for (rules, route, expected) in [
        (pool("db", "5s"), to("db"), Some(5)),
        (pool("db", "5s") + &pool("other", "6s"), both.clone(), Some(5)),
        (pool("other", "6s"), both, None),
    ] {
        let text = shop(&(rules + &rule(&format!("{{hosts: [db], tcp: [{{{route}}}]}}"))));
        let found = relayed(&table(&text, "shop"), DB, None, |route| route.max_duration);
        assert_eq!(found, Some(expected.map(Duration::from_secs)), "{route}");
    }
}

#[test]
fn s2_6_given_no_destination_port_on_a_tcp_route_then_a_sole_port_is_inferred() {
    for (destination, expected) in [
        // The complete service is asked: the dialled 5432 is not a port of it.
        ("{host: single}", on("single", 9090)),
        ("{host: other}", on("other", 5432)),
        ("{host: other, port: {number: 9000}}", on("other", 9000)),
        ("{host: single, port: {number: 5432}}", "reset NC".to_owned()),
    ] {
        let text = shop(&rule(&format!("{{hosts: [db], tcp: [{{route: [{{destination: {destination}}}]}}]}}")));
        assert_eq!(connected(&table(&text, "shop"), DB, None), expected, "{destination}");
    }
}

#[test]
fn s2_7_given_a_broken_destination_of_a_tcp_route_then_the_connection_is_closed() {
    let subsets = istio("DestinationRule", "shop", "db", "{host: db, subsets: [{name: v9, labels: {version: v9}}]}");
    for (destination, expected) in [
        ("{host: nobody}", "reset NC"),
        ("{host: db, port: {number: 1}}", "reset NC"),
        ("{host: db, subset: v8}", "reset NC"),
        ("{host: db, subset: v9}", "reset UH"),
        ("{host: empty}", "reset UH"),
    ] {
        let text = shop(
            &(subsets.clone() + &rule(&format!("{{hosts: [db], tcp: [{{route: [{{destination: {destination}}}]}}]}}"))),
        );
        assert_eq!(connected(&table(&text, "shop"), DB, None), expected, "{destination}");
    }
    assert_eq!(connected(&table(&shop(""), "shop"), "10.96.0.5:5432", None), "reset UH", "of the service itself too");
}

#[test]
fn q2_7_given_a_headless_destination_of_a_tcp_route_then_the_connection_goes_where_it_was_dialled() {
    let text = shop(&rule(&format!("{{hosts: [db], tcp: [{{{}}}]}}", to("headless"))));
    assert_eq!(connected(&table(&text, "shop"), DB, None), "passthrough OriginalDestination");
}

#[test]
fn s1_4_given_a_tcp_rule_with_faults_then_every_one_is_named() {
    for (spec, expected) in [
        ("{hosts: [db], tcp: [{}]}", &["spec.tcp[0].route: is empty"][..]),
        ("{hosts: [db], tcp: []}", &["spec.http: is empty"]),
        (
            "{hosts: [db], tcp: [{match: [{destinationSubnets: [10.0.0.0/8, ten], port: 70000}], route: [{destination: {}}]}]}",
            &[
                "spec.tcp[0].match[0].destinationSubnets[1]: \"ten\" is not a subnet",
                "spec.tcp[0].match[0].port: 70000",
                "spec.tcp[0].route[0].destination.host: is missing",
            ],
        ),
    ] {
        let said = errors(&rule(spec));
        assert_eq!(said.len(), expected.len(), "{spec}: {said:?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.contains(expected), "{said}\nexpected {expected}");
        }
    }
}

#[test]
fn s1_4_given_tcp_rules_that_no_connection_reaches_then_a_warning_says_so() {
    let route = to("db");
    let rules = format!(
        "{{hosts: [db], tcp: [{{match: [{{port: 1}}, {{port: 1}}], {route}}}, {{{route}}}, {{match: [{{port: 2}}], {route}}}]}}"
    );
    let said = warnings(&rule(&rules));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("spec.tcp[0].match[1]: is never reached: it repeats spec.tcp[0].match[0]"), "{said:?}");
    assert!(said[1].contains("spec.tcp[2]: is never reached: spec.tcp[1] takes every connection"), "{said:?}");
}
