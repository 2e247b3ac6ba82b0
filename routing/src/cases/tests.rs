//! The format, what it refuses, and how an expectation is held against an answer.

use serde_json::{Value, json};

use super::{Expectation, Suite, parse};
use crate::explain::{Capture, Who};

fn suite(text: &str) -> Suite {
    parse("cases.yaml", text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// `line:column field problem` of each fault.
fn faults(text: &str) -> Vec<String> {
    let faults = parse("cases.yaml", text).expect_err("it has faults");
    let line = |fault: &crate::fault::Fault| {
        let source = &fault.source;
        format!("{}:{} {} {}", source.line, source.column, fault.field, fault.problem)
    };
    faults.iter().map(line).collect()
}

#[test]
fn given_a_file_then_its_cases_ask_what_is_written() {
    let suite = suite(
        "apiVersion: meshlet.dev/v1
kind: Test
manifests: [a.yaml, b]
meshConfig: mesh.yaml
client: shop/web
capture: ports
cases:
- name: many
  requests:
  - http://echo/
  - {method: [GET, PUT], authority: [echo, 'echo:81'], uri: /x, headers: {X-A: [1st, 2nd]}, dst: 10.0.0.9}
  seed: 7
  expect: {verdict: route}
- name: none
  client: {namespace: other, labels: {app: web}}
  capture: ruled
  not: {captured: true}
",
    );
    assert_eq!(suite.manifests, ["a.yaml", "b"]);
    assert_eq!(suite.mesh_config.as_deref(), Some("mesh.yaml"));
    let [many, none] = &suite.cases[..] else { panic!("{suite:?}") };
    let asked: Vec<String> =
        many.asked.iter().filter_map(|asked| asked.request.as_ref()).map(ToString::to_string).collect();
    let lines = "-H 'x-a: 1st' -H 'x-a: 2nd' --dst 10.0.0.9";
    assert_eq!(
        asked,
        [
            "GET http://echo/".to_owned(),
            format!("GET http://echo/x {lines}"),
            format!("PUT http://echo/x {lines}"),
            format!("GET http://echo:81/x {lines}"),
            format!("PUT http://echo:81/x {lines}"),
        ]
    );
    let first = &many.asked[0];
    assert_eq!((first.seed, first.capture), (7, Some(Capture::Ports)));
    assert_eq!(first.client, Who::Pod { namespace: "shop".into(), pod: "web".into() });
    assert_eq!((none.asked.len(), &none.asked[0].request, none.asked[0].capture), (1, &None, Some(Capture::Ruled)));
    assert_eq!((none.source.line, none.source.column), (14, 3));
}

#[test]
fn given_what_nobody_knows_then_every_fault_is_named_with_its_place() {
    let found = faults(
        "manifest: [x]
cases:
- name: a
  client: {pod: web, labels: {a: b}}
  request: {url: http://echo/, uri: /x, header: {}}
  expect:
    verdct: route
    destinations:
    - {subset: v1, shar: 10%}
    timeout: 3
    captured: 'yes'
- request: echo
",
    );
    assert_eq!(
        found,
        [
            "1:1 manifest is not a known key",
            "4:22 cases[0].client.labels are the pod's own",
            "5:32 cases[0].request.uri is part of url",
            "5:41 cases[0].request.header is not a known key",
            "7:5 cases[0].expect.verdct is not a known key",
            "9:20 cases[0].expect.destinations[0].shar is not a known key",
            "10:5 cases[0].expect.timeout 3 is not a duration such as 2s or 250ms",
            "11:5 cases[0].expect.captured \"yes\" is not true or false",
            "12:3 cases[1] has no name",
            "12:3 cases[1] has no client",
            "12:3 cases[1].request \"echo\" is not a URL",
            "12:3 cases[1] expects nothing",
        ]
    );
    assert_eq!(faults("cases: []"), ["1:1 cases is empty"]);
    assert_eq!(faults("manifests: [a]"), ["1:1  has no cases"]);
    assert_eq!(faults("- a"), ["1:1  [\"a\"] is not a mapping"]);
    assert_eq!(faults("cases: [").len(), 1);
}

fn answer() -> Value {
    json!({
        "client": {"captured": true}, "verdict": "route", "virtualService": "shop/echo", "service": {"host": "echo.shop.svc.cluster.local", "port": 80},
        "rule": {"kind": "http", "index": 1, "name": "canary", "match": null},
        "destinations": [
            {"host": "echo.shop.svc.cluster.local", "subset": "v1", "share": 0.3333, "endpoints": ["a", "b"]},
            {"host": "echo.shop.svc.cluster.local", "subset": "v2", "share": 0.6667, "endpoints": []},
            {"host": "echo.shop.svc.cluster.local", "subset": "v0", "share": 0.0, "endpoints": []}
        ],
        "request": {"path": "/x", "headers": [["x-a", "1"], ["x-b", null]]},
        "response": {"status": 301, "headers": [["location", "https://echo/"]]},
        "policy": {"timeoutMs": 2000, "retries": {"attempts": 2, "perTryTimeoutMs": 0, "retryOn": ["5xx", "reset"]}, "fault": {"delay": {"fixedMs": 5000, "percent": 10.0}}, "mirrors": []},
        "notUsed": [{"object": "VirtualService a/b", "reason": "GatewayOnly"}, {"object": "VirtualService c/d", "reason": "NotExported"}],
    })
}

/// What the answer does not meet of an expectation, and what it does of the same under `not`.
fn unmet(expectation: &str) -> (Vec<String>, usize) {
    let text = format!("client: a/b\ncases: [{{name: x, expect: {expectation}}}]");
    let suite = suite(&text);
    let Expectation(wanted) = &*suite.cases[0].expect;
    let unmet = super::compare::unmet(wanted, &answer());
    let line = |one: &super::Unmet| format!("{} {} {}", one.key, one.expected, one.found);
    (unmet.iter().map(line).collect(), super::compare::met(wanted, &answer()).len())
}

#[test]
fn given_what_is_so_then_it_is_met_and_not_is_not() {
    for expectation in [
        "{verdict: route}",
        "{captured: true}",
        "{service: echo.shop}",
        "{service: {host: echo, port: 80}}",
        "{rule: canary}",
        "{rule: {index: 1, match: null}}",
        "{host: echo}",
        "{destinations: [{subset: v0, share: 0}, {subset: v2, share: 66.7%, endpoints: 0}, {subset: v1, share: 0.3333, endpoints: [b, a]}]}",
        "{destinations: [v2, v1, v0]}",
        "{request: {path: /x, headers: {X-A: '1', x-b: null}}}",
        "{status: 301}",
        "{response: 301}",
        "{location: https://echo/}",
        "{timeout: 2s}",
        "{retries: 2}",
        "{retries: {perTryTimeout: null, retryOn: [reset, 5xx]}}",
        "{fault: {delay: 5s, abort: null}}",
        "{fault: {delay: {fixed: 5000ms, percent: 10%}}}",
        "{mirrors: []}",
        "{mirrors: null}",
        "{notUsed: [NotExported]}",
        "{notUsed: [{object: VirtualService a/b, reason: GatewayOnly}]}",
        "{skipped: []}",
        "{pick: null}",
    ] {
        assert_eq!(unmet(expectation), (Vec::new(), 1), "{expectation}");
    }
}

#[test]
fn given_what_is_not_so_then_expected_and_found_are_told_and_not_is_met() {
    for (expectation, told) in [
        ("{verdict: respond}", "verdict respond route"),
        ("{virtualService: null}", "virtualService none shop/echo"),
        ("{service: ech}", "service ech echo.shop.svc.cluster.local"),
        ("{rule: {index: 0}}", "rule.index 0 1"),
        ("{subset: v1}", "subset v1 v2"),
        ("{destinations: [v1, v2]}", "destinations v1 | v2 v1 | v2 | v0"),
        (
            "{destinations: [{subset: v1, share: 30%}, v2, v0]}",
            "destinations share 30%, subset v1 | v2 | v0 subset v1, share 0.3333 | subset v2, share 0.6667 | subset v0, share 0.0",
        ),
        ("{request: {headers: {x-a: null}}}", "request.headers.x-a none 1"),
        ("{timeout: 1s}", "timeout 1s 2000ms"),
        ("{timeout: null}", "timeout none 2000ms"),
        ("{fault: null}", "fault none delay (fixedMs 5000, percent 10.0)"),
        ("{notUsed: []}", "notUsed none GatewayOnly | NotExported"),
        ("{notUsed: [NotExported, NotExported]}", "notUsed NotExported | NotExported GatewayOnly | NotExported"),
        ("{pick: {subset: v1}}", "pick subset v1 none"),
    ] {
        assert_eq!(unmet(expectation), (vec![told.to_owned()], 0), "{expectation}");
    }
}

#[test]
fn given_a_key_of_a_command_line_then_it_is_read_like_a_files() {
    for (path, value) in
        [("rule.name", "canary"), ("timeout", "2s"), ("pick", ""), ("status", "301"), ("rule", "canary")]
    {
        assert_eq!(Expectation::of(path, value).expect(path).unmet(&answer()), [], "{path}");
    }
    assert_eq!(Expectation::of("rule.index", "0").expect("a key").unmet(&answer()).len(), 1);
    for (path, value) in [("colour", "blue"), ("rule.colour", "blue"), ("timeout", "2"), ("verdict", "[")] {
        assert!(Expectation::of(path, value).is_err(), "{path}");
    }
}
