//! Section 2.5: no virtual host, no route, no listener.

use meshlet_routing::decide::{Dialled, Outcome, refusal};
use meshlet_routing::table::{Capture, Meaning};

use crate::ask::{decided, get, istio, pod, sent, service, table, table_in};

const REGISTRY_ONLY: &str = "{outboundTrafficPolicy: {mode: REGISTRY_ONLY}}";

fn shop() -> String {
    let narrow = "{hosts: [web], http: [{match: [{uri: {prefix: /api}}], route: [{destination: {host: web}}]}]}";
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &service("shop", "plain", "clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]")
        + &service("shop", "db", "clusterIP: 10.96.0.3, ports: [{name: tcp, port: 5432}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("shop", "plain", "v1", "10.1.0.2")
        + &istio("VirtualService", "shop", "web", narrow)
}

fn dialled(address: &str, port: u16) -> Dialled {
    Dialled { address: address.parse().expect("an address"), port }
}

#[test]
fn s2_5_given_an_unknown_host_then_it_goes_where_it_was_dialled_or_is_answered_502_without_a_body() {
    let any = table(&shop(), "shop");
    assert_eq!(sent(&any, "10.96.0.1:80", &get("example.com", "/"), 0), "passthrough");
    let only = table_in(REGISTRY_ONLY, &shop(), "shop");
    let Outcome::Respond(respond) = decided(&only, "10.96.0.1:80", &get("example.com", "/"), 0).outcome else {
        panic!("no answer")
    };
    assert_eq!((respond.status, respond.body, respond.reason.as_str()), (502, &b""[..], "UnknownHost"));
}

#[test]
fn s2_5_given_bytes_that_are_not_http_on_an_http_port_then_they_pass_or_the_connection_is_closed() {
    let (any, only) = (table(&shop(), "shop"), table_in(REGISTRY_ONLY, &shop(), "shop"));
    let web = dialled("10.96.0.1", 80);
    assert_eq!(refusal(&any, web, false), None);
    assert_eq!(refusal(&only, web, false).map(|reason| reason.as_str()), Some("NotHttp"));
    assert_eq!(refusal(&only, web, true), None);
    assert_eq!(refusal(&only, dialled("10.96.0.3", 5432), false), None, "a TCP service is registered");
}

#[test]
fn s2_5_given_no_listener_then_bytes_pass_or_the_connection_is_closed() {
    let (any, only) = (table(&shop(), "shop"), table_in(REGISTRY_ONLY, &shop(), "shop"));
    for is_http in [true, false] {
        let nowhere = dialled("192.0.2.1", 81);
        assert_eq!(refusal(&any, nowhere, is_http), None);
        assert_eq!(refusal(&only, nowhere, is_http).map(|reason| reason.as_str()), Some("NoListener"));
        let meanings = [&only, &any].map(|table| table.captures(nowhere, Capture::Ruled));
        assert_eq!(meanings, [Some(Meaning::Unregistered), None]);
    }
}

#[test]
fn s2_5_given_a_known_host_and_no_route_that_matches_then_404_without_a_body_in_both_modes() {
    for table in [table(&shop(), "shop"), table_in(REGISTRY_ONLY, &shop(), "shop")] {
        assert_eq!(sent(&table, "10.96.0.1:80", &get("web", "/"), 0), "404 NR");
        let Outcome::Respond(respond) = decided(&table, "10.96.0.1:80", &get("web", "/"), 0).outcome else {
            panic!("no answer")
        };
        assert!(respond.body.is_empty());
    }
}

#[test]
fn s2_5_given_a_service_without_a_rule_then_its_default_route_has_all_endpoints_in_both_modes() {
    for table in [table(&shop(), "shop"), table_in(REGISTRY_ONLY, &shop(), "shop")] {
        let found = sent(&table, "10.96.0.1:80", &get("plain", "/"), 0);
        assert_eq!(found, "outbound|80||plain.shop.svc.cluster.local");
    }
}

#[test]
fn s2_5_given_a_sidecar_then_its_mode_beats_the_meshs_and_an_absent_one_is_registry_only() {
    for (spec, mesh, expected) in [
        ("{outboundTrafficPolicy: {mode: REGISTRY_ONLY}}", "{}", "502 -"),
        ("{outboundTrafficPolicy: {}}", "{}", "502 -"),
        ("{outboundTrafficPolicy: {mode: ALLOW_ANY}}", REGISTRY_ONLY, "passthrough"),
        ("{}", REGISTRY_ONLY, "502 -"),
        ("{}", "{outboundTrafficPolicy: {}}", "passthrough"),
    ] {
        let table = table_in(mesh, &(shop() + &istio("Sidecar", "shop", "s", spec)), "shop");
        assert_eq!(sent(&table, "10.96.0.1:80", &get("example.com", "/"), 0), expected, "{spec} {mesh}");
    }
}
