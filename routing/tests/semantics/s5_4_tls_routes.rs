//! Section 5.4 with 1.4, 2.6 and 2.7: TLS routes.

use crate::ask::{connected, errors, istio, pod, relayed, service, table, table_for, warnings};

const SECURE: &str = "10.96.0.1:443";

/// `secure` listens on 443 declared TLS, as `https` and `other` do; `single` on 9443 alone.
fn shop(rules: &str) -> String {
    service("shop", "secure", "clusterIP: 10.96.0.1, ports: [{name: tls, port: 443}]")
        + &service(
            "shop",
            "other",
            "clusterIP: 10.96.0.2, ports: [{name: https, port: 443}, {name: tls-b, port: 8443}]",
        )
        + &service("shop", "single", "clusterIP: 10.96.0.3, ports: [{name: tls, port: 9443}]")
        + &pod("shop", "secure", "v1", "10.1.0.1")
        + &pod("shop", "other", "v1", "10.1.0.2")
        + &pod("shop", "single", "v1", "10.1.0.3")
        + rules
}

/// A virtual service for `secure` and every name below example.com.
fn rule(tls: &str) -> String {
    let hosts = "hosts: [secure.shop.svc.cluster.local, '*.example.com', example.com]";
    istio("VirtualService", "shop", "secure", &format!("{{{hosts}, tls: [{tls}]}}"))
}

fn to(sni: &str, name: &str) -> String {
    format!("{{match: [{{sniHosts: [{sni}]}}], route: [{{destination: {{host: {name}}}}}]}}")
}

fn on(name: &str, port: u16) -> String {
    format!("outbound|{port}||{name}.shop.svc.cluster.local")
}

#[test]
fn s5_4_given_no_virtual_service_then_every_server_name_goes_to_the_service() {
    let table = table(&shop(""), "shop");
    // It has an address, so names are not compared.
    for sni in [Some("secure.shop.svc.cluster.local"), Some("anything.example.org"), None] {
        assert_eq!(connected(&table, SECURE, sni), on("secure", 443), "{sni:?}");
    }
    assert_eq!(table.ruled().count(), 0);
}

#[test]
fn s5_4_given_rules_then_the_first_of_a_server_name_wins_and_exact_names_go_before_wildcards() {
    let rules = rule(
        &[
            to("'*.example.com'", "other"),
            to("a.example.com", "single"),
            to("a.example.com", "other"),
            to("'*.b.example.com'", "single"),
        ]
        .join(", "),
    );
    let table = table(&shop(&rules), "shop");
    for (sni, expected) in [
        ("a.example.com", on("single", 9443)),
        ("A.Example.COM", on("single", 9443)),
        ("c.example.com", on("other", 443)),
        ("x.a.example.com", on("other", 443)),
        ("x.b.example.com", on("single", 9443)),
        ("b.example.com", on("other", 443)),
    ] {
        assert_eq!(connected(&table, SECURE, Some(sni)), expected, "{sni}");
    }
    let seen = |route: &meshlet_routing::decide::RoutedConnection<'_>| {
        (route.kind.as_str(), route.rule.virtual_service.clone(), route.rule.index, route.rule.entry)
    };
    let found = relayed(&table, SECURE, Some("a.example.com"), seen);
    assert_eq!(found, Some(("tls", Some("shop/secure".into()), 1, Some(0))));
    assert_eq!(table.ruled().count(), 1);
}

#[test]
fn s5_4_given_a_server_name_that_the_rules_do_not_list_then_the_connection_passes_through() {
    let table = table(&shop(&rule(&to("'*.example.com'", "other"))), "shop");
    for sni in [Some("secure.shop.svc.cluster.local"), Some("example.com"), Some(".example.com"), Some(""), None] {
        assert_eq!(connected(&table, SECURE, sni), "passthrough UnlistedServerName", "{sni:?}");
    }
}

#[test]
fn s5_4_given_several_virtual_services_then_names_of_each_are_known_and_the_stronger_keeps_a_shared_one() {
    let second = "\n---\n{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop, creationTimestamp: '2026-01-01T00:00:00Z'}, spec: {hosts: ['*.shop.svc.cluster.local', b.example.com, c.example.com], tls: [{match: [{sniHosts: [b.example.com, c.example.com]}], route: [{destination: {host: single}}]}]}}\n";
    let first = rule(&to("a.example.com, b.example.com", "other"))
        .replace("name: secure,", "name: secure, creationTimestamp: '2025-01-01T00:00:00Z',");
    let table = table(&shop(&(first + second)), "shop");
    for (sni, expected) in [
        ("a.example.com", on("other", 443)),
        ("b.example.com", on("other", 443)),
        ("c.example.com", on("single", 9443)),
    ] {
        assert_eq!(connected(&table, SECURE, Some(sni)), expected, "{sni}");
    }
}

#[test]
fn s1_4_given_static_conditions_in_a_tls_match_then_all_of_them_must_hold() {
    let conditions = "gateways: [mesh], sourceLabels: {app: web}, sourceNamespace: shop, port: 443";
    let rules = rule(&format!(
        "{{match: [{{sniHosts: [a.example.com], {conditions}}}], route: [{{destination: {{host: other}}}}]}}"
    ));
    let text = shop(&rules);
    for (namespace, labels, expected) in [
        ("shop", &[("app", "web")][..], on("other", 443)),
        // Without a match that is for this client there is no rule for names: all goes to the service.
        ("shop", &[], on("secure", 443)),
        ("pay", &[("app", "web")], on("secure", 443)),
    ] {
        let table = table_for(&text, namespace, labels);
        assert_eq!(connected(&table, SECURE, Some("a.example.com")), expected, "{namespace} {labels:?}");
        let unlisted = connected(&table, SECURE, Some("b.example.com"));
        assert_eq!(unlisted.starts_with("passthrough"), expected == on("other", 443), "{unlisted}");
    }
    for dropped in [rules.replace("port: 443", "port: 8443"), rules.replace("gateways: [mesh]", "gateways: [edge/x]")] {
        let table = table_for(&shop(&dropped), "shop", &[("app", "web")]);
        assert_eq!(connected(&table, SECURE, Some("a.example.com")), on("secure", 443), "{dropped}");
    }
}

#[test]
fn s1_4_given_destination_subnets_in_a_tls_match_then_only_connections_into_them_meet_it() {
    let within = |subnet: &str, sni: &str, name: &str| {
        format!(
            "{{match: [{{sniHosts: [{sni}], destinationSubnets: [{subnet}]}}], route: [{{destination: {{host: {name}}}}}]}}"
        )
    };
    let rules = [
        within("10.96.0.0/16", "a.example.com", "other"),
        within("192.0.2.0/24", "b.example.com", "other"),
        to("b.example.com", "single"),
    ];
    let table = table(&shop(&rule(&rules.join(", "))), "shop");
    assert_eq!(connected(&table, SECURE, Some("a.example.com")), on("other", 443));
    // Envoy looks among the chains of the narrowest subnet alone.
    assert_eq!(connected(&table, SECURE, Some("b.example.com")), "passthrough UnlistedServerName");
    let elsewhere = shop(&rule(&rules[1..].join(", ")));
    assert_eq!(connected(&crate::ask::table(&elsewhere, "shop"), SECURE, Some("b.example.com")), on("single", 9443));
}

#[test]
fn s2_6_given_no_destination_port_on_a_tls_route_then_a_sole_port_is_inferred() {
    let table = table(&shop(&rule(&to("a.example.com", "single"))), "shop");
    assert_eq!(connected(&table, SECURE, Some("a.example.com")), on("single", 9443));
}

#[test]
fn s2_7_given_a_broken_destination_of_a_tls_route_then_the_connection_is_closed() {
    let rules = to("a.example.com", "nobody") + ", " + &to("b.example.com", "empty");
    let text = shop(&rule(&rules)) + &service("shop", "empty", "clusterIP: 10.96.0.4, ports: [{name: tls, port: 443}]");
    let table = table(&text, "shop");
    assert_eq!(connected(&table, SECURE, Some("a.example.com")), "reset NC");
    assert_eq!(connected(&table, SECURE, Some("b.example.com")), "reset UH");
}

#[test]
fn s5_4_given_http_and_tcp_rules_of_a_port_declared_tls_then_they_do_not_apply() {
    let route = "route: [{destination: {host: other}}]";
    let rules = istio(
        "VirtualService",
        "shop",
        "secure",
        &format!("{{hosts: [secure], http: [{{{route}}}], tcp: [{{{route}}}]}}"),
    );
    assert_eq!(connected(&table(&shop(&rules), "shop"), SECURE, Some("secure")), on("secure", 443));
}

#[test]
fn s1_4_given_a_tls_rule_with_faults_then_every_one_is_named() {
    let route = "route: [{destination: {host: a}}]";
    for (tls, expected) in [
        (format!("{{{route}}}"), &["spec.tls[0].match: is empty"][..]),
        (format!("{{match: [{{}}], {route}}}"), &["spec.tls[0].match[0].sniHosts: is empty"]),
        (
            format!("{{match: [{{sniHosts: [other.org, a.example.com, 'no name', '*']}}], {route}}}"),
            &[
                "spec.tls[0].match[0].sniHosts[0]: \"other.org\" is not covered by spec.hosts (secure.shop.svc.cluster.local, *.example.com, example.com)",
                "spec.tls[0].match[0].sniHosts[2]: \"no name\" is no server name",
                "spec.tls[0].match[0].sniHosts[3]: \"*\" is not covered",
            ],
        ),
        ("{match: [{sniHosts: [example.com]}]}".to_owned(), &["spec.tls[0].route: is empty"]),
    ] {
        let said = errors(&rule(&tls));
        assert_eq!(said.len(), expected.len(), "{tls}: {said:?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.contains(expected), "{said}\nexpected {expected}");
        }
    }
}

#[test]
fn s1_4_given_an_address_as_server_name_then_a_warning_says_that_clients_do_not_send_it() {
    let text = rule(&to("192.0.2.1", "other"));
    assert_eq!(errors(&text), [""; 0]);
    let said = warnings(&text);
    assert!(
        said.len() == 1 && said[0].contains("spec.tls[0].match[0].sniHosts[0]: \"192.0.2.1\" is an address"),
        "{said:?}"
    );
}

#[test]
fn s5_4_given_a_service_without_address_then_server_names_are_compared_and_its_own_goes_where_it_was_dialled() {
    let entry = istio(
        "ServiceEntry",
        "shop",
        "out",
        "{hosts: [api.example.org], ports: [{number: 8443, name: tls, protocol: TLS}], resolution: DNS}",
    );
    let alone = table(&shop(&entry), "shop");
    assert_eq!(connected(&alone, "192.0.2.1:8443", Some("api.example.org")), "passthrough OriginalDestination");
    assert_eq!(connected(&alone, "192.0.2.1:8443", Some("b.example.org")), "passthrough UnlistedServerName");
    let rules = istio(
        "VirtualService",
        "shop",
        "out",
        "{hosts: [api.example.org], tls: [{match: [{sniHosts: [api.example.org]}], route: [{destination: {host: other}}]}]}",
    );
    let ruled = table(&shop(&(entry.clone() + &rules)), "shop");
    assert_eq!(connected(&ruled, "192.0.2.1:8443", Some("api.example.org")), on("other", 8443));
    // Whoever dialled something else has not resolved the name, and nothing here does.
    let elsewhere = table(&shop(&(entry + &rule(&to("a.example.com", "api.example.org")))), "shop");
    assert_eq!(connected(&elsewhere, SECURE, Some("a.example.com")), "reset UH");
}
