//! What explain adds to the verdict: matches that were skipped, and objects that lost.

mod annotations;
mod capture;
mod losers;

use std::collections::BTreeMap;

use super::{Asked, Capture, Client, Explanation, Question, Speech, Who, Written, explain};
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

fn world(manifests: &str) -> World {
    let parsed = manifest::parse("test.yaml", manifests);
    assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    let valid: Vec<_> = parsed.manifests.iter().filter_map(|manifest| validate(manifest).valid).collect();
    assert_eq!(valid.len(), parsed.manifests.len());
    World::assemble(&valid)
}

fn ask(rules: &str, headers: &[(&str, &[u8])]) -> Explanation {
    let request = Request { method: "GET", authority: "web", path: "/a?b", headers, source: None };
    explain(&world(&format!("{BASE}{rules}")), &Question { request, ..question(Speech::Http1, "web", 80) })
}

/// Without a request.
fn connect(rules: &str, speech: Speech, host: &str, port: u16) -> Explanation {
    explain(&world(&format!("{BASE}{rules}")), &question(speech, host, port))
}

fn question(speech: Speech, host: &str, port: u16) -> Question<'_> {
    Question {
        client: Client::Imaginary(Scope::new("shop".into(), std::sync::Arc::default())),
        speech,
        host,
        address: None,
        port,
        request: Request { method: "GET", authority: host, path: "/", headers: &[], source: None },
        capture: Capture::Ruled,
        seed: 1,
        all_rules: false,
    }
}

/// What a pod, or an imaginary client of `shop`, is told of a request to a URL.
fn told(manifests: &str, pod: Option<&str>, url: &str, capture: Capture) -> Explanation {
    let client = match pod {
        Some(pod) => Who::Pod { namespace: "shop".into(), pod: pod.into() },
        None => Who::Imaginary { namespace: "shop".into(), labels: BTreeMap::new() },
    };
    let request = Written { url: url.into(), method: "GET".into(), headers: Vec::new(), dst: None };
    let asked = Asked { client, request: Some(request), capture: Some(capture), seed: 1, all_rules: true };
    asked.answer(&world(&format!("{BASE}{manifests}"))).expect("an answer")
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
    assert_eq!((answer.virtual_service.as_deref(), answer.rule.is_none()), (Some("shop/web"), true));
    assert!(answer.not_used.is_empty(), "it decided, so it was used: {:?}", answer.not_used);
}

/// Pods of two nodes; only those labelled `app: beta` have a rule.
const NODES: &str = "
---
{apiVersion: v1, kind: Pod, metadata: {name: plain, namespace: shop, labels: {meshlet.dev/redirect: enabled}}, spec: {nodeName: one}, status: {podIP: 10.1.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: alone, namespace: shop, labels: {meshlet.dev/redirect: enabled}}, spec: {nodeName: two}, status: {podIP: 10.1.0.3}}
---
{apiVersion: v1, kind: Pod, metadata: {name: beta, namespace: shop, labels: {app: beta, meshlet.dev/redirect: enabled}}, spec: {nodeName: one}, status: {podIP: 10.1.0.4}}
---
{apiVersion: v1, kind: Pod, metadata: {name: unmarked, namespace: shop, labels: {app: beta}}, spec: {nodeName: two}, status: {podIP: 10.1.0.5}}
";

#[test]
fn given_a_rule_for_another_pod_of_the_node_then_the_address_is_captured_for_all_of_them() {
    let entry = "{sourceLabels: {app: beta}}";
    let rule = virtual_service(
        "shop",
        "web",
        &format!("{{hosts: [web], http: [{{match: [{entry}], route: [{{destination: {{host: web}}}}]}}]}}"),
    );
    let manifests = format!("{NODES}{rule}");
    let capture = |pod: Option<&str>| {
        let answer = told(&manifests, pod, "http://web/", Capture::Ruled);
        let capture = answer.capture.expect("the client is captured");
        (answer.path, answer.reason, capture.captured, capture.message)
    };
    let why = "a rule gives the address a meaning";
    let neighbour = format!("{why} for shop/beta on the same node");
    assert_eq!(capture(Some("beta")), ("proxy", "VirtualServiceRule", true, why.to_owned()));
    assert_eq!(capture(Some("plain")), ("proxy", "DefaultRoute", true, neighbour.clone()));
    assert_eq!(capture(None), ("proxy", "DefaultRoute", true, neighbour), "it may be anywhere");
    let native = "no rule gives the address a meaning".to_owned();
    assert_eq!(capture(Some("alone")), ("native", "DefaultRoute", false, native));
}

#[test]
fn given_ports_are_captured_then_a_declared_port_is_enough_and_host_decides() {
    let rule = virtual_service("shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    let path = |rules: &str, url: &str, capture| {
        let answer = told(rules, None, url, capture);
        (answer.path, answer.reason)
    };
    assert_eq!(path("", "http://web/", Capture::Ruled), ("native", "DefaultRoute"));
    assert_eq!(path("", "http://web/", Capture::Ports), ("proxy", "DefaultRoute"));
    assert_eq!(path("", "http://10.9.9.9/", Capture::Ports), ("proxy", "UnknownHost"));
    assert_eq!(path("", "http://10.9.9.9:81/", Capture::Ports), ("native", "UnknownHost"));
    assert_eq!(path(&rule, "http://10.9.9.9/", Capture::Ruled), ("native", "UnknownHost"));
}

#[test]
fn given_addresses_of_both_families_then_each_is_explained_as_it_is_dialled() {
    let both = "
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIPs: ['fd00:96::1', 10.96.0.1], selector: {app: web}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web}}, status: {podIPs: [{ip: 10.1.0.1}, {ip: 'fd00:1::1'}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: six, namespace: shop, labels: {meshlet.dev/redirect: enabled}}, status: {podIP: 'fd00:1::9'}}
---
{apiVersion: v1, kind: Pod, metadata: {name: four, namespace: shop, labels: {meshlet.dev/redirect: enabled}}, status: {podIP: 10.1.0.9}}
";
    let rule = virtual_service("shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    let answer = |pod: Option<&str>, url: &str, dst: Option<&str>| {
        let dst = dst.map(|dst| dst.parse().expect("an address"));
        let request = Written { url: url.into(), method: "GET".into(), headers: Vec::new(), dst };
        let client = match pod {
            Some(pod) => Who::Pod { namespace: "shop".into(), pod: pod.into() },
            None => Who::Imaginary { namespace: "shop".into(), labels: BTreeMap::new() },
        };
        let asked = Asked { client, request: Some(request), capture: Some(Capture::Ruled), seed: 1, all_rules: false };
        let answer = asked.answer(&world(&format!("{both}{rule}"))).expect("an answer");
        let endpoint = answer.pick.map(|pick| pick.endpoint).unwrap_or_default();
        (answer.path, answer.reason, endpoint)
    };
    let (v4, v6) = ("10.1.0.1:80", "[fd00:1::1]:80");
    for (pod, url, dst, expected) in [
        (None, "http://web/", Some("fd00:96::1"), ("proxy", "VirtualServiceRule", v6)),
        (None, "http://web/", Some("10.96.0.1"), ("proxy", "VirtualServiceRule", v4)),
        (None, "http://web/", Some("::ffff:10.96.0.1"), ("proxy", "VirtualServiceRule", v4)),
        (None, "http://[fd00:96::1]/", None, ("proxy", "VirtualServiceRule", v6)),
        (None, "http://[fd00:96::1]:80/", None, ("proxy", "VirtualServiceRule", v6)),
        (None, "http://web/", None, ("proxy", "VirtualServiceRule", v6)),
        (None, "http://web/", Some("fd00::2"), ("native", "NotAtAnAddress", "")),
        (Some("six"), "http://web/", None, ("proxy", "VirtualServiceRule", v6)),
        (Some("four"), "http://web/", None, ("proxy", "VirtualServiceRule", v4)),
        (Some("six"), "http://web/", Some("10.96.0.1"), ("native", "NoAddressOfFamily", "")),
        (Some("four"), "http://web/", Some("fd00:96::1"), ("native", "NoAddressOfFamily", "")),
    ] {
        let (path, reason, endpoint) = expected;
        assert_eq!(answer(pod, url, dst), (path, reason, endpoint.to_owned()), "{pod:?} {url} {dst:?}");
    }
}

#[test]
fn given_all_rules_are_asked_for_then_each_has_its_verdict() {
    let rule = virtual_service(
        "shop",
        "web",
        "{hosts: [web], http: [
          {match: [{uri: {exact: /x}}], route: [{destination: {host: web}}]},
          {match: [{method: {exact: GET}}], route: [{destination: {host: web}}]},
          {match: [{uri: {exact: /y}}], route: [{destination: {host: web}}]},
          {route: [{destination: {host: web}}]},
          {match: [{uri: {prefix: /}}, {uri: {exact: /z}}], redirect: {uri: /}}]}",
    );
    let rules = told(&rule, None, "http://web/", Capture::Ruled).rules.expect("they were asked for");
    let verdicts: Vec<(usize, &str)> = rules.iter().map(|rule| (rule.rule.index, rule.verdict)).collect();
    assert_eq!(
        verdicts,
        [(0, "skipped"), (1, "taken"), (2, "other"), (3, "shadowed"), (4, "shadowed"), (4, "shadowed")]
    );
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

#[test]
fn given_rewrites_and_operations_on_headers_then_the_request_is_shown_as_it_is_sent() {
    let rule = virtual_service(
        "shop",
        "web",
        "{hosts: [web], http: [
          {name: edit, match: [{uri: {prefix: /a}}], rewrite: {uri: /v2, authority: other.example}, headers: {request: {
             remove: [x-gone, x-never], set: {x-kept: new, x-path: '%REQ(:path)%', x-route: '%ROUTE_NAME%'},
             add: {x-more: '2', x-later: '%START_TIME%', x-now: '%UPSTREAM_REQUEST_ATTEMPT_COUNT% %RESPONSE_CODE%%RESPONSE_FLAGS%', x-not: '%UPSTREAM_HOST%'}}},
           route: [{destination: {host: web}}]}]}",
    );
    let headers: [(&str, &[u8]); 4] = [("x-gone", b"1"), ("x-kept", b"old"), ("x-more", b"1"), ("x-same", b"1")];
    let request = ask(&rule, &headers).request.expect("a request");
    assert_eq!((&*request.authority, &*request.path), ("other.example", "/v2?b"));
    let shown: Vec<(&str, Option<&str>)> =
        request.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
    assert_eq!(
        shown,
        [
            ("x-kept", Some("new")),
            ("x-path", Some("/a?b")),
            ("x-route", Some("edit")),
            ("x-later", Some("%START_TIME%")),
            ("x-more", Some("2")),
            ("x-now", Some("1 0-")),
            ("x-envoy-original-host", Some("web")),
            ("x-envoy-original-path", Some("/a?b")),
            ("x-gone", None),
        ]
    );
}

#[test]
fn given_an_answer_of_the_proxys_own_then_operations_on_responses_are_done_to_it() {
    let rule = virtual_service(
        "shop",
        "web",
        "{hosts: [web], http: [
          {name: gone, directResponse: {status: 410}, headers: {response: {
             set: {x-said: '%RESPONSE_CODE% %RESPONSE_FLAGS% to %REQ(x-user)%', x-route: '%ROUTE_NAME%'}, add: {x-more: '%RESP(x-none)%'}}}}]}",
    );
    let response = ask(&rule, &[("x-user", b"alice")]).response.expect("a response");
    let shown: Vec<(&str, &str)> = response.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(shown, [("x-route", "gone"), ("x-said", "410 - to alice")]);
}

const DB: &str = "---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: 10.96.0.2, selector: {app: db}, ports: [{name: tcp, port: 5432}, {name: tls, port: 443}, {name: http, port: 80}, {name: any, port: 70}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop, labels: {app: db, version: v1}}, status: {podIP: 10.1.0.2}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: db, namespace: shop}, spec: {host: db, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}, subsets: [{name: v1, labels: {version: v1}}]}}
";

fn db_rules() -> String {
    let route =
        "route: [{weight: 3, destination: {host: db, subset: v1}}, {weight: 1, destination: {host: db, subset: v9}}]";
    let hosts = "hosts: [db.shop.svc.cluster.local, db.example]";
    let tls = format!("tls: [{{match: [{{port: 443, sniHosts: [db.example]}}], {route}}}]");
    let tcp = format!("tcp: [{{match: [{{port: 1}}], {route}}}, {{match: [{{port: 5432}}], {route}}}]");
    DB.to_owned() + &virtual_service("shop", "db", &format!("{{{hosts}, {tls}, {tcp}}}"))
}

#[test]
fn given_a_tcp_question_then_the_tcp_rule_its_destinations_and_the_pick_are_shown() {
    let rules = db_rules();
    let answer = connect(&rules, Speech::Tcp, "db", 5432);
    assert_eq!((answer.verdict, answer.reason, answer.path), ("route", "VirtualServiceRule", "kernel"));
    assert_eq!(answer.virtual_service.as_deref(), Some("shop/db"));
    let rule = answer.rule.expect("a rule");
    assert_eq!((rule.kind, rule.index, rule.entry), ("tcp", 1, Some(0)));
    let shares: Vec<_> = answer.destinations.iter().map(|one| (one.cluster.as_str(), one.share)).collect();
    assert_eq!(
        shares,
        [("outbound|5432|v1|db.shop.svc.cluster.local", 0.75), ("outbound|5432|v9|db.shop.svc.cluster.local", 0.25)]
    );
    assert_eq!(answer.pick.map(|pick| (pick.endpoint, pick.sticky)), Some(("10.1.0.2:5432".to_owned(), false)));
    assert!(answer.request.is_none() && answer.policy.is_none() && answer.response.is_none());
    let service = answer.service.expect("a service");
    assert_eq!((service.host.as_str(), service.port, service.protocol), ("db.shop.svc.cluster.local", 5432, "tcp"));
}

#[test]
fn given_a_destination_that_is_broken_then_the_verdict_is_reset_for_its_share_of_the_seeds() {
    let broken = db_rules().replace("weight: 3", "weight: 0");
    let answer = connect(&broken, Speech::Tcp, "db", 5432);
    assert_eq!((answer.verdict, answer.reason, answer.path), ("reset", "UnknownSubset", "kernel"));
    assert!(answer.pick.is_none());
}

#[test]
fn given_a_declared_port_and_what_is_spoken_then_the_answer_is_what_the_data_path_does() {
    let rules = db_rules();
    for (speech, host, port, verdict, reason, kind) in [
        (Speech::Http1, "db", 5432, "route", "VirtualServiceRule", Some("tcp")),
        (Speech::Http2, "db", 5432, "route", "VirtualServiceRule", Some("tcp")),
        (Speech::Tls, "db", 5432, "route", "VirtualServiceRule", Some("tcp")),
        (Speech::Tls, "db", 443, "passthrough", "UnlistedServerName", None),
        (Speech::Tcp, "db", 443, "passthrough", "UnlistedServerName", None),
        (Speech::Tls, "db", 80, "passthrough", "NotHttp", None),
        (Speech::Tcp, "db", 80, "passthrough", "NotHttp", None),
        (Speech::Http2, "db", 80, "passthrough", "Http2NotHonoured", None),
        (Speech::Http1, "db", 80, "route", "DestinationRuleOnly", None),
        (Speech::Http2, "db", 70, "passthrough", "Http2NotHonoured", None),
        (Speech::Http1, "db", 70, "route", "DestinationRuleOnly", None),
        (Speech::Tls, "db", 70, "route", "DestinationRuleOnly", None),
    ] {
        let answer = connect(&rules, speech, host, port);
        let shown = (answer.verdict, answer.reason, answer.rule.map(|rule| rule.kind));
        assert_eq!(shown, (verdict, reason, kind), "{speech:?} {host} {port}");
        assert_eq!(answer.path, if port == 5432 { "kernel" } else { "proxy" }, "{speech:?} {host} {port}");
    }
    let named = Question { address: Some([10, 96, 0, 2].into()), ..question(Speech::Tls, "db.example", 443) };
    let answer = explain(&world(&format!("{BASE}{rules}")), &named);
    assert_eq!((answer.verdict, answer.rule.map(|rule| (rule.kind, rule.index))), ("route", Some(("tls", 0))));
}

#[test]
fn given_a_route_that_changes_nothing_then_the_request_is_shown_as_it_came() {
    let rule = virtual_service("shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    let request = ask(&rule, &[("x-user", b"alice")]).request.expect("a request");
    assert_eq!((&*request.path, &*request.authority, request.headers.len()), ("/a?b", "web", 0));
}

#[test]
fn given_a_redirect_or_an_answer_then_the_verdict_says_so_with_the_lines_of_the_response() {
    for (rule, verdict, reason, status, body, lines) in [
        (
            "redirect: {uri: /new, redirectCode: 302}, headers: {response: {set: {x-a: '%RESPONSE_CODE%'}}}",
            "redirect",
            "Redirect",
            302,
            "",
            &["location: http://web/new?b", "x-a: 302"][..],
        ),
        (
            "directResponse: {status: 404, body: {string: no}}, headers: {response: {add: {x-a: '%REQ(x-user)%'}}}",
            "respond",
            "DirectResponse",
            404,
            "no",
            &["x-a: alice"],
        ),
        (
            "headers: {response: {remove: [location]}}, redirect: {authority: other}",
            "redirect",
            "Redirect",
            301,
            "",
            &[],
        ),
        (
            "corsPolicy: {allowOrigins: [{exact: 'http://o'}]}, route: [{destination: {host: nobody}}]",
            "respond",
            "UnknownHost",
            503,
            "",
            &["access-control-allow-origin: http://o"],
        ),
    ] {
        let rule = virtual_service("shop", "web", &format!("{{hosts: [web], http: [{{{rule}}}]}}"));
        let answer = ask(&rule, &[("x-user", b"alice"), ("origin", b"http://o")]);
        let response = answer.response.expect("a response");
        assert_eq!((answer.verdict, answer.reason, response.status, &*response.body), (verdict, reason, status, body));
        let found: Vec<String> = response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(found, lines, "{rule}");
        let request = answer.request.expect("a request");
        assert_eq!((&*request.path, request.headers.len()), ("/a?b", 0), "it is not sent");
        assert_eq!((answer.pick.is_none(), answer.path), (true, "proxy"));
    }
}

#[test]
fn given_conditions_on_scheme_and_parameters_that_do_not_hold_then_they_are_named() {
    let route = "route: [{destination: {host: web}}]";
    let rule = virtual_service(
        "shop",
        "web",
        &format!(
            "{{hosts: [web], http: [{{match: [{{scheme: {{exact: https}}}}, {{queryParams: {{b: {{exact: c}}}}}}, {{queryParams: {{d: {{}}}}}}], {route}}}, {{{route}}}]}}"
        ),
    );
    let skipped: Vec<String> = ask(&rule, &[]).skipped.into_iter().map(|skipped| skipped.message).collect();
    assert_eq!(
        skipped,
        [
            "scheme http, wants exact \"https\"",
            "query parameter b is \"\", wants exact \"c\"",
            "query parameter d is absent, wants it present",
        ]
    );
}

#[test]
fn given_a_name_that_is_resolved_when_it_is_asked_for_then_it_is_the_pick_and_there_are_no_endpoints() {
    let entry = "---\n{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: up, namespace: shop}, spec: {hosts: ['*.up.test'], addresses: [192.0.2.7], resolution: DYNAMIC_DNS, ports: [{number: 8000, name: http, protocol: HTTP, targetPort: 80}, {number: 8443, name: tls, protocol: TLS}]}}\n";
    let from_web = "{hosts: [web], http: [{route: [{destination: {host: '*.up.test', port: {number: 8000}}}]}]}";
    let own = "{hosts: ['*.up.test'], http: [{route: [{destination: {host: '*.up.test'}}]}], tls: [{match: [{sniHosts: ['*.up.test']}], route: [{destination: {host: '*.up.test', port: {number: 8443}}}]}]}";
    let whole = [entry, &virtual_service("shop", "web", from_web), &virtual_service("shop", "up", own)].concat();
    let address = Some("192.0.2.7".parse().expect("an address"));
    let dialled = |speech, port| {
        explain(&world(&format!("{BASE}{whole}")), &Question { address, ..question(speech, "a.up.test", port) })
    };
    for (explanation, pick) in [
        (dialled(Speech::Http1, 8000), "a.up.test:80"),
        (ask(&whole, &[]), "web:80"),
        (dialled(Speech::Tls, 8443), "a.up.test:8443"),
    ] {
        assert_eq!((explanation.verdict, explanation.path), ("route", "proxy"), "{explanation:?}");
        assert_eq!(explanation.destinations.iter().map(|found| found.endpoints.len()).collect::<Vec<_>>(), [0]);
        assert_eq!(explanation.pick.map(|found| found.endpoint).as_deref(), Some(pick));
    }
}
