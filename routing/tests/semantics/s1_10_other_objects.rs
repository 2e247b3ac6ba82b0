//! Section 1.10: other objects that change routing for a mesh client.

use std::sync::Arc;

use meshlet_routing::decide::{Outcome, Towards};
use meshlet_routing::model::{Labels, Locality, World};
use meshlet_routing::table::{Scope, Table};

use crate::ask::{decided, faults, get, istio, pod, sent, service, table, table_in, world, world_in};

pub(crate) const HTTP: &str = "ports: [{name: http, port: 80}]";

/// `web` in `shop`, `api` in `pay`.
pub(crate) fn shop() -> String {
    service("shop", "web", &format!("clusterIP: 10.96.0.1, {HTTP}"))
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &service("pay", "api", &format!("clusterIP: 10.96.0.2, {HTTP}"))
        + &pod("pay", "api", "v1", "10.1.0.2")
}

pub(crate) const WEB: &str = "outbound|80||web.shop.svc.cluster.local";
pub(crate) const API: &str = "outbound|80||api.pay.svc.cluster.local";

/// What a request by this Host comes to.
pub(crate) fn goes(table: &Table, host: &str) -> String {
    sent(table, "192.0.2.1:80", &get(host, "/"), 0)
}

/// The endpoints of a request by this Host.
pub(crate) fn endpoints(table: &Table, host: &str) -> String {
    let Outcome::Route(route) = decided(table, "192.0.2.1:80", &get(host, "/"), 0).outcome else {
        return goes(table, host);
    };
    if let Towards::Name(asked) = &route.towards {
        return asked.to_string();
    }
    if route.towards == Towards::Dialled {
        return goes(table, host);
    }
    route.cluster.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn s1_10_given_an_export_annotation_then_only_those_namespaces_know_the_service() {
    for (words, known_in) in [
        ("'*'", &["shop", "pay", "third"][..]),
        ("'.'", &["shop"]),
        ("'., pay'", &["shop", "pay"]),
        ("'~'", &[]),
        ("third", &["third"]),
    ] {
        let annotated = format!("name: web, namespace: shop, annotations: {{networking.istio.io/exportTo: {words}}}}}");
        let text = shop().replace("name: web, namespace: shop}", &annotated);
        for client in ["shop", "pay", "third"] {
            let expected = if known_in.contains(&client) { WEB } else { "passthrough" };
            assert_eq!(goes(&table(&text, client), "web.shop"), expected, "{words} {client}");
        }
    }
}

#[test]
fn s1_10_given_a_mesh_default_for_services_then_it_is_for_those_without_an_annotation() {
    let mesh = "{defaultServiceExportTo: ['.']}";
    assert_eq!(goes(&table_in(mesh, &shop(), "pay"), "web.shop"), "passthrough");
    assert_eq!(goes(&table_in(mesh, &shop(), "shop"), "web.shop"), WEB);
}

#[test]
fn s1_10_given_a_slice_then_ready_endpoints_are_used_and_those_that_shut_down_are_not_even_listed() {
    let slice = "\n---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}, ports: [{name: http, port: 8080}], endpoints: [
        {addresses: [10.3.0.1]},
        {addresses: [10.3.0.2], conditions: {ready: true, serving: true, terminating: false}},
        {addresses: [10.3.0.3], conditions: {ready: false, serving: false, terminating: false}},
        {addresses: [10.3.0.4], conditions: {ready: false, serving: true, terminating: true}}]}\n";
    let text = shop() + slice;
    assert_eq!(endpoints(&table(&text, "shop"), "web"), "10.3.0.1:8080 10.3.0.2:8080");
    let world = world(&text);
    let web = world.services.iter().find(|service| &*service.name == "web").expect("the service");
    let listed: Vec<String> = web.ports[0].endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
    assert_eq!(listed, ["10.3.0.1:8080", "10.3.0.2:8080", "10.3.0.3:8080"]);
}

fn node(name: &str, region: &str, zone: &str) -> String {
    format!(
        "\n---\n{{apiVersion: v1, kind: Node, metadata: {{name: {name}, labels: {{topology.kubernetes.io/region: {region}, topology.kubernetes.io/zone: {zone}}}}}}}\n"
    )
}

fn on_node(name: &str, labels: &str, node: &str, ip: &str) -> String {
    format!(
        "\n---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{app: near{labels}}}}}, spec: {{nodeName: {node}}}, status: {{podIP: {ip}}}}}\n"
    )
}

pub(crate) fn place(region: &str, zone: &str, sub_zone: &str) -> Locality {
    Locality { region: region.into(), zone: zone.into(), sub_zone: sub_zone.into() }
}

fn localities(world: &World) -> Vec<Locality> {
    let near = world.services.iter().find(|service| &*service.name == "near").expect("the service");
    near.ports[0].endpoints.iter().map(|endpoint| (*endpoint.locality).clone()).collect()
}

#[test]
fn s1_10_given_labels_of_a_pod_or_its_node_then_they_say_where_an_endpoint_is() {
    let text = service("shop", "near", &format!("clusterIP: 10.96.0.5, {HTTP}"))
        + &node("n1", "r1", "z1")
        + &on_node("a", "", "n1", "10.4.0.1")
        + &on_node("b", ", istio-locality: r2.z2.s2", "n1", "10.4.0.2")
        + &on_node("c", ", topology.kubernetes.io/region: r3, topology.kubernetes.io/zone: z3", "n1", "10.4.0.3")
        + &on_node("d", "", "unknown", "10.4.0.4");
    let world = world(&text);
    assert_eq!(
        localities(&world),
        [place("r1", "z1", ""), place("r2", "z2", "s2"), place("r3", "z3", ""), Locality::default()]
    );
    for pod in &world.pods {
        let scope = Scope::of_pod(&world, pod);
        let endpoint = world.services[0].ports[0].endpoints.iter().find(|end| end.address.ip() == pod.addresses[0]);
        assert_eq!(Some(&scope.locality), endpoint.map(|endpoint| &endpoint.locality), "a client is where its pod is");
        assert_eq!(scope.node, pod.node);
    }
}

#[test]
fn s1_10_given_a_slices_zone_then_it_comes_before_what_labels_say() {
    let slice = "\n---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, namespace: shop, labels: {kubernetes.io/service-name: near}}, ports: [{name: http, port: 80}], endpoints: [
        {addresses: [10.4.0.1], zone: z9, nodeName: n1}, {addresses: [10.4.0.2], zone: z1, nodeName: n1}, {addresses: [10.4.0.3], nodeName: n9}]}\n";
    let text = service("shop", "near", &format!("clusterIP: 10.96.0.5, {HTTP}"))
        + &node("n1", "r1", "z1")
        + &node("n9", "r9", "z9")
        + slice;
    let text = text + &on_node("a", ", istio-locality: r2.z2.s2", "n1", "10.4.0.1");
    assert_eq!(localities(&world(&text)), [place("r9", "z9", ""), place("r1", "z1", ""), place("r9", "z9", "")]);
}

/// A table for a client on a node.
fn on(text: &str, node_name: &str) -> Table {
    let world = world(text);
    let locality = world.nodes.locality(Some(node_name));
    let scope = Scope { locality, node: Some(node_name.into()), ..Scope::new("shop".into(), Arc::new(Labels::new())) };
    Table::build(&world, &scope)
}

#[test]
fn s1_10_given_internal_traffic_policy_local_then_only_the_clients_node_is_used() {
    let two = |policy: &str| {
        service("shop", "near", &format!("clusterIP: 10.96.0.5, {policy} {HTTP}"))
            + &on_node("a", "", "n1", "10.4.0.1")
            + &on_node("b", "", "n2", "10.4.0.2")
    };
    assert_eq!(endpoints(&on(&two("internalTrafficPolicy: Local,"), "n1"), "near"), "10.4.0.1:80");
    assert_eq!(endpoints(&on(&two("internalTrafficPolicy: Local,"), "n3"), "near"), "503 UH");
    assert_eq!(endpoints(&on(&two("internalTrafficPolicy: Cluster,"), "n1"), "near"), "10.4.0.1:80 10.4.0.2:80");
}

#[test]
fn s1_10_given_traffic_distribution_then_the_near_endpoint_gets_everything_without_outlier_detection() {
    use meshlet_routing::balance::Balance;
    let text = |metadata: &str, field: &str| {
        format!(
            "\n---\n{{apiVersion: v1, kind: Service, metadata: {{name: near, namespace: shop{metadata}}}, spec: {{selector: {{app: near}}, clusterIP: 10.96.0.5, {field} {HTTP}}}}}\n"
        ) + &node("n1", "r", "z1")
            + &node("n2", "r", "z2")
            + &on_node("a", "", "n1", "10.4.0.1")
            + &on_node("b", "", "n2", "10.4.0.2")
    };
    let annotated = ", annotations: {networking.istio.io/traffic-distribution: PreferClose}";
    for (metadata, field, picked) in [
        ("", "trafficDistribution: PreferClose,", 1),
        ("", "trafficDistribution: PreferSameZone,", 1),
        ("", "trafficDistribution: PreferSameNode,", 1),
        (annotated, "", 1),
        ("", "", 2),
    ] {
        let table = on(&text(metadata, field), "n2");
        let Outcome::Route(route) = decided(&table, "10.96.0.5:80", &get("near", "/"), 0).outcome else {
            panic!("no route")
        };
        let mut found: Vec<_> = (0..64_u64)
            .map(|draw| {
                Balance::new()
                    .pick(route.cluster, None, draw.wrapping_mul(0x9e37_79b9_7f4a_7c15), &[])
                    .expect("an endpoint")
                    .address
            })
            .collect();
        found.sort();
        found.dedup();
        assert_eq!(found.len(), picked, "{metadata} {field} {found:?}");
        assert!(found.contains(&"10.4.0.2:80".parse().expect("an address")));
    }
}

#[test]
fn s1_10_given_session_affinity_then_captured_clients_lose_it_and_are_told() {
    let text = service("shop", "web", &format!("clusterIP: 10.96.0.1, sessionAffinity: ClientIP, {HTTP}"));
    assert!(faults(&text).iter().any(|fault| fault.field == "spec.sessionAffinity"));
}

#[test]
fn s1_10_given_a_headless_service_then_its_pods_addresses_are_captured_where_a_rule_is() {
    let text = service("shop", "db", &format!("clusterIP: None, {HTTP}")) + &pod("shop", "db", "v1", "10.1.0.5");
    let rule = istio("VirtualService", "shop", "db", "{hosts: [db], http: [{route: [{destination: {host: db}}]}]}");
    assert_eq!(table(&text, "shop").ruled().count(), 0);
    let ruled: Vec<String> =
        table(&(text + &rule), "shop").ruled().map(|(address, port)| format!("{address}:{port}")).collect();
    assert_eq!(ruled, ["10.1.0.5:80"]);
}

/// Further tries, the words they are for, and the connect timeout of the destination, of a request to `web`.
fn tries(mesh: &str, text: &str) -> (u32, String, Option<u64>) {
    let table = table_in(mesh, text, "shop");
    let Outcome::Route(route) = decided(&table, "10.96.0.1:80", &get("web", "/"), 0).outcome else {
        panic!("no route")
    };
    let retries = &route.effects.retries;
    let words: Vec<&str> = retries.on.conditions.iter().map(|condition| condition.as_str()).collect();
    let timeout = route.cluster.connection_pool.connect_timeout.map(|limit| limit.as_secs());
    (retries.attempts, words.join(","), timeout)
}

#[test]
fn s1_10_given_a_mesh_default_for_destination_rules_then_it_is_for_those_that_do_not_say_it() {
    let to = "{hosts: [one.example.com], http: [{route: [{destination: {host: web, subset: v1}}]}]}";
    let rule = |export: &str| {
        let rule = format!("{{host: web, {export} subsets: [{{name: v1, labels: {{version: v1}}}}]}}");
        shop() + &istio("VirtualService", "shop", "r", to) + &istio("DestinationRule", "shop", "d", &rule)
    };
    for (mesh, export, client, known) in [
        ("{}", "", "pay", true),
        ("{defaultDestinationRuleExportTo: ['.']}", "", "pay", false),
        ("{defaultDestinationRuleExportTo: ['.']}", "", "shop", true),
        ("{defaultDestinationRuleExportTo: ['.']}", "exportTo: ['*'],", "pay", true),
    ] {
        let expected = if known { "outbound|80|v1|web.shop.svc.cluster.local" } else { "503 NC" };
        assert_eq!(
            goes(&table_in(mesh, &rule(export), client), "one.example.com"),
            expected,
            "{mesh} {export} {client}"
        );
    }
}

#[test]
fn s1_10_given_a_locality_setting_of_the_mesh_then_it_is_for_destinations_without_one() {
    use meshlet_routing::balance::Balance;
    let rule = |setting: &str| {
        let policy = format!("outlierDetection: {{consecutive5xxErrors: 3}}, loadBalancer: {{{setting}}}");
        service("shop", "near", &format!("clusterIP: 10.96.0.5, {HTTP}"))
            + &node("n1", "r1", "z1")
            + &node("n2", "r2", "z2")
            + &on_node("a", "", "n1", "10.4.0.1")
            + &on_node("b", "", "n2", "10.4.0.2")
            + &istio("DestinationRule", "shop", "d", &format!("{{host: near, trafficPolicy: {{{policy}}}}}"))
    };
    for (mesh, setting, picked) in [
        ("{}", "simple: RANDOM", 1),
        ("{localityLbSetting: {enabled: false}}", "simple: RANDOM", 2),
        ("{localityLbSetting: {enabled: false}}", "simple: RANDOM, localityLbSetting: {enabled: true}", 1),
    ] {
        let world = world_in(mesh, &rule(setting));
        let locality = world.nodes.locality(Some("n1"));
        let table = Table::build(&world, &Scope { locality, ..Scope::new("shop".into(), Arc::new(Labels::new())) });
        let Outcome::Route(route) = decided(&table, "10.96.0.5:80", &get("near", "/"), 0).outcome else {
            panic!("no route")
        };
        let pick = |draw: u64| Balance::new().pick(route.cluster, None, draw.wrapping_mul(0x9e37_79b9_7f4a_7c15), &[]);
        let found: std::collections::BTreeSet<_> =
            (0..64).map(|draw| pick(draw).expect("an endpoint").address).collect();
        assert_eq!(found.len(), picked, "{mesh} {setting} {found:?}");
    }
}

#[test]
fn s1_10_given_a_retry_policy_of_the_mesh_then_it_is_for_routes_that_have_none_and_for_services_without_rules() {
    let default = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
    let rule = |retries: &str| {
        let rule = format!("{{hosts: [web], http: [{{{retries} route: [{{destination: {{host: web}}}}]}}]}}");
        shop() + &istio("VirtualService", "shop", "r", &rule)
    };
    for (mesh, text, attempts, words) in [
        ("{}", shop(), 2, default),
        ("{defaultHttpRetryPolicy: {attempts: 5, retryOn: 'gateway-error,reset'}}", shop(), 5, "gateway-error,reset"),
        ("{defaultHttpRetryPolicy: {attempts: 5, retryOn: reset}}", rule(""), 5, "reset"),
        ("{defaultHttpRetryPolicy: {attempts: 5}}", rule(""), 5, default),
        ("{defaultHttpRetryPolicy: {attempts: 0}}", rule(""), 0, default),
        // A route's own is taken whole: what it leaves out is Istio's default, not the mesh's.
        ("{defaultHttpRetryPolicy: {attempts: 5, retryOn: reset}}", rule("retries: {attempts: 1},"), 1, default),
        ("{defaultHttpRetryPolicy: {attempts: 5, retryOn: reset}}", rule("retries: {attempts: 0},"), 0, default),
    ] {
        let (found, found_words, _) = tries(mesh, &text);
        assert_eq!((found, &*found_words), (attempts, words), "{mesh} {text}");
    }
}

#[test]
fn s1_10_given_a_connect_timeout_of_the_mesh_then_it_is_for_destinations_whose_rule_has_none() {
    let rule = |pool: &str| {
        let rule = format!("{{host: web, trafficPolicy: {{connectionPool: {pool}}}}}");
        shop() + &istio("DestinationRule", "shop", "d", &rule)
    };
    for (mesh, text, expected) in [
        ("{}", shop(), None),
        ("{connectTimeout: 3s}", shop(), Some(3)),
        ("{connectTimeout: 3s}", rule("{tcp: {connectTimeout: 1s}}"), Some(1)),
        ("{connectTimeout: 3s}", rule("{http: {maxRetries: 1}}"), Some(3)),
        ("{connectTimeout: 3s, defaultTrafficPolicy: {connectionPool: {tcp: {connectTimeout: 2s}}}}", shop(), Some(2)),
    ] {
        assert_eq!(tries(mesh, &text).2, expected, "{mesh} {text}");
    }
    for mesh in ["{connectTimeout: soon}", "{defaultHttpRetryPolicy: {attempts: 0, retryOn: reset}}"] {
        let manifest = meshlet_routing::manifest::parse_mesh_config("mesh.yaml", mesh).expect("a mesh config");
        assert!(meshlet_routing::validate::mesh_config(&manifest).0.is_none(), "{mesh}");
    }
}

#[test]
fn s1_10_given_a_config_map_then_the_mesh_config_in_it_is_read_and_what_is_not_honoured_reported_once() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata:\n  mesh: |-\n    rootNamespace: config\n    defaultServiceExportTo: ['.']\n    trustDomain: x\n    accessLogFile: /dev/stdout\n    colour: red\n  meshNetworks: 'networks: {}'\n";
    assert_eq!(goes(&table_in(map, &shop(), "pay"), "web.shop"), "passthrough");
    let manifest = meshlet_routing::manifest::parse_mesh_config("mesh.yaml", map).expect("a mesh config");
    let (config, faults) = meshlet_routing::validate::mesh_config(&manifest);
    assert_eq!(&*config.expect("a config").root_namespace, "config");
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for (line, field) in [(8, "trustDomain"), (10, "colour")] {
        assert!(
            told.iter().any(|fault| fault.starts_with(&format!("mesh.yaml:{line}:")) && fault.contains(field)),
            "{told:?}"
        );
    }
    assert!(told.iter().any(|fault| fault.contains("accessLogFile")), "{told:?}");
    for wrong in ["[", "- a", "kind: ConfigMap", "outboundTrafficPolicy: {mode: MAYBE}"] {
        let read = meshlet_routing::manifest::parse_mesh_config("mesh.yaml", wrong);
        assert!(
            read.is_err() || read.is_ok_and(|manifest| meshlet_routing::validate::mesh_config(&manifest).0.is_none()),
            "{wrong}"
        );
    }
}
