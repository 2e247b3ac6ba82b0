//! Refusals name the object, the field, the problem and the remedy; warnings do not refuse.

use super::validate;
use crate::fault::Severity;
use crate::manifest;

fn faults(kind: &str, spec: &str) -> (bool, Vec<String>) {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: x, namespace: n}}\nspec: {spec}\n"
    );
    let parsed = manifest::parse("f.yaml", &text);
    let manifest = parsed.manifests.first().unwrap_or_else(|| panic!("{:?}", parsed.faults));
    let validated = validate(manifest);
    let refused = validated.faults.iter().any(|fault| fault.severity == Severity::Error);
    assert_eq!(refused, validated.valid.is_none(), "{:?}", validated.faults);
    (refused, validated.faults.iter().map(ToString::to_string).collect())
}

fn check(kind: &str, spec: &str, refused: bool, expected: &[&str]) {
    let (was_refused, faults) = faults(kind, spec);
    assert_eq!(was_refused, refused, "{spec}: {faults:?}");
    assert_eq!(faults.len(), expected.len(), "{spec}: {faults:?}");
    for (fault, expected) in faults.iter().zip(expected) {
        let start = format!("f.yaml:4: {kind} n/x: {expected}");
        assert!(fault.starts_with(&start), "{fault}\nexpected {start}");
    }
}

#[test]
fn given_a_virtual_service_with_faults_then_every_one_is_named() {
    let check = |spec, refused, expected| check("VirtualService", spec, refused, expected);
    check("{hosts: [a], http: [{route: [{destination: {host: a}}]}]}", false, &[]);
    check("{http: [{route: [{destination: {}}]}]}", true, &["spec.http[0].route[0].destination.host: is missing"]);
    check(
        "{hosts: ['*'], http: [{route: [{destination: {host: a}}]}]}",
        true,
        &["spec.hosts[0]: \"*\" is not allowed"],
    );
    check("{hosts: [a], http: []}", true, &["spec.http: is empty"]);
    check(
        "{hosts: [a], http: [{route: [{destination: {host: a}}, {destination: {host: b}}]}]}",
        true,
        &["spec.http[0].route: the weights sum to 0"],
    );
    check(
        "{hosts: [a], http: [{match: [{uri: {regex: '('}}], route: [{destination: {host: a}}]}]}",
        true,
        &["spec.http[0].match[0].uri.regex: \"(\": "],
    );
    check(
        "{hosts: [a], http: [{timeout: 0s, route: [{destination: {host: a}}]}]}",
        true,
        &["spec.http[0].timeout: is less than 1ms"],
    );
    check(
        "{hosts: [a], htpp: [], http: [{route: [{destination: {host: a}}]}]}",
        false,
        &["spec.htpp: is not a known field"],
    );
    check(
        "{hosts: [a], http: [{route: [{weight: -1, destination: {host: a}}]}]}",
        true,
        &["spec.http[0].route[0].weight: -1 is not"],
    );
    check("{hosts: [a], http: [{delegate: {name: b}}]}", false, &[]);
    check("{hosts: [1], http: [{route: [{destination: {host: a}}]}]}", true, &["spec.hosts[0]: 1 is not text"]);
}

#[test]
fn given_a_destination_rule_with_faults_then_every_one_is_named() {
    let check = |spec, refused, expected| check("DestinationRule", spec, refused, expected);
    check("{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM}}}", false, &[]);
    check(
        "{subsets: [{name: v1, labels: {version: 1}}]}",
        true,
        &["spec.host: is missing", "spec.subsets[0].labels.version: 1 is not text"],
    );
    check("{host: a, subsets: [{name: v1}, {name: v1}]}", true, &["spec.subsets[1].name: \"v1\" is defined twice"]);
    check(
        "{host: a, trafficPolicy: {loadBalancer: {simple: SOMETHING}}}",
        true,
        &["spec.trafficPolicy.loadBalancer.simple: \"SOMETHING\" is not a load balancer; use"],
    );
    check(
        "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {}}}}",
        true,
        &["spec.trafficPolicy.loadBalancer.consistentHash: names nothing to hash"],
    );
    check(
        "{host: a, trafficPolicy: {proxyProtocol: {version: V1}}}",
        false,
        &["spec.trafficPolicy.proxyProtocol: is not honoured"],
    );
}

#[test]
fn given_a_declared_protocol_then_it_is_read_as_istio_does() {
    use super::service::protocol;
    use crate::model::Protocol::{Grpc, Http, Http2, Tcp, Tls, Unknown};
    for (app_protocol, name, number, expected) in [
        (None, "http", 1, Http),
        (None, "http-web", 1, Http),
        (None, "HTTP2-x", 1, Http2),
        (None, "grpc-web", 1, Grpc),
        (None, "grpc-web-x", 1, Grpc),
        (None, "https", 1, Tls),
        (None, "mysql", 1, Tcp),
        (None, "web", 1, Unknown),
        (None, "", 3306, Tcp),
        (None, "http", 3306, Http),
        (Some("http2"), "tcp", 1, Http2),
        (Some("kubernetes.io/h2c"), "", 1, Http2),
        (Some("kubernetes.io/ws"), "", 1, Http),
        (Some("kubernetes.io/wss"), "", 1, Tls),
        (Some("custom"), "http", 1, Unknown),
    ] {
        assert_eq!(protocol(app_protocol, name, number), expected, "{app_protocol:?} {name} {number}");
    }
}

#[test]
fn given_the_object_of_a_static_pod_then_its_uid_is_the_one_its_cgroup_is_named_after() {
    for (annotations, uid) in [("{}", "api"), ("{kubernetes.io/config.mirror: 9c0f}", "9c0f")] {
        let text = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: shop, uid: api, annotations: {annotations}}}}}"
        );
        let parsed = crate::manifest::parse("m.yaml", &text);
        let valid = validate(parsed.manifests.first().expect("a manifest")).valid.expect("valid");
        let world = crate::model::World::assemble([&valid]);
        assert_eq!(world.pods.first().and_then(|pod| pod.uid.as_deref()), Some(uid));
    }
}
