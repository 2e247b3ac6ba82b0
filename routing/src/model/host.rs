//! Host names as rules write them and clients send them.

use std::fmt;
use std::sync::Arc;

/// One exact name: lower case, no port, no trailing dot. That of a ServiceEntry may begin with `*`: it then stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hostname(Arc<str>);

impl Hostname {
    /// Folds case and drops a trailing dot; the caller has already removed any port.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().into())
    }

    /// Resolves a name written in an object of `namespace`: without a dot it is a service of that namespace, with a dot it
    /// is taken literally (istio/istio@86c9f01 pilot/pkg/model/config.go, ResolveShortnameToFQDN).
    #[must_use]
    pub fn resolve(name: &str, namespace: &str) -> Self {
        if name.contains('.') || name.contains(':') || name == "*" {
            Self::new(name)
        } else {
            Self::service(name, namespace)
        }
    }

    /// The full name of a Kubernetes service.
    #[must_use]
    pub fn service(name: &str, namespace: &str) -> Self {
        Self::new(&format!("{name}.{namespace}.svc.cluster.local"))
    }

    /// Whether a ServiceEntry has it for all names that end like it.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host of a VirtualService or DestinationRule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// One name.
    Exact(Hostname),
    /// `*.example.com`, kept as `.example.com`; does not match `example.com` itself.
    Suffix(Arc<str>),
    /// `*`.
    Any,
}

impl HostPattern {
    /// Resolves a pattern written in an object of `namespace`.
    #[must_use]
    pub fn resolve(written: &str, namespace: &str) -> Self {
        match Self::literal(written) {
            Self::Exact(_) => Self::Exact(Hostname::resolve(written, namespace)),
            wildcard => wildcard,
        }
    }

    /// A pattern that is no name of an object, such as a server name of TLS: it is taken as it is written.
    #[must_use]
    pub fn literal(written: &str) -> Self {
        match written.strip_prefix('*') {
            Some("") => Self::Any,
            Some(suffix) => Self::Suffix(suffix.to_ascii_lowercase().into()),
            None => Self::Exact(Hostname::new(written)),
        }
    }

    /// Whether `host` is covered.
    #[must_use]
    pub fn covers(&self, host: &Hostname) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Suffix(suffix) => host.as_str().len() > suffix.len() && host.as_str().ends_with(&**suffix),
            Self::Any => true,
        }
    }

    /// Whether every name that `other` covers is covered.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Exact(name)) => self.covers(name),
            (Self::Suffix(suffix), Self::Suffix(other)) => other.ends_with(&**suffix),
            (Self::Exact(_), Self::Suffix(_)) | (Self::Exact(_) | Self::Suffix(_), Self::Any) => false,
        }
    }

    /// Whether some name may be covered by both (istio/istio@86c9f01 pkg/config/host/name.go, Name.Matches).
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Orders patterns by how narrowly they name a host: exact above any wildcard, a longer suffix above a shorter one.
    #[must_use]
    pub fn specificity(&self) -> usize {
        match self {
            Self::Exact(_) => usize::MAX,
            Self::Suffix(suffix) => suffix.len(),
            Self::Any => 0,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}
