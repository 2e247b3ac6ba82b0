//! What the hooks of a node are told, for all its scopes together.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use meshlet_routing::decide::Dialled;
use meshlet_routing::model::World;
use meshlet_routing::table::{Capture, Captured, Meaning, Scope, Table};

use crate::ask::{istio, pod, service, world, world_in};

const REGISTRY_ONLY: &str = "{outboundTrafficPolicy: {mode: REGISTRY_ONLY}}";
const CAPTURES: [Capture; 2] = [Capture::Ruled, Capture::Ports];

/// An HTTP service with a rule, one without, a database, a headless service, and one without address of each kind.
fn shop() -> String {
    let ports = |name: &str, number: u16| format!("ports: [{{name: {name}, port: {number}}}]");
    let route = "route: [{destination: {host: web}}]";
    let entry = |name: &str, ports: &str| {
        istio(
            "ServiceEntry",
            "shop",
            name,
            &format!("{{hosts: ['*.{name}.example'], resolution: NONE, ports: [{ports}]}}"),
        )
    };
    let tls = format!("{{hosts: ['*.tls.example'], tls: [{{match: [{{sniHosts: ['a.tls.example']}}], {route}}}]}}");
    service("shop", "web", &format!("clusterIP: 10.96.0.1, {}", ports("http", 80)))
        + &service("shop", "plain", &format!("clusterIP: 10.96.0.2, {}", ports("http", 80)))
        + &service("shop", "other", &format!("clusterIP: 10.96.0.4, {}", ports("http", 8080)))
        + &service("shop", "db", &format!("clusterIP: 10.96.0.3, {}", ports("tcp", 80)))
        + &service("shop", "api", &format!("clusterIP: 10.96.0.5, {}", ports("https", 443)))
        + &service("shop", "headless", &format!("clusterIP: None, {}", ports("http", 8080)))
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("shop", "headless", "v1", "10.1.0.8")
        + &entry("tls", "{number: 443, name: tls, protocol: TLS}")
        + &entry("http", "{number: 80, name: http, protocol: HTTP}")
        + &istio("VirtualService", "shop", "web", &format!("{{hosts: [web], http: [{{{route}}}], exportTo: ['.']}}"))
        + &istio("VirtualService", "shop", "tls", &tls)
        + &istio("VirtualService", "shop", "http", &format!("{{hosts: ['*.http.example'], http: [{{{route}}}]}}"))
}

fn tables(world: &World, namespaces: &[&str]) -> Vec<Table> {
    namespaces.iter().map(|namespace| Table::build(world, &Scope::new((*namespace).into(), Arc::default()))).collect()
}

fn dialled(text: &str) -> Dialled {
    let at: SocketAddr = text.parse().expect("an address and a port");
    Dialled { address: at.ip(), port: at.port() }
}

#[test]
fn given_an_address_then_a_rule_for_it_comes_first_and_what_is_meant_for_every_address_last() {
    let any = tables(&world(&shop()), &["shop"]);
    let only = tables(&world_in(REGISTRY_ONLY, &shop()), &["shop"]);
    let (ruled, anywhere) = (Some(Meaning::Ruled), Some(Meaning::AnyAddress));
    let (declared, refused) = (Some(Meaning::Declared), Some(Meaning::Unregistered));
    for (at, expected) in [
        ("10.96.0.1:80", [ruled; 4]),
        ("10.96.0.2:80", [anywhere; 4]),
        ("192.0.2.1:80", [anywhere; 4]),
        ("[2001:db8::1]:80", [anywhere; 4]),
        // Bytes for a database's own address never meet names.
        ("10.96.0.3:80", [None; 4]),
        ("192.0.2.1:443", [anywhere; 4]),
        ("10.96.0.5:443", [None; 4]),
        ("10.96.0.4:8080", [None, declared, None, declared]),
        ("10.1.0.8:8080", [None, declared, None, declared]),
        ("192.0.2.1:8080", [None, declared, refused, declared]),
        ("192.0.2.1:22", [None, None, refused, refused]),
        ("127.0.0.1:80", [None; 4]),
        ("[::1]:22", [None; 4]),
    ] {
        let found: Vec<_> = [&any, &only]
            .into_iter()
            .flat_map(|tables| CAPTURES.map(|capture| tables[0].captures(dialled(at), capture)))
            .collect();
        assert_eq!(found, expected, "{at}");
    }
}

#[test]
fn given_a_rule_for_a_name_then_every_address_of_its_port_is_captured_only_if_the_name_may_come_to_any() {
    for (host, expected) in [
        ("www.example.com", Some(Meaning::AnyAddress)),
        ("'*.example.com'", Some(Meaning::AnyAddress)),
        // It has an address and another port: there its name is known on port 80 as well.
        ("other", None),
        ("'*.shop.svc.cluster.local'", None),
        // No resolver gives an address for it.
        ("nobody", None),
    ] {
        let rule = format!("{{hosts: [{host}], http: [{{route: [{{destination: {{host: plain}}}}]}}]}}");
        let text = service("shop", "plain", "clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]")
            + &service("shop", "other", "clusterIP: 10.96.0.4, ports: [{name: http, port: 8080}]")
            + &istio("VirtualService", "shop", "rule", &rule);
        let table = &tables(&world(&text), &["shop"])[0];
        assert_eq!(table.captures(dialled("192.0.2.1:80"), Capture::Ruled), expected, "{host}");
    }
}

#[test]
fn given_several_scopes_then_the_hooks_hold_what_any_of_them_captures_and_nothing_else() {
    let sidecar = istio("Sidecar", "pay", "default", "{outboundTrafficPolicy: {mode: REGISTRY_ONLY}}");
    for (world, namespaces) in [
        (world(&shop()), &["shop"][..]),
        (world(&shop()), &["shop", "pay", "news"]),
        (world(&(shop() + &sidecar)), &["shop", "pay"]),
        (world(&(shop() + &sidecar)), &["news", "pay"]),
        (world_in(REGISTRY_ONLY, &shop()), &["shop", "news"]),
        (world(""), &["shop"]),
        (world(&shop()), &[]),
    ] {
        let tables = tables(&world, namespaces);
        for capture in CAPTURES {
            let captured = Captured::of(tables.iter(), capture);
            for last in 0..10 {
                for port in [22, 80, 443, 8080] {
                    for address in [[10, 96, 0, last], [10, 1, 0, last], [127, 0, 0, last], [192, 0, 2, last]] {
                        let dialled = Dialled { address: IpAddr::from(address), port };
                        let meant = tables.iter().any(|table| table.captures(dialled, capture).is_some());
                        assert_eq!(captured.holds(dialled), meant, "{namespaces:?} {capture:?} {dialled:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn given_nothing_that_is_meant_for_every_address_then_no_address_is_told_to_be_native() {
    let rule = istio("VirtualService", "shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    let text = service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &service("shop", "plain", "clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]")
        + &rule;
    let tables = tables(&world(&text), &["shop"]);
    let expected = Captured { addresses: [([10, 96, 0, 1].into(), 80)].into(), ..Captured::default() };
    assert_eq!(Captured::of(tables.iter(), Capture::Ruled), expected);
}
