//! Section 4.9, and what of 1.9 is neither outlier detection (4.6) nor honoured.

use meshlet_routing::fault::Severity;

use crate::shop::{check, faults, rule};

fn policy(fields: &str) -> String {
    rule(&format!("{{host: web, trafficPolicy: {{{fields}}}}}"))
}

#[test]
fn s4_9_given_a_mode_then_plain_text_is_sent_only_where_it_may_be() {
    for (tls, severity, expected) in [
        ("tls: {mode: DISABLE}", None, ""),
        // Without a mode it is the first of the enum.
        ("tls: {}", None, ""),
        ("tls: {mode: SIMPLE}", Some(Severity::Error), "tls.mode: SIMPLE asks for TLS"),
        (
            "tls: {mode: SIMPLE, sni: a, caCertificates: /c, subjectAltNames: [a]}",
            Some(Severity::Error),
            "tls.mode: SIMPLE asks",
        ),
        ("tls: {mode: MUTUAL, credentialName: c}", Some(Severity::Error), "tls.mode: MUTUAL asks for TLS"),
        (
            "tls: {mode: ISTIO_MUTUAL}",
            Some(Severity::Warning),
            "tls.mode: ISTIO_MUTUAL is not honoured by this version: requests go out in plain text",
        ),
        ("tls: {mode: SOMETIMES}", Some(Severity::Error), "tls.mode: \"SOMETIMES\" is not a mode"),
        (
            "portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]",
            Some(Severity::Error),
            "portLevelSettings[0].tls.mode: SIMPLE",
        ),
    ] {
        let found = faults(&policy(tls));
        assert_eq!(found.len(), usize::from(severity.is_some()), "{tls}: {found:?}");
        assert_eq!(found.first().map(|fault| fault.severity), severity, "{tls}");
        assert!(found.iter().all(|fault| fault.to_string().contains(expected)), "{tls}: {found:?}");
    }
    // The remedy is named, and the rest of a rule that is merely reported applies.
    assert!(faults(&policy("tls: {mode: SIMPLE}"))[0].remedy.contains("let the application speak TLS itself"));
    check(&policy("tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}"), "shop", &[], "Random shop/web");
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
