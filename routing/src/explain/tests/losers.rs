//! Objects that concern what was asked for and were not used.

use super::{BASE, DB, connect, virtual_service, world};
use crate::explain::{Explanation, Question, Speech, explain};

/// Each as `KIND NAMESPACE/NAME REASON`, in order of names.
fn losers(answer: &Explanation) -> Vec<String> {
    let mut losers: Vec<String> =
        answer.not_used.iter().map(|loser| format!("{} {}", loser.object, loser.reason)).collect();
    losers.sort();
    losers
}

const HOST: &str = "hosts: [db.shop.svc.cluster.local]";
const TO: &str = "route: [{destination: {host: db.shop.svc.cluster.local}}]";

fn tls(name: &str) -> String {
    format!("tls: [{{match: [{{sniHosts: [{name}]}}], {TO}}}]")
}

#[test]
fn given_rules_for_connections_then_losers_are_told_by_order_and_not_by_how_narrow_their_hosts_are() {
    let rules = DB.to_owned()
        + &virtual_service("a", "all", &format!("{{hosts: ['*.svc.cluster.local'], tcp: [{{{TO}}}]}}"))
        + &virtual_service("b", "exact", &format!("{{{HOST}, tcp: [{{{TO}}}]}}"))
        + &virtual_service("c", "http", &format!("{{{HOST}, http: [{{{TO}}}]}}"))
        + &virtual_service("d", "port", &format!("{{{HOST}, tcp: [{{match: [{{port: 1}}], {TO}}}]}}"))
        + &virtual_service("e", "edge", &format!("{{{HOST}, gateways: [edge/public], tcp: [{{{TO}}}]}}"));
    let answer = connect(&rules, Speech::Tcp, "db", 5432);
    assert_eq!(answer.virtual_service.as_deref(), Some("a/all"), "the first by age, name and namespace");
    assert_eq!(
        losers(&answer),
        [
            "VirtualService b/exact EarlierRule",
            "VirtualService c/http NoRuleForConnections",
            "VirtualService d/port NoRouteForClient",
            "VirtualService e/edge GatewayOnly",
        ]
    );
    let message = answer.not_used.iter().find(|loser| loser.reason == "EarlierRule").map(|loser| &*loser.message);
    assert!(message.is_some_and(|message| message.contains("VirtualService a/all comes first")), "{message:?}");
}

#[test]
fn given_rules_for_server_names_then_those_of_other_names_are_not_matched() {
    let hosts = "hosts: [db.shop.svc.cluster.local, one.example, two.example]";
    let rules = DB.to_owned()
        + &virtual_service("shop", "one", &format!("{{{hosts}, {}}}", tls("one.example")))
        + &virtual_service("shop", "two", &format!("{{{hosts}, {}}}", tls("two.example")))
        + &virtual_service("shop", "opaque", &format!("{{{HOST}, tcp: [{{{TO}}}]}}"));
    let address = Some([10, 96, 0, 2].into());
    let named = Question { address, ..question_of("two.example") };
    let answer = explain(&world(&format!("{BASE}{rules}")), &named);
    assert_eq!(answer.virtual_service.as_deref(), Some("shop/two"));
    assert_eq!(
        losers(&answer),
        ["VirtualService shop/one NotMatched", "VirtualService shop/opaque NoRuleForConnections"]
    );
}

#[test]
fn given_an_address_where_nobody_listens_then_rules_of_the_name_are_not_met_there() {
    let rules =
        DB.to_owned() + &virtual_service("shop", "db", &format!("{{{HOST}, {}}}", tls("db.shop.svc.cluster.local")));
    let elsewhere = Question { address: Some([10, 9, 9, 9].into()), ..question_of("db.shop.svc.cluster.local") };
    let answer = explain(&world(&format!("{BASE}{rules}")), &elsewhere);
    assert_eq!((answer.verdict, answer.path), ("passthrough", "native"));
    assert_eq!(losers(&answer), ["VirtualService shop/db NotAtAnAddress"]);
}

fn question_of(host: &str) -> Question<'_> {
    super::question(Speech::Tls, host, 443)
}

#[test]
fn given_a_port_declared_http_then_rules_for_connections_are_not_for_it() {
    let rules = DB.to_owned()
        + &virtual_service("shop", "db", &format!("{{{HOST}, http: [{{{TO}}}]}}"))
        + &virtual_service("shop", "tcp", &format!("{{{HOST}, tcp: [{{{TO}}}]}}"));
    let answer = connect(&rules, Speech::Tcp, "db", 80);
    assert_eq!(answer.reason, "NotHttp");
    assert_eq!(losers(&answer), ["VirtualService shop/db NotHttp", "VirtualService shop/tcp NotHttp"]);
}

#[test]
fn given_a_service_that_the_client_may_not_see_then_it_is_a_loser_when_its_name_is_asked_for() {
    let hidden = "---
{apiVersion: v1, kind: Service, metadata: {name: api, namespace: pay, annotations: {networking.istio.io/exportTo: '.'}}, spec: {clusterIP: 10.96.0.7, ports: [{name: http, port: 80}]}}
---
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: pay}, spec: {hosts: [out.example], exportTo: ['.'], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 10.9.0.1}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: far, namespace: pay}, spec: {clusterIP: 10.96.0.8, ports: [{name: http, port: 80}]}}
---
{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: s, namespace: shop}, spec: {egress: [{hosts: ['shop/*']}], outboundTrafficPolicy: {mode: ALLOW_ANY}}}
";
    for (host, expected) in [
        ("api.pay", "Service pay/api NotExported"),
        ("api.pay.svc.cluster.local", "Service pay/api NotExported"),
        ("out.example", "ServiceEntry pay/out NotExported"),
        ("far.pay", "Service pay/far NotImported"),
    ] {
        let answer = connect(hidden, Speech::Http1, host, 80);
        assert_eq!((losers(&answer), answer.reason), (vec![expected.to_owned()], "UnknownHost"), "{host}");
    }
    assert_eq!(losers(&connect(hidden, Speech::Http1, "web", 80)), [""; 0]);
    assert_eq!(losers(&connect(hidden, Speech::Http1, "api", 80)), [""; 0], "that is no name of api.pay here");
}

#[test]
fn given_a_connection_that_is_closed_then_the_answer_has_envoys_flag() {
    let rule = |host: &str| {
        DB.to_owned()
            + &virtual_service(
                "shop",
                "db",
                &format!("{{{HOST}, tcp: [{{route: [{{destination: {{host: {host}, port: {{number: 80}}}}}}]}}]}}"),
            )
    };
    let empty = "---\n{apiVersion: v1, kind: Service, metadata: {name: none, namespace: shop}, spec: {clusterIP: 10.96.0.9, ports: [{port: 80}]}}\n";
    for (rules, verdict, flag) in [
        (rule("nobody.example"), "reset", Some("NC")),
        (rule("none") + empty, "reset", Some("UH")),
        (rule("web"), "route", None),
    ] {
        let answer = connect(&rules, Speech::Tcp, "db", 5432);
        assert_eq!((answer.verdict, answer.response_flag), (verdict, flag));
        let json = serde_json::to_value(&answer).expect("JSON");
        assert_eq!(json.get("responseFlag").and_then(|flag| flag.as_str()), flag);
        assert!(json["response"].is_null(), "a closed connection is no answer of HTTP's");
    }
}
