//! An access-log line as JSON: Istio's keys and types, and behind them which rule decided.

use std::time::{Instant, SystemTime};

use meshlet_routing::decide::Reason;
use meshlet_routing::table::RuleRef;
use serde::Serialize;

use super::Downstream;
use super::report::{Record, RequestTexts};
use super::route::{Action, Forward, Plan};

/// Istio's keys (istio/istio pilot/pkg/model/telemetry_logging.go, EnvoyJSONLogFormatIstio); what is not there is null.
#[derive(Debug, Serialize)]
struct Line<'l> {
    start_time: String,
    route_name: Option<&'l str>,
    method: Option<&'l str>,
    path: Option<&'l str>,
    protocol: Option<&'static str>,
    response_code: u16,
    response_flags: String,
    response_code_details: Option<&'l str>,
    connection_termination_details: Option<&'l str>,
    bytes_received: u64,
    bytes_sent: u64,
    duration: u64,
    upstream_service_time: Option<String>,
    x_forwarded_for: Option<&'l str>,
    user_agent: Option<&'l str>,
    request_id: Option<&'l str>,
    authority: Option<&'l str>,
    upstream_host: Option<String>,
    upstream_cluster: Option<&'l str>,
    upstream_local_address: Option<String>,
    downstream_local_address: String,
    downstream_remote_address: String,
    requested_server_name: Option<&'l str>,
    upstream_transport_failure_reason: Option<&'l str>,
    virtual_service: Option<&'l str>,
    rule: Option<String>,
    subset: Option<&'l str>,
    reason: Option<&'static str>,
    client_pod: String,
}

/// The line of one request or opaque connection.
pub(super) fn line(downstream: &Downstream, record: &Record<'_>, now: Instant, wall: SystemTime) -> String {
    let Downstream { pod, dialled, peer, .. } = downstream;
    let nothing = RequestTexts::default();
    let request = record.request.as_ref().unwrap_or(&nothing);
    let (rule, subset, reason) = decided(record);
    let rule = rule.filter(|(_, rule)| rule.virtual_service.is_some());
    let line = Line {
        start_time: record.start(now, wall).to_string(),
        route_name: some(record.route),
        method: some(&request.method),
        path: some(&request.path),
        protocol: record.protocol(),
        response_code: record.code,
        response_flags: record.flags.to_string(),
        response_code_details: some(&record.details),
        connection_termination_details: None,
        bytes_received: record.received,
        bytes_sent: record.sent,
        duration: u64::try_from(now.duration_since(record.started).as_millis()).unwrap_or(u64::MAX),
        upstream_service_time: record.service_time.map(|time| time.as_millis().to_string()),
        x_forwarded_for: some(&request.forwarded_for),
        user_agent: some(&request.user_agent),
        request_id: some(&request.request_id),
        authority: some(&request.authority),
        upstream_host: record.upstream.map(|address| address.to_string()),
        upstream_cluster: some(record.cluster),
        upstream_local_address: record.upstream_local.map(|address| address.to_string()),
        downstream_local_address: format!("{}:{}", dialled.address, dialled.port),
        downstream_remote_address: peer.to_string(),
        requested_server_name: record.server_name,
        upstream_transport_failure_reason: record.failure.as_deref(),
        virtual_service: rule.and_then(|(_, rule)| rule.virtual_service.as_deref()),
        rule: rule.map(|(list, rule)| format!("{list}[{}]", rule.index)),
        subset,
        reason: reason.map(Reason::as_str),
        client_pod: format!("{}/{}", pod.client.namespace, pod.client.pod),
    };
    let mut text = serde_json::to_string(&line).expect("text and numbers are always JSON");
    text.push('\n');
    text
}

/// The rule, with the list that it is in, the subset and the reason.
fn decided<'r>(record: &'r Record<'_>) -> (Option<(&'static str, &'r RuleRef)>, Option<&'r str>, Option<Reason>) {
    match (record.plan, record.decided) {
        (Some(plan), _) => (plan.rule.as_deref().map(|rule| ("http", rule)), subset(plan), Some(plan.reason)),
        (None, Some(decided)) => {
            (decided.rule.map(|(kind, rule)| (kind.as_str(), rule)), decided.subset, Some(decided.reason))
        }
        (None, None) => (None, None, None),
    }
}

fn subset(plan: &Plan) -> Option<&str> {
    match &plan.action {
        Action::Forward(Forward { target, .. }) => target.cluster()?.subset.as_deref(),
        Action::Answer(_) => None,
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use meshlet_routing::table::RuleKind;

    use super::super::report::{Decided, tests::downstream};
    use super::*;

    #[test]
    fn given_a_connection_then_its_line_names_the_rule_the_subset_and_the_server_name() {
        let now = Instant::now();
        let rule = RuleRef { virtual_service: Some("shop/db".into()), index: 2, ..RuleRef::default() };
        let own = RuleRef::default();
        for (rule, expected) in [
            (
                Some((RuleKind::Tls, &rule)),
                serde_json::json!(["shop/db", "tls[2]", "v1", "VirtualServiceRule", "db.example"]),
            ),
            (Some((RuleKind::Tcp, &own)), serde_json::json!([null, null, "v1", "VirtualServiceRule", "db.example"])),
            (None, serde_json::json!([null, null, "v1", "VirtualServiceRule", "db.example"])),
        ] {
            let mut record = Record::new(now, "outbound|8080|v1|db", "");
            record.decided = Some(Decided { rule, subset: Some("v1"), reason: Reason::VirtualServiceRule });
            record.server_name = Some("db.example");
            let line = line(&downstream(now), &record, now, UNIX_EPOCH);
            let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            let found =
                ["virtual_service", "rule", "subset", "reason", "requested_server_name"].map(|key| line[key].clone());
            assert_eq!(serde_json::Value::from(found.to_vec()), expected);
        }
    }
}
