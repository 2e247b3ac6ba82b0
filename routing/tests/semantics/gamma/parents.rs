//! Which requests a route is for: its parents, its namespace, and what else claims the host.

use super::{check, http_route, of_web, shop, shop_of, short};
use crate::ask::{errors, faults, get, istio, sent, table};
use crate::explained::explained;

/// A route of `shop/web` that lives in a namespace and goes to a backend.
fn route_in(namespace: &str, name: &str, parent: &str, backend: &str) -> String {
    http_route(
        namespace,
        name,
        &format!(
            "{{parentRefs: [{{group: '', kind: Service, name: web, namespace: shop{parent}}}], rules: [{{backendRefs: [{{{backend}, port: 80}}]}}]}}"
        ),
    )
}

fn goes_from(text: &str, namespace: &str, address: &str, authority: &str) -> String {
    short(&sent(&table(text, namespace), address, &get(authority, "/"), 0))
}

const WEB: &str = "10.96.0.1:80";
const FULL: &str = "web.shop.svc.cluster.local";

#[test]
fn gamma_given_a_route_beside_its_service_then_clients_everywhere_meet_it() {
    let text = shop(&route_in("shop", "r", "", "name: a"));
    for namespace in ["shop", "team", "other"] {
        assert_eq!(goes_from(&text, namespace, WEB, FULL), "a", "{namespace}");
        assert_eq!(goes_from(&text, namespace, "10.96.0.1:8080", FULL), "a", "{namespace}");
    }
    assert_eq!(goes_from(&text, "shop", "10.96.0.2:80", "a"), "a", "other services keep their own");
    assert_eq!(goes_from(&text, "shop", "10.96.0.3:80", "b"), "b", "other services keep their own");
}

#[test]
fn gamma_given_a_route_of_another_namespace_then_only_its_own_clients_meet_it() {
    let text = shop(&route_in("team", "r", "", "name: a"));
    assert_eq!(goes_from(&text, "team", WEB, FULL), "a.team", "a backend is of the route's namespace");
    for namespace in ["shop", "other"] {
        assert_eq!(goes_from(&text, namespace, WEB, FULL), "web", "{namespace}");
    }
}

#[test]
fn gamma_given_both_then_a_consumers_route_takes_the_place_of_the_producers() {
    let text = shop(&(route_in("shop", "p", "", "name: b") + &route_in("team", "c", "", "name: a")));
    assert_eq!(goes_from(&text, "team", WEB, FULL), "a.team");
    assert_eq!(goes_from(&text, "shop", WEB, FULL), "b");
    let partial = http_route(
        "team",
        "c",
        "{parentRefs: [{group: '', kind: Service, name: web, namespace: shop}],
          rules: [{matches: [{path: {value: /x}}], backendRefs: [{name: a, port: 80}]}]}",
    );
    let text = shop(&(route_in("shop", "p", "", "name: b") + &partial));
    assert_eq!(goes_from(&text, "team", WEB, FULL), "404 NR", "the two are not merged");
}

#[test]
fn gamma_given_a_port_or_a_section_then_the_route_is_for_that_port_alone() {
    for (parent, on_80, on_8080) in [
        ("", "a", "a"),
        (", port: 80", "a", "web"),
        (", port: 8080", "web", "a"),
        (", sectionName: http", "a", "web"),
        (", sectionName: http-more", "web", "a"),
        (", sectionName: http, port: 8080", "web", "web"),
        (", port: 81", "web", "web"),
        (", sectionName: nobody", "web", "web"),
    ] {
        let text = shop(&route_in("shop", "r", parent, "name: a"));
        assert_eq!(goes_from(&text, "shop", WEB, "web"), on_80, "{parent}");
        assert_eq!(goes_from(&text, "shop", "10.96.0.1:8080", "web"), on_8080, "{parent}");
    }
}

#[test]
fn gamma_given_several_parents_then_the_route_is_for_each() {
    let text = shop(&http_route(
        "shop",
        "r",
        "{parentRefs: [{group: '', kind: Service, name: web, port: 80}, {group: '', kind: Service, name: web, port: 8080},
          {group: '', kind: Service, name: b}], rules: [{backendRefs: [{name: a, port: 80}]}]}",
    ));
    for (address, authority) in [(WEB, "web"), ("10.96.0.1:8080", "web"), ("10.96.0.3:80", "b")] {
        assert_eq!(goes_from(&text, "shop", address, authority), "a", "{address}");
    }
}

#[test]
fn gamma_given_a_gateway_as_parent_then_the_route_has_no_effect_and_is_said_to() {
    for parent in [
        "{name: edge}",
        "{kind: Gateway, group: gateway.networking.k8s.io, name: edge}",
        "{group: x, kind: Mesh, name: web}",
    ] {
        let text = shop(&http_route(
            "shop",
            "r",
            &format!("{{parentRefs: [{parent}], hostnames: [web], rules: [{{backendRefs: [{{name: a, port: 80}}]}}]}}"),
        ));
        assert_eq!(errors(&text), [""; 0]);
        let said = faults(&text);
        assert!(said.len() == 1 && said[0].to_string().contains("spec.parentRefs[0]: is "), "{said:?}");
        assert!(said[0].problem.contains("only Services are parents for mesh clients"), "{said:?}");
        check(&text, &[("/", "web")]);
    }
}

#[test]
fn gamma_given_no_parents_then_it_is_said_to_have_no_effect() {
    let text = shop(&http_route("shop", "r", "{rules: [{backendRefs: [{name: a, port: 80}]}]}"));
    assert!(faults(&text).iter().any(|fault| fault.field == "spec.parentRefs"), "{:?}", faults(&text));
    check(&text, &[("/", "web")]);
}

#[test]
fn gamma_given_hostnames_then_they_are_not_looked_at_for_services() {
    let text = shop(&http_route(
        "shop",
        "r",
        "{parentRefs: [{group: '', kind: Service, name: web}], hostnames: [x.example.com], rules: [{backendRefs: [{name: a, port: 80}]}]}",
    ));
    assert!(faults(&text).iter().any(|fault| fault.field == "spec.hostnames"), "{:?}", faults(&text));
    check(&text, &[("/", "a")]);
}

fn virtual_service(hosts: &str) -> String {
    istio(
        "VirtualService",
        "shop",
        "vs",
        &format!("{{hosts: [{hosts}], http: [{{route: [{{destination: {{host: b}}}}]}}]}}"),
    )
}

#[test]
fn gamma_given_a_virtual_service_for_the_same_host_then_the_http_route_goes_first() {
    for hosts in ["web", "'*.shop.svc.cluster.local'"] {
        let text = shop(&(virtual_service(hosts) + &route_in("shop", "r", ", port: 80", "name: a")));
        assert_eq!(goes_from(&text, "shop", WEB, "web"), "a", "{hosts}");
        assert_eq!(goes_from(&text, "shop", "10.96.0.1:8080", "web"), "b", "on other ports the VirtualService stays");
    }
    let text = shop(&(virtual_service("web") + &route_in("team", "r", "", "name: a")));
    assert_eq!(goes_from(&text, "team", WEB, FULL), "a.team");
    assert_eq!(goes_from(&text, "shop", WEB, "web"), "b", "who does not meet the route meets the VirtualService");
}

#[test]
fn gamma_given_a_destination_rule_then_backends_are_balanced_as_it_says() {
    let rule = istio(
        "DestinationRule",
        "shop",
        "a",
        "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}}",
    );
    super::routed(&shop(&(rule + &of_web("{backendRefs: [{name: a, port: 80}]}"))), &get("web", "/"), |route| {
        assert!(route.cluster.load_balancer.hash_key().is_some());
        assert!(!route.effects.avoid_tried);
    });
}

#[test]
fn gamma_given_a_name_then_its_requests_are_told_by_it() {
    let route = of_web("{name: first, backendRefs: [{name: b, port: 80}]}");
    let answer = explained(&shop(&route), "shop", "web", get("web", "/"));
    assert_eq!(answer["rule"], serde_json::json!({"kind": "http", "index": 0, "name": "first", "match": 0}));
}

#[test]
fn gamma_given_explain_then_route_rule_and_losers_are_named() {
    let rules = virtual_service("web")
        + &of_web(
            "{name: first, matches: [{path: {value: /x}}], backendRefs: [{name: b, port: 80}]}, {backendRefs: [{name: a, port: 80}]}",
        )
        + &route_in("team", "consumer", "", "name: a")
        + &route_in("shop", "more", ", port: 8080", "name: a");
    let answer = explained(&shop(&rules), "shop", "web", get("web", "/"));
    assert_eq!((&answer["verdict"], &answer["reason"]), (&"route".into(), &"HttpRouteRule".into()));
    assert_eq!((&answer["httpRoute"], &answer["virtualService"]), (&"shop/route".into(), &serde_json::Value::Null));
    assert_eq!(answer["rule"], serde_json::json!({"kind": "http", "index": 1, "name": null, "match": 0}));
    assert_eq!(answer["skipped"][0]["index"], 0);
    let mut losers: Vec<String> = answer["notUsed"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|loser| format!("{} {}", loser["object"].as_str().expect("text"), loser["reason"].as_str().expect("text")))
        .collect();
    losers.sort();
    assert_eq!(
        losers,
        [
            "HTTPRoute shop/more OtherPort",
            "HTTPRoute team/consumer OtherNamespace",
            "VirtualService shop/vs HttpRouteOwnsHost"
        ]
    );
    let answer = explained(&shop(&rules), "team", FULL, get(FULL, "/"));
    assert_eq!(answer["httpRoute"], "team/consumer");
    let losers = answer["notUsed"].to_string();
    assert!(losers.contains("HTTPRoute shop/route") && losers.contains("ConsumerRouteFirst"), "{losers}");
}

#[test]
fn gamma_given_a_sidecar_that_imports_the_parent_alone_then_backends_are_imported_with_the_route() {
    let sidecar = istio("Sidecar", "team", "default", "{egress: [{hosts: ['shop/web.shop.svc.cluster.local']}]}");
    for (route, expected) in
        [(route_in("shop", "r", "", "name: a"), "a"), (route_in("team", "r", "", "name: a"), "a.team")]
    {
        let text = shop(&(sidecar.clone() + &route));
        assert_eq!(goes_from(&text, "team", WEB, FULL), expected);
    }
}

#[test]
fn gamma_given_the_objects_in_any_order_then_the_routes_are_the_same() {
    let routes = [
        route_in("shop", "p1", "", "name: b"),
        route_in("shop", "p2", "", "name: a"),
        route_in("team", "c", "", "name: a"),
        virtual_service("web"),
    ];
    for turn in 0..routes.len() {
        let mut turned = routes.to_vec();
        turned.rotate_left(turn);
        let text = shop(&turned.concat());
        assert_eq!(goes_from(&text, "shop", WEB, "web"), "b", "{turn}");
        assert_eq!(goes_from(&text, "team", WEB, FULL), "a.team", "{turn}");
    }
}

#[test]
fn gamma_given_a_client_and_no_request_then_the_routes_that_it_may_meet_are_listed() {
    use meshlet_routing::explain::{Client, about};
    use meshlet_routing::table::Scope;
    let text = shop(&(route_in("shop", "p", "", "name: b") + &route_in("team", "c", "", "name: a")));
    for (namespace, expected) in [("shop", "HTTPRoute shop/p"), ("team", "HTTPRoute team/c")] {
        let scope = Scope::new(namespace.into(), std::sync::Arc::default());
        let objects = about(&crate::ask::world(&text), &Client::Imaginary(scope)).objects.expect("a list");
        assert_eq!(objects, [expected]);
    }
}

#[test]
fn gamma_given_objects_that_the_schema_refuses_then_they_are_refused() {
    for (spec, expected) in [
        ("{parentRefs: [{group: '', kind: Service}], rules: [{}]}", "spec.parentRefs[0].name: is missing"),
        (
            "{parentRefs: [{group: '', kind: Service, name: web, port: 0}], rules: [{}]}",
            "spec.parentRefs[0].port: 0 is not",
        ),
        ("{parentRefs: [{group: '', kind: Service, name: web}], rules: []}", "spec.rules: is empty"),
    ] {
        let errors = errors(&http_route("shop", "r", spec));
        assert!(errors.iter().any(|error| error.contains(expected)), "{spec} {errors:?}");
    }
    assert!(errors(&shop_of("{backendRefs: [{name: a, port: 80}]}")).is_empty());
}
