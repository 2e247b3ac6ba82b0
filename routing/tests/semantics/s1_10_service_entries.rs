//! Section 1.10: hosts of ServiceEntries.

use crate::ask::{errors, faults, get, istio, pod, sent, table, world};
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
fn s1_10_given_a_dns_entry_then_addresses_are_used_and_names_are_the_clients_to_resolve() {
    let to = |host: &str| {
        istio(
            "VirtualService",
            "shop",
            "r",
            &format!("{{hosts: [in.example.com], http: [{{route: [{{destination: {{host: {host}}}}}]}}]}}"),
        )
    };
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
        let table = table(&(entry(spec) + &to("api.example.com")), "shop");
        assert_eq!(endpoints(&table, "api.example.com"), own, "{spec}");
        assert_eq!(endpoints(&table, "in.example.com"), from_another, "{spec}");
        let told = faults(&entry(spec)).iter().any(|fault| fault.problem.contains("resolves none"));
        assert_eq!(told, spec.contains("x.example.com") || !spec.contains("endpoints"), "{spec}");
    }
    let wild = entry("resolution: DYNAMIC_DNS").replace("[api.example.com]", "['*.example.com']");
    assert_eq!(goes(&table(&wild, "shop"), "any.example.com"), "passthrough");
    assert_eq!(errors(&wild), [""; 0]);
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
