//! One client stands for many, and nothing is missed by it.

use crate::model::MeshConfig;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use super::super::input::{Input, Texts};
use super::super::{Findings, seen_by_clients};
use super::{Ask, Labels, Sight};

/// Number of times that something is looked at.
fn looks(services: usize, namespaces: usize) -> usize {
    let mut text = String::new();
    for number in 0..services {
        let (namespace, next) = (number % namespaces, (number + 1) % services);
        let home = format!("namespace: n{namespace}");
        let _infallible = write!(
            text,
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: s{number}, {home}}}, spec: {{clusterIP: 10.0.0.{number}, ports: [{{name: http, port: 80}}]}}}}\n\
             ---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: s{number}, {home}}}, spec: {{hosts: [s{number}], http: [{{match: [{{sourceLabels: {{app: s{number}}}}}], route: [{{destination: {{host: s{next}.n{}.svc.cluster.local}}}}]}}]}}}}\n\
             ---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: s{number}, {home}}}, spec: {{host: s{number}}}}}\n",
            next % namespaces
        );
    }
    let texts = Texts::parse([("f.yaml", &*text)]);
    let input = Input::new(MeshConfig::default(), &texts, &mut Findings::default());
    let mut looks = 0;
    Sight::new(&input).look(|_, _, _| looks += 1);
    looks
}

#[test]
fn given_more_namespaces_then_the_work_grows_with_the_objects_alone() {
    assert_eq!(looks(60, 6), looks(60, 30));
    assert_eq!(2 * looks(60, 30), looks(120, 30));
}

/// Every subject with the eyes of every client there is.
fn everybody(sight: &mut Sight<'_>) {
    let labels: BTreeSet<Labels> = sight.asks.keys().map(|(_, labels)| labels.clone()).collect();
    let mut subjects = Vec::new();
    for ask in sight.asks.values().flatten() {
        if !subjects.contains(&ask.subject) {
            subjects.push(ask.subject);
        }
    }
    sight.asks.clear();
    for place in 0..sight.namespaces.len() {
        for labels in &labels {
            let asks = subjects.iter().map(|subject| Ask { subject: *subject, all_but: None });
            sight.asks.insert((place, labels.clone()), asks.collect());
        }
    }
}

fn messages(input: &Input<'_>, prepare: impl FnOnce(&mut Sight<'_>)) -> BTreeSet<String> {
    let (mut sight, mut findings) = (Sight::new(input), Findings::default());
    prepare(&mut sight);
    seen_by_clients(&sight, &mut findings);
    findings.0.into_iter().map(|found| format!("{} {:?} {}", found.code.id, found.level, found.message)).collect()
}

/// Objects that see, hide and shadow each other in a few namespaces.
fn world() -> impl Strategy<Value = String> {
    let namespace = || select(vec!["a", "b", "c", "istio-system"]);
    let export = || select(vec!["['*']", "[.]", "[a]", "[b, c]", "[d]", "[~]"]);
    let host = || {
        select(vec![
            "x.a.svc.cluster.local",
            "y.b.svc.cluster.local",
            "x",
            "y",
            "'*.svc.cluster.local'",
            "z.example.com",
        ])
    };
    let exact = || select(vec!["x.a.svc.cluster.local", "y.b.svc.cluster.local", "x", "z.example.com"]);
    let condition = select(vec!["{}", "{sourceLabels: {app: x}}", "{sourceNamespace: b}", "{port: 80}", "{port: 81}"]);
    let istio = |kind: &'static str| {
        move |(number, namespace, spec): (u8, &str, String)| {
            format!(
                "---\n{{apiVersion: networking.istio.io/v1, kind: {kind}, metadata: {{name: o{number}, namespace: {namespace}}}, spec: {spec}}}\n"
            )
        }
    };
    let rule = (0..9_u8, namespace(), host(), export(), condition, exact(), select(vec!["", ", subset: v1", ", subset: v2"]))
        .prop_map(|(number, namespace, host, export, condition, to, subset)| {
            let spec = format!("{{hosts: [{host}], exportTo: {export}, http: [{{match: [{condition}], route: [{{destination: {{host: {to}{subset}}}}}]}}]}}");
            (number, namespace, spec)
        })
        .prop_map(istio("VirtualService"));
    let policy = (
        0..9_u8,
        namespace(),
        host(),
        export(),
        select(vec!["v1", "v2"]),
        select(vec!["", ", workloadSelector: {matchLabels: {app: x}}"]),
    )
        .prop_map(|(number, namespace, host, export, subset, selector)| {
            (
                number,
                namespace,
                format!("{{host: {host}, exportTo: {export}, subsets: [{{name: {subset}}}]{selector}}}"),
            )
        })
        .prop_map(istio("DestinationRule"));
    let service = (select(vec![("x", "a"), ("y", "b"), ("x", "c")]), select(vec!["'*'", ".", "b"])).prop_map(|((name, namespace), export)| {
        format!("---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: {namespace}, annotations: {{networking.istio.io/exportTo: {export}}}}}, spec: {{clusterIP: 10.0.0.1, ports: [{{name: http, port: 80}}]}}}}\n")
    });
    let objects = prop_oneof![3 => rule, 3 => policy, 2 => service];
    proptest::collection::vec(objects, 1..12).prop_map(|objects| {
        let namespaces = ["a", "b", "c", "d", "e"]
            .map(|name| format!("---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}\n"));
        namespaces.concat() + &objects.concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn given_any_world_then_one_client_for_all_that_see_the_same_finds_what_everybody_finds(text in world()) {
        let texts = Texts::parse([("f.yaml", &*text)]);
        let input = Input::new(MeshConfig::default(), &texts, &mut Findings::default());
        prop_assert_eq!(messages(&input, |_| {}), messages(&input, everybody), "{}", text);
    }
}
