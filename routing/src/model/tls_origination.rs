//! A DestinationRule's `tls`: whether connections to endpoints speak TLS, and whom they trust.

use std::sync::Arc;

/// What connections to endpoints speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamTls {
    /// Bytes as they came: `DISABLE`, and `ISTIO_MUTUAL`, which is reported.
    Plain,
    /// TLS with a server that proves who it is: `SIMPLE`.
    Simple(Arc<TlsOrigination>),
}

impl UpstreamTls {
    /// How TLS is spoken, if it is.
    #[must_use]
    pub fn origination(&self) -> Option<&Arc<TlsOrigination>> {
        match self {
            Self::Plain => None,
            Self::Simple(origination) => Some(origination),
        }
    }
}

/// How TLS is spoken to the endpoints of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsOrigination {
    /// `sni`, the name that is asked for; `None`: that of the request's authority, and none for opaque bytes
    /// (istio/istio@86c9f01 pilot/pkg/networking/core/cluster_tls.go, setAutoSniAndAutoSanValidation).
    pub sni: Option<Box<str>>,
    /// Which servers are trusted.
    pub trust: Trust,
}

/// Which servers are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Any: `insecureSkipVerify`.
    Anyone,
    /// Those whose certificate was signed by an authority.
    SignedBy {
        /// `caCertificates`, a file of PEM; `None`: the system's authorities.
        authorities: Option<Box<str>>,
        /// `subjectAltNames`, of which the certificate must have one; empty: the name must be that of the request's
        /// authority, where that is the name that was asked for, and may be any other one where `sni` says what to ask for.
        names: Box<[Box<str>]>,
    },
}
