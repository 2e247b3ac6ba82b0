//! The contract's JSON as this command reads it, whoever wrote it: the engine here, or a daemon of another version.

use serde::Deserialize;

/// What the page shows of an explanation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    pub(super) client: Client,
    pub(super) verdict: String,
    pub(super) reason: String,
    pub(super) path: String,
    pub(super) service: Option<Service>,
    pub(super) virtual_service: Option<String>,
    pub(super) http_route: Option<String>,
    pub(super) gateways: Option<Vec<String>>,
    pub(super) rule: Option<Rule>,
    #[serde(default)]
    pub(super) destinations: Vec<Destination>,
    pub(super) pick: Option<Pick>,
    pub(super) request: Option<Request>,
    pub(super) response: Option<Response>,
    pub(super) response_flag: Option<String>,
    pub(super) policy: Option<Policy>,
    #[serde(default)]
    pub(super) not_used: Vec<Loser>,
    pub(super) capture: Option<Capture>,
    #[serde(default)]
    pub(super) skipped: Vec<Judged>,
    pub(super) rules: Option<Vec<Judged>>,
    #[serde(default)]
    pub(super) objects: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Client {
    pub(super) namespace: String,
    pub(super) pod: Option<String>,
    pub(super) captured: bool,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Capture {
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) captured: bool,
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Service {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protocol: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    pub(super) kind: String,
    pub(super) index: usize,
    pub(super) name: Option<String>,
    #[serde(rename = "match")]
    pub(super) entry: Option<usize>,
    pub(super) delegate: Option<Delegate>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delegate {
    pub(super) virtual_service: String,
    pub(super) index: usize,
    #[serde(rename = "match")]
    pub(super) entry: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Judged {
    #[serde(flatten)]
    pub(super) rule: Rule,
    #[serde(default)]
    pub(super) verdict: String,
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Destination {
    pub(super) host: String,
    pub(super) subset: Option<String>,
    pub(super) port: u16,
    pub(super) weight: Option<u32>,
    pub(super) share: f64,
    pub(super) destination_rule: Option<String>,
    #[serde(default)]
    pub(super) endpoints: Vec<String>,
    pub(super) load_balancer: Option<LoadBalancer>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct LoadBalancer {
    pub(super) policy: String,
    pub(super) key: Option<Key>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Key {
    Header(String),
    Cookie(String),
    QueryParameter(String),
    SourceIp(bool),
}

#[derive(Debug, Deserialize)]
pub(super) struct Pick {
    pub(super) subset: Option<String>,
    pub(super) endpoint: String,
    pub(super) pod: Option<String>,
    pub(super) sticky: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) authority: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: Vec<(String, Option<String>)>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) flag: String,
    #[serde(default)]
    pub(super) headers: Vec<(String, String)>,
    #[serde(default)]
    pub(super) body: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    pub(super) timeout_ms: u64,
    pub(super) retries: Option<Retries>,
    pub(super) fault: Option<Fault>,
    #[serde(default)]
    pub(super) mirrors: Vec<Mirror>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    pub(super) delay: Option<Delay>,
    pub(super) abort: Option<Abort>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delay {
    pub(super) fixed_ms: u64,
    pub(super) percent: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Abort {
    pub(super) http_status: Option<u16>,
    pub(super) grpc_status: Option<String>,
    pub(super) percent: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Retries {
    pub(super) attempts: u32,
    pub(super) per_try_timeout_ms: u64,
    #[serde(default)]
    pub(super) retry_on: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Mirror {
    pub(super) host: String,
    pub(super) subset: Option<String>,
    pub(super) percent: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Loser {
    pub(super) object: String,
    pub(super) reason: String,
    pub(super) message: String,
}
