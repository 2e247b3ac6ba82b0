//! The answer's form: the contract's JSON.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::cluster::{OutlierShown, PlaceShown, PoolShown, TlsShown};
use super::policy::PolicyShown;
use crate::decide::Request;
use crate::enrol::Verdict;
use crate::model::HashKey;
use crate::table::RuleRef;

/// The answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct Explanation {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub client: ClientShown,
    pub verdict: &'static str,
    pub reason: &'static str,
    pub service: Option<ServiceShown>,
    pub virtual_service: Option<String>,
    /// `namespace/name` of the HTTPRoute whose rule took the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_route: Option<String>,
    /// Its `gateways` as written; an empty list stands for `mesh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Vec<Arc<str>>>,
    pub rule: Option<RuleShown>,
    pub destinations: Vec<Destination>,
    pub pick: Option<Pick>,
    pub request: Option<RequestShown>,
    pub response: Option<Answered>,
    /// Envoy's flag of a connection that is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_flag: Option<&'static str>,
    pub policy: Option<PolicyShown>,
    pub path: &'static str,
    pub not_used: Vec<LoserShown>,
    /// What the kernel does with the connection; none when the client is not captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<CaptureShown>,
    /// Rules of the virtual service that were tried before, or all when none took the request, each match by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// All rules of the host in order, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<Judged>>,
    /// Without a request: the objects that the client's requests may meet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<Vec<String>>,
}

/// Who asks.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct ClientShown {
    pub namespace: Arc<str>,
    pub pod: Option<Arc<str>>,
    pub captured: bool,
    pub reason: &'static str,
}

/// Whether a connection of a captured client is handed to the proxy.
#[derive(Debug, Clone, Serialize)]
pub struct CaptureShown {
    /// `ruled` or `ports`.
    pub mode: &'static str,
    /// The address dialled.
    pub address: String,
    /// The port dialled.
    pub port: u16,
    /// Whether it is.
    pub captured: bool,
    /// Why.
    pub message: String,
}

/// Whose names the request used.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct ServiceShown {
    pub host: String,
    pub port: u16,
    pub protocol: &'static str,
}

/// The rule that took the request.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct RuleShown {
    pub kind: &'static str,
    pub index: usize,
    pub name: Option<String>,
    #[serde(rename = "match")]
    pub entry: Option<usize>,
    /// The rule of another object that this one stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegate: Option<DelegateShown>,
}

/// A rule of a delegate.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as those of a rule")]
pub struct DelegateShown {
    pub virtual_service: String,
    pub index: usize,
    #[serde(rename = "match")]
    pub entry: Option<usize>,
}

/// A match that did not take the request.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// Which one.
    #[serde(flatten)]
    pub rule: RuleShown,
    /// The first condition that does not hold.
    pub message: String,
}

/// A match of the host, whether it was tried or not.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// Which one.
    #[serde(flatten)]
    pub rule: RuleShown,
    /// `taken`, `skipped`, `shadowed` (it fits, and an earlier one took the request) or `other` (it is later and does not fit).
    pub verdict: &'static str,
    /// Why.
    pub message: String,
}

/// One destination of the rule.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct Destination {
    pub host: String,
    pub subset: Option<String>,
    pub port: u16,
    /// As written; none for a sole destination.
    pub weight: Option<u32>,
    pub share: f64,
    pub cluster: String,
    pub destination_rule: Option<String>,
    pub endpoints: Vec<String>,
    /// None when there is no such cluster.
    pub load_balancer: Option<LoadBalancerShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_pool: Option<PoolShown>,
    /// Where TLS is spoken to the endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsShown>,
    /// Where the places of endpoints make a difference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locality: Vec<PlaceShown>,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct LoadBalancerShown {
    pub policy: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyShown>,
}

/// What is hashed: `{"header": "foo"}`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub enum KeyShown {
    Header(String),
    Cookie(String),
    QueryParameter(String),
    SourceIp(bool),
}

/// The endpoint that this seed draws.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct Pick {
    pub subset: Option<String>,
    pub endpoint: String,
    /// `namespace/name`, where the endpoint is a pod that is known.
    pub pod: Option<Arc<str>>,
    pub sticky: bool,
}

/// The request as it is sent upstream.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct RequestShown {
    pub method: String,
    pub authority: String,
    pub path: String,
    /// What is added, changed or removed.
    pub headers: Vec<(String, Option<String>)>,
}

/// The proxy's own answer.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct Answered {
    pub status: u16,
    pub flag: &'static str,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// An object that concerns the host and was not used.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct LoserShown {
    pub object: String,
    pub reason: &'static str,
    pub message: String,
}

impl Explanation {
    /// Of a client whose request is not looked at yet: native.
    pub(super) fn new(namespace: &Arc<str>, pod: Option<&Arc<str>>, verdict: Verdict) -> Self {
        let client = ClientShown {
            namespace: Arc::clone(namespace),
            pod: pod.cloned(),
            captured: verdict.captured,
            reason: verdict.reason,
        };
        Self {
            api_version: "meshlet.dev/v1",
            kind: "Explanation",
            client,
            verdict: "bypass",
            reason: verdict.reason,
            service: None,
            virtual_service: None,
            http_route: None,
            gateways: None,
            rule: None,
            destinations: Vec::new(),
            pick: None,
            request: None,
            response: None,
            response_flag: None,
            policy: None,
            path: "native",
            not_used: Vec::new(),
            capture: None,
            skipped: Vec::new(),
            rules: None,
            objects: None,
        }
    }
}

impl KeyShown {
    pub(super) fn new(key: &HashKey) -> Self {
        match key {
            HashKey::Header(name) => Self::Header(name.to_string()),
            HashKey::Cookie(cookie) => Self::Cookie(cookie.name.to_string()),
            HashKey::QueryParameter(name) => Self::QueryParameter(name.to_string()),
            HashKey::SourceIp => Self::SourceIp(true),
        }
    }
}

impl fmt::Display for KeyShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::QueryParameter(name) => write!(f, "query parameter {name}"),
            Self::SourceIp(_) => f.write_str("the client's address"),
        }
    }
}

impl RuleShown {
    pub(super) fn new(kind: &'static str, rule: &RuleRef) -> Self {
        let name = (!rule.name.is_empty()).then(|| rule.name.to_string());
        let delegate = rule.delegate.as_ref().map(|delegate| DelegateShown {
            virtual_service: delegate.virtual_service.to_string(),
            index: delegate.index,
            entry: delegate.entry,
        });
        Self { kind, index: rule.index, name, entry: rule.entry, delegate }
    }
}

impl RequestShown {
    pub(super) fn new(request: &Request<'_>) -> Self {
        Self {
            method: request.method.to_owned(),
            authority: request.authority.to_owned(),
            path: request.path.to_owned(),
            headers: Vec::new(),
        }
    }
}
