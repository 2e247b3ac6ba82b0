//! Host resolution, ownership, matching and policies, as tables of requests and where they go.

mod kept;

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Scope, Table};
use crate::balance::Balance;
use crate::decide::{Dialled, Outcome, Request, Towards, decide};
use crate::inventory::Change;
use crate::manifest;
use crate::model::{Hostname, Labels, World};
use crate::validate::validate;

/// Service `web` in `shop` (10.96.0.1, port 8080 HTTP), two pods v1 and two v2; `other` in `shop`; `web` in `pay`.
const SHOP: &str = "
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 8080, targetPort: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop}, spec: {clusterIP: 10.96.0.2, selector: {app: other}, ports: [{name: http, port: 8080, targetPort: http}, {name: http-b, port: 9090, targetPort: 81}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: pay}, spec: {clusterIP: 10.96.0.3, selector: {app: web}, ports: [{name: http, port: 8080}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web, version: v1}}, status: {podIP: 10.1.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop, labels: {app: web, version: v2}}, status: {podIP: 10.1.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: shop, labels: {app: web, version: v1}}, status: {podIP: 10.1.0.3, conditions: [{type: Ready, status: 'False'}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: o, namespace: shop, labels: {app: other}}, spec: {containers: [{ports: [{name: http, containerPort: 8000}]}]}, status: {podIP: 10.1.0.9}}
";

const SUBSETS: &str = "
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop}, spec: {host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}, {name: v3, labels: {version: v3}}]}}
";

/// Objects of the other kinds, some of them for the same name or address.
const OTHERS: &str = "
---
{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z1}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {topology.kubernetes.io/region: r2, topology.kubernetes.io/zone: z1}}}
---
{apiVersion: v1, kind: Service, metadata: {name: alias, namespace: shop}, spec: {type: ExternalName, externalName: other.shop.svc.cluster.local}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: None, selector: {app: other}, ports: [{name: http, port: 8080}, {name: tcp, port: 9091}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: twin, namespace: pay, labels: {app: web}}, spec: {nodeName: n1}, status: {podIP: 10.1.0.9}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: pay-1, namespace: pay, labels: {kubernetes.io/service-name: web}}, ports: [{name: http, port: 81}], endpoints: [{addresses: [10.1.0.9], zone: z1}]}
---
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: one, namespace: shop}, spec: {hosts: [api.example.com, '*.example.com'], addresses: [192.0.2.9], resolution: STATIC, ports: [{number: 8080, name: a, protocol: HTTP}], endpoints: [{address: 10.5.0.1, weight: 2}]}}
---
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: two, namespace: shop}, spec: {hosts: [api.example.com], addresses: [192.0.2.9], resolution: STATIC, ports: [{number: 8080, name: a, protocol: TCP}, {number: 80, name: b, protocol: HTTP}], endpoints: [{address: 10.5.0.2}]}}
---
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: api, namespace: pay}, spec: {hosts: [api.example.com], resolution: STATIC, ports: [{number: 8080, name: a, protocol: HTTP}], workloadSelector: {labels: {app: web}}}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: own, namespace: pay}, spec: {hosts: [own.example.com, other.shop.svc.cluster.local], http: [{route: [{destination: {host: api.example.com, port: {number: 8080}}}]}]}}
---
{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: a, namespace: shop}, spec: {egress: [{hosts: ['./*', 'pay/*', '~*/y.example.com']}]}}
---
{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: b, namespace: shop}, spec: {egress: [{hosts: ['~/*']}]}}
---
{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: r, namespace: istio-system}, spec: {egress: [{hosts: ['./*']}]}}
";

fn virtual_service(spec: &str) -> String {
    format!(
        "\n---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: rule, namespace: shop}}, spec: {spec}}}\n"
    )
}

fn world(text: &str) -> World {
    let parsed = manifest::parse("test.yaml", text);
    assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    let valid: Vec<_> = parsed
        .manifests
        .iter()
        .map(|manifest| {
            let validated = validate(manifest);
            validated.valid.unwrap_or_else(|| panic!("{:?}", validated.faults))
        })
        .collect();
    World::assemble(&valid)
}

fn table_for(text: &str, namespace: &str) -> Table {
    Table::build(&world(text), &Scope::new(namespace.into(), Arc::new(Labels::new())))
}

fn table(text: &str) -> Table {
    table_for(text, "shop")
}

const WEB: (&str, u16) = ("10.96.0.1", 8080);

/// Where a request goes: a cluster, `passthrough`, or `STATUS FLAG`.
fn ask(table: &Table, (address, port): (&str, u16), request: &Request<'_>, draw: u32) -> String {
    let dialled = Dialled { address: address.parse::<IpAddr>().expect("an address"), port };
    match decide(table, dialled, request, draw).outcome {
        Outcome::Route(route) if route.towards == Towards::Dialled => "passthrough".to_owned(),
        Outcome::Route(route) => route.cluster.name.to_string(),
        Outcome::Respond(respond) => format!("{} {}", respond.status, respond.flag),
        Outcome::Passthrough(_) => "passthrough".to_owned(),
    }
}

fn get<'a>(authority: &'a str, path: &'a str) -> Request<'a> {
    Request { method: "GET", authority, path, headers: &[], source: None }
}

fn web(subset: &str) -> String {
    format!("outbound|8080|{subset}|web.shop.svc.cluster.local")
}

#[test]
fn given_a_service_when_its_names_are_sent_then_they_resolve_as_a_sidecar_would() {
    let home = table(SHOP);
    for name in [
        "web",
        "web.shop",
        "web.shop.svc",
        "web.shop.svc.cluster.local",
        "web.shop.svc.cluster.local.",
        "WEB.Shop",
        "10.96.0.1",
    ] {
        for authority in [name.to_owned(), format!("{name}:8080"), format!("{name}:1")] {
            assert_eq!(ask(&home, WEB, &get(&authority, "/"), 0), web(""), "{authority}");
        }
    }
    for name in ["web.shop.svc.cluster", "10.1.0.1", "nothing", "x.web.shop"] {
        assert_eq!(ask(&home, WEB, &get(name, "/"), 0), "passthrough", "{name}");
    }
    let away = table_for(SHOP, "elsewhere");
    assert_eq!(ask(&away, WEB, &get("web", "/"), 0), "passthrough");
    assert_eq!(ask(&away, WEB, &get("web.shop", "/"), 0), web(""));
    assert_eq!(ask(&table_for(SHOP, "pay"), WEB, &get("web", "/"), 0), "503 UH", "pay's own web, which has no pods");
}

#[test]
fn given_a_declared_http_port_then_the_host_decides_whatever_address_was_dialled() {
    let table = table(SHOP);
    assert_eq!(ask(&table, WEB, &get("other", "/"), 0), "outbound|8080||other.shop.svc.cluster.local");
    assert_eq!(ask(&table, ("192.0.2.1", 8080), &get("web", "/"), 0), web(""));
    assert_eq!(ask(&table, ("192.0.2.1", 81), &get("web", "/"), 0), "passthrough");
}

#[test]
fn given_an_undeclared_port_then_the_address_decides_and_the_host_is_ignored() {
    let sniffed = SHOP.replacen("name: http, port: 8080, targetPort: 80}", "name: x, port: 8080, targetPort: 80}", 1);
    let table = table(
        &(sniffed
            + SUBSETS
            + &virtual_service("{hosts: [web], http: [{route: [{destination: {host: web, subset: v2}}]}]}")),
    );
    assert_eq!(ask(&table, WEB, &get("whatever", "/"), 0), web("v2"));
}

#[test]
fn given_gateways_then_only_mesh_or_none_reaches_mesh_clients() {
    for (gateways, expected) in [
        ("", web("v1")),
        ("gateways: [mesh],", web("v1")),
        ("gateways: [edge/public, mesh],", web("v1")),
        ("gateways: [edge/public],", web("")),
    ] {
        let rule = virtual_service(&format!(
            "{{hosts: [web], {gateways} http: [{{route: [{{destination: {{host: web, subset: v1}}}}]}}]}}"
        ));
        let table = table(&(SHOP.to_owned() + SUBSETS + &rule));
        assert_eq!(ask(&table, WEB, &get("web", "/"), 0), expected, "{gateways}");
        let ruled: Vec<_> = table.ruled().collect();
        assert_eq!(ruled.is_empty(), expected == web(""), "{gateways} {ruled:?}");
    }
}

#[test]
fn given_several_routes_then_the_first_in_the_manifest_wins() {
    let rule = virtual_service(
        "{hosts: [web], http: [
          {name: a, match: [{uri: {exact: /exact}}, {uri: {regex: '/r[0-9]+'}}], route: [{destination: {host: web, subset: v1}}]},
          {match: [{headers: {x-user: {exact: alice}}, method: {exact: POST}}], route: [{destination: {host: web, subset: v2}}]},
          {match: [{headers: {x-any: {}}}], route: [{destination: {host: other}}]},
          {match: [{withoutHeaders: {x-not: {regex: '.*'}}}], route: [{destination: {host: nobody}}]},
          {match: [{port: 9090}], route: [{destination: {host: nobody}}]},
          {match: [{uri: {prefix: /api}}], route: [{destination: {host: web}}]}]}",
    );
    let table = table(&(SHOP.to_owned() + SUBSETS + &rule));
    let alice: &[(&str, &[u8])] = &[("x-user", b"alice")];
    let any: &[(&str, &[u8])] = &[("x-any", b"")];
    for (method, path, headers, expected) in [
        ("GET", "/exact", &[][..], web("v1")),
        ("GET", "/exact?x=1", &[], web("v1")),
        ("GET", "/exact/", &[], "404 NR".to_owned()),
        ("GET", "/r12", &[], web("v1")),
        ("GET", "/r12x", &[], "404 NR".to_owned()),
        ("POST", "/", alice, web("v2")),
        ("GET", "/", alice, "404 NR".to_owned()),
        ("GET", "/", any, "outbound|8080||other.shop.svc.cluster.local".to_owned()),
        ("GET", "/apiary", &[], web("")),
        ("GET", "/API", &[], "404 NR".to_owned()),
    ] {
        let request = Request { method, authority: "web", path, headers, source: None };
        assert_eq!(ask(&table, WEB, &request, 0), expected, "{method} {path} {headers:?}");
    }
}

#[test]
fn given_a_broken_destination_then_the_answer_is_istios() {
    for (destination, expected) in [
        ("{host: nobody}", "503 NC"),
        ("{host: web, subset: v9}", "503 NC"),
        ("{host: web, port: {number: 81}}", "503 NC"),
        ("{host: web, subset: v3}", "503 UH"),
        ("{host: web.pay.svc.cluster.local}", "503 UH"),
    ] {
        let rule = virtual_service(&format!("{{hosts: [web], http: [{{route: [{{destination: {destination}}}]}}]}}"));
        assert_eq!(
            ask(&table(&(SHOP.to_owned() + SUBSETS + &rule)), WEB, &get("web", "/"), 7),
            expected,
            "{destination}"
        );
    }
}

#[test]
fn given_a_rule_whose_routes_all_drop_out_then_it_counts_as_absent() {
    let rule = virtual_service(
        "{hosts: [web], http: [{match: [{sourceNamespace: pay}], route: [{destination: {host: web, subset: v1}}]}]}",
    );
    let text = SHOP.to_owned() + SUBSETS + &rule;
    assert_eq!(ask(&table(&text), WEB, &get("web", "/"), 0), web(""));
    assert_eq!(ask(&table_for(&text, "pay"), WEB, &get("web.shop", "/"), 0), web("v1"));
}

#[test]
fn given_two_rules_for_a_host_then_the_older_one_owns_it_alone() {
    let rule = |name: &str, created: &str, path: &str| {
        format!(
            "\n---\n{{apiVersion: networking.istio.io/v1beta1, kind: VirtualService, metadata: {{name: {name}, namespace: shop, creationTimestamp: '{created}'}}, \
             spec: {{hosts: [web.shop.svc.cluster.local], http: [{{match: [{{uri: {{prefix: {path}}}}}], route: [{{destination: {{host: web}}}}]}}]}}}}\n"
        )
    };
    let text =
        SHOP.to_owned() + &rule("a", "2026-02-01T00:00:00Z", "/new") + &rule("b", "2026-01-01T00:00:00Z", "/old");
    let table = table(&text);
    assert_eq!(ask(&table, WEB, &get("web", "/old"), 0), web(""));
    assert_eq!(ask(&table, WEB, &get("web", "/new"), 0), "404 NR");
}

#[test]
fn given_a_wildcard_host_then_an_exact_one_beats_it_and_the_longest_wins() {
    let wild = "\n---\n{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: wild, namespace: shop}, spec: {hosts: ['*.svc.cluster.local', '*.shop.svc.cluster.local'], http: [{route: [{destination: {host: web, subset: v2}}]}]}}\n";
    let exact = virtual_service("{hosts: [web], http: [{route: [{destination: {host: web, subset: v1}}]}]}");
    let table = table(&(SHOP.to_owned() + SUBSETS + wild + &exact));
    assert_eq!(ask(&table, WEB, &get("web", "/"), 0), web("v1"));
    assert_eq!(ask(&table, WEB, &get("other", "/"), 0), web("v2"));
    let both: Vec<u16> = table.ruled().map(|(_, port)| port).collect();
    assert_eq!(both, [8080, 8080, 9090, 8080]);
}

#[test]
fn given_an_unregistered_host_then_it_lives_on_port_80_and_beside_the_services_listed_with_it() {
    let rule =
        virtual_service("{hosts: [shop.example.com, web], http: [{route: [{destination: {host: web, subset: v2}}]}]}");
    let table = table(&(SHOP.to_owned() + SUBSETS + &rule));
    assert_eq!(ask(&table, WEB, &get("shop.example.com:8080", "/"), 0), web("v2"));
    assert_eq!(ask(&table, ("10.96.0.2", 9090), &get("shop.example.com", "/"), 0), "passthrough");
}

#[test]
fn given_a_dotted_host_in_a_rule_then_it_is_taken_literally() {
    let rule = virtual_service("{hosts: [web.shop], http: [{route: [{destination: {host: web, subset: v2}}]}]}");
    let table = table(&(SHOP.to_owned() + SUBSETS + &rule));
    assert_eq!(ask(&table, WEB, &get("web.shop.svc.cluster.local", "/"), 0), web(""));
    assert_eq!(ask(&table, WEB, &get("web", "/"), 0), web(""));
}

#[test]
fn given_destination_rules_in_several_namespaces_then_the_clients_own_comes_first() {
    let rule = |namespace: &str, subset: &str| {
        format!(
            "\n---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: r, namespace: {namespace}}}, \
             spec: {{host: web.shop.svc.cluster.local, subsets: [{{name: {subset}, labels: {{version: v1}}}}]}}}}\n"
        )
    };
    let route = |subset: &str| {
        virtual_service(&format!(
            "{{hosts: [web], http: [{{route: [{{destination: {{host: web, subset: {subset}}}}}]}}]}}"
        ))
    };
    let all = SHOP.to_owned() + &rule("pay", "client") + &rule("shop", "service") + &rule("istio-system", "root");
    let third = SHOP.to_owned() + &rule("third", "x") + &rule("istio-system", "root");
    for (text, namespace, subset, found) in [
        (&all, "pay", "client", true),
        (&all, "pay", "service", false),
        (&all, "elsewhere", "service", true),
        (&all, "elsewhere", "root", false),
        (&third, "elsewhere", "root", true),
        (&third, "elsewhere", "x", false),
    ] {
        let table = table_for(&(text.clone() + &route(subset)), namespace);
        let expected = if found { web(subset) } else { "503 NC".to_owned() };
        assert_eq!(ask(&table, WEB, &get("web.shop", "/"), 0), expected, "{namespace} {subset}");
    }
}

#[test]
fn given_a_destination_rule_alone_then_the_service_is_ruled_only_if_it_has_a_policy() {
    let hash = "\n---\n{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: web, namespace: shop}, spec: {host: web, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: Foo}}}}}\n";
    let table_of_hash = table(&(SHOP.to_owned() + hash));
    assert_eq!(table_of_hash.ruled().count(), 1);
    assert_eq!(table(&(SHOP.to_owned() + SUBSETS)).ruled().count(), 0);
    let dialled = Dialled { address: "10.96.0.1".parse().expect("an address"), port: 8080 };
    let headers: &[(&str, &[u8])] = &[("foo", b"x")];
    for (headers, has_key) in [(headers, true), (&[], false)] {
        let request = Request { headers, ..get("web", "/") };
        let Outcome::Route(route) = decide(&table_of_hash, dialled, &request, 0).outcome else { panic!("no route") };
        assert_eq!(route.key.is_some(), has_key);
        assert!(Balance::new().pick(route.cluster, route.key, 5, &[]).is_some());
    }
}

#[test]
fn given_an_unready_pod_or_a_named_target_port_then_endpoints_are_the_ready_ones_at_the_resolved_port() {
    let table = table(SHOP);
    let dialled = |address: &str| Dialled { address: address.parse().expect("an address"), port: 8080 };
    for (address, host, expected) in
        [("10.96.0.1", "web", "10.1.0.1:80 10.1.0.2:80"), ("10.96.0.2", "other", "10.1.0.9:8000")]
    {
        let Outcome::Route(route) = decide(&table, dialled(address), &get(host, "/"), 0).outcome else {
            panic!("no route")
        };
        let found: Vec<String> = route.cluster.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
        assert_eq!(found.join(" "), expected);
    }
}

proptest! {
    /// The target changes only where the cumulative weights say, and each one's run of draws is its exact share, rounded
    /// to whole draws: so over all 2^32 draws each destination gets exactly its weight.
    #[test]
    fn given_weights_then_over_all_draws_each_destination_gets_exactly_its_share(weights in prop::collection::vec(0_u32..1000, 2..6)) {
        prop_assume!(weights.iter().filter(|weight| **weight > 0).count() >= 2);
        let routes: Vec<String> = weights.iter().enumerate()
            .map(|(index, weight)| format!("{{weight: {weight}, destination: {{host: web, subset: s{index}}}}}")).collect();
        let subsets: Vec<String> = (0..weights.len()).map(|index| format!("{{name: s{index}}}")).collect();
        let rules = format!(
            "\n---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: d, namespace: shop}}, spec: {{host: web, subsets: [{}]}}}}\n",
            subsets.join(", ")
        ) + &virtual_service(&format!("{{hosts: [web], http: [{{route: [{}]}}]}}", routes.join(", ")));
        let table = table(&(SHOP.to_owned() + &rules));
        let at = |draw: u32| ask(&table, WEB, &get("web", "/"), draw);
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut below = 0_u64;
        for (index, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
            // The draws [first, next) belong to this destination.
            let first = (below << 32).div_ceil(total);
            below += u64::from(*weight);
            let next = (below << 32).div_ceil(total);
            let cluster = web(&format!("s{index}"));
            prop_assert_eq!(at(u32::try_from(first).expect("below 2^32")), cluster.clone());
            prop_assert_eq!(at(u32::try_from(next - 1).expect("below 2^32")), cluster);
            let ideal = (u128::from(*weight) << 32) / u128::from(total);
            prop_assert!(u128::from(next - first).abs_diff(ideal) <= 1);
        }
        prop_assert_eq!(below, total);
    }

    #[test]
    fn given_any_order_of_the_objects_then_the_decisions_are_the_same(seed in any::<u64>()) {
        let rule = virtual_service("{hosts: [web], http: [{route: [{weight: 1, destination: {host: web, subset: v1}}, {weight: 3, destination: {host: web, subset: v2}}]}]}");
        let text = SHOP.to_owned() + SUBSETS + &rule + OTHERS;
        let mut documents: Vec<&str> = text.split("---").collect();
        let length = documents.len();
        for index in 0..length {
            let other = usize::try_from(seed.rotate_left(u32::try_from(index).expect("few") * 7) % length as u64).expect("few");
            documents.swap(index, other);
        }
        let (one, two) = (table(&text), table(&documents.join("---")));
        let ruled = |table: &Table| (table.ruled().collect::<Vec<_>>(), table.ruled_anywhere().collect::<Vec<_>>());
        prop_assert_eq!(ruled(&one), ruled(&two));
        for host in ["web", "alias", "db", "x.db.shop", "api.example.com", "y.example.com", "own.example.com", "web.pay", "nobody"] {
            for port in [80, 8080, 9090] {
                let request = get(host, "/");
                let at = |table: &Table| {
                    let found = decide(table, Dialled { address: [192, 0, 2, 7].into(), port }, &request, 7).outcome;
                    let Outcome::Route(route) = found else { return format!("{found:?}") };
                    format!("{} {:?}", route.cluster.name, route.cluster.endpoints)
                };
                prop_assert_eq!(at(&one), at(&two), "{} {}", host, port);
            }
        }
        for draw in [0, 1 << 29, 1 << 30, 1 << 31, u32::MAX] {
            prop_assert_eq!(ask(&one, WEB, &get("web", "/"), draw), ask(&two, WEB, &get("web", "/"), draw));
        }
    }

    #[test]
    fn given_any_request_then_there_is_exactly_one_decision(authority in "\\PC{0,20}", path in "\\PC{0,20}", draw in any::<u32>()) {
        let table = table(SHOP);
        prop_assert!(!ask(&table, WEB, &get(&authority, &crate::decide::normalize_path(&path)), draw).is_empty());
    }
}

#[test]
fn given_other_endpoints_then_a_table_that_follows_equals_one_that_is_built_anew() {
    let rules = virtual_service(
        "{hosts: [web], http: [{route: [{weight: 1, destination: {host: web, subset: v1}}, {weight: 1, destination: {host: web, subset: v2}}]}]}",
    );
    let before = format!("{SHOP}{SUBSETS}{rules}");
    let after =
        before.replace("version: v2}}, status: {podIP: 10.1.0.2}}", "version: v1}}, status: {podIP: 10.1.0.7}}");
    assert_ne!(before, after);
    let changed = world(&after);
    let built = table(&after);
    let change = Change { endpoints: [Hostname::service("web", "shop")].into(), ..Change::default() };
    let followed = table(&before).following(&changed, &Scope::new("shop".into(), Arc::default()), &change);
    let endpoints = |table: &Table| -> Vec<(String, Vec<String>)> {
        let addresses =
            |cluster: &super::Cluster| cluster.endpoints.iter().map(|one| one.address.to_string()).collect();
        table.clusters().map(|cluster| (cluster.name.to_string(), addresses(cluster))).collect()
    };
    assert_eq!(endpoints(&followed), endpoints(&built));
    assert_ne!(endpoints(&followed), endpoints(&table(&before)));
    for draw in [0, u32::MAX] {
        assert_eq!(
            ask(&followed, WEB, &get("web", "/"), draw),
            ask(&built, WEB, &get("web", "/"), draw),
            "a subset that lost its last endpoint is empty in both"
        );
    }
}
