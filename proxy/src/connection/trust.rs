//! Whether an endpoint is who it has to be, by its certificate.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

/// Which of a certificate's names do.
#[derive(Debug)]
pub(super) enum Names {
    /// Any.
    Any,
    /// One of these: a DNS name as certificates have it, an address, or a URI to the letter.
    OneOf(Box<[Box<str>]>),
    /// The one that was asked for.
    Asked,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Who may have signed; `None`: nothing is checked.
    pub(super) roots: Option<Arc<RootCertStore>>,
    /// Whose it may be.
    pub(super) names: Names,
    /// What signatures are checked with.
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let parsed = ParsedCertificate::try_from(certificate)?;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, self.algorithms.all)?;
            match &self.names {
                Names::Any => {}
                Names::Asked => verify_server_name(&parsed, asked)?,
                Names::OneOf(names) => one_of(certificate, names)?,
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Exact names match the wildcards of a certificate, as in Envoy
/// (envoy source/common/tls/cert_validator/san_matcher.cc, StringSanMatcher).
fn one_of(certificate: &CertificateDer<'_>, names: &[Box<str>]) -> Result<(), Error> {
    let parsed = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let has = |name: &str| {
        let named = ServerName::try_from(name).is_ok_and(|name| parsed.verify_is_valid_for_subject_name(&name).is_ok());
        named || parsed.valid_uri_names().any(|uri| uri == name)
    };
    if names.iter().any(|name| has(name)) { Ok(()) } else { Err(CertificateError::NotValidForName.into()) }
}
