//! Section 1.10: hosts of ServiceEntries.

use std::net::IpAddr;
use std::sync::Arc;

use meshlet_routing::table::{Scope, Table};

use crate::ask::{connected, errors, faults, get, inventory, istio, pod, relayed, sent, table, world};
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
    let wild = entry("resolution: DYNAMIC_DNS").replace("[api.example.com]", "['*.example.com']");
    assert_eq!(goes(&table(&wild, "shop"), "any.example.com"), "passthrough");
    assert_eq!(errors(&wild), [""; 0]);
    assert!(
        faults(&wild).iter().any(|fault| fault.problem.contains("not honoured")),
        "it is for the shell to ask, per request"
    );
    assert_eq!(inventory(&wild).names().count(), 0, "a wildcard is no name");
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
    assert!(!change.rules && !change.clients, "a change of endpoints and of nothing else");
    let world = inventory.world();
    let followed = before.with_endpoints(change.endpoints.iter().flat_map(|host| world.services.of_host(host)));
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
