//! Section 3.9: injected faults.

use std::time::Duration;

use meshlet_routing::decide::{Outcome, Reason, Request, Respond};

use crate::ask::{decided, errors, faults, get, istio, pod, sent, service, table};

/// A shop with one rule that has these fields beside its destinations.
fn ruled_to(fields: &str, destinations: &str) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &istio(
            "VirtualService",
            "shop",
            "web",
            &format!("{{hosts: [web], http: [{{{fields}, route: [{destinations}]}}]}}"),
        )
}

fn ruled(fields: &str) -> String {
    ruled_to(fields, "{destination: {host: web}}")
}

/// Draws spread evenly over all.
fn draws() -> impl Iterator<Item = u32> {
    (0..20_000_u32).map(|number| number * (u32::MAX / 20_000))
}

/// The shares of requests that are delayed, aborted, and both, in percent.
fn shares(text: &str) -> [f64; 3] {
    let table = table(text, "shop");
    let mut counts = [0_u32; 3];
    for draw in draws() {
        let decision = decided(&table, "10.96.0.1:80", &get("web", "/"), draw);
        let aborted = matches!(&decision.outcome, Outcome::Respond(respond) if respond.reason == Reason::Fault);
        for (count, hit) in
            counts.iter_mut().zip([decision.delay.is_some(), aborted, decision.delay.is_some() && aborted])
        {
            *count += u32::from(hit);
        }
    }
    counts.map(|count| f64::from(count) / 200.0)
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1.5
}

fn answer(text: &str, request: &Request<'_>, look: impl FnOnce(&Respond<'_>)) {
    let table = table(text, "shop");
    match decided(&table, "10.96.0.1:80", request, 1).outcome {
        Outcome::Respond(respond) => look(&respond),
        other => panic!("{other:?}"),
    }
}

const ABORT: &str = "fault: {abort: {httpStatus: 418, percentage: {value: 100}}}";

#[test]
fn s3_9_given_an_abort_then_the_proxy_answers_with_its_status_and_envoys_body() {
    for status in [200, 418, 503, 600] {
        let text = ruled(&format!("fault: {{abort: {{httpStatus: {status}, percentage: {{value: 100}}}}}}"));
        answer(&text, &get("web", "/"), |respond| {
            assert_eq!((respond.status, respond.flag, respond.body), (status, "FI", &b"fault filter abort"[..]));
            assert!(respond.effects.is_none(), "response operations leave injected aborts alone");
            assert_eq!(respond.rule.and_then(|rule| rule.virtual_service.as_deref()), Some("shop/web"));
        });
    }
}

#[test]
fn s3_9_given_both_then_the_request_is_delayed_and_then_aborted() {
    let text = ruled(
        "fault: {delay: {fixedDelay: 250ms, percentage: {value: 100}}, abort: {httpStatus: 503, percentage: {value: 100}}}",
    );
    let table = table(&text, "shop");
    let decision = decided(&table, "10.96.0.1:80", &get("web", "/"), 3);
    assert_eq!(decision.delay, Some(Duration::from_millis(250)));
    assert!(matches!(decision.outcome, Outcome::Respond(respond) if respond.flag == "FI"));
}

#[test]
fn s3_9_given_a_broken_destination_then_an_abort_hides_it() {
    for destination in [
        "{destination: {host: web, subset: v9}}",
        "{destination: {host: nobody}}",
        "{weight: 1, destination: {host: nobody}}, {weight: 1, destination: {host: web}}",
    ] {
        let text = ruled_to(ABORT, destination);
        let table = table(&text, "shop");
        for draw in draws().step_by(1000) {
            assert_eq!(sent(&table, "10.96.0.1:80", &get("web", "/"), draw), "418 FI", "{destination}");
        }
    }
}

#[test]
fn s3_9_given_an_abort_and_a_preflight_then_cors_comes_after_it() {
    let headers: &[(&str, &[u8])] = &[("origin", b"http://a.example"), ("access-control-request-method", b"PUT")];
    let preflight = Request { method: "OPTIONS", headers, ..get("web", "/") };
    let text = ruled(&format!("{ABORT}, corsPolicy: {{allowOrigins: [{{exact: 'http://a.example'}}]}}"));
    answer(&text, &preflight, |respond| assert_eq!((respond.status, respond.flag), (418, "FI")));
}

#[test]
fn q3_9_given_no_percentage_then_no_request_is_concerned_and_it_is_said() {
    for fields in [
        "fault: {abort: {httpStatus: 503}}",
        "fault: {delay: {fixedDelay: 5s}}",
        "fault: {abort: {httpStatus: 503, percentage: {}}}",
        "fault: {abort: {httpStatus: 503, percentage: {value: 0}}}",
    ] {
        let text = ruled(fields);
        assert_eq!(errors(&text), [""; 0]);
        assert_eq!(shares(&text), [0.0; 3], "{fields}");
        let warned = faults(&text).iter().any(|fault| fault.problem.contains("which means 0"));
        assert_eq!(warned, !fields.contains("percentage"), "{fields}");
    }
}

#[test]
fn s3_9_given_percentages_then_delay_and_abort_are_drawn_apart_from_each_other() {
    let text = ruled(
        "fault: {delay: {fixedDelay: 1s, percentage: {value: 40}}, abort: {httpStatus: 503, percentage: {value: 25}}}",
    );
    let [delayed, aborted, both] = shares(&text);
    assert!(near(delayed, 40.0) && near(aborted, 25.0) && near(both, 10.0), "{delayed} {aborted} {both}");
}

#[test]
fn s3_9_given_weights_then_an_abort_takes_the_same_share_of_each_destination() {
    let text = ruled_to(
        "fault: {abort: {httpStatus: 503, percentage: {value: 50}}}",
        "{weight: 1, destination: {host: web}}, {weight: 1, destination: {host: nobody}}",
    );
    let table = table(&text, "shop");
    let of = |word: &str| {
        let hits = draws().filter(|draw| sent(&table, "10.96.0.1:80", &get("web", "/"), *draw).starts_with(word));
        f64::from(u32::try_from(hits.count()).expect("20000 draws")) / 200.0
    };
    let (aborted, routed, broken) = (of("503 FI"), of("outbound"), of("503 NC"));
    assert!(near(aborted, 50.0) && near(routed, 25.0) && near(broken, 25.0), "{aborted} {routed} {broken}");
}

#[test]
fn s3_9_given_the_deprecated_whole_percent_of_a_delay_then_it_counts_where_there_is_no_percentage() {
    let text = ruled("fault: {delay: {fixedDelay: 1s, percent: 100}}");
    assert_eq!(shares(&text), [100.0, 0.0, 0.0]);
    assert!(
        faults(&text).iter().any(|fault| fault.field.ends_with("delay.percent") && fault.problem == "is deprecated")
    );
    assert_eq!(shares(&ruled("fault: {delay: {fixedDelay: 1s, percent: 100, percentage: {value: 0}}}")), [0.0; 3]);
}

#[test]
fn s3_9_given_a_grpc_status_then_grpc_requests_get_it_and_others_a_plain_200() {
    let text = ruled("fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}");
    let headers: &[(&str, &[u8])] = &[("content-type", b"application/grpc+proto")];
    answer(&text, &Request { method: "POST", headers, ..get("web", "/") }, |respond| {
        assert_eq!((respond.status, respond.flag, respond.body), (200, "FI", &b""[..]));
        let lines: Vec<(&str, &str)> = respond.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let expected =
            [("content-type", "application/grpc"), ("grpc-status", "14"), ("grpc-message", "fault filter abort")];
        assert_eq!(lines, expected);
    });
    answer(&text, &get("web", "/"), |respond| {
        assert_eq!((respond.status, respond.body), (200, &b"fault filter abort"[..]));
        assert!(respond.headers.is_empty());
    });
}

#[test]
fn s3_9_given_an_http_status_then_grpc_requests_get_the_grpc_status_that_stands_for_it() {
    let headers: &[(&str, &[u8])] = &[("content-type", b"application/grpc")];
    for (status, grpc) in [(400, "13"), (401, "16"), (403, "7"), (404, "12"), (429, "14"), (503, "14"), (500, "2")] {
        let text = ruled(&format!("fault: {{abort: {{httpStatus: {status}, percentage: {{value: 100}}}}}}"));
        answer(&text, &Request { headers, ..get("web", "/") }, |respond| {
            assert_eq!(respond.status, 200);
            assert!(respond.headers.contains(&("grpc-status", grpc.to_owned())), "{status}");
        });
    }
}

#[test]
fn s3_9_given_every_grpc_status_name_then_it_is_known() {
    for name in [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ] {
        let text = ruled(&format!("fault: {{abort: {{grpcStatus: {name}, percentage: {{value: 1}}}}}}"));
        assert!(faults(&text).is_empty(), "{name}");
    }
}

#[test]
fn s3_9_given_values_that_istio_refuses_then_they_are_refused() {
    for (fields, field, problem) in [
        ("fault: {}", "fault", "has neither delay nor abort"),
        ("fault: {abort: {httpStatus: 199, percentage: {value: 1}}}", "fault.abort.httpStatus", "199 is not from 200"),
        ("fault: {abort: {httpStatus: 601, percentage: {value: 1}}}", "fault.abort.httpStatus", "601 is not from 200"),
        (
            "fault: {abort: {grpcStatus: unavailable, percentage: {value: 1}}}",
            "fault.abort.grpcStatus",
            "\"unavailable\" is",
        ),
        (
            "fault: {abort: {http2Error: x, percentage: {value: 1}}}",
            "fault.abort.http2Error",
            "is not supported by Istio",
        ),
        ("fault: {abort: {httpStatus: 500, grpcStatus: OK, percentage: {value: 1}}}", "fault.abort", "has both"),
        (
            "fault: {abort: {httpStatus: 500, percentage: {value: 101}}}",
            "fault.abort.percentage.value",
            "101 is not from 0",
        ),
        (
            "fault: {abort: {httpStatus: 500, percentage: {value: -1}}}",
            "fault.abort.percentage.value",
            "-1 is not from 0",
        ),
        (
            "fault: {abort: {httpStatus: 500, percentage: {value: 0.00005}}}",
            "fault.abort.percentage.value",
            "0.00005 is finer",
        ),
        ("fault: {delay: {fixedDelay: 0s, percentage: {value: 1}}}", "fault.delay.fixedDelay", "is less than 1ms"),
        (
            "fault: {delay: {exponentialDelay: 1s, fixedDelay: 1s, percentage: {value: 1}}}",
            "fault.delay.exponentialDelay",
            "is not supported by Istio",
        ),
    ] {
        let errors = errors(&ruled(fields));
        assert!(
            errors.len() == 1 && errors[0].contains(&format!("spec.http[0].{field}: {problem}")),
            "{fields} {errors:?}"
        );
    }
    assert_eq!(errors(&ruled("fault: {abort: {httpStatus: 500, percentage: {value: 0.0001}}}")), [""; 0]);
}

#[test]
fn s3_9_given_a_fault_without_a_type_then_it_is_accepted_and_does_nothing() {
    for fields in ["fault: {abort: {percentage: {value: 100}}}", "fault: {delay: {percentage: {value: 100}}}"] {
        let text = ruled(fields);
        assert_eq!(errors(&text), [""; 0]);
        assert_eq!(faults(&text).len(), 1, "{fields}");
        assert_eq!(shares(&text), [0.0; 3]);
    }
}
