//! What else is done to requests of a route: limits, further tries, faults and copies.

use std::time::Duration;

use serde::Serialize;

use crate::model::{Abort, FaultInjection};
use crate::table::{Effects, MirrorLeg, Route};

/// What else is done to the request.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct PolicyShown {
    pub timeout_ms: u64,
    pub retries: RetriesShown,
    pub fault: Option<FaultShown>,
    pub mirrors: Vec<MirrorShown>,
}

/// When a request is tried again.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct RetriesShown {
    pub attempts: u32,
    pub per_try_timeout_ms: u64,
    /// Envoy's words, then the statuses that count as failures.
    pub retry_on: Vec<String>,
}

/// What is injected; at least one of both.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct FaultShown {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<DelayShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<AbortShown>,
}

/// An injected delay.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct DelayShown {
    pub fixed_ms: u64,
    pub percent: f64,
}

/// An injected abort, by one of two statuses.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct AbortShown {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<&'static str>,
    pub percent: f64,
}

/// A mirror, whether this request's draw falls within its share or not.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "contract.md describes every field")]
pub struct MirrorShown {
    pub host: String,
    pub subset: Option<String>,
    pub port: u16,
    pub percent: f64,
    pub cluster: String,
}

impl PolicyShown {
    /// That of a route that sends requests on.
    pub(super) fn new(route: &Route) -> Option<Self> {
        let forward = route.action.forward()?;
        let effects: &Effects = &forward.targets.legs().first()?.effects;
        Some(Self {
            timeout_ms: millis(effects.timeout),
            retries: RetriesShown::new(effects),
            fault: FaultShown::new(&route.fault),
            mirrors: forward.mirrors.iter().map(MirrorShown::new).collect(),
        })
    }
}

impl RetriesShown {
    fn new(effects: &Effects) -> Self {
        let policy = &effects.retries;
        let words = policy.on.conditions.iter().map(|condition| condition.as_str().to_owned());
        let retry_on = words.chain(policy.on.status_codes.iter().map(ToString::to_string)).collect();
        Self { attempts: policy.attempts, per_try_timeout_ms: millis(policy.per_try_timeout), retry_on }
    }
}

impl FaultShown {
    fn new(fault: &FaultInjection) -> Option<Self> {
        if fault.delay.is_none() && fault.abort.is_none() {
            return None;
        }
        let delay =
            fault.delay.map(|(fixed, share)| DelayShown { fixed_ms: millis(Some(fixed)), percent: share.as_f64() });
        let abort = fault.abort.map(|(abort, share)| {
            let (http_status, grpc_status) = match abort {
                Abort::Http(status) => (Some(status), None),
                Abort::Grpc(_) => (None, abort.grpc_status()),
            };
            AbortShown { http_status, grpc_status, percent: share.as_f64() }
        });
        Some(Self { delay, abort })
    }
}

impl MirrorShown {
    fn new(mirror: &MirrorLeg) -> Self {
        let (host, port) = (mirror.host.to_string(), mirror.port);
        let subset = mirror.subset.as_deref().map(str::to_owned);
        let cluster = format!("outbound|{port}|{}|{host}", subset.as_deref().unwrap_or_default());
        Self { host, subset, port, percent: mirror.percent.as_f64(), cluster }
    }
}

/// 0 for no limit.
fn millis(limit: Option<Duration>) -> u64 {
    limit.map_or(0, |limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))
}
