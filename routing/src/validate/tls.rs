//! `tls` of a traffic policy. An endpoint that expects TLS cannot make sense of plain text, and a client that was promised
//! TLS must not find its requests in the clear or with a stranger: what is not done as written is refused, not reported.

use super::fields::Fields;
use crate::model::{TlsOrigination, Trust, UpstreamTls};

/// A client's own certificate, which only MUTUAL shows.
const OWN: [&str; 2] = ["clientCertificate", "privateKey"];

/// What says how TLS is to be spoken: without it they mean nothing.
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
    let mut tls = UpstreamTls::Plain;
    match fields.text("mode") {
        Some("DISABLE") | None => {}
        Some("SIMPLE") => tls = UpstreamTls::Simple(simple(fields).into()),
        Some("MUTUAL") => report.error(
            &path,
            "MUTUAL asks for TLS with a certificate of the client's, which this version does not show",
            "use SIMPLE, let the application speak TLS itself and remove tls, or export the rule to clients with a sidecar only (exportTo, workloadSelector)",
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
    tls
}

fn simple(fields: &Fields<'_>) -> TlsOrigination {
    let report = fields.report();
    for key in OWN.into_iter().filter(|key| fields.has(key)) {
        let problem = "has no effect: with SIMPLE a client shows no certificate";
        report.warn(&fields.path(key), problem, "remove it, or use MUTUAL where that is spoken");
    }
    for (key, problem) in [
        ("credentialName", "names a secret, which this version does not read"),
        ("caCrl", "names revoked certificates, which this version does not look at"),
    ] {
        if fields.has(key) {
            let remedy = "remove it, and name a file in caCertificates where the system's authorities will not do";
            report.error(&fields.path(key), problem, remedy);
        }
    }
    let written = |key| fields.text(key).filter(|text| !text.is_empty()).map(Box::from);
    let (sni, authorities) = (written("sni"), written("caCertificates"));
    let names: Box<[Box<str>]> = fields.texts("subjectAltNames").into_iter().map(|(_, name)| Box::from(name)).collect();
    if fields.boolean("insecureSkipVerify") != Some(true) {
        return TlsOrigination { sni, trust: Trust::SignedBy { authorities, names } };
    }
    // istio/istio@86c9f01 pkg/config/validation/validation.go, validateTLS
    for (key, is_set) in [("caCertificates", authorities.is_some()), ("subjectAltNames", !names.is_empty())] {
        if is_set {
            let problem = "is set while insecureSkipVerify trusts everybody";
            report.error(&fields.path(key), problem, "keep one");
        }
    }
    TlsOrigination { sni, trust: Trust::Anyone }
}
