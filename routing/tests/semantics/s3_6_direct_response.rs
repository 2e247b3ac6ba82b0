//! Section 3.6: fixed answers.

use meshlet_routing::decide::{Outcome, Reason};

use crate::ask::{decided, errors, faults, get, istio, service, table};

fn ruled(answer: &str, fields: &str) -> String {
    // No pod: an answer of the proxy's own needs none.
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &istio(
            "VirtualService",
            "shop",
            "web",
            &format!("{{hosts: [web], http: [{{directResponse: {answer}{fields}}}]}}"),
        )
}

fn answered(text: &str) -> (u16, Vec<u8>) {
    let table = table(text, "shop");
    match decided(&table, "10.96.0.1:80", &get("web", "/a"), 0).outcome {
        Outcome::Respond(respond) => {
            assert_eq!((respond.flag, respond.reason), ("-", Reason::DirectResponse));
            assert!(respond.headers.is_empty());
            (respond.status, respond.body.to_vec())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn s3_6_given_a_status_then_200_to_600_are_answered_and_others_refused() {
    for status in [200, 404, 503, 599, 600] {
        assert_eq!(answered(&ruled(&format!("{{status: {status}}}"), "")), (status, vec![]));
    }
    for answer in ["{status: 199}", "{status: 601}", "{}", "{body: {string: x}}", "{status: 70000}"] {
        assert_eq!(errors(&ruled(answer, "")).len(), 1, "{answer}");
    }
}

#[test]
fn s3_6_given_a_body_then_it_is_text_or_bytes() {
    for (body, expected) in [
        ("{string: 'not here'}", &b"not here"[..]),
        ("{bytes: bm90IGhlcmU=}", b"not here"),
        ("{bytes: gP8=}", b"\x80\xff"),
        ("{string: ''}", b""),
        ("{}", b""),
    ] {
        assert_eq!(answered(&ruled(&format!("{{status: 404, body: {body}}}"), "")), (404, expected.to_vec()), "{body}");
    }
    for body in ["{string: a, bytes: YQ==}", "{bytes: '%'}"] {
        assert_eq!(errors(&ruled(&format!("{{status: 404, body: {body}}}"), "")).len(), 1, "{body}");
    }
}

#[test]
fn s3_6_given_a_large_body_then_100_kb_are_warned_of_and_1_mb_is_refused() {
    for (length, errors_found, faults_found) in
        [(100 << 10, 0, 0), ((100 << 10) + 1, 0, 1), (1 << 20, 0, 1), ((1 << 20) + 1, 1, 1)]
    {
        let text = ruled(&format!("{{status: 200, body: {{string: '{}'}}}}", "x".repeat(length)), "");
        assert_eq!((errors(&text).len(), faults(&text).len()), (errors_found, faults_found), "{length}");
    }
}

#[test]
fn s3_6_given_operations_on_responses_then_they_apply_to_the_answer() {
    let text = ruled("{status: 200}", ", headers: {response: {set: {x-a: b}}, request: {set: {x-c: d}}}");
    let table = table(&text, "shop");
    let Outcome::Respond(respond) = decided(&table, "10.96.0.1:80", &get("web", "/"), 0).outcome else {
        panic!("no answer")
    };
    let effects = respond.effects.expect("effects");
    assert_eq!(effects.response.iter().map(|list| list.set.len()).collect::<Vec<_>>(), [1]);
    assert!(effects.request.is_empty(), "nothing is sent on");
}

#[test]
fn s1_2_given_anything_else_that_decides_beside_a_direct_response_then_it_is_refused() {
    for (fields, problems) in [
        (", route: [{destination: {host: web}}]", 1),
        (", fault: {abort: {httpStatus: 500, percentage: {value: 1}}}", 1),
        (", rewrite: {uri: /c}", 1),
        (", redirect: {uri: /}", 1),
        (", match: [{uri: {exact: /a}}]", 0),
    ] {
        let found = errors(&ruled("{status: 200}", fields));
        assert_eq!(found.len(), problems, "{fields} {found:?}");
    }
    for (field, value) in [("timeout", "1s"), ("corsPolicy", "{allowOrigins: [{exact: a}]}")] {
        let found = faults(&ruled("{status: 200}", &format!(", {field}: {value}")));
        let said: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains("has no effect beside directResponse"), "{said:?}");
    }
}

#[test]
fn s1_2_given_none_of_route_redirect_and_direct_response_then_the_rule_is_refused() {
    let text = |rule: &str| istio("VirtualService", "shop", "web", &format!("{{hosts: [web], http: [{rule}]}}"));
    for rule in ["{}", "{match: [{port: 80}]}", "{route: []}"] {
        assert_eq!(errors(&text(rule)).len(), 1, "{rule}");
    }
}
