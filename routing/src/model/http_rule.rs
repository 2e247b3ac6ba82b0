//! `spec.http` of a VirtualService, and what other front ends make of their routes.

use std::sync::Arc;
use std::time::Duration;

use super::{
    CorsPolicy, DirectResponse, FaultInjection, HeaderMatch, HeaderOperations, Labels, Mirror, QueryMatch, Redirect,
    RetryPolicy, Rewrite, Split, StringMatch,
};

/// One entry of `spec.http`.
#[derive(Debug, Clone)]
pub struct HttpRule {
    /// `name`, may be absent.
    pub name: Option<Arc<str>>,
    /// Entries are ORed; none matches everything.
    pub matches: Vec<HttpMatch>,
    /// What is done with a request.
    pub action: HttpAction,
    /// `rewrite`, before it is sent on.
    pub rewrite: Rewrite,
    /// `timeout`, over all tries; `None`: no limit.
    pub timeout: Option<Duration>,
    /// `retries`; `None`: the default policy.
    pub retries: Option<RetryPolicy>,
    /// `fault`.
    pub fault: FaultInjection,
    /// `mirror` and `mirrors`.
    pub mirrors: Vec<Mirror>,
    /// `corsPolicy`.
    pub cors: Option<Arc<CorsPolicy>>,
    /// `headers` beside the route.
    pub headers: HeaderOperations,
}

impl HttpRule {
    /// `route`, if that is what it does.
    #[must_use]
    pub fn split(&self) -> Option<&Split> {
        match &self.action {
            HttpAction::Route(split) => Some(split),
            HttpAction::Redirect(_) | HttpAction::Respond(_) | HttpAction::Delegate { .. } => None,
        }
    }
}

/// What an entry of `spec.http` does with a request; exactly one is written.
#[derive(Debug, Clone)]
pub enum HttpAction {
    /// `route`.
    Route(Split),
    /// `redirect`.
    Redirect(Redirect),
    /// `directResponse`.
    Respond(DirectResponse),
    /// `delegate`: the routes of another VirtualService, which has no hosts, take its place.
    Delegate {
        /// Its namespace: that of the root, unless written.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
        /// `directResponse` beside it: takes the place of the delegate's destinations.
        answer: Option<DirectResponse>,
    },
}

/// One entry of `match`: every condition must hold.
#[derive(Debug, Clone, Default)]
pub struct HttpMatch {
    /// `name`, may be absent.
    pub name: Option<Arc<str>>,
    /// On the path without query.
    pub uri: Option<StringMatch>,
    /// For exact and prefix `uri`, which are then kept in lower case.
    pub ignore_uri_case: bool,
    /// Against `http`, which is all that plain text can be.
    pub scheme: Option<StringMatch>,
    /// On the method, case-sensitive.
    pub method: Option<StringMatch>,
    /// On the raw Host, port included.
    pub authority: Option<StringMatch>,
    /// All must hold.
    pub headers: Vec<HeaderMatch>,
    /// None may hold.
    pub without_headers: Vec<HeaderMatch>,
    /// All must hold, each on the first value of its parameter, undecoded; the name keeps its case.
    pub query_params: Vec<QueryMatch>,
    /// The dialled port; static.
    pub port: Option<u16>,
    /// Labels the client must carry; static.
    pub source_labels: Labels,
    /// Namespace of the client; static.
    pub source_namespace: Option<Box<str>>,
    /// `None` when `gateways` is absent; otherwise whether it lists `mesh`. When set, source conditions are ignored.
    pub gateways_list_mesh: Option<bool>,
}
