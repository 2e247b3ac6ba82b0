//! What a route does beside sending requests somewhere: `meshlet explain` says it, and then it happens.

use std::time::{Duration, Instant};

use harness::{Node, explain, mesh_rule};
use meshlet_sandbox::{Answer, HttpCall, Layout, PodSpec};
use serde_json::Value;

/// A rule per path.
const RULES: &str = "  http:
  - match: [{uri: {prefix: /old}}]
    rewrite: {uri: /new, authority: web.shop}
    headers:
      request: {set: {x-set: 'by %REQ(:method)%'}, add: {x-added: '1'}, remove: [x-drop]}
      response: {set: {x-seen: '%RESPONSE_CODE%'}}
    route: [{destination: {host: httpping-without-sidecar, subset: v1}}]
  - match: [{uri: {prefix: /moved}}]
    redirect: {uri: /here, authority: web.shop, redirectCode: 308}
  - match: [{uri: {prefix: /fixed}}]
    directResponse: {status: 418, body: {string: teapot}}
  - match: [{uri: {prefix: /aborted}}]
    fault: {abort: {httpStatus: 555, percentage: {value: 100}}}
    route: [{destination: {host: httpping-without-sidecar, subset: v1}}]
  - match: [{uri: {prefix: /delayed}}]
    fault: {delay: {fixedDelay: 400ms, percentage: {value: 100}}}
    timeout: 350ms
    route: [{destination: {host: httpping-without-sidecar, subset: v1}}]
  - match: [{uri: {prefix: /slow}}]
    timeout: 300ms
    route: [{destination: {host: httpping-without-sidecar, subset: v1}}]
  - match: [{uri: {prefix: /status}}]
    retries: {attempts: 3, retryOn: '503', backoff: 1ms}
    route: [{destination: {host: httpping-without-sidecar, subset: v1}}]
  - match: [{uri: {prefix: /mirrored}}]
    mirror: {host: httpping-without-sidecar, subset: v2}
    route: [{destination: {host: httpping-without-sidecar, subset: v1}}]
  - match: [{uri: {prefix: /shared}}]
    corsPolicy: {allowOrigins: [{prefix: 'http://a'}], allowMethods: [PUT], maxAge: 1m}
    route: [{destination: {host: httpping-without-sidecar, subset: v1}}]
  - match: [{uri: {prefix: /nowhere}}]
    route: [{destination: {host: httpping-without-sidecar, subset: v9}}]";

fn ruled() -> Node {
    let mut node = Node::new();
    node.apply(&mesh_rule(RULES));
    node
}

fn call(node: &Node, method: &str, path: &str, headers: &[(&str, &str)]) -> HttpCall {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    HttpCall { method: method.into(), path: path.into(), headers, ..node.get() }
}

/// What was said of a call, and what became of it.
fn both(node: &Node, call: &HttpCall) -> (Value, Answer) {
    let said = explain(node, "marked", call);
    let mut answers = node.client("marked").http(call).expect("an answer");
    assert_eq!(answers.len(), 1);
    (said, answers.remove(0))
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// Pairs of a list in an explanation; a removed header has no value.
fn pairs<'v>(said: &'v Value, pointer: &str) -> Vec<(&'v str, Option<&'v str>)> {
    let list = said.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|pair| (pair[0].as_str().expect("a name"), pair[1].as_str())).collect()
}

#[test]
fn given_a_rewrite_and_header_operations_then_the_endpoint_gets_the_request_that_explain_shows() {
    let node = ruled();
    let (said, answer) = both(&node, &call(&node, "GET", "/old/a?b=c", &[("x-drop", "1"), ("x-keep", "1")]));
    assert_eq!((said["verdict"].as_str(), answer.status), (Some("route"), Some(200)), "{said:#}");
    let got: Value = serde_json::from_str(&answer.body).expect("the server's JSON");
    assert_eq!(got["path"], said["request"]["path"], "{said:#}");
    assert_eq!(got["host"], said["request"]["authority"], "{said:#}");
    assert_eq!((got["path"].as_str(), got["host"].as_str()), (Some("/new/a?b=c"), Some("web.shop")));
    let shown = pairs(&said, "/request/headers");
    let received = pairs(&got, "/headers");
    assert!(!shown.is_empty(), "{said:#}");
    for (name, value) in shown {
        match value {
            Some(_) => assert!(received.contains(&(name, value)), "{name}: {got:#}"),
            None => assert!(!received.iter().any(|(found, _)| *found == name), "{name}: {got:#}"),
        }
    }
    for pair in [("x-set", "by GET"), ("x-added", "1"), ("x-keep", "1"), ("x-envoy-original-path", "/old/a?b=c")] {
        assert!(received.contains(&(pair.0, Some(pair.1))), "{pair:?}: {got:#}");
    }
    assert_eq!(header(&answer, "x-seen"), Some("200"));
}

#[test]
fn given_what_the_proxy_answers_itself_then_the_client_gets_what_explain_shows() {
    let node = ruled();
    let preflight = [("origin", "http://a.example"), ("access-control-request-method", "PUT")];
    for (method, path, headers, verdict, status) in [
        ("GET", "/moved/x?y", &[][..], "redirect", 308),
        ("GET", "/fixed", &[], "respond", 418),
        ("GET", "/aborted", &[], "respond", 555),
        ("GET", "/nowhere", &[], "respond", 503),
        ("GET", "/else", &[], "respond", 404),
        ("OPTIONS", "/shared", &preflight, "respond", 200),
    ] {
        let (said, answer) = both(&node, &call(&node, method, path, headers));
        assert_eq!((said["verdict"].as_str(), answer.pod.as_ref()), (Some(verdict), None), "{path}: {said:#}");
        assert_eq!((said["response"]["status"].as_u64(), answer.status), (Some(status), u16::try_from(status).ok()));
        assert_eq!(said["response"]["body"], answer.body.as_str(), "{path}");
        for (name, value) in pairs(&said, "/response/headers") {
            assert_eq!(header(&answer, name), value, "{path}: {name}");
        }
    }
    let (_, answer) = both(&node, &call(&node, "GET", "/moved/x?y", &[]));
    assert_eq!(header(&answer, "location"), Some("http://web.shop/here?y"));
    let (_, answer) = both(&node, &call(&node, "GET", "/shared", &preflight[..1]));
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("http://a.example"));
}

#[test]
fn given_a_delay_and_timeouts_then_requests_take_as_long_as_explain_says() {
    let node = ruled();
    let started = Instant::now();
    let (said, answer) = both(&node, &call(&node, "GET", "/delayed", &[]));
    assert_eq!(said["policy"]["fault"]["delay"]["fixedMs"], 400, "{said:#}");
    assert_eq!(answer.status, Some(200), "the delay does not count towards the timeout: {}", answer.body);
    assert!(started.elapsed() >= Duration::from_millis(400));
    let (said, answer) = both(&node, &call(&node, "GET", "/slow/20000", &[]));
    assert_eq!(said["policy"]["timeoutMs"], 300, "{said:#}");
    assert_eq!((answer.status, answer.body.as_str()), (Some(504), "upstream request timeout"));
    assert!(started.elapsed() < Duration::from_secs(15), "nobody waits for the endpoint");
}

#[test]
fn given_a_retry_policy_then_what_it_names_is_tried_again_as_often_as_explain_says() {
    let mut node = Node::with(Layout::Systemd, &["--access-log", "json"]);
    node.apply(&mesh_rule(RULES));
    let (said, answer) = both(&node, &call(&node, "GET", "/status/503", &[]));
    assert_eq!(said["policy"]["retries"]["attempts"], 3, "{said:#}");
    assert_eq!(answer.status, Some(503));
    let (_, other) = both(&node, &call(&node, "GET", "/status/500", &[]));
    assert_eq!(other.status, Some(500));
    let lines = access_log(&node, 2);
    assert_eq!(lines[0]["response_flags"], "URX", "{:#}", lines[0]);
    assert_eq!(lines[1]["response_flags"], "-", "{:#}", lines[1]);
    for line in &lines {
        assert_eq!(line["virtual_service"], "infra-jinsu-lab/rule", "{line:#}");
        assert_eq!(line["rule"], format!("http[{}]", said["rule"]["index"]), "{line:#}");
        assert_eq!((&line["subset"], &line["client_pod"]), (&"v1".into(), &"infra-jinsu-lab/marked".into()));
        assert_eq!(line["upstream_cluster"], said["destinations"][0]["cluster"], "{line:#}");
    }
}

#[test]
fn given_effects_then_the_access_log_tells_them_by_envoys_flags_and_details() {
    let mut node = Node::with(Layout::Systemd, &["--access-log", "json"]);
    node.apply(&mesh_rule(RULES));
    let cases = [
        ("/old/a?b", "-", "via_upstream", "web.shop"),
        ("/moved", "-", "direct_response", "httpping-without-sidecar"),
        ("/aborted", "FI", "fault_filter_abort", "httpping-without-sidecar"),
        ("/delayed", "DI", "via_upstream", "httpping-without-sidecar"),
        ("/slow/20000", "UT", "response_timeout", "httpping-without-sidecar"),
        ("/nowhere", "NC", "cluster_not_found", "httpping-without-sidecar"),
        ("/else", "NR", "route_not_found", "httpping-without-sidecar"),
    ];
    for (path, ..) in cases {
        node.client("marked").http(&call(&node, "GET", path, &[])).expect("an answer");
    }
    for (line, (path, flags, details, authority)) in access_log(&node, cases.len()).iter().zip(cases) {
        let expected = serde_json::json!([path, flags, details, authority]);
        let keys = ["path", "response_flags", "response_code_details", "authority"];
        assert_eq!(keys.map(|key| line[key].clone()).to_vec(), *expected.as_array().expect("a list"), "{line:#}");
    }
}

/// The first lines of the daemon's access log.
fn access_log(node: &Node, count: usize) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let log = node.daemon.log();
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{log}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn given_endpoints_that_refuse_then_the_default_policy_finds_another_and_counts_tries() {
    let mut node = Node::with(Layout::Systemd, &["--access-log", "json"]);
    let deaf = PodSpec::new("infra-jinsu-lab", "v3-a").label("app", "httpping").label("version", "v3");
    node.sandbox.add_pod(deaf).expect("a pod where nobody listens");
    node.apply(&mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar}}]"));
    let said = explain(&node, "marked", &node.get());
    let endpoints = said["destinations"][0]["endpoints"].as_array().map_or(0, Vec::len);
    assert_eq!((endpoints, &said["policy"]["retries"]["attempts"]), (7, &2.into()), "{said:#}");
    let answers = node.ask("marked", &HttpCall { count: 100, ..node.get() });
    let tries = |answer: &Answer| {
        let got: Value = serde_json::from_str(&answer.body).expect("the server's JSON");
        let count = pairs(&got, "/headers").into_iter().find(|(name, _)| *name == "x-envoy-attempt-count");
        count.and_then(|(_, count)| count?.parse::<u32>().ok()).expect("a number")
    };
    let tries: Vec<u32> = answers.iter().map(tries).collect();
    assert!(tries.contains(&1) && tries.iter().any(|tries| *tries > 1), "{tries:?}");
    for line in access_log(&node, answers.len()) {
        assert_eq!((&line["response_flags"], &line["upstream_transport_failure_reason"]), (&"-".into(), &Value::Null));
    }
}

#[test]
fn given_a_mirror_then_the_pods_that_explain_names_get_copies_and_never_answer() {
    let node = ruled();
    let (said, _) = both(&node, &call(&node, "GET", "/mirrored", &[]));
    assert_eq!(said["policy"]["mirrors"][0]["subset"], "v2", "{said:#}");
    let received = || {
        let of_pod = |pod: &str| node.client(pod).netdev().expect("counters");
        let packets =
            |pod: &str| of_pod(pod).iter().filter(|(name, _)| *name != "lo").map(|(_, of)| of.rx_packets).sum::<u64>();
        ["v2-a", "v2-b", "v2-c"].map(packets).iter().sum::<u64>()
    };
    let before = received();
    let answers = node.ask("marked", &HttpCall { count: 100, path: "/mirrored".into(), ..node.get() });
    assert!(answers.iter().all(|answer| answer.pod.as_deref().is_some_and(|pod| pod.starts_with("v1"))));
    let started = Instant::now();
    while received() < before + 100 {
        assert!(started.elapsed() < Duration::from_secs(10), "{} packets", received() - before);
        std::thread::sleep(Duration::from_millis(10));
    }
}
