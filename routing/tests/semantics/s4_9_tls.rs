//! Section 4.9, and what of 1.9 is neither outlier detection (4.6) nor honoured.

use std::sync::Arc;

use meshlet_routing::decide::{Connection, ConnectionDecision, Dialled, Towards, decide_connection};
use meshlet_routing::fault::Severity;
use meshlet_routing::model::{TlsOrigination, Trust};
use meshlet_routing::table::{Scope, Table};

use crate::ask::{istio, service, world};
use crate::explained::explained;
use crate::shop::{check, cluster, faults, get, route, routed, rule, table};

fn policy(fields: &str) -> String {
    rule(&format!("{{host: web, trafficPolicy: {{{fields}}}}}"))
}

#[test]
fn s4_9_given_a_mode_then_plain_text_is_sent_only_where_it_may_be() {
    for (tls, severity, expected) in [
        ("tls: {mode: DISABLE}", None, ""),
        // Without a mode it is the first of the enum.
        ("tls: {}", None, ""),
        ("tls: {mode: SIMPLE}", None, ""),
        ("tls: {mode: SIMPLE, sni: a, caCertificates: /c, subjectAltNames: [a], insecureSkipVerify: false}", None, ""),
        ("tls: {mode: SIMPLE, sni: a, insecureSkipVerify: true}", None, ""),
        ("tls: {mode: MUTUAL, credentialName: c}", Some(Severity::Error), "tls.mode: MUTUAL asks for TLS"),
        (
            "tls: {mode: ISTIO_MUTUAL}",
            Some(Severity::Warning),
            "tls.mode: ISTIO_MUTUAL is not honoured by this version: requests go out in plain text",
        ),
        ("tls: {mode: SOMETIMES}", Some(Severity::Error), "tls.mode: \"SOMETIMES\" is not a mode"),
        (
            "portLevelSettings: [{port: {number: 80}, tls: {mode: MUTUAL}}]",
            Some(Severity::Error),
            "portLevelSettings[0].tls.mode: MUTUAL",
        ),
    ] {
        let found = faults(&policy(tls));
        assert_eq!(found.len(), usize::from(severity.is_some()), "{tls}: {found:?}");
        assert_eq!(found.first().map(|fault| fault.severity), severity, "{tls}");
        assert!(found.iter().all(|fault| fault.to_string().contains(expected)), "{tls}: {found:?}");
    }
    // The remedy is named, and the rest of a rule that is merely reported applies.
    assert!(faults(&policy("tls: {mode: MUTUAL}"))[0].remedy.contains("let the application speak TLS itself"));
    check(&policy("tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}"), "shop", &[], "Random shop/web");
}

#[test]
fn s4_9_given_simple_with_what_would_not_be_done_as_written_then_it_is_refused() {
    for (fields, severity, expected) in [
        ("credentialName: c", Severity::Error, "tls.credentialName: names a secret"),
        ("caCrl: /crl", Severity::Error, "tls.caCrl: names revoked certificates"),
        ("insecureSkipVerify: true, caCertificates: /c", Severity::Error, "tls.caCertificates: is set while"),
        ("insecureSkipVerify: true, subjectAltNames: [a]", Severity::Error, "tls.subjectAltNames: is set while"),
        ("subjectAltNames: [1]", Severity::Error, "tls.subjectAltNames[0]: 1 is not text"),
        // It changes nothing about who is spoken to.
        ("clientCertificate: /c", Severity::Warning, "tls.clientCertificate: has no effect"),
        ("privateKey: /k", Severity::Warning, "tls.privateKey: has no effect"),
    ] {
        let found = faults(&policy(&format!("tls: {{mode: SIMPLE, {fields}}}")));
        let [fault] = found.as_slice() else { panic!("{fields}: {found:?}") };
        assert_eq!(fault.severity, severity, "{fields}");
        assert!(fault.to_string().contains(expected), "{fault}");
    }
}

/// What is spoken to subset v1 of `web` on port 8080.
fn spoken(top: &str, subset: &str) -> Option<TlsOrigination> {
    let rules =
        rule(&format!("{{host: web, trafficPolicy: {{{top}}}, subsets: [{{name: v1, trafficPolicy: {{{subset}}}}}]}}"))
            + &route("{destination: {host: web, subset: v1}}");
    cluster(&table(&rules), 8080).expect("a cluster").tls.as_deref().cloned()
}

#[test]
fn s4_9_given_simple_then_tls_is_spoken_with_those_who_are_trusted() {
    let trusted = |authorities: Option<&str>, names: &[&str]| Trust::SignedBy {
        authorities: authorities.map(Box::from),
        names: names.iter().map(|name| Box::from(*name)).collect(),
    };
    for (fields, sni, trust) in [
        ("", None, trusted(None, &[])),
        (", sni: a.example", Some("a.example"), trusted(None, &[])),
        (", sni: '', caCertificates: ''", None, trusted(None, &[])),
        (", caCertificates: /c", None, trusted(Some("/c"), &[])),
        (", subjectAltNames: [a, 'spiffe://b']", None, trusted(None, &["a", "spiffe://b"])),
        (", insecureSkipVerify: true", None, Trust::Anyone),
    ] {
        let expected = TlsOrigination { sni: sni.map(Box::from), trust };
        assert_eq!(spoken(&format!("tls: {{mode: SIMPLE{fields}}}"), "loadBalancer: {}"), Some(expected), "{fields}");
    }
}

#[test]
fn s4_9_given_tls_at_every_level_then_it_is_composed_like_the_other_blocks() {
    let tls = |sni: &str| format!("tls: {{mode: SIMPLE, sni: {sni}}}");
    let at_port = |blocks: &str| format!("portLevelSettings: [{{port: {{number: 8080}}, {blocks}}}]");
    let (balancer, plain) = ("loadBalancer: {simple: RANDOM}", "tls: {mode: DISABLE}");
    for (top, subset, expected) in [
        (tls("top"), balancer.to_owned(), Some("top")),
        (tls("top"), tls("subset"), Some("subset")),
        (tls("top"), plain.to_owned(), None),
        (plain.to_owned(), tls("subset"), Some("subset")),
        // A port's settings replace all of them, set or not.
        (format!("{}, {}", tls("top"), at_port(&tls("port"))), balancer.to_owned(), Some("port")),
        (format!("{}, {}", tls("top"), at_port(balancer)), balancer.to_owned(), None),
        (tls("top"), format!("{}, {}", tls("subset"), at_port(&tls("port"))), Some("port")),
        (tls("top"), format!("{}, {}", tls("subset"), at_port(balancer)), None),
        // In plain text, and that is reported.
        (tls("top"), "tls: {mode: ISTIO_MUTUAL}".to_owned(), None),
    ] {
        let found = spoken(&top, &subset).map(|tls| tls.sni.expect("a name"));
        assert_eq!(found.as_deref(), expected, "{top} | {subset}");
    }
}

#[test]
fn s4_9_given_simple_for_endpoints_that_are_not_chosen_then_connections_to_where_they_dialled_know_of_it() {
    let table = table(&policy("loadBalancer: {simple: PASSTHROUGH}, tls: {mode: SIMPLE, sni: a}"));
    let route = routed(&table, &get("/", &[]), 0);
    assert!(route.towards == Towards::Dialled && route.cluster.tls.is_some());
    let text = service("shop", "db", "clusterIP: 10.96.0.2, ports: [{name: tcp, port: 80}]")
        + &istio(
            "DestinationRule",
            "shop",
            "db",
            "{host: db, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}, tls: {mode: SIMPLE}}}",
        );
    let table = Table::build(&world(&text), &Scope::new("shop".into(), Arc::default()));
    let dialled = Dialled { address: [10, 96, 0, 2].into(), port: 80 };
    let decision = decide_connection(&table, &Connection { dialled, sni: None, source: None }, 0);
    assert!(matches!(decision, ConnectionDecision::Passthrough { tls: Some(_), .. }), "{decision:?}");
}

#[test]
fn s4_9_given_simple_then_explain_shows_it_and_nothing_where_it_is_not_spoken() {
    let of = |tls: &str| {
        let text = service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
            + &istio("DestinationRule", "shop", "web", &format!("{{host: web, trafficPolicy: {{tls: {{{tls}}}}}}}"));
        explained(&text, "shop", "web", crate::ask::get("web", "/"))["destinations"][0].get("tls").cloned()
    };
    assert_eq!(of("mode: SIMPLE"), Some(serde_json::json!({"mode": "SIMPLE"})));
    let all = serde_json::json!({"mode": "SIMPLE", "sni": "a", "caCertificates": "/c", "subjectAltNames": ["b"]});
    assert_eq!(of("mode: SIMPLE, sni: a, caCertificates: /c, subjectAltNames: [b]"), Some(all));
    let anyone = serde_json::json!({"mode": "SIMPLE", "insecureSkipVerify": true});
    assert_eq!(of("mode: SIMPLE, insecureSkipVerify: true"), Some(anyone));
    assert_eq!(of("mode: DISABLE"), None);
    // Alone it is what makes the service a rule's.
    let ruled = table(&policy("tls: {mode: SIMPLE}"));
    assert_eq!(routed(&ruled, &get("/", &[]), 0).reason.as_str(), "DestinationRuleOnly");
}

#[test]
fn s1_9_given_what_is_not_honoured_then_it_is_reported_with_its_path() {
    for field in
        ["tunnel: {targetHost: a.b, targetPort: 80}", "proxyProtocol: {version: V2}", "retryBudget: {percent: 10}"]
    {
        let found = faults(&policy(&format!("{field}, loadBalancer: {{simple: RANDOM}}")));
        let [fault] = found.as_slice() else { panic!("{field}: {found:?}") };
        assert_eq!(fault.severity, Severity::Warning, "{field}");
        let name = field.split(':').next().unwrap_or_default();
        assert!(fault.to_string().contains(&format!("spec.trafficPolicy.{name}: is not honoured")), "{fault}");
    }
    let both = faults(&policy("tunnel: {targetHost: a.b, targetPort: 80}, proxyProtocol: {version: V2}"));
    assert!(
        both.iter()
            .any(|fault| fault.severity == Severity::Error && fault.problem.contains("both tunnel and proxyProtocol"))
    );
}

#[test]
fn s1_9_given_outlier_detection_that_is_wrong_then_the_fault_says_so() {
    for (fields, severity, expected) in [
        ("interval: 0s", Severity::Error, "interval: is less than 1ms"),
        ("baseEjectionTime: 1us", Severity::Error, "baseEjectionTime: is less than 1ms"),
        ("maxEjectionPercent: 101", Severity::Error, "maxEjectionPercent: 101 is no percentage"),
        ("minHealthPercent: 300", Severity::Error, "minHealthPercent: 300 is no percentage"),
        ("consecutive5xxErrors: -1", Severity::Error, "consecutive5xxErrors: -1 is not a whole number"),
        ("consecutiveLocalOriginFailures: 3", Severity::Error, "is set while splitExternalLocalOriginErrors is not"),
        ("consecutiveErrors: 3", Severity::Warning, "consecutiveErrors: is deprecated"),
        ("outlierDetectionHttpErrorCodes: [500]", Severity::Warning, "outlierDetectionHttpErrorCodes: is not honoured"),
    ] {
        let found = faults(&policy(&format!("outlierDetection: {{{fields}}}")));
        let [fault] = found.as_slice() else { panic!("{fields}: {found:?}") };
        assert_eq!(fault.severity, severity, "{fields}");
        assert!(fault.to_string().contains("spec.trafficPolicy.outlierDetection"), "{fault}");
        assert!(fault.to_string().contains(expected), "{fault}");
    }
    assert!(faults(&policy("outlierDetection: {}")).is_empty());
}
