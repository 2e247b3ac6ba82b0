//! `tls` of a traffic policy: requests are sent as they came, so only what asks for that can be honoured.

use super::fields::Fields;
use crate::model::UpstreamTls;

/// Fields that say how TLS is to be spoken: without it they mean nothing.
const CREDENTIALS: [&str; 8] = [
    "clientCertificate",
    "privateKey",
    "caCertificates",
    "credentialName",
    "subjectAltNames",
    "sni",
    "insecureSkipVerify",
    "caCrl",
];

pub(super) fn read(fields: &Fields<'_>) -> UpstreamTls {
    for key in CREDENTIALS {
        fields.has(key);
    }
    let (report, path) = (fields.report(), fields.path("mode"));
    match fields.text("mode") {
        Some("DISABLE") | None => {}
        // An endpoint that expects TLS cannot make sense of plain text, and a client that was promised TLS must not find its
        // requests in the clear.
        Some(mode @ ("SIMPLE" | "MUTUAL")) => report.error(
            &path,
            format!("{mode} asks for TLS to the endpoints, which this version does not originate"),
            "let the application speak TLS itself and remove tls, or export the rule to clients with a sidecar only (exportTo, workloadSelector)",
        ),
        Some("ISTIO_MUTUAL") => report.warn(
            &path,
            "ISTIO_MUTUAL is not honoured by this version: requests go out in plain text",
            "servers must accept that (PeerAuthentication PERMISSIVE); the rest of the object applies",
        ),
        Some(other) => report.error(
            &path,
            format!("{other:?} is not a mode"),
            "use DISABLE, SIMPLE, MUTUAL or ISTIO_MUTUAL",
        ),
    }
    fields.finish();
    UpstreamTls::Plain
}
