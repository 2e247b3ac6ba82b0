//! What a route does with heads, its decision made by hand.

use std::sync::Arc;
use std::time::Instant;

use meshlet_routing::decide::Reason;
use meshlet_routing::model::{HeaderEdits, Template};
use meshlet_routing::table::{Effects, RuleRef};

use super::super::answer::Reply;
use super::super::edits::{Answered, Edits};
use super::super::flags::Flags;
use super::super::pod::Pod;
use super::super::report::{Record, RequestTexts};
use super::super::route::{Action, Forward, Plan, Target};
use super::super::worker::{Resources, Worker};
use super::super::{Dialled, Downstream, json_line};
use super::*;
use crate::metrics::{Counter, channel};
use crate::protocol::http1::request::RequestHead;
use crate::protocol::http1::response::ResponseHead;
use crate::protocol::http1::{Parsed, forward};
use crate::snapshot::asked::ResolvConf;

fn downstream() -> Downstream {
    let dialled: SocketAddr = "10.96.0.7:8080".parse().expect("an address");
    Downstream {
        worker: Worker::new(
            Resources::new(None, ResolvConf::new("/nowhere".into()), Counter::new(channel().0))
                .expect("what a worker needs"),
        ),
        pod: Pod::new(client(Protocol::Http, dialled, &[])).into(),
        dialled: Dialled { address: dialled.ip(), port: dialled.port() },
        peer: "10.1.0.5:41000".parse().expect("an address"),
        accepted: Instant::now(),
    }
}

/// One list of operations.
fn list(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> HeaderEdits {
    let line =
        |(name, value): &(&str, &str)| -> (Box<str>, Template) { ((*name).into(), value.parse().expect("a template")) };
    HeaderEdits {
        remove: remove.iter().map(|name| (*name).into()).collect(),
        set: set.iter().map(line).collect(),
        add: add.iter().map(line).collect(),
    }
}

fn plan(path: Option<&str>, response_lines: Vec<(&'static str, String)>, effects: Effects) -> Plan {
    let rule = RuleRef { name: "canary".into(), ..RuleRef::default() };
    let path = path.map(str::to_owned);
    Plan {
        delay: None,
        action: Action::Forward(Forward { target: Target::Dialled(None), path, mirrors: vec![] }),
        rule: Some(Arc::new(rule)),
        effects: Some(Arc::new(effects)),
        response_lines,
        reason: Reason::VirtualServiceRule,
    }
}

/// The lines of the head that an endpoint gets, but for those that every request gets.
fn sent(request: &str, plan: &Plan) -> Vec<String> {
    let mut bytes = request.as_bytes().to_vec();
    let mut head = RequestHead::default();
    assert_eq!(head.parse(&mut bytes), Ok(Parsed::Complete), "{request:?}");
    let (downstream, mut out) = (downstream(), Vec::new());
    Edits { downstream: &downstream, plan, started: Instant::now() }.request(&mut out, &head, &bytes, None);
    let out = String::from_utf8(out).expect("the cases are text");
    let lines = out.strip_suffix("\r\n\r\n").expect("an end").split("\r\n");
    let of_all = ["x-forwarded-proto: http", "x-envoy-attempt-count: 1"];
    lines.filter(|line| !of_all.contains(line)).map(str::to_owned).collect()
}

const GET: &str = "GET /old/a?b HTTP/1.1\r\nHost: shop:80\r\nX-User: alice\r\n\r\n";

#[test]
fn given_no_effects_then_the_request_is_sent_as_it_is() {
    assert_eq!(
        sent(GET, &plan(None, vec![], Effects::default())),
        ["GET /old/a?b HTTP/1.1", "host: shop:80", "x-user: alice"]
    );
}

#[test]
fn given_a_rewrite_then_path_and_host_are_sent_anew_and_the_old_ones_kept_in_headers() {
    let effects = Effects { authority: Some("web.shop".into()), ..Effects::default() };
    assert_eq!(
        sent(GET, &plan(Some("/new/a?b"), vec![], effects)),
        [
            "GET /new/a?b HTTP/1.1",
            "host: web.shop",
            "x-user: alice",
            "x-envoy-original-host: shop:80",
            "x-envoy-original-path: /old/a?b",
        ]
    );
}

#[test]
fn given_a_host_that_is_none_then_the_clients_own_is_kept() {
    for authority in ["a b", "a\r\nx: y", "", "a/b"] {
        let effects = Effects { authority: Some(authority.into()), ..Effects::default() };
        assert_eq!(sent(GET, &plan(None, vec![], effects))[1], "host: shop:80", "{authority:?}");
    }
}

#[test]
fn given_operations_on_request_headers_then_they_see_what_the_client_sent() {
    let set = [
        ("x-path", "%REQ(:path)%"),
        ("x-host", "%REQ(:authority)%, by %REQ(:method)%"),
        ("x-peer", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
        ("x-route", "%ROUTE_NAME%"),
        ("x-nothing", "%REQ(x-absent)%"),
        ("x-try", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
        ("x-answer", "%RESPONSE_CODE% %RESPONSE_FLAGS%"),
        ("x-later", "%RESPONSE_CODE_DETAILS%%UPSTREAM_HOST%%RESP(x-user)%"),
    ];
    let edits = [list(&[], &set, &[("x-user", "%REQ(x-user)%")])];
    let effects = Effects { request: edits.into(), authority: Some("web".into()), ..Effects::default() };
    assert_eq!(
        sent(GET, &plan(Some("/new"), vec![], effects)),
        [
            "GET /new HTTP/1.1",
            "host: web",
            "x-user: alice",
            "x-path: /old/a?b",
            "x-host: shop:80, by GET",
            "x-peer: 10.1.0.5",
            "x-route: canary",
            "x-try: 1",
            "x-answer: 0 -",
            "x-user: alice",
            "x-envoy-original-host: shop:80",
            "x-envoy-original-path: /old/a?b",
        ]
    );
}

#[test]
fn given_operations_that_would_break_the_framing_then_they_do_nothing() {
    const POST: &str = "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\n";
    let set = [("transfer-encoding", "chunked"), ("connection", "close"), ("x-split", "a\r\nx-other: b")];
    let edits = [list(&["content-length", "host"], &set, &[("content-length", "7")])];
    let effects = Effects { request: edits.into(), ..Effects::default() };
    assert_eq!(sent(POST, &plan(None, vec![], effects)), ["POST / HTTP/1.1", "host: shop", "content-length: 5"]);
}

fn answered(status: u16, request: &[u8], upstream: Option<SocketAddr>) -> Answered<'_> {
    Answered { status, request, upstream, service_time: None, details: "via_upstream", flags: Flags::URX }
}

/// The lines of a response as the client gets it.
fn received(response: &str, plan: &Plan, upstream: Option<&str>) -> Vec<String> {
    let mut bytes = response.as_bytes().to_vec();
    let mut head = ResponseHead::default();
    assert_eq!(head.parse(&mut bytes), Ok(Parsed::Complete), "{response:?}");
    let (downstream, mut out) = (downstream(), Vec::new());
    let mut lines = forward::response_lines(&head, &bytes, None);
    let upstream = upstream.map(|address| address.parse().expect("an address"));
    let request = b"GET /new HTTP/1.1\r\nhost: web\r\nx-user: alice\r\nx-user: bob\r\n\r\n";
    let answered = answered(head.status, request, upstream);
    Edits { downstream: &downstream, plan, started: Instant::now() }.response(&mut lines, answered);
    forward::changed_response(&mut out, &head, &bytes, false, &lines);
    let out = String::from_utf8(out).expect("the cases are text");
    out.strip_suffix("\r\n\r\n").expect("an end").split("\r\n").map(str::to_owned).collect()
}

const OK: &str = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\n";

#[test]
fn given_operations_on_response_headers_then_they_see_the_request_that_was_sent_and_the_response() {
    let set = [
        ("x-path", "%REQ(:path)% of %REQ(:authority)%"),
        ("x-user", "%REQ(x-user)%"),
        ("x-status", "%RESPONSE_CODE% from %UPSTREAM_HOST%"),
        ("x-gone", "%RESP(server)%"),
        ("x-how", "%RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS%"),
    ];
    let edits = [list(&["server"], &set, &[("content-length", "7")])];
    let effects = Effects { response: edits.into(), ..Effects::default() };
    assert_eq!(
        received(OK, &plan(None, vec![], effects), Some("10.1.0.9:80")),
        [
            "HTTP/1.1 200 OK",
            "x-path: /new of web",
            "x-user: alice",
            "x-status: 200 from 10.1.0.9:80",
            "x-how: via_upstream URX",
            "content-length: 2"
        ]
    );
}

#[test]
fn given_lines_for_the_response_then_they_replace_the_endpoints_but_cookies_are_added() {
    const ANSWER: &str =
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 2\r\n\r\n";
    let lines = || vec![("set-cookie", "b=2".to_owned()), ("access-control-allow-origin", "http://x".to_owned())];
    let plan = plan(None, lines(), Effects::default());
    assert_eq!(
        received(ANSWER, &plan, Some("10.1.0.9:80")),
        [
            "HTTP/1.1 200 OK",
            "set-cookie: a=1",
            "set-cookie: b=2",
            "access-control-allow-origin: http://x",
            "content-length: 2"
        ]
    );
    // Nobody has answered to the cookie.
    assert_eq!(
        received(OK, &plan, None),
        ["HTTP/1.1 200 OK", "server: x", "access-control-allow-origin: http://x", "content-length: 2"]
    );
}

#[test]
fn given_an_answer_of_the_proxys_own_then_the_routes_operations_apply() {
    let effects = Effects { response: [list(&[], &[("x-a", "%RESPONSE_CODE%")], &[])].into(), ..Effects::default() };
    let (downstream, plan) = (downstream(), plan(None, vec![], effects));
    let headers = [("location", "http://x/".to_owned())];
    for (edits, expected) in [
        (true, "HTTP/1.1 301 Moved Permanently\r\ncontent-length: 0\r\nlocation: http://x/\r\nx-a: 301\r\n\r\n"),
        (false, "HTTP/1.1 301 Moved Permanently\r\ncontent-length: 0\r\nlocation: http://x/\r\n\r\n"),
    ] {
        let edits = edits.then_some((
            Edits { downstream: &downstream, plan: &plan, started: Instant::now() },
            answered(301, b"GET / HTTP/1.1\r\n\r\n", None),
        ));
        let mut out = Vec::new();
        Reply { status: 301, headers: &headers, body: b"", edits }.write(&mut out, false, false);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

#[test]
fn given_a_request_then_its_json_line_has_istios_keys_and_ours() {
    let (downstream, mut plan) = (downstream(), plan(None, vec![], Effects::default()));
    let rule =
        RuleRef { virtual_service: Some("shop/echo".into()), index: 1, name: "canary".into(), ..RuleRef::default() };
    plan.rule = Some(Arc::new(rule));
    let started = Instant::now();
    let mut record = Record::new(started, plan.cluster(), plan.route());
    record.request = Some(RequestTexts::new(b"GET /a?b HTTP/1.1\r\nhost: shop\r\nx-request-id: 1-2\r\n\r\n"));
    (record.code, record.details, record.plan) = (504, "response_timeout".into(), Some(&plan));
    record.flags = Flags::UT | Flags::DI;
    let wall = std::time::UNIX_EPOCH + Duration::from_millis(1012);
    let line = json_line::line(&downstream, &record, started + Duration::from_millis(12), wall);
    let expected = serde_json::json!({
        "start_time": "1970-01-01T00:00:01.000Z", "route_name": "canary", "method": "GET", "path": "/a?b",
        "protocol": "HTTP/1.1", "response_code": 504, "response_flags": "UT,DI",
        "response_code_details": "response_timeout", "connection_termination_details": null, "bytes_received": 0,
        "bytes_sent": 0, "duration": 12, "upstream_service_time": null, "x_forwarded_for": null, "user_agent": null,
        "request_id": "1-2", "authority": "shop", "upstream_host": null, "upstream_cluster": "PassthroughCluster",
        "upstream_local_address": null, "downstream_local_address": "10.96.0.7:8080",
        "downstream_remote_address": "10.1.0.5:41000", "requested_server_name": null,
        "upstream_transport_failure_reason": null, "virtual_service": "shop/echo", "rule": "http[1]", "subset": null,
        "reason": "VirtualServiceRule", "client_pod": "shop/client"
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&line).expect("JSON"), expected);
    assert!(line.ends_with("}\n") && line.matches('\n').count() == 1);
}
