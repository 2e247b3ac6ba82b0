//! Section 1.10: hosts of ServiceEntries.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use meshlet_routing::decide::{AskedName, Dialled, Outcome, Reason, Towards};
use meshlet_routing::table::{NeedsProxy, Scope, Table};

use crate::ask::{connected, decided, errors, faults, get, inventory, istio, pod, relayed, sent, table, world};
use crate::s1_10_other_objects::{endpoints, goes, place, shop};

fn entry(spec: &str) -> String {
    istio(
        "ServiceEntry",
        "shop",
        "e",
        &format!(
            "{{hosts: [api.example.com], ports: [{{number: 80, name: http, protocol: HTTP, targetPort: 8080}}, {{number: 81, name: b, protocol: HTTP}}], {spec}}}"
        ),
    )
}

#[test]
fn s1_10_given_a_static_entry_then_its_endpoints_have_their_own_ports_labels_places_and_weights() {
    let text = entry(
        "resolution: STATIC, endpoints: [{address: 10.5.0.1, labels: {version: v1}, locality: r/z/s, weight: 3}, {address: 10.5.0.2, ports: {http: 9999}}]",
    ) + &istio(
        "DestinationRule",
        "shop",
        "d",
        "{host: api.example.com, subsets: [{name: v1, labels: {version: v1}}]}",
    ) + &istio(
        "VirtualService",
        "shop",
        "r",
        "{hosts: [one.example.com], http: [{route: [{destination: {host: api.example.com, subset: v1}}]}]}",
    );
    let shown = table(&text, "shop");
    assert_eq!(endpoints(&shown, "api.example.com"), "10.5.0.1:8080 10.5.0.2:9999");
    assert_eq!(endpoints(&shown, "one.example.com"), "10.5.0.1:8080", "a rule for it and a subset of it");
    assert_eq!(sent(&shown, "192.0.2.1:81", &get("api.example.com", "/"), 0), "outbound|81||api.example.com");
    let world = world(&text);
    let first = &world.services[0].ports[0].endpoints[0];
    assert_eq!((&*first.locality, first.weight.get()), (&place("r", "z", "s"), 3));
}

#[test]
fn s1_10_given_an_entry_that_selects_pods_then_those_of_its_namespace_are_its_endpoints() {
    let text = shop()
        + &entry("resolution: STATIC, workloadSelector: {labels: {app: web}}")
        + &pod("pay", "web", "v1", "10.1.0.9");
    assert_eq!(endpoints(&table(&text, "shop"), "api.example.com"), "10.1.0.1:8080");
}

#[test]
fn s1_10_given_an_entry_without_resolution_then_connections_go_where_they_were_dialled() {
    for resolution in ["resolution: NONE", "location: MESH_EXTERNAL"] {
        assert_eq!(goes(&table(&entry(resolution), "shop"), "api.example.com"), "passthrough");
    }
}

#[test]
fn s1_10_given_names_that_come_to_nothing_then_they_are_the_clients_to_resolve() {
    for (spec, own, from_another) in [
        ("resolution: DNS, endpoints: [{address: 10.5.0.1}]", "10.5.0.1:8080", "10.5.0.1:8080"),
        (
            "resolution: DNS, endpoints: [{address: 10.5.0.1}, {address: x.example.com}]",
            "10.5.0.1:8080",
            "10.5.0.1:8080",
        ),
        ("resolution: DNS", "passthrough", "503 UH"),
        ("resolution: DNS_ROUND_ROBIN, endpoints: [{address: x.example.com}]", "passthrough", "503 UH"),
    ] {
        let table = table(&(entry(spec) + &to_api("")), "shop");
        assert_eq!(endpoints(&table, "api.example.com"), own, "{spec}");
        assert_eq!(endpoints(&table, "in.example.com"), from_another, "{spec}");
        assert!(faults(&entry(spec)).is_empty(), "{spec}");
    }
}

/// An entry of names that are resolved when they are asked for, and a route of another host to it.
fn wild(more: &str) -> String {
    entry("resolution: DYNAMIC_DNS, addresses: [192.0.2.7]").replace("[api.example.com]", "['*.example.com']")
        + &istio(
            "VirtualService",
            "shop",
            "r",
            "{hosts: [in.test], http: [{timeout: 3s, rewrite: {authority: other.example.com}, route: [{destination: {host: '*.example.com'}}]}]}",
        )
        + more
}

#[test]
fn s1_10_given_a_dynamic_dns_entry_then_the_host_that_is_asked_for_is_resolved_at_the_ports_target() {
    let table = table(&wild(""), "shop");
    assert_eq!(endpoints(&table, "any.example.com"), "any.example.com:8080");
    assert_eq!(endpoints(&table, "Deep.Any.example.com:1234"), "deep.any.example.com:8080", "no port of Host's");
    assert_eq!(endpoints(&table, "in.test"), "in.test:8080", "from another host too, by the name before a rewrite");
    assert_eq!(goes(&table, "example.com"), "passthrough", "the wildcard does not cover it");
    assert_eq!(sent(&table, "192.0.2.1:81", &get("a.example.com", "/"), 0), "outbound|81||*.example.com");
    let Outcome::Route(route) = decided(&table, "192.0.2.1:81", &get("a.example.com", "/"), 0).outcome else {
        panic!("it is sent on");
    };
    assert_eq!(route.towards, Towards::Name(AskedName { name: "a.example.com".into(), port: 81 }), "no targetPort");
    assert_eq!(faults(&wild("")).len(), 0);
    assert_eq!(inventory(&wild("")).names().count(), 0, "a wildcard is no name to follow");
}

#[test]
fn s1_10_given_a_dynamic_dns_entry_then_a_routes_effects_and_the_rules_limits_are_in_force_and_a_hash_is_void() {
    let rule = istio(
        "DestinationRule",
        "shop",
        "d",
        "{host: '*.example.com', trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}, loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: 1s}}}}}",
    );
    let table = table(&wild(&rule), "shop");
    let Outcome::Route(route) = decided(&table, "192.0.2.1:80", &get("in.test", "/"), 0).outcome else {
        panic!("it is sent on");
    };
    assert_eq!(route.effects.timeout, Some(Duration::from_secs(3)));
    assert_eq!(route.cluster.connection_pool.max_connections.map(u32::from), Some(7));
    assert!(route.key.is_none() && route.response_lines.is_empty());
    assert_eq!(route.reason, Reason::VirtualServiceRule);
}

#[test]
fn s1_10_given_a_dynamic_dns_entry_then_nothing_that_is_asked_for_is_no_endpoint() {
    assert_eq!(
        sent(&table(&wild(""), "shop"), "192.0.2.7:80", &get("192.0.2.7", "/"), 0),
        "outbound|80||*.example.com"
    );
    let tcp = wild("").replace("name: b, protocol: HTTP", "name: b, protocol: TCP");
    let tcp = table(&tcp, "shop");
    assert_eq!(connected(&tcp, "192.0.2.7:81", None), "reset UH", "opaque bytes name nothing");
    let dialled = Dialled { address: "192.0.2.7".parse().expect("an address"), port: 81 };
    assert_eq!(tcp.kernel_route(dialled, &[]), Err(NeedsProxy::Name));
}

#[test]
fn s1_10_given_a_dynamic_dns_entry_of_tls_then_the_server_name_is_resolved() {
    for addresses in ["", ", addresses: [192.0.2.7]"] {
        let text = entry(&format!("resolution: DYNAMIC_DNS{addresses}"))
            .replace("[api.example.com]", "['*.example.com']")
            .replace("name: b, protocol: HTTP", "name: b, protocol: TLS, targetPort: 8443");
        let table = table(&text, "shop");
        let asked = |name| relayed(&table, "192.0.2.7:81", Some(name), |route| route.asked.clone());
        let expected = AskedName { name: "any.example.com".into(), port: 8443 };
        assert_eq!(asked("Any.example.com"), Some(Some(expected)), "{addresses}");
    }
}

/// A route of another host to the entry's, with more in its destination.
fn to_api(more: &str) -> String {
    let spec =
        format!("{{hosts: [in.example.com], http: [{{route: [{{destination: {{host: api.example.com{more}}}}}]}}]}}");
    istio("VirtualService", "shop", "r", &spec)
}

/// Where requests for a host go when names come to these addresses.
fn resolved(text: &str, host: &str, names: &[(&str, &[&str])]) -> String {
    endpoints(&table_of_names(text, names), host)
}

/// The table of before, which follows what names come to: it says what one that is built anew does.
fn table_of_names(text: &str, names: &[(&str, &[&str])]) -> Table {
    let mut inventory = inventory(text);
    let scope = Scope::new("shop".into(), Arc::default());
    let before = Table::build(inventory.world(), &scope);
    for (name, addresses) in names {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        inventory.resolved(name, &addresses);
    }
    let change = inventory.settle();
    assert!(change.rules.is_empty() && !change.clients, "a change of endpoints and of nothing else");
    let world = inventory.world();
    let followed = before.following(world, &scope, &change);
    let anew = Table::build(world, &scope);
    for host in ["in.example.com", "api.example.com"] {
        assert_eq!(endpoints(&followed, host), endpoints(&anew, host));
    }
    followed
}

#[test]
fn s1_10_given_a_dns_entry_of_connections_then_they_go_to_what_its_name_comes_to_or_as_before_where_they_were_dialled()
{
    let text = entry("resolution: DNS, addresses: [192.0.2.7]")
        .replace("name: b, protocol: HTTP", "name: b, protocol: TCP")
        + &entry("resolution: STATIC, addresses: [192.0.2.8], endpoints: [{address: 10.5.0.9}]")
            .replace("name: e,", "name: in,")
            .replace("[api.example.com]", "[in.example.com]")
            .replace("name: b, protocol: HTTP", "name: b, protocol: TCP")
        + &istio(
            "VirtualService",
            "shop",
            "r",
            "{hosts: [in.example.com], tcp: [{route: [{destination: {host: api.example.com, port: {number: 81}}}]}]}",
        );
    let known = table_of_names(&text, &[("api.example.com", &["10.5.0.1"])]);
    for dialled in ["192.0.2.7:81", "192.0.2.8:81"] {
        let found = relayed(&known, dialled, None, |route| route.cluster.endpoints[0].address.to_string());
        assert_eq!(found.as_deref(), Some("10.5.0.1:81"), "{dialled}");
    }
    let unknown = table_of_names(&text, &[]);
    assert_eq!(connected(&unknown, "192.0.2.7:81", None), "passthrough OriginalDestination");
    assert_eq!(connected(&unknown, "192.0.2.8:81", None), "reset UH");
}

#[test]
fn s1_10_given_a_dns_entry_then_every_address_of_its_names_is_an_endpoint_of_their_place_and_weight() {
    let text = entry(
        "resolution: DNS, endpoints: [{address: X.example.com, labels: {version: v1}, locality: r/z/s, weight: 3}, {address: y.example.com, ports: {http: 9999}}, {address: 10.5.0.9}]",
    ) + &to_api(", subset: v1")
        + &istio(
            "DestinationRule",
            "shop",
            "d",
            "{host: api.example.com, subsets: [{name: v1, labels: {version: v1}}]}",
        );
    assert_eq!(inventory(&text).names().collect::<Vec<_>>(), ["x.example.com", "y.example.com"]);
    let known: &[(&str, &[&str])] = &[("x.example.com", &["10.5.0.2", "10.5.0.1"]), ("y.example.com", &["10.5.0.3"])];
    assert_eq!(resolved(&text, "api.example.com", known), "10.5.0.1:8080 10.5.0.2:8080 10.5.0.3:9999 10.5.0.9:8080");
    assert_eq!(resolved(&text, "in.example.com", known), "10.5.0.1:8080 10.5.0.2:8080", "the labels are the name's");
    assert_eq!(resolved(&text, "in.example.com", &known[1..]), "503 UH", "the subset's own name comes to nothing");
    let mut inventory = inventory(&text);
    inventory.resolved("x.example.com", &["10.5.0.1".parse().expect("an address")]);
    inventory.settle();
    let first = &inventory.world().services[0].ports[0].endpoints[0];
    assert_eq!((&*first.locality, first.weight.get()), (&place("r", "z", "s"), 3));
}

#[test]
fn s1_10_given_a_dns_entry_without_endpoints_then_each_host_is_resolved_by_itself() {
    let text = entry("resolution: DNS").replace("[api.example.com]", "[api.example.com, b.example.com]") + &to_api("");
    assert_eq!(inventory(&text).names().collect::<Vec<_>>(), ["api.example.com", "b.example.com"]);
    let api: &[(&str, &[&str])] = &[("api.example.com", &["10.5.0.2", "10.5.0.1"])];
    assert_eq!(resolved(&text, "api.example.com", api), "10.5.0.1:8080 10.5.0.2:8080");
    assert_eq!(resolved(&text, "in.example.com", api), "10.5.0.1:8080 10.5.0.2:8080", "a route of another host too");
    assert_eq!(resolved(&text, "b.example.com", api), "passthrough", "its own name comes to nothing yet");
}

#[test]
fn s1_10_given_a_dns_round_robin_entry_then_the_first_address_alone_is_the_endpoint() {
    for (spec, name) in [
        ("resolution: DNS_ROUND_ROBIN", "api.example.com"),
        ("resolution: DNS_ROUND_ROBIN, endpoints: [{address: x.example.com}]", "x.example.com"),
    ] {
        let text = entry(spec) + &to_api("");
        assert_eq!(inventory(&text).names().collect::<Vec<_>>(), [name]);
        assert_eq!(resolved(&text, "in.example.com", &[(name, &["10.5.0.2", "10.5.0.1"])]), "10.5.0.2:8080");
        assert_eq!(resolved(&text, "in.example.com", &[(name, &[])]), "503 UH");
    }
}

#[test]
fn s1_10_given_addresses_of_an_entry_then_they_are_its_listeners_and_names_and_a_range_is_reported() {
    let rule = istio(
        "VirtualService",
        "shop",
        "r",
        "{hosts: [api.example.com], http: [{route: [{destination: {host: api.example.com}}]}]}",
    );
    let spec =
        "resolution: STATIC, addresses: [192.0.2.7, 192.0.2.8/32, 198.51.100.0/24], endpoints: [{address: 10.5.0.1}]";
    let text = entry(spec) + &rule;
    let table = table(&text, "shop");
    let ruled: Vec<String> = table.ruled().map(|(address, port)| format!("{address}:{port}")).collect();
    assert_eq!(ruled, ["192.0.2.7:80", "192.0.2.7:81", "192.0.2.8:80", "192.0.2.8:81"]);
    assert_eq!(endpoints(&table, "192.0.2.7"), "10.5.0.1:8080");
    assert!(faults(&text).iter().any(|fault| fault.field == "spec.addresses[2]"));
    let bare = entry("resolution: STATIC, endpoints: [{address: 10.5.0.1}]") + &rule;
    let anywhere: Vec<u16> = self::table(&bare, "shop").ruled_anywhere().collect();
    assert_eq!(anywhere, [80, 81]);
}

#[test]
fn s1_10_given_export_to_of_an_entry_then_only_those_namespaces_know_it() {
    let text = entry("resolution: STATIC, endpoints: [{address: 10.5.0.1}], exportTo: ['.']");
    assert_eq!(goes(&table(&text, "shop"), "api.example.com"), "outbound|80||api.example.com");
    assert_eq!(goes(&table(&text, "pay"), "api.example.com"), "passthrough");
}

#[test]
fn s1_10_given_an_entry_that_istio_refuses_then_so_do_we_with_every_fault() {
    for spec in [
        "resolution: STATIC, endpoints: [{address: x.example.com}]",
        "resolution: NONE, endpoints: [{address: 10.5.0.1}]",
        "resolution: DNS_ROUND_ROBIN, endpoints: [{address: 10.5.0.1}, {address: 10.5.0.2}]",
        "resolution: DNS, addresses: [192.0.2.0/24]",
        "resolution: STATIC, endpoints: [{address: 10.5.0.1, ports: {x: 1}}]",
        "resolution: STATIC, endpoints: [{address: 10.5.0.1}], workloadSelector: {labels: {a: b}}",
        "resolution: SOMETIMES",
        "location: ELSEWHERE",
        "addresses: [x]",
        "exportTo: ['~', pay]",
    ] {
        assert_ne!(errors(&entry(spec)), [""; 0], "{spec}");
    }
    let many = istio(
        "ServiceEntry",
        "shop",
        "e",
        "{hosts: ['*', 'a b'], ports: [{number: 80}, {number: 80, name: x}], resolution: DNS}",
    );
    let found = errors(&many);
    for field in ["spec.hosts[0]", "spec.hosts[1]", "spec.ports[0].name", "spec.ports[1].number"] {
        assert!(found.iter().any(|line| line.contains(field)), "{field} {found:?}");
    }
    assert_ne!(errors(&entry("resolution: DYNAMIC_DNS")), [""; 0], "it is for wildcards");
    assert_ne!(errors(&entry("resolution: DNS").replace("[api.example.com]", "['*.example.com']")), [""; 0]);
}
