//! The page, from the contract's JSON.

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::answer::Answer;
use super::page::{Style, page, summary};

fn shown(explanation: &Value, wide: bool) -> String {
    let answer = Answer::deserialize(explanation).expect("an explanation");
    page(&answer, Style { colour: false, wide })
}

fn base(verdict: &str, fields: Value) -> Value {
    let mut explanation = json!({
        "client": {"namespace": "shop", "pod": "web", "captured": true, "reason": "DataplaneMode"},
        "verdict": verdict, "reason": "X", "path": "proxy",
        "request": {"method": "GET", "authority": "echo", "path": "/", "headers": []},
        "aFieldOfTheFuture": 1
    });
    let (Some(object), Value::Object(fields)) = (explanation.as_object_mut(), fields) else { panic!("objects") };
    object.extend(fields);
    explanation
}

#[test]
fn given_an_answer_then_the_verdict_comes_first_the_evidence_second_and_the_losers_last() {
    let explanation = base(
        "route",
        json!({
            "virtualService": "shop/echo", "gateways": ["mesh", "edge/public"],
            "rule": {"kind": "http", "index": 1, "name": "api", "match": 0, "delegate": {"virtualService": "b/api", "index": 2, "match": null}},
            "skipped": [{"kind": "http", "index": 0, "name": null, "match": 1, "message": "method GET, wants exact \"PUT\""}],
            "service": {"host": "echo.shop.svc.cluster.local", "port": 80, "protocol": "http"},
            "capture": {"mode": "ruled", "address": "10.96.0.1", "port": 80, "captured": true, "message": "a rule"},
            "destinations": [
                {"host": "echo", "subset": "v1", "port": 80, "weight": 1, "share": 1.0, "destinationRule": "shop/echo", "endpoints": ["10.0.0.1:80"],
                 "loadBalancer": {"policy": "maglev", "key": {"cookie": "user"}}},
                {"host": "gone", "port": 80, "weight": 0, "share": 0.0, "endpoints": [], "loadBalancer": null}],
            "policy": {"timeoutMs": 2000, "retries": {"attempts": 2, "perTryTimeoutMs": 0, "retryOn": ["reset"]},
                       "fault": {"delay": {"fixedMs": 50, "percent": 12.5}, "abort": {"grpcStatus": "UNAVAILABLE", "percent": 1.0}},
                       "mirrors": [{"host": "copy", "subset": "v9", "percent": 100.0}]},
            "pick": {"subset": "v1", "endpoint": "10.0.0.1:80", "pod": "shop/echo-1", "sticky": true},
            "request": {"method": "GET", "authority": "echo", "path": "/new", "headers": [["x-a", "1"], ["x-b", null]]},
            "notUsed": [{"object": "VirtualService a/b", "reason": "GatewayOnly", "message": "line\u{1b}[2J\nbreak"}]
        }),
    );
    let expected = "\
VERDICT     ✔  route: the request is sent to a destination below (X, path proxy)
MESHED      ✔  shop/web: DataplaneMode (istio.io/dataplane-mode is meshlet)
CAPTURED    ✔  10.96.0.1:80 = echo.shop.svc.cluster.local:80, http: a rule
RULE        ✔  VirtualService shop/echo  http[1] \"api\" match[0] → VirtualService b/api http[2]  (gateways [mesh, edge/public])
            –  http[0] match[1] skipped: method GET, wants exact \"PUT\"
SPLIT          v1  100.0 %  1 endpoint, maglev by cookie user
               gone  0.0 %  0 endpoints, no such cluster
POLICY      ✔  DestinationRule shop/echo
            ✔  timeout 2000 ms
            ✔  fault 12.5 % wait 50 ms
            ✔  fault 1 % are answered gRPC UNAVAILABLE
            ✔  mirror 100.0 % to copy v9
SENT           GET /new, Host echo
                 x-a: 1
                 x-b removed
PICK           v1 → shop/echo-1 10.0.0.1:80  (by the hash: the same while endpoints are)
NOT USED    –  VirtualService a/b  GatewayOnly: line [2J break
";
    assert_eq!(shown(&explanation, false), expected);
    let wide = shown(&explanation, true);
    assert!(wide.contains("weight 1, port 80 of echo  10.0.0.1:80\n"), "{wide}");
    assert!(wide.contains("retries 2, each limited to none, on reset\n"), "{wide}");
    let answer = Answer::deserialize(&explanation).expect("an explanation");
    let said = "route by VirtualService shop/echo http[1] \"api\" match[0] → VirtualService b/api http[2] → v1 100.0 %, gone 0.0 %";
    assert_eq!(summary(&answer), said);
}

#[test]
fn given_answers_of_the_proxys_own_then_they_are_shown() {
    let redirect =
        json!({"response": {"status": 301, "flag": "-", "headers": [["location", "https://echo/"]], "body": ""}});
    let shown_redirect = shown(&base("redirect", redirect), false);
    assert!(shown_redirect.starts_with("VERDICT     ✔  redirect: the client is sent elsewhere"), "{shown_redirect}");
    assert!(
        shown_redirect.contains("ANSWER      ✔  301\n                 location: https://echo/\n"),
        "{shown_redirect}"
    );
    let refused =
        json!({"virtualService": "a/b", "response": {"status": 404, "flag": "NR", "headers": [], "body": "no"}});
    let shown_refusal = shown(&base("respond", refused), false);
    assert!(shown_refusal.contains("RULE        ✘  VirtualService a/b  none of its rules takes the request\n"));
    assert!(shown_refusal.contains("ANSWER      ✘  404 NR \"no\"\n"), "{shown_refusal}");
    let unresolved =
        json!({"reason": "UnresolvedName", "response": {"status": 503, "flag": "UH", "headers": [], "body": ""}});
    let shown_unresolved = shown(&base("respond", unresolved), false);
    assert!(shown_unresolved.contains("files alone resolve none (ask the daemon, without -f)"), "{shown_unresolved}");
}

#[test]
fn given_all_rules_then_each_has_its_verdict_and_only_the_one_taken_a_tick() {
    let rules = json!({"virtualService": "a/b", "rules": [
        {"kind": "http", "index": 0, "name": null, "match": 0, "verdict": "skipped", "message": "no"},
        {"kind": "http", "index": 1, "name": null, "match": null, "verdict": "taken", "message": "yes"}]});
    let text = shown(&base("route", rules), false);
    let lines = "RULE        –  VirtualService a/b  http[0] match[0] skipped: no\n            ✔  VirtualService a/b  http[1] taken: yes\n";
    assert!(text.contains(lines), "{text}");
}

#[test]
fn given_no_request_then_the_page_says_whether_the_client_is_captured_and_what_it_may_meet() {
    let about = json!({"client": {"namespace": "shop", "pod": null, "captured": true, "reason": "Imaginary"}, "verdict": "captured",
        "reason": "Imaginary", "path": "native", "request": null, "objects": ["VirtualService a/b"]});
    let expected = "MESHED      ✔  shop/an imaginary client: Imaginary\nMAY MEET    –  VirtualService a/b\n";
    assert_eq!(shown(&about, false), expected);
}
