//! Each finding with a manifest that has it and one that just does not.

mod backends;
mod conditions;
mod connections;

use proptest::prelude::*;

use super::{CODES, Level, Suppression, analyze, markdown};

/// Namespace `shop`, captured, with a client; Service `web` (port 8080 HTTP, pods v1 and v2) and `other` (ports 8080 and 9090).
const SHOP: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 8080, targetPort: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop}, spec: {clusterIP: 10.96.0.2, selector: {app: other}, ports: [{name: http, port: 9090}, {name: http-b, port: 9091}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web, version: v1}}, status: {podIP: 10.1.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop, labels: {app: web, version: v2}}, status: {podIP: 10.1.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: shop}, status: {podIP: 10.1.0.3}}
";

const SUBSETS: &str = "{host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}";
const ROUTES: &str = "{hosts: [web], http: [{route: [{destination: {host: web, subset: v1}, weight: 1}, {destination: {host: web, subset: v2}, weight: 1}]}]}";

fn object(kind: &str, name: &str, namespace: &str, spec: &str) -> String {
    let group = if kind == "HTTPRoute" { "gateway.networking.k8s.io/v1" } else { "networking.istio.io/v1" };
    format!(
        "\n---\n{{apiVersion: {group}, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}}},\nspec: {spec}}}\n"
    )
}

fn service(name: &str, spec: &str) -> String {
    virtual_service_in("shop", name, spec)
}

fn virtual_service_in(namespace: &str, name: &str, spec: &str) -> String {
    object("VirtualService", name, namespace, spec)
}

fn destination_rule(name: &str, spec: &str) -> String {
    object("DestinationRule", name, "shop", spec)
}

/// Everything found in the shop with these objects, as `LEVEL CODE ORIGIN: PATH`.
fn found(objects: &str) -> Vec<String> {
    let text = format!("{SHOP}{objects}");
    let analysis = analyze([("f.yaml", &*text)]);
    let show = |finding: &super::Finding| {
        format!("{} {} {}: {}", finding.level.as_str(), finding.code.id, finding.origin, finding.path)
    };
    analysis.findings.iter().map(show).collect()
}

/// The objects have exactly these findings.
fn check(objects: &str, expected: &[&str]) {
    assert_eq!(found(objects), expected, "{objects}");
}

/// One route to a destination, without a destination rule.
fn to(destination: &str) -> String {
    service("x", &format!("{{hosts: [web], http: [{{route: [{{destination: {destination}}}]}}]}}"))
}

#[test]
fn given_manifests_without_a_fault_then_nothing_is_found() {
    check("", &[]);
    check(&format!("{}{}", service("web", ROUTES), destination_rule("web", SUBSETS)), &[]);
}

#[test]
fn given_a_destination_that_its_clients_do_not_know_then_it_is_an_error() {
    let path = "VirtualService shop/x: spec.http[0].route[0].destination";
    let error = |field: &str| format!("error MSH0101 {path}.{field}");
    check(&to("{host: web, port: {number: 8080}}"), &[]);
    check(&to("{host: wep}"), &[&error("host")]);
    check(&to("{host: web.shop}"), &[&error("host")]);
    check(&to("{host: web.shop.svc.cluster.local}"), &[]);
    check(&to("{host: web, port: {number: 80}}"), &[&error("port.number")]);
    check(&to("{host: web, subset: v1}"), &[&error("subset")]);
    let rule = destination_rule("web", SUBSETS);
    check(
        &format!("{}{}", service("web", ROUTES.replace("v2", "v3").as_str()), rule),
        &[
            "error MSH0101 VirtualService shop/web: spec.http[0].route[1].destination.subset",
            "info MSH0908 DestinationRule shop/web: spec.subsets[1]",
        ],
    );
}

#[test]
fn given_an_unknown_subset_then_the_message_names_what_there_is_and_istios_code() {
    let text = format!("{SHOP}{}{}", service("web", &ROUTES.replace("v2", "v3")), destination_rule("web", SUBSETS));
    let analysis = analyze([("f.yaml", &*text)]);
    let finding = analysis.findings.first().expect("a finding");
    assert_eq!(
        finding.message,
        "spec.http[0].route[1].destination.subset: \"v3\" is not in DestinationRule shop/web (v1, v2); add or correct it: such \
         requests are answered 503 NC (same as IST0101)"
    );
    let place = (&*finding.reference.file, finding.reference.line, finding.reference.column);
    assert_eq!(place, ("f.yaml", 16, 115), "the field's own place");
}

#[test]
fn given_a_subset_that_some_clients_do_not_see_then_their_namespace_is_named() {
    let pay = "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: pay, labels: {istio.io/dataplane-mode: meshlet}}}\n";
    let hiding = object("DestinationRule", "web", "pay", "{host: web.shop.svc.cluster.local}");
    let text = format!("{SHOP}{}{}{pay}{hiding}", service("web", ROUTES), destination_rule("web", SUBSETS));
    let analysis = analyze([("f.yaml", &*text)]);
    let messages: Vec<&str> = analysis.findings.iter().map(|finding| &*finding.message).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(
        messages.iter().all(|message| message.contains("DestinationRule pay/web for clients in pay")),
        "{messages:?}"
    );
}

#[test]
fn given_a_gateway_that_is_not_among_the_gateways_then_it_is_a_warning() {
    let rule =
        service("x", "{hosts: [web], gateways: [mesh, edge/public], http: [{route: [{destination: {host: web}}]}]}");
    check(&rule, &[]);
    check(&format!("{rule}{}", object("Gateway", "public", "edge", "{}")), &[]);
    check(
        &format!("{rule}{}", object("Gateway", "public", "shop", "{}")),
        &["warning MSH0101 VirtualService shop/x: spec.gateways[1]"],
    );
}

#[test]
fn given_a_destination_without_a_port_when_it_lacks_the_dialled_one_then_a_port_is_required() {
    let required = "error MSH0112 VirtualService shop/x: spec.http[0].route[0].destination";
    check(&to("{host: other}"), &[required]);
    check(&to("{host: other, port: {number: 9091}}"), &[]);
    // Several ports are no fault where the dialled one is among them.
    check(&service("x", "{hosts: [other], http: [{route: [{destination: {host: other}}]}]}"), &[]);
}

#[test]
fn given_a_host_that_is_no_service_then_it_is_found_by_what_it_looks_like() {
    let rule = |host: &str| {
        service(
            "x",
            &format!(
                "{{hosts: [{host}], http: [{{route: [{{destination: {{host: web, port: {{number: 8080}}}}}}]}}]}}"
            ),
        )
    };
    check(&rule("web"), &[]);
    check(&rule("wep"), &["warning MSH0909 VirtualService shop/x: spec.hosts[0]"]);
    check(&rule("www.example.com"), &["info MSH0909 VirtualService shop/x: spec.hosts[0]"]);
    check(&rule("web.shop"), &["warning MSH0910 VirtualService shop/x: spec.hosts[0]"]);
    check(&rule("web.shop.svc"), &["warning MSH0910 VirtualService shop/x: spec.hosts[0]"]);
    check(&rule("web.shop.svc.cluster.local"), &[]);
}

#[test]
fn given_an_earlier_rule_that_takes_everything_then_later_ones_are_unreachable() {
    let to = "route: [{destination: {host: web}}]";
    let rules = |first: &str, second: &str| {
        service("x", &format!("{{hosts: [web], http: [{{{first}{to}}}, {{{second}{to}}}]}}"))
    };
    let hidden = "warning MSH0130 VirtualService shop/x: spec.http[1]";
    let partly = "info MSH0131 VirtualService shop/x: spec.http[1].match[0]";
    let cases: &[(&str, &str, &[&str])] = &[
        ("", "match: [{uri: {prefix: /a}}], ", &[hidden]),
        ("match: [{uri: {prefix: /a}}], ", "", &[]),
        ("match: [{uri: {prefix: /}}], ", "", &[hidden]),
        ("match: [{uri: {prefix: /}}], ", "match: [{method: {exact: GET}, uri: {exact: /x}}], ", &[hidden]),
        ("match: [{uri: {prefix: /}}], ", "match: [{method: {exact: GET}}], ", &[hidden]),
        ("match: [{uri: {regex: '.*'}}], ", "match: [{method: {exact: GET}}], ", &[hidden]),
        ("match: [{uri: {prefix: /a}}], ", "match: [{uri: {prefix: /ab}}], ", &[hidden]),
        ("match: [{uri: {prefix: /ab}}], ", "match: [{uri: {prefix: /a}}], ", &[]),
        ("match: [{uri: {prefix: /a}}], ", "match: [{uri: {exact: /a/b}}], ", &[hidden]),
        ("match: [{uri: {exact: /a}}], ", "match: [{uri: {exact: /A}}], ", &[]),
        ("match: [{uri: {exact: /a}, ignoreUriCase: true}], ", "match: [{uri: {exact: /A}}], ", &[hidden]),
        ("match: [{uri: {exact: /a}}], ", "match: [{uri: {exact: /a}, ignoreUriCase: true}], ", &[]),
        ("match: [{uri: {regex: /a.*}}], ", "match: [{uri: {regex: /a.*}}], ", &[hidden]),
        ("match: [{uri: {regex: /a.*}}], ", "match: [{uri: {exact: /abc}}], ", &[hidden]),
        ("match: [{uri: {regex: /a}}], ", "match: [{uri: {prefix: /a}}], ", &[]),
        ("match: [{queryParams: {q: {}}}], ", "match: [{queryParams: {q: {exact: '1'}}}], ", &[hidden]),
        ("match: [{queryParams: {q: {exact: '1'}}}], ", "match: [{queryParams: {q: {}}}], ", &[]),
        ("match: [{queryParams: {q: {prefix: a}}}], ", "match: [{queryParams: {q: {exact: ab}, r: {}}}], ", &[hidden]),
        ("match: [{scheme: {exact: http}, uri: {prefix: /a}}], ", "match: [{uri: {exact: /a}}], ", &[hidden]),
        ("match: [{scheme: {exact: https}}], ", "match: [{uri: {exact: /a}}], ", &[]),
        ("match: [{headers: {x: {}}}], ", "match: [{headers: {X: {exact: a}, y: {}}}], ", &[hidden]),
        ("match: [{headers: {x: {exact: a}}}], ", "match: [{headers: {x: {}}}], ", &[]),
        ("match: [{headers: {x: {regex: '.*'}}}], ", "match: [{headers: {y: {exact: a}}}], ", &[]),
        ("match: [{withoutHeaders: {x: {}}}], ", "match: [{withoutHeaders: {x: {}, y: {}}}], ", &[hidden]),
        ("match: [{withoutHeaders: {x: {}}}], ", "match: [{headers: {y: {}}}], ", &[]),
        ("match: [{method: {exact: GET}}], ", "match: [{method: {exact: GET}, authority: {exact: web}}], ", &[hidden]),
        ("match: [{queryParams: {q: {exact: a}}}], ", "match: [{queryParams: {q: {exact: a}, r: {}}}], ", &[hidden]),
        ("match: [{queryParams: {q: {}}}], ", "match: [{queryParams: {q: {exact: a}}}], ", &[hidden]),
        ("match: [{queryParams: {q: {exact: a}}}], ", "match: [{queryParams: {Q: {exact: a}}}], ", &[]),
        ("match: [{queryParams: {q: {exact: a}}}], ", "match: [{uri: {prefix: /}}], ", &[]),
        ("match: [{port: 8080}], ", "match: [{uri: {prefix: /}}], ", &[]),
        ("match: [{port: 8080}], ", "match: [{port: 8080, uri: {prefix: /}}], ", &[hidden]),
        ("match: [{sourceLabels: {a: b}}], ", "match: [{sourceLabels: {a: b, c: d}}], ", &[hidden]),
        ("match: [{sourceLabels: {a: b}}], ", "match: [{uri: {prefix: /}}], ", &[]),
        ("match: [{sourceNamespace: shop}], ", "match: [{sourceNamespace: shop, method: {exact: GET}}], ", &[hidden]),
        (
            "match: [{gateways: [mesh], sourceLabels: {a: b}}], ",
            "match: [{method: {exact: GET}}], ",
            &["warning MSH0918 VirtualService shop/x: spec.http[0].match[0].sourceLabels", hidden],
        ),
        ("match: [{method: {exact: GET}}], ", "match: [{method: {exact: GET}}, {method: {exact: PUT}}], ", &[partly]),
        ("match: [{method: {exact: GET}}, {method: {exact: PUT}}], ", "match: [{method: {exact: PUT}}], ", &[hidden]),
        (
            "match: [{uri: {exact: /b}}], ",
            "match: [{uri: {prefix: /c}}, {uri: {exact: /cd}}], ",
            &["info MSH0131 VirtualService shop/x: spec.http[1].match[1]"],
        ),
    ];
    for (first, second, expected) in cases {
        check(&rules(first, second), expected);
    }
}

#[test]
fn given_two_mesh_rules_for_a_host_then_the_weaker_one_is_in_conflict() {
    let rule = |name: &str, extra: &str| {
        service(name, &format!("{{hosts: [web], {extra}http: [{{route: [{{destination: {{host: web}}}}]}}]}}"))
    };
    check(&format!("{}{}", rule("b", ""), rule("a", "")), &["error MSH0109 VirtualService shop/b: spec.hosts[0]"]);
    check(
        &format!("{}{}", rule("b", ""), rule("a", "gateways: [edge/x], ")),
        &["info MSH0904 VirtualService shop/a: spec.gateways"],
    );
    // Private to the namespace comes before public.
    check(
        &format!("{}{}", rule("b", "exportTo: ['.'], "), rule("a", "")),
        &["error MSH0109 VirtualService shop/a: spec.hosts[0]"],
    );
    // An exact host beats a wildcard, as it is meant to.
    let wild = service(
        "a",
        "{hosts: ['*.shop.svc.cluster.local'], http: [{route: [{destination: {host: web, port: {number: 8080}}}]}]}",
    );
    check(&format!("{wild}{}", rule("b", "")), &[]);
    check(
        &format!("{wild}{}", wild.replace("name: a", "name: b")),
        &["error MSH0109 VirtualService shop/b: spec.hosts[0]"],
    );
    // One that has no route on the port leaves the host to the next.
    let other = service("a", "{hosts: [web], http: [{match: [{port: 1}], route: [{destination: {host: web}}]}]}");
    check(&format!("{}{other}", rule("b", "")), &["warning MSH0905 VirtualService shop/a: spec.http[0].match"]);
    let name = |name: &str| {
        service(name, "{hosts: [x.example.com], http: [{route: [{destination: {host: web, port: {number: 8080}}}]}]}")
    };
    check(
        &format!("{}{}", name("a"), name("b")),
        &[
            "info MSH0909 VirtualService shop/a: spec.hosts[0]",
            "error MSH0109 VirtualService shop/b: spec.hosts[0]",
            "info MSH0909 VirtualService shop/b: spec.hosts[0]",
        ],
    );
}

#[test]
fn given_a_rule_that_another_takes_from_some_clients_alone_then_the_conflict_is_a_warning() {
    let pay = "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: pay, labels: {istio.io/dataplane-mode: meshlet}}}\n";
    let spec =
        "{hosts: [web.shop.svc.cluster.local], http: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]}";
    let own = virtual_service_in("pay", "own", &spec.replace("http:", "exportTo: ['.'], http:"));
    check(&format!("{pay}{own}{}", service("x", spec)), &["warning MSH0109 VirtualService shop/x: spec.hosts[0]"]);
}

#[test]
fn given_conditions_that_no_client_meets_then_the_rule_never_applies() {
    let never = |entry: &str| {
        service(
            "x",
            &format!("{{hosts: [web], http: [{{match: [{entry}], route: [{{destination: {{host: web}}}}]}}]}}"),
        )
    };
    check(&never("{port: 8080}"), &[]);
    check(&never("{port: 80}"), &["warning MSH0905 VirtualService shop/x: spec.http[0].match"]);
    check(&never("{sourceLabels: {a: b}, sourceNamespace: pay}"), &[]);
    check(&never("{gateways: [mesh]}"), &[]);
    check(&never("{gateways: [edge/x]}"), &["info MSH0905 VirtualService shop/x: spec.http[0].match"]);
    let exported = |to: &str| {
        service(
            "x",
            &format!("{{hosts: [web], exportTo: [{to}], http: [{{route: [{{destination: {{host: web}}}}]}}]}}"),
        )
    };
    check(&exported("'~'"), &["warning MSH0905 VirtualService shop/x: spec.exportTo"]);
    check(&exported("pay"), &[]);
}

#[test]
fn given_a_rule_for_gateways_alone_then_it_is_told() {
    let rule = |gateways: &str, entry: &str| {
        service(
            "x",
            &format!(
                "{{hosts: [web], gateways: [{gateways}], http: [{{{entry}route: [{{destination: {{host: web}}}}]}}]}}"
            ),
        )
    };
    check(&rule("edge/x", ""), &["info MSH0904 VirtualService shop/x: spec.gateways"]);
    check(&rule("edge/x", "match: [{gateways: [mesh]}], "), &["warning MSH0904 VirtualService shop/x: spec.gateways"]);
    check(&rule("edge/x, mesh", ""), &[]);
}

#[test]
fn given_subsets_for_the_mesh_alone_when_a_gateway_routes_to_the_host_then_they_have_no_effect_there() {
    let rule = destination_rule("web", SUBSETS);
    let edge = |subset: &str| {
        service(
            "edge",
            &format!(
                "{{hosts: [web.example.com], gateways: [edge/x], http: [{{route: [{{destination: {{host: web{subset}}}}}]}}]}}"
            ),
        )
    };
    let info = "info MSH0904 VirtualService shop/edge: spec.gateways";
    check(
        &format!("{rule}{}{}", service("web", ROUTES), edge("")),
        &["warning MSH0140 VirtualService shop/web: spec.http[0].route[0].destination.subset", info],
    );
    check(&format!("{rule}{}{}", service("web", ROUTES), edge(", subset: v1")), &[info]);
}

#[test]
fn given_a_subset_that_a_name_alone_has_the_labels_of_then_it_is_not_empty() {
    let entry = object(
        "ServiceEntry",
        "e",
        "shop",
        "{hosts: [api.example.com], addresses: [192.0.2.1], ports: [{number: 8080, name: http, protocol: HTTP}], resolution: DNS, endpoints: [{address: 10.9.0.1, labels: {site: a}}, {address: b.example.com, labels: {site: b}}]}",
    );
    let rule = |site: &str| {
        destination_rule("e", &format!("{{host: api.example.com, subsets: [{{name: b, labels: {{site: {site}}}}}]}}"))
    };
    let route = to("{host: api.example.com, subset: b}");
    check(&format!("{entry}{route}{}", rule("b")), &[]);
    let empty = "error MSH0173 DestinationRule shop/e: spec.subsets[0].labels";
    check(&format!("{entry}{route}{}", rule("c")), &[empty]);
}

#[test]
fn given_a_subset_that_selects_nothing_then_it_is_an_error_only_where_a_route_leads_there() {
    let rule =
        |labels: &str| destination_rule("web", &format!("{{host: web, subsets: [{{name: v1, labels: {labels}}}]}}"));
    let route = to("{host: web, subset: v1}");
    check(&format!("{route}{}", rule("{version: v1}")), &[]);
    check(&format!("{route}{}", rule("{}")), &[]);
    check(
        &format!("{route}{}", rule("{version: v9}")),
        &["error MSH0173 DestinationRule shop/web: spec.subsets[0].labels"],
    );
    check(
        &rule("{version: v9}"),
        &[
            "info MSH0908 DestinationRule shop/web: spec.subsets[0]",
            "warning MSH0173 DestinationRule shop/web: spec.subsets[0].labels",
        ],
    );
    // No pod of the service is given: nothing can be said.
    check(
        &destination_rule("other", "{host: other, subsets: [{name: v1, labels: {version: v9}}]}"),
        &["info MSH0908 DestinationRule shop/other: spec.subsets[0]"],
    );
}

#[test]
fn given_a_subset_with_a_policy_that_nothing_routes_to_then_it_is_a_warning() {
    let rule = |policy: &str| {
        destination_rule("web", &format!("{{host: web, subsets: [{{name: v1, labels: {{version: v1}}{policy}}}]}}"))
    };
    let policy = ", trafficPolicy: {loadBalancer: {simple: RANDOM}}";
    check(&rule(policy), &["warning MSH0908 DestinationRule shop/web: spec.subsets[0]"]);
    check(&rule(""), &["info MSH0908 DestinationRule shop/web: spec.subsets[0]"]);
    check(&format!("{}{}", rule(policy), to("{host: web, subset: v1}")), &[]);
}

#[test]
fn given_a_destination_rule_whose_host_is_no_service_then_it_is_found() {
    let unknown = "warning MSH0174 DestinationRule shop/x: spec.host";
    for (host, expected) in [
        ("web", &[][..]),
        ("web.shop.svc.cluster.local", &[]),
        ("'*.shop.svc.cluster.local'", &[]),
        ("wep", &[unknown]),
        ("web.shop", &[unknown]),
        ("'*.example.com'", &[unknown]),
    ] {
        check(&destination_rule("x", &format!("{{host: {host}}}")), expected);
    }
}

#[test]
fn given_a_destination_rule_in_a_namespace_that_nobody_looks_in_then_it_is_found() {
    let rule = |namespace: &str| object("DestinationRule", "x", namespace, "{host: web.shop.svc.cluster.local}");
    check(&rule("shop"), &[]);
    check(&rule("istio-system"), &[]);
    check(&rule("tools"), &["warning MSH0907 DestinationRule tools/x: metadata.namespace"]);
    let client = "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: tools, labels: {istio.io/dataplane-mode: meshlet}}}\n";
    check(&format!("{client}{}", rule("tools")), &[]);
    check(
        &object("DestinationRule", "x", "shop", "{host: web, exportTo: ['~']}"),
        &["warning MSH0905 DestinationRule shop/x: spec.exportTo"],
    );
    check(&object("DestinationRule", "x", "shop", "{host: web, exportTo: ['.']}"), &[]);
}

#[test]
fn given_a_mirror_to_nobody_then_it_is_a_warning_since_requests_go_their_way() {
    let mirror = |mirror: &str| {
        service("x", &format!("{{hosts: [web], http: [{{{mirror}, route: [{{destination: {{host: web}}}}]}}]}}"))
    };
    check(&mirror("mirror: {host: other, port: {number: 9090}}"), &[]);
    check(&mirror("mirror: {host: wep}"), &["warning MSH0101 VirtualService shop/x: spec.http[0].mirror.host"]);
    check(
        &mirror(
            "mirrors: [{destination: {host: web}, percentage: {value: 0}}, {destination: {host: web, subset: v9}}]",
        ),
        &["warning MSH0101 VirtualService shop/x: spec.http[0].mirrors[1].destination.subset"],
    );
    check(&mirror("mirror: {host: other}"), &["warning MSH0112 VirtualService shop/x: spec.http[0].mirror"]);
}

#[test]
fn given_a_subset_that_only_a_mirror_leads_to_then_it_is_routed_to() {
    let rule = service(
        "x",
        "{hosts: [web], http: [{mirror: {host: web, subset: v1}, route: [{destination: {host: web, subset: v2}}]}]}",
    );
    check(&format!("{rule}{}", destination_rule("web", SUBSETS)), &[]);
}

#[test]
fn given_a_subset_that_a_tcp_or_tls_route_leads_to_then_it_is_routed_to() {
    let database = "\n---\n{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: 10.96.0.3, selector: {app: web}, ports: [{name: tcp, port: 5432}, {name: tls, port: 443}]}}\n";
    let subsets = destination_rule("db", &SUBSETS.replace("host: web", "host: db"));
    let routes = service(
        "db",
        "{hosts: [db], tcp: [{route: [{destination: {host: db, subset: v1, port: {number: 5432}}}]}], tls: [{match: [{sniHosts: [db]}], route: [{destination: {host: db, subset: v2, port: {number: 443}}}]}]}",
    );
    let found = found(&format!("{database}{subsets}{routes}"));
    assert!(!found.iter().any(|finding| finding.contains("MSH0908")), "{found:?}");
}

#[test]
fn given_a_rule_that_answers_itself_then_nothing_is_said_of_destinations() {
    for answer in ["redirect: {uri: /x}", "directResponse: {status: 204}"] {
        check(
            &service(
                "x",
                &format!(
                    "{{hosts: [web], http: [{{match: [{{uri: {{prefix: /x}}}}], {answer}}}, {{route: [{{destination: {{host: web}}}}]}}]}}"
                ),
            ),
            &[],
        );
        check(
            &service(
                "x",
                &format!("{{hosts: [web], http: [{{{answer}}}, {{route: [{{destination: {{host: web}}}}]}}]}}"),
            ),
            &["warning MSH0130 VirtualService shop/x: spec.http[1]"],
        );
    }
}

#[test]
fn given_delegates_then_missing_and_unused_ones_are_found_and_their_destinations_followed() {
    let root = |to: &str| service("x", &format!("{{hosts: [web], http: [{{delegate: {{name: {to}}}}}]}}"));
    let part = |host: &str| service("part", &format!("{{http: [{{route: [{{destination: {{host: {host}}}}}]}}]}}"));
    check(&(root("part") + &part("web")), &[]);
    check(&root("none"), &["warning MSH0905 VirtualService shop/x: spec.http[0].delegate"]);
    check(&part("web"), &["warning MSH0920 VirtualService shop/part: spec"]);
    check(
        &(root("part") + &part("wep")),
        &["error MSH0101 VirtualService shop/part: spec.http[0].route[0].destination.host"],
    );
}

#[test]
fn given_deprecated_fields_and_faults_without_a_percentage_then_each_has_its_code() {
    let rule = |rest: &str| {
        service("x", &format!("{{hosts: [web], http: [{{{rest}, route: [{{destination: {{host: web}}}}]}}]}}"))
    };
    check(&rule("fault: {abort: {httpStatus: 500, percentage: {value: 1}}}"), &[]);
    check(
        &rule("fault: {abort: {httpStatus: 500}}"),
        &["warning MSH0916 VirtualService shop/x: spec.http[0].fault.abort.percentage"],
    );
    check(
        &rule("fault: {delay: {fixedDelay: 1s, percent: 10}}"),
        &["info MSH0915 VirtualService shop/x: spec.http[0].fault.delay.percent"],
    );
    check(
        &destination_rule("web", "{host: web, trafficPolicy: {loadBalancer: {simple: LEAST_CONN}}}"),
        &["info MSH0915 DestinationRule shop/web: spec.trafficPolicy.loadBalancer.simple"],
    );
}

#[test]
fn given_a_destination_rule_exported_to_others_alone_then_it_is_not_usable_at_home() {
    let client = "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: pay, labels: {istio.io/dataplane-mode: meshlet}}}\n";
    let rule = |export: &str| destination_rule("web", &format!("{{host: web, exportTo: {export}}}")) + client;
    for export in ["[.]", "['*']", "[shop, pay]"] {
        check(&rule(export), &[]);
    }
    check(&rule("[pay]"), &["warning MSH0917 DestinationRule shop/web: spec.exportTo"]);
}

#[test]
fn given_gateways_in_a_match_beside_conditions_on_the_source_then_these_are_ignored() {
    let rule = |entry: &str| {
        service(
            "x",
            &format!("{{hosts: [web], http: [{{match: [{entry}], route: [{{destination: {{host: web}}}}]}}]}}"),
        )
    };
    check(&rule("{gateways: [mesh]}"), &[]);
    check(&rule("{sourceNamespace: shop}"), &[]);
    check(
        &rule("{gateways: [mesh], sourceNamespace: pay, sourceLabels: {app: x}}"),
        &[
            "warning MSH0918 VirtualService shop/x: spec.http[0].match[0].sourceNamespace",
            "warning MSH0918 VirtualService shop/x: spec.http[0].match[0].sourceLabels",
        ],
    );
}

#[test]
fn given_a_wildcard_in_the_clients_namespace_then_it_hides_the_exact_rules_of_the_services() {
    let client = "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: pay, labels: {istio.io/dataplane-mode: meshlet}}}\n";
    let exact = destination_rule("web", "{host: web}");
    let wildcard =
        |namespace: &str, host: &str| object("DestinationRule", "all", namespace, &format!("{{host: '{host}'}}"));
    check(
        &format!("{client}{exact}{}", wildcard("pay", "*.shop.svc.cluster.local")),
        &["warning MSH0919 DestinationRule pay/all: spec.host"],
    );
    check(&format!("{client}{}", wildcard("pay", "*.shop.svc.cluster.local")), &[]);
    check(&format!("{client}{exact}{}", wildcard("shop", "*.shop.svc.cluster.local")), &[]);
    check(&format!("{client}{exact}{}", wildcard("istio-system", "*.shop.svc.cluster.local")), &[]);
}

#[test]
fn given_several_destination_rules_for_a_host_then_the_later_ones_say_what_they_lose() {
    let subset = |name: &str| format!("{{host: web, subsets: [{{name: {name}, labels: {{version: {name}}}}}]}}");
    let routes = service("web", ROUTES);
    let merged = "warning MSH0912 DestinationRule shop/b: spec.host";
    check(
        &format!("{routes}{}{}", destination_rule("b", &subset("v1")), destination_rule("a", &subset("v2"))),
        &[merged],
    );
    let (one, two) = (
        destination_rule("a", SUBSETS),
        object("DestinationRule", "b", "istio-system", "{host: web.shop.svc.cluster.local}"),
    );
    check(&format!("{routes}{one}{two}"), &[]);
    let selecting = destination_rule("b", "{host: web, workloadSelector: {matchLabels: {a: b}}}");
    check(&format!("{}{selecting}", destination_rule("a", "{host: web}")), &[]);
    let text = format!("{SHOP}{}{}", destination_rule("b", SUBSETS), destination_rule("a", SUBSETS));
    let analysis = analyze([("f", &*text)]);
    let message =
        analysis.findings.iter().find(|finding| finding.code.id == "MSH0912").map(|finding| &*finding.message);
    assert!(message.is_some_and(|message| message.contains("its subsets v1, v2 are not used")), "{message:?}");
}

#[test]
fn given_port_level_settings_for_a_port_that_nobody_has_then_they_are_found() {
    let rule = |port: u16| {
        destination_rule(
            "web",
            &format!(
                "{{host: web, trafficPolicy: {{portLevelSettings: [{{port: {{number: {port}}}, loadBalancer: {{simple: RANDOM}}}}]}}}}"
            ),
        )
    };
    check(&rule(8080), &[]);
    check(
        &rule(80),
        &["warning MSH0914 DestinationRule shop/web: spec.trafficPolicy.portLevelSettings[0].port.number"],
    );
}

#[test]
fn given_weights_of_zero_then_they_are_found() {
    let rule = |routes: &str| service("web", &format!("{{hosts: [web], http: [{{route: [{routes}]}}]}}"));
    let at = |path: &str| format!("warning MSH0913 VirtualService shop/web: spec.http[0].route{path}");
    let web = "{destination: {host: web}";
    check(&rule(&format!("{web}, weight: 1}}, {web}, weight: 1}}")), &[]);
    check(&rule(&format!("{web}}}")), &[]);
    check(&rule(&format!("{web}, weight: 0}}")), &[&at("[0].weight")]);
    check(&rule(&format!("{web}, weight: 1}}, {web}, weight: 0}}")), &[&at("[1].weight")]);
    check(&rule(&format!("{web}}}, {web}, weight: 1}}")), &[&at("[0]")]);
    // A dropped destination does not shift the positions of the others.
    check(
        &rule(
            "{destination: {host: web}, weight: 0}, {destination: {host: wep}, weight: 1}, {destination: {host: web}, weight: 1}",
        ),
        &[&at("[0].weight"), "error MSH0101 VirtualService shop/web: spec.http[0].route[1].destination.host"],
    );
}

#[test]
fn given_pods_that_are_not_captured_then_rules_do_not_apply_to_them() {
    let pod = |labels: &str| {
        format!("\n---\n{{apiVersion: v1, kind: Pod, metadata: {{name: c, namespace: tools, labels: {labels}}}}}\n")
    };
    let rule = to("{host: web}");
    check(&format!("{}{rule}", pod("{istio.io/dataplane-mode: meshlet}")), &[]);
    check(&format!("{}{rule}", pod("{}")), &["info MSH0906 VirtualService shop/x: spec.hosts"]);
    check(&pod("{}"), &[]);
}

#[test]
fn given_an_http_route_for_the_same_host_then_which_applies_is_undefined() {
    let route = |name: &str| {
        object(
            "HTTPRoute",
            "r",
            "shop",
            &format!(
                "{{parentRefs: [{{kind: Service, group: '', name: {name}, port: 8080}}], rules: [{{backendRefs: [{{name: web, port: 8080}}]}}]}}"
            ),
        )
    };
    check(&format!("{}{}", to("{host: web}"), route("other")), &[]);
    check(&format!("{}{}", to("{host: web}"), route("web")), &["warning MSH0911 VirtualService shop/x: spec.hosts[0]"]);
}

#[test]
fn given_fields_and_kinds_that_have_no_effect_then_they_are_found_with_their_path() {
    check(
        &destination_rule("x", "{host: web, subsets: [{name: v1, label: {}}]}"),
        &[
            "info MSH0908 DestinationRule shop/x: spec.subsets[0]",
            "warning MSH0902 DestinationRule shop/x: spec.subsets[0].label",
        ],
    );
    check(&object("Sidecar", "x", "shop", "{}"), &[]);
    check(&object("Sidecar", "x", "shop", "{ingress: []}"), &["warning MSH0901 Sidecar shop/x: spec.ingress"]);
    let stat = service("x", "{hosts: [web], http: [{match: [{statPrefix: a}], route: [{destination: {host: web}}]}]}");
    check(&stat, &["warning MSH0901 VirtualService shop/x: spec.http[0].match[0].statPrefix"]);
    let slice = "\n---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, namespace: shop}}\n";
    check(slice, &["warning MSH0133 EndpointSlice shop/s: metadata.labels"]);
}

#[test]
fn given_a_refused_object_or_broken_text_then_it_is_an_error_and_the_rest_is_judged() {
    let refused = destination_rule("bad", "{subsets: []}");
    let other = destination_rule("x", "{host: wep}");
    let errors =
        ["error MSH0106 DestinationRule shop/bad: spec.host", "warning MSH0174 DestinationRule shop/x: spec.host"];
    check(&format!("{refused}{other}"), &errors);
    check(&format!("\n---\nkind: [\n---{other}"), &["error MSH0106 : ", errors[1]]);
    check(&format!("\n---\n{{apiVersion: v1, kind: Service}}{other}"), &["error MSH0106 : ", errors[1]]);
}

#[test]
fn given_one_object_twice_then_the_second_is_reported_and_the_first_used() {
    check(
        &format!("{}{}", destination_rule("x", "{host: web}"), destination_rule("x", "{host: wep}")),
        &["warning MSH0903 DestinationRule shop/x: "],
    );
}

#[test]
fn given_a_port_that_declares_no_protocol_then_it_is_told() {
    let service = |port: &str| {
        format!(
            "\n---\n{{apiVersion: v1, kind: Service, metadata: {{name: s, namespace: shop}}, spec: {{ports: [{{port: 1, protocol: UDP}}, {port}]}}}}\n"
        )
    };
    check(&service("{name: http-x, port: 1}"), &[]);
    check(&service("{name: x, appProtocol: http, port: 80}"), &[]);
    check(&service("{name: web, port: 80}"), &["info MSH0118 Service shop/s: spec.ports[1].name"]);
    check(&service("{port: 80}"), &["info MSH0118 Service shop/s: spec.ports[1]"]);
}

#[test]
fn given_marks_that_do_not_do_what_they_look_like_then_they_are_found() {
    let namespace =
        |labels: &str| format!("\n---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: n, labels: {labels}}}}}\n");
    check(&namespace("{}"), &["info MSH0102 Namespace n: metadata.labels"]);
    check(&namespace("{istio-injection: disabled}"), &[]);
    check(&namespace("{istio-injection: enabled}"), &[]);
    check(
        &namespace("{istio-injection: enabled, istio.io/rev: x}"),
        &["warning MSH0123 Namespace n: metadata.labels.istio.io/rev"],
    );
    check(
        &namespace("{istio-injection: disabled, istio.io/dataplane-mode: mesh}"),
        &["warning MSH0125 Namespace n: metadata.labels.istio.io/dataplane-mode"],
    );
    let pod = |namespace: &str, metadata: &str, spec: &str| {
        format!(
            "\n---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: {namespace}, {metadata}}}, spec: {spec}}}\n"
        )
    };
    check(&pod("shop", "", "{}"), &[]);
    check(&pod("shop", "", "{hostNetwork: true}"), &["warning MSH0103 Pod shop/p: spec.hostNetwork"]);
    check(&pod("shop", "labels: {sidecar.istio.io/inject: 'false'}", "{hostNetwork: true}"), &[]);
    check(
        &pod("kube-system", "labels: {sidecar.istio.io/inject: 'true'}", "{}"),
        &["warning MSH0103 Pod kube-system/p: metadata.namespace"],
    );
    check(
        &pod("shop", "labels: {sidecar.istio.io/inject: 'yes'}", "{}"),
        &["warning MSH0125 Pod shop/p: metadata.labels.sidecar.istio.io/inject"],
    );
}

#[test]
fn given_annotations_that_are_unknown_misplaced_invalid_or_deprecated_then_they_are_found() {
    let pod = |annotation: &str| {
        format!(
            "\n---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: shop, annotations: {{{annotation}}}}}}}\n"
        )
    };
    let at = |code: &str, name: &str| format!("{code} Pod shop/p: metadata.annotations.{name}");
    for (annotation, expected) in [
        ("meshlet.dev/redirect: enabled", None),
        ("meshlet.dev/redirect: 'on'", Some(at("warning MSH0125", "meshlet.dev/redirect"))),
        ("meshlet.dev/redirection: enabled", Some(at("warning MSH0108", "meshlet.dev/redirection"))),
        ("sidecar.istio.io/proxyCPU: 1m", None),
        ("sidecar.istio.io/proxyCpu: 1m", Some(at("warning MSH0108", "sidecar.istio.io/proxyCpu"))),
        ("networking.istio.io/exportTo: '*'", Some(at("warning MSH0107", "networking.istio.io/exportTo"))),
        ("sidecar.istio.io/inject: 'true'", Some(at("info MSH0135", "sidecar.istio.io/inject"))),
        ("example.com/anything: x", None),
        ("traffic.sidecar.istio.io/excludeOutboundPorts: '80'", None),
        (
            "traffic.sidecar.istio.io/excludeOutboundPorts: http",
            Some(at("warning MSH0125", "traffic.sidecar.istio.io/excludeOutboundPorts")),
        ),
        (
            "traffic.sidecar.istio.io/includeOutboundIPRanges: 10.0.0.1",
            Some(at("warning MSH0125", "traffic.sidecar.istio.io/includeOutboundIPRanges")),
        ),
        (
            "traffic.sidecar.istio.io/includeInboundPorts: '*'",
            Some(at("warning MSH0901", "traffic.sidecar.istio.io/includeInboundPorts")),
        ),
        ("traffic.sidecar.istio.io/includeInboundPorts: '*', meshlet.dev/redirect: disabled", None),
    ] {
        let expected: Vec<&str> = expected.as_deref().into_iter().collect();
        check(&pod(annotation), &expected);
    }
}

#[test]
fn given_a_suppression_then_it_covers_its_code_and_objects_alone() {
    let text = format!("{SHOP}{}", destination_rule("x", "{host: wep}"));
    let findings = analyze([("f", &*text)]).findings;
    let finding = findings.first().expect("a finding");
    for (written, covered) in [
        ("MSH0174=DestinationRule shop/x", true),
        ("IST0174=DestinationRule shop/*", true),
        ("*=*", true),
        ("MSH01*=* */x", true),
        ("msh0174 = DestinationRule shop/x", true),
        ("MSH0173=DestinationRule shop/x", false),
        ("MSH0174=DestinationRule shop/y", false),
        ("MSH0174=Destination", false),
        ("MSH0174=*shop/x*x", false),
    ] {
        let suppression: Suppression = written.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(suppression.covers(finding), covered, "{written}");
    }
    for written in ["MSH0174", "MSH174=x", "MSH0174=", "X0174=y", ""] {
        let error = written.parse::<Suppression>().expect_err(written);
        assert!(error.contains("write CODE=KIND NAMESPACE/NAME"), "{error}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a document is written here")]
fn given_the_table_of_codes_then_it_is_in_order_and_the_document_is_its_copy() {
    for (one, other) in CODES.iter().zip(&CODES[1..]) {
        assert!(one.id < other.id, "{} {}", one.id, other.id);
    }
    for code in CODES {
        let own = code.id >= "MSH0901";
        assert_eq!(code.istio.map(|istio| istio.replace("IST", "MSH")), (!own).then(|| code.id.to_owned()));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/analyze.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, markdown()).expect("docs/analyze.md written");
    }
    let document = std::fs::read_to_string(path).expect("docs/analyze.md");
    assert_eq!(document, markdown(), "run the test with UPDATE_DOCS=1 and commit docs/analyze.md");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn given_any_text_then_it_is_analyzed_and_every_finding_has_a_place(text in "[ -~\n]{0,300}") {
        let text = format!("{SHOP}\n---\n{text}");
        for finding in analyze([("f", &*text)]).findings {
            prop_assert!(finding.reference.line >= 1 && finding.reference.column >= 1, "{:?}", finding);
        }
    }

    #[test]
    fn given_any_specs_then_they_are_analyzed(
        specs in proptest::collection::vec(("(VirtualService|DestinationRule|Service|Pod)", spec()), 0..4)
    ) {
        let objects: String = specs.iter().enumerate().map(|(index, (kind, spec))| object(kind, &format!("x{index}"), "shop", spec)).collect();
        let text = format!("{SHOP}{objects}");
        let analysis = analyze([("f", &*text)]);
        prop_assert!(analysis.findings.iter().all(|finding| !finding.message.is_empty()));
    }

    #[test]
    fn given_any_order_of_the_objects_then_the_findings_are_the_same(order in Just((0..OBJECTS.len()).collect::<Vec<_>>()).prop_shuffle()) {
        let show = |order: &[usize]| {
            let text: String = order.iter().map(|index| OBJECTS[*index]).collect::<Vec<_>>().join("\n---\n");
            let mut found: Vec<(&str, Level, String, String)> = analyze([("f", &*text)])
                .findings
                .into_iter()
                .map(|finding| (finding.code.id, finding.level, finding.origin, finding.message))
                .collect();
            found.sort();
            found
        };
        let written: Vec<usize> = (0..OBJECTS.len()).collect();
        let expected = show(&written);
        prop_assert!(expected.len() > 8, "{:?}", expected);
        prop_assert_eq!(show(&order), expected);
    }

    #[test]
    fn given_one_bad_object_then_the_findings_about_the_others_stay(bad in "[ -~\n]{0,80}") {
        let good = format!("{SHOP}{}", destination_rule("x", "{host: wep}"));
        let text = format!("{good}\n---\n{}", bad.replace("\n---", "\n- -").trim_start_matches("---"));
        let found = analyze([("f", &*text)]).findings;
        prop_assert!(found.iter().any(|finding| finding.code.id == "MSH0174"), "{:?}", found);
    }
}

/// Text that looks like a `spec`.
fn spec() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("web".to_owned()),
        Just("v1".to_owned()),
        Just("0".to_owned()),
        Just("8080".to_owned()),
        Just("null".to_owned()),
        Just("'*'".to_owned()),
        Just("{}".to_owned()),
        Just("[]".to_owned()),
    ];
    let key = prop_oneof![
        Just("hosts"),
        Just("host"),
        Just("http"),
        Just("route"),
        Just("destination"),
        Just("subset"),
        Just("weight"),
        Just("match"),
        Just("uri"),
        Just("prefix"),
        Just("exact"),
        Just("subsets"),
        Just("labels"),
        Just("name"),
        Just("port"),
        Just("number"),
        Just("gateways"),
        Just("trafficPolicy"),
        Just("exportTo"),
        Just("ports"),
    ];
    leaf.prop_recursive(6, 48, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|entries| format!("[{}]", entries.join(", "))),
            proptest::collection::btree_map(key.clone(), inner, 0..4).prop_map(|members| {
                let members: Vec<String> = members.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

/// Objects with findings of every family.
const OBJECTS: &[&str] = &[
    "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: web, port: 8080}]}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web, version: v1}}, status: {podIP: 10.1.0.1}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: pay, labels: {sidecar.istio.io/inject: 'true'}}, status: {podIP: 10.1.0.2}}",
    "{apiVersion: v1, kind: Pod, metadata: {name: d, namespace: tools}, status: {podIP: 10.1.0.3}}",
    "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [web, web.shop], http: [{route: [{destination: {host: web, subset: v2}}]}, {route: [{destination: {host: wep}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b, namespace: shop}, spec: {hosts: [web], http: [{route: [{destination: {host: web, subset: v3}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: g, namespace: shop}, spec: {hosts: [web], gateways: [x], http: [{route: [{destination: {host: web}}]}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: a, namespace: shop}, spec: {host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v9}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: b, namespace: shop}, spec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: t, namespace: tools}, spec: {host: web.shop.svc.cluster.local}}",
    "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: bad, namespace: tools}, spec: {}}",
];
