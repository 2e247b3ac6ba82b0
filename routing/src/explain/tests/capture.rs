//! What is captured, and what would be if more than single addresses were.

use super::{BASE, connect, question, told, virtual_service, world};
use crate::explain::{Capture, Client, Explanation, Question, Speech, explain};
use crate::model::{MeshConfig, OutboundTraffic, World};
use crate::table::{Scope, Table};

const ENTRY: &str = "---
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: shop}, spec: {hosts: [out.example], ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}], resolution: STATIC, endpoints: [{address: 10.9.0.1}]}}
";

fn shown(answer: &Explanation) -> (&'static str, &'static str, &'static str) {
    (answer.verdict, answer.reason, answer.path)
}

fn message(answer: &Explanation) -> &str {
    answer.capture.as_ref().map_or("", |capture| &capture.message)
}

#[test]
fn given_a_rule_for_a_name_without_address_then_it_is_native_and_says_why() {
    let to = "route: [{destination: {host: out.example}}]";
    let rules = ENTRY.to_owned()
        + &virtual_service("shop", "out", &format!("{{hosts: [out.example], http: [{{{to}}}]}}"))
        + &virtual_service("shop", "other", &format!("{{hosts: [other.example], http: [{{{to}}}]}}"));
    for (host, loser) in [("out.example", "shop/out"), ("other.example", "shop/other")] {
        let answer = connect(&rules, Speech::Http1, host, 80);
        assert_eq!(shown(&answer), ("passthrough", "NotAtAnAddress", "native"), "{host}");
        assert!(message(&answer).starts_with("a rule is for this name"), "{}", message(&answer));
        assert!(answer.capture.as_ref().is_some_and(|capture| !capture.captured));
        let losers: Vec<String> =
            answer.not_used.iter().map(|loser| format!("{} {}", loser.object, loser.reason)).collect();
        assert_eq!(losers, [format!("VirtualService {loser} NotAtAnAddress")]);
        assert!(answer.rule.is_none() && answer.destinations.is_empty());
    }
    assert_eq!(shown(&connect(&rules, Speech::Tls, "out.example", 443)), ("passthrough", "DefaultRoute", "native"));
    assert_eq!(shown(&connect(&rules, Speech::Http1, "third.example", 80)), ("passthrough", "UnknownHost", "native"));
}

#[test]
fn given_a_rule_when_another_address_is_dialled_with_its_name_then_it_is_native_and_the_rule_is_a_loser() {
    let rule = virtual_service("shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    let at = |address: [u8; 4]| {
        let question = Question { address: Some(address.into()), ..question(Speech::Http1, "web", 80) };
        explain(&world(&format!("{BASE}{rule}")), &question)
    };
    assert_eq!(shown(&at([10, 96, 0, 1])), ("route", "VirtualServiceRule", "proxy"));
    let elsewhere = at([10, 9, 9, 9]);
    assert_eq!(shown(&elsewhere), ("passthrough", "NotAtAnAddress", "native"));
    assert_eq!(elsewhere.not_used.first().map(|loser| loser.reason), Some("NotAtAnAddress"));
}

fn registry_only(manifests: &str) -> World {
    let mut world = world(&format!("{BASE}{manifests}"));
    world.mesh = MeshConfig { outbound: OutboundTraffic::RegistryOnly, ..MeshConfig::default() };
    world
}

#[test]
fn given_registry_only_then_what_it_is_to_refuse_is_native_where_no_rule_is_for_the_address() {
    let rule = virtual_service("shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    let (bare, ruled) = (registry_only(""), registry_only(&rule));
    let ask = |world: &World, speech, host, authority, port| {
        let mut question = question(speech, host, port);
        question.request.authority = authority;
        explain(world, &question)
    };
    for (world, speech, host, authority, port, expected) in [
        (&bare, Speech::Http1, "web", "web", 80, ("passthrough", "DefaultRoute", "native")),
        (&bare, Speech::Http1, "web", "nobody.example", 80, ("passthrough", "NotAtAnAddress", "native")),
        (&bare, Speech::Http1, "nobody.example", "nobody.example", 80, ("passthrough", "NotAtAnAddress", "native")),
        (&bare, Speech::Tcp, "10.9.9.9", "", 5432, ("passthrough", "NotAtAnAddress", "native")),
        (&bare, Speech::Http2, "10.9.9.9", "", 5432, ("passthrough", "NotAtAnAddress", "native")),
        (&ruled, Speech::Http1, "web", "nobody.example", 80, ("respond", "UnknownHost", "proxy")),
        (&ruled, Speech::Tcp, "web", "", 80, ("reset", "NotHttp", "proxy")),
        (&ruled, Speech::Http1, "10.9.9.9", "nobody.example", 80, ("passthrough", "NotAtAnAddress", "native")),
    ] {
        let answer = ask(world, speech, host, authority, port);
        assert_eq!(shown(&answer), expected, "{speech:?} {host} {authority}");
        let refused = answer.reason == "NotAtAnAddress";
        assert_eq!(message(&answer).starts_with("REGISTRY_ONLY is to refuse it"), refused, "{}", message(&answer));
    }
}

#[test]
fn given_a_connection_that_is_captured_then_its_address_is_among_those_that_the_daemon_gives_to_the_hooks() {
    let rule = virtual_service("shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    let world = registry_only(&(ENTRY.to_owned() + &rule));
    let scope = Scope::new("shop".into(), std::sync::Arc::default());
    let ruled: Vec<_> = Table::build(&world, &scope).ruled().collect();
    assert_eq!(ruled, [([10, 96, 0, 1].into(), 80)]);
    for host in ["web", "out.example", "10.96.0.1", "10.96.0.2", "nobody.example"] {
        for port in [80, 443] {
            let client = Client::Imaginary(scope.clone());
            let answer = explain(&world, &Question { client, ..question(Speech::Http1, host, port) });
            let capture = answer.capture.expect("there is something to say");
            let address = (capture.address.parse().expect("an address"), capture.port);
            assert_eq!(capture.captured, ruled.contains(&address), "{host}:{port}");
        }
    }
}

#[test]
fn given_ports_are_asked_for_then_the_answer_says_that_the_daemon_does_not_do_so_yet() {
    for (url, captured) in [("http://web/", true), ("http://10.9.9.9/", true), ("http://10.9.9.9:81/", false)] {
        let capture = told("", None, url, Capture::Ports).capture.expect("there is something to say");
        assert_eq!(capture.captured, captured, "{url}");
        assert!(capture.message.contains("the daemon of this version does not capture by port"), "{}", capture.message);
        let ruled = told("", None, url, Capture::Ruled).capture.expect("there is something to say");
        assert!(!ruled.captured && !ruled.message.contains("daemon"), "{}", ruled.message);
    }
}
