//! What explain adds to the verdict: matches that were skipped, and objects that lost.

use super::{Client, Explanation, Question, Speech, explain};
use crate::decide::Request;
use crate::manifest;
use crate::model::World;
use crate::table::Scope;
use crate::validate::validate;

const BASE: &str = "
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web}}, status: {podIP: 10.1.0.1}}
---
";

fn virtual_service(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: {name}, namespace: {namespace}}}, spec: {spec}}}\n"
    )
}

fn ask(rules: &str, headers: &[(&str, &[u8])]) -> Explanation {
    let parsed = manifest::parse("test.yaml", &format!("{BASE}{rules}"));
    assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    let valid: Vec<_> = parsed.manifests.iter().filter_map(|manifest| validate(manifest).valid).collect();
    assert_eq!(valid.len(), parsed.manifests.len());
    let question = Question {
        client: Client::Imaginary(Scope::new("shop".into(), std::sync::Arc::default())),
        speech: Speech::Http1,
        host: "web",
        address: None,
        port: 80,
        request: Request { method: "GET", authority: "web", path: "/a?b", headers, source: None },
        seed: 1,
    };
    explain(&World::assemble(&valid), &question)
}

#[test]
fn given_matches_that_do_not_hold_then_each_is_named_with_the_first_condition_that_fails() {
    let rule = virtual_service(
        "shop",
        "web",
        "{hosts: [web], http: [
          {match: [{uri: {exact: /x}}, {method: {exact: PUT}}], route: [{destination: {host: web}}]},
          {name: beta, match: [{headers: {x-g: {exact: beta}}}], route: [{destination: {host: web}}]},
          {match: [{headers: {x-h: {}}}], route: [{destination: {host: web}}]},
          {match: [{withoutHeaders: {x-g: {}}}], route: [{destination: {host: web}}]},
          {match: [{uri: {regex: '/.*'}}], route: [{destination: {host: web}}]},
          {route: [{destination: {host: nobody}}]}]}",
    );
    let answer = ask(&rule, &[("x-g", b"gamma")]);
    assert_eq!(
        (answer.verdict, answer.rule.as_ref().map(|rule| (rule.index, rule.entry))),
        ("route", Some((4, Some(0))))
    );
    let skipped: Vec<String> = answer
        .skipped
        .iter()
        .map(|skipped| format!("{} {:?} {}", skipped.rule.index, skipped.rule.entry, skipped.message))
        .collect();
    assert_eq!(
        skipped,
        [
            "0 Some(0) path \"/a?b\", wants exact \"/x\"",
            "0 Some(1) method GET, wants exact \"PUT\"",
            "1 Some(0) header x-g is \"gamma\", wants exact \"beta\"",
            "2 Some(0) header x-h is absent, wants it present",
            "3 Some(0) header x-g is present, must not be",
        ]
    );
}

#[test]
fn given_nothing_that_matches_then_every_match_is_named_and_the_answer_is_404() {
    let rule = virtual_service(
        "shop",
        "web",
        "{hosts: [web], http: [{match: [{uri: {prefix: /x}}], route: [{destination: {host: web}}]}]}",
    );
    let answer = ask(&rule, &[]);
    assert_eq!((answer.verdict, answer.reason), ("respond", "NoRoute"));
    assert_eq!(answer.response.map(|response| (response.status, response.flag)), Some((404, "NR")));
    assert_eq!(answer.skipped.len(), 1);
}

#[test]
fn given_objects_that_concern_the_host_and_are_not_used_then_each_says_why() {
    let route = "http: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]";
    let host = "hosts: [web.shop.svc.cluster.local]";
    let policy = |namespace: &str, fields: &str| {
        format!(
            "---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: d, namespace: {namespace}}}, spec: {{host: web.shop.svc.cluster.local{fields}}}}}\n"
        )
    };
    let rules = virtual_service("a", "first", &format!("{{{host}, {route}}}"))
        + &virtual_service("b", "second", &format!("{{{host}, {route}}}"))
        + &virtual_service("c", "wide", &format!("{{hosts: ['*.svc.cluster.local'], {route}}}"))
        + &virtual_service("d", "edge", &format!("{{{host}, gateways: [edge/public], {route}}}"))
        + &virtual_service("e", "private", &format!("{{{host}, exportTo: ['.'], {route}}}"))
        + &policy("shop", "")
        + &policy("istio-system", "")
        + &policy("third", "");
    let answer = ask(&rules, &[]);
    assert_eq!(answer.virtual_service.as_deref(), Some("a/first"));
    let mut losers: Vec<String> =
        answer.not_used.iter().map(|loser| format!("{} {}", loser.object, loser.reason)).collect();
    losers.sort();
    assert_eq!(
        losers,
        [
            "DestinationRule istio-system/d Shadowed",
            "DestinationRule third/d NamespaceNotConsulted",
            "VirtualService b/second OlderRuleOwnsHost",
            "VirtualService c/wide MoreSpecificHost",
            "VirtualService d/edge GatewayOnly",
            "VirtualService e/private NotExported",
        ]
    );
}
