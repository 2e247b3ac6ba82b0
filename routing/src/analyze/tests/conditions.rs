//! Conditions of rules, by what is in force beside them.

use std::collections::BTreeSet;

use super::*;
use crate::analyze::{Condition, conditions, fully_supported, not_accepted};
use crate::manifest::parse;
use crate::model::{Kind, World};
use crate::validate::validate;

/// All conditions of the objects of one kind, in the shop beside these objects.
fn stated(objects: &str, kind: Kind) -> Vec<Condition> {
    let text = format!("{SHOP}{objects}");
    let validated: Vec<_> = parse("f.yaml", &text).manifests.iter().map(validate).collect();
    let world = World::assemble(validated.iter().filter_map(|validated| validated.valid.as_ref()));
    conditions(&world).into_iter().filter(|condition| condition.object.kind == kind).collect()
}

/// The objects of a kind have exactly these conditions: name, type, status and reason.
fn check_stated(objects: &str, kind: Kind, expected: &[&str]) {
    let conditions = stated(objects, kind);
    let show = |condition: &Condition| {
        let kind = condition.kind.trim_start_matches("meshlet.dev/");
        format!("{} {kind} {} {}", condition.object.name, condition.holds, condition.reason)
    };
    assert_eq!(conditions.iter().map(show).collect::<Vec<_>>(), expected, "{objects}");
    for condition in conditions {
        assert!(condition.message.ends_with('.') && !condition.message.contains(".."), "{}", condition.message);
        assert!(!condition.warns || !condition.holds, "{condition:?}");
    }
}

#[test]
fn given_virtual_services_then_it_is_said_whether_clients_follow_them_and_whether_they_lead_somewhere() {
    let subsets = destination_rule("web", SUBSETS);
    let to = |destination: &str| format!("{{hosts: [web], http: [{{route: [{{destination: {{{destination}}}}}]}}]}}");
    for (spec, expected) in [
        (ROUTES.to_owned(), ["r AppliesToMesh true GatewaysOmitted", "r ResolvedRefs true AllResolved"]),
        (
            ROUTES.replace("{hosts", "{gateways: [mesh, edge/public], hosts"),
            ["r AppliesToMesh true MeshListed", "r ResolvedRefs true AllResolved"],
        ),
        (
            to("host: nobody").replace("hosts: [web]", "hosts: [web, nobody]"),
            ["r AppliesToMesh true GatewaysOmitted", "r ResolvedRefs false HostNotFound"],
        ),
        (
            // A name that is no service's lives on port 80, which is not the service's.
            to("host: web, port: {number: 8080}").replace("hosts: [web]", "hosts: [nobody]"),
            ["r AppliesToMesh false HostUnknown", "r ResolvedRefs true AllResolved"],
        ),
        (
            to("host: web").replace("{hosts", "{exportTo: [\"~\"], hosts"),
            ["r AppliesToMesh false NotExported", "r ResolvedRefs true AllResolved"],
        ),
        (to("host: web, subset: v3"), ["r AppliesToMesh true GatewaysOmitted", "r ResolvedRefs false SubsetNotFound"]),
        (
            to("host: web, port: {number: 9}"),
            ["r AppliesToMesh true GatewaysOmitted", "r ResolvedRefs false PortNotFound"],
        ),
        // Of several destinations the second is wrong.
        (
            ROUTES.replace("subset: v2", "subset: v3"),
            ["r AppliesToMesh true GatewaysOmitted", "r ResolvedRefs false SubsetNotFound"],
        ),
    ] {
        check_stated(&format!("{subsets}{}", service("r", &spec)), Kind::VirtualService, &expected);
    }
    let gateway_only = ROUTES.replace("{hosts", "{gateways: [edge/public], hosts");
    check_stated(&service("r", &gateway_only), Kind::VirtualService, &["r AppliesToMesh false GatewayOnly"]);
    assert!(!stated(&service("r", &gateway_only), Kind::VirtualService)[0].warns, "that is how ingress rules are");
}

#[test]
fn given_a_subset_that_selects_nothing_then_who_routes_there_says_so() {
    let subsets = destination_rule("web", &SUBSETS.replace("version: v2", "version: v9"));
    let expected = ["r AppliesToMesh true GatewaysOmitted", "r ResolvedRefs false EmptySubset"];
    check_stated(&format!("{subsets}{}", service("r", ROUTES)), Kind::VirtualService, &expected);
}

#[test]
fn given_two_virtual_services_for_a_host_then_the_one_that_loses_it_says_so() {
    let to_web = "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}";
    let expected = [
        "a AppliesToMesh true GatewaysOmitted",
        "a ResolvedRefs true AllResolved",
        "b AppliesToMesh false Conflicted",
        "b ResolvedRefs true AllResolved",
    ];
    check_stated(&format!("{}{}", service("a", to_web), service("b", to_web)), Kind::VirtualService, &expected);
    // What it keeps, it has.
    let two = to_web.replace("[web]", "[web, other]");
    let kept = format!("{}{}", service("a", to_web), service("b", &two));
    let b = stated(&kept, Kind::VirtualService).into_iter().find(|found| &*found.object.name == "b").expect("b");
    assert!(b.holds && b.message.contains("But spec.hosts[0]"), "{b:?}");
}

#[test]
fn given_destination_rules_then_it_is_said_whether_clients_use_them() {
    let policy = "{host: web, trafficPolicy: {loadBalancer: {simple: RANDOM}}}";
    let full = policy.replace("host: web", "host: web.shop.svc.cluster.local");
    for (objects, expected) in [
        (destination_rule("d", policy), vec!["d Effective true InServiceNamespace"]),
        (object("DestinationRule", "d", "istio-system", &full), vec!["d Effective true InRootNamespace"]),
        (object("DestinationRule", "d", "tools", &full), vec!["d Effective false NamespaceNotConsulted"]),
        (destination_rule("d", &policy.replace("web", "nobody")), vec!["d Effective false HostUnknown"]),
        (
            destination_rule("d", policy) + &destination_rule("e", policy),
            vec!["d Effective true InServiceNamespace", "e Effective false Shadowed"],
        ),
        (
            destination_rule("d", policy) + &destination_rule("e", SUBSETS),
            vec!["d Effective true InServiceNamespace", "e Effective true InServiceNamespace"],
        ),
    ] {
        check_stated(&objects, Kind::DestinationRule, &expected);
    }
}

#[test]
fn given_fields_without_effect_or_a_refusal_then_the_object_says_which() {
    for (spec, reason, part) in [
        (ROUTES.to_owned(), "AllFieldsHonoured", "Every field"),
        (ROUTES.replace("{hosts", "{hoists: 1, hosts"), "UnsupportedField", "spec.hoists: is not a known field"),
        ("{hosts: 5}".to_owned(), "Refused", "stays in force"),
    ] {
        let manifests = parse("f.yaml", &service("r", &spec)).manifests;
        let manifest = manifests.first().expect("an object");
        let condition = fully_supported(&manifest.object, &validate(manifest).faults);
        assert_eq!((condition.reason, condition.holds), (reason, reason == "AllFieldsHonoured"), "{condition:?}");
        assert!(condition.message.contains(part), "{condition:?}");
    }
}

#[test]
fn given_the_world_of_texts_then_its_conditions_fail_where_analyze_finds_errors() {
    let objects = destination_rule("web", SUBSETS) + &service("r", &ROUTES.replace("subset: v2", "subset: v3"));
    let failing = stated(&objects, Kind::VirtualService).into_iter().filter(|condition| !condition.holds);
    let failing: BTreeSet<String> = failing.map(|condition| condition.object.to_string()).collect();
    let errors = found(&objects).into_iter().filter(|line| line.starts_with("error"));
    let errors: BTreeSet<String> =
        errors.filter_map(|line| Some(line.split_once(": ")?.0.split_once("MSH0101 ")?.1.to_owned())).collect();
    assert_eq!((failing.len(), failing), (1, errors));
}

#[test]
fn given_http_routes_then_each_service_says_whether_it_accepts_and_the_route_whether_backends_are_there() {
    let tcp = "\n---\n{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: 10.96.0.8, ports: [{name: tcp, port: 5432}]}}\n";
    let to_web = "{backendRefs: [{name: web, port: 8080}]}";
    let resolved = "r ResolvedRefs true ResolvedRefs";
    let unresolved = |reason: &str| format!("r ResolvedRefs false {reason}");
    let check_route = |namespace: &str, parents: &str, rule: &str, expected: &[&str]| {
        let parents = parents.replace("Service,", "Service, group: '',");
        let route = object("HTTPRoute", "r", namespace, &format!("{{parentRefs: [{parents}], rules: [{rule}]}}"));
        check_stated(&format!("{tcp}{route}"), Kind::HttpRoute, expected);
    };
    for (parents, expected) in [
        ("{kind: Service, name: web}", &["r Accepted true Accepted", resolved][..]),
        ("{kind: Service, name: web, port: 8080}", &["r Accepted true Accepted", resolved]),
        ("{kind: Service, name: web, sectionName: http}", &["r Accepted true Accepted", resolved]),
        ("{kind: Service, name: wep}", &["r Accepted false NoMatchingParent", resolved]),
        ("{kind: Service, name: web, port: 80}", &["r Accepted false NoMatchingParent", resolved]),
        ("{kind: Service, name: web, sectionName: https}", &["r Accepted false NoMatchingParent", resolved]),
        ("{kind: Service, name: db}", &["r Accepted false NoMatchingParent", resolved]),
        ("{name: edge}", &[]),
        (
            "{name: edge}, {kind: Service, name: web}, {kind: Service, name: wep}",
            &["r Accepted true Accepted", "r Accepted false NoMatchingParent", resolved],
        ),
    ] {
        check_route("shop", parents, to_web, expected);
    }
    let mirror = |name: &str| {
        let to = format!("{{backendRef: {{name: {name}, port: 8080}}}}");
        format!("{{filters: [{{type: RequestMirror, requestMirror: {to}}}], backendRefs: [{{name: web, port: 8080}}]}}")
    };
    for (rule, expected) in [
        ("{backendRefs: [{name: wep, port: 8080}]}".to_owned(), unresolved("BackendNotFound")),
        ("{backendRefs: [{name: web, port: 80}]}".to_owned(), unresolved("BackendNotFound")),
        ("{backendRefs: [{name: web, port: 8080}, {kind: Bucket, name: b}]}".to_owned(), unresolved("InvalidKind")),
        (mirror("wep"), unresolved("BackendNotFound")),
        (mirror("web"), resolved.to_owned()),
    ] {
        check_route("shop", "{kind: Service, name: web}", &rule, &["r Accepted true Accepted", &expected]);
    }
    // A consumer's, where nobody is captured.
    let there = "{kind: Service, name: web, namespace: shop}";
    check_route("tools", there, to_web, &["r Accepted true Accepted", "r ResolvedRefs false BackendNotFound"]);
}

#[test]
fn given_a_route_of_several_parents_then_what_a_service_says_has_its_place() {
    let parents = "{name: edge}, {kind: Service, group: '', name: web}";
    let route = object("HTTPRoute", "r", "shop", &format!("{{parentRefs: [{parents}], rules: [{{}}]}}"));
    let places: Vec<_> = stated(&route, Kind::HttpRoute).iter().map(|found| (found.kind, found.parent)).collect();
    assert_eq!(places, [("Accepted", Some(1)), ("ResolvedRefs", None)]);
}

#[test]
fn given_a_route_that_is_refused_then_it_is_not_accepted() {
    let route = object("HTTPRoute", "r", "shop", "{parentRefs: [{kind: Service, group: '', name: web}], rules: 5}");
    let manifests = parse("f.yaml", &route).manifests;
    let manifest = manifests.first().expect("an object");
    let support = fully_supported(&manifest.object, &validate(manifest).faults);
    let accepted = not_accepted(&support).expect("it is refused");
    assert_eq!((accepted.kind, accepted.holds, accepted.reason), ("Accepted", false, "UnsupportedValue"));
    assert!(support.warns && !accepted.warns && accepted.message.contains("spec.rules"), "{accepted:?}");
    assert_eq!(not_accepted(&fully_supported(&manifest.object, &[])), None);
}
