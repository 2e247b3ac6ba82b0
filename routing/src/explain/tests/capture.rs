//! What is captured, and what would be if more than single addresses were.

use super::{BASE, connect, question, told, virtual_service, world};
use crate::decide::Dialled;
use crate::explain::{Capture, Client, Explanation, Question, Speech, explain};
use crate::model::{MeshConfig, OutboundTraffic, World};
use crate::table::{Captured, Scope, Table};

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
fn given_a_rule_for_a_name_without_address_then_every_address_on_its_port_is_captured_and_the_name_decides() {
    let to = "route: [{destination: {host: out.example}}]";
    let rules = ENTRY.to_owned()
        + &virtual_service("shop", "out", &format!("{{hosts: [out.example], http: [{{{to}}}]}}"))
        + &virtual_service("shop", "other", &format!("{{hosts: [other.example], http: [{{{to}}}]}}"));
    for (host, rule) in [("out.example", "shop/out"), ("other.example", "shop/other")] {
        let answer = connect(&rules, Speech::Http1, host, 80);
        assert_eq!(shown(&answer), ("route", "VirtualServiceRule", "proxy"), "{host}");
        assert_eq!(answer.virtual_service.as_deref(), Some(rule));
        assert!(
            message(&answer).starts_with("a rule on the port is for a name without addresses"),
            "{}",
            message(&answer)
        );
    }
    assert_eq!(shown(&connect(&rules, Speech::Http1, "third.example", 80)), ("passthrough", "UnknownHost", "proxy"));
    assert_eq!(shown(&connect(&rules, Speech::Http1, "127.0.0.1", 80)), ("passthrough", "UnknownHost", "native"));
    assert_eq!(shown(&connect(&rules, Speech::Tls, "out.example", 443)), ("passthrough", "DefaultRoute", "native"));
}

#[test]
fn given_a_rule_when_another_address_is_dialled_with_its_name_then_it_is_for_the_port_alone_to_be_captured() {
    let rule = virtual_service("shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    let at = |address: [u8; 4], capture| {
        let question = Question { address: Some(address.into()), capture, ..question(Speech::Http1, "web", 80) };
        explain(&world(&format!("{BASE}{rule}")), &question)
    };
    for (address, capture) in [([10, 96, 0, 1], Capture::Ruled), ([10, 9, 9, 9], Capture::Ports)] {
        assert_eq!(shown(&at(address, capture)), ("route", "VirtualServiceRule", "proxy"), "{capture:?}");
    }
    let elsewhere = at([10, 9, 9, 9], Capture::Ruled);
    assert!(message(&elsewhere).contains("--capture ports"), "{}", message(&elsewhere));
    assert_eq!(shown(&elsewhere), ("passthrough", "NotAtAnAddress", "native"));
    assert_eq!(elsewhere.not_used.first().map(|loser| loser.reason), Some("NotAtAnAddress"));
}

fn registry_only(manifests: &str) -> World {
    let mut world = world(&format!("{BASE}{manifests}"));
    world.mesh = MeshConfig { outbound: OutboundTraffic::RegistryOnly, ..MeshConfig::default() };
    world
}

#[test]
fn given_registry_only_then_what_nobody_registered_is_refused_and_a_known_address_without_rule_is_native() {
    let rule = virtual_service("shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    let (bare, ruled) = (registry_only(""), registry_only(&rule));
    let ask = |world: &World, speech, (host, authority, port), capture| {
        let mut question = Question { capture, ..question(speech, host, port) };
        question.request.authority = authority;
        explain(world, &question)
    };
    let (own, stranger) = (("web", "web", 80), ("web", "nobody.example", 80));
    let (unknown, database) = (("nobody.example", "nobody.example", 80), ("10.9.9.9", "", 5432));
    for (world, speech, asked, capture, expected) in [
        (&bare, Speech::Http1, own, Capture::Ruled, ("passthrough", "DefaultRoute", "native")),
        (&bare, Speech::Http1, own, Capture::Ports, ("route", "DefaultRoute", "proxy")),
        (&bare, Speech::Http1, stranger, Capture::Ruled, ("passthrough", "NotAtAnAddress", "native")),
        (&bare, Speech::Http1, stranger, Capture::Ports, ("respond", "UnknownHost", "proxy")),
        (&bare, Speech::Http1, unknown, Capture::Ruled, ("respond", "UnknownHost", "proxy")),
        (&bare, Speech::Tcp, database, Capture::Ruled, ("reset", "NoListener", "proxy")),
        (&bare, Speech::Http2, database, Capture::Ruled, ("reset", "NoListener", "proxy")),
        (
            &bare,
            Speech::Http1,
            ("127.0.0.1", "nobody.example", 80),
            Capture::Ports,
            ("passthrough", "NotAtAnAddress", "native"),
        ),
        (&ruled, Speech::Http1, stranger, Capture::Ruled, ("respond", "UnknownHost", "proxy")),
        (&ruled, Speech::Tcp, ("web", "", 80), Capture::Ruled, ("reset", "NotHttp", "proxy")),
        (
            &ruled,
            Speech::Http1,
            ("10.9.9.9", "nobody.example", 80),
            Capture::Ruled,
            ("respond", "UnknownHost", "proxy"),
        ),
    ] {
        let answer = ask(world, speech, asked, capture);
        assert_eq!(shown(&answer), expected, "{speech:?} {asked:?} {capture:?}");
        let missed = answer.reason == "NotAtAnAddress";
        assert_eq!(message(&answer).starts_with("REGISTRY_ONLY is to refuse it"), missed, "{}", message(&answer));
    }
}

#[test]
fn given_a_pod_that_dials_itself_then_only_a_rule_for_that_address_captures_it() {
    let manifests = format!("{BASE}{ENTRY}") + "---
{apiVersion: v1, kind: Pod, metadata: {name: own, namespace: shop, labels: {sidecar.istio.io/inject: 'true'}}, status: {podIP: 10.1.0.77}}
";
    let path = |url: &str| told(&manifests, Some("own"), url, Capture::Ports).path;
    assert_eq!([path("http://10.1.0.77/"), path("http://10.1.0.78/")], ["native", "proxy"]);
}

#[test]
fn given_any_question_then_explain_and_what_the_daemon_tells_the_hooks_agree() {
    let rule = virtual_service("shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    let bare =
        virtual_service("shop", "bare", "{hosts: [bare.example], http: [{route: [{destination: {host: web}}]}]}");
    let any = world(&format!("{BASE}{ENTRY}{rule}{bare}"));
    let scope = Scope::new("shop".into(), std::sync::Arc::default());
    for world in [&any, &registry_only(&(ENTRY.to_owned() + &rule))] {
        for capture in [Capture::Ruled, Capture::Ports] {
            let hooks = Captured::of([Table::build(world, &scope)].iter(), capture);
            for host in ["web", "out.example", "10.96.0.1", "10.96.0.2", "nobody.example", "127.0.0.1", "10.1.0.1"] {
                for port in [80, 443, 5432] {
                    let client = Client::Imaginary(scope.clone());
                    let question = Question { client, capture, ..question(Speech::Http1, host, port) };
                    // Without an address it is not captured, and there is nothing to say of one.
                    let Some(shown) = explain(world, &question).capture else { continue };
                    let dialled = Dialled { address: shown.address.parse().expect("an address"), port: shown.port };
                    assert_eq!(shown.captured, hooks.holds(dialled), "{capture:?} {host}:{port}");
                }
            }
        }
    }
}
