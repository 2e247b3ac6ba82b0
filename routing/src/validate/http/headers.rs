//! `headers` of a rule or of one of its destinations.

use super::super::fields::{Fields, Report};
use crate::model::{HeaderEdits, HeaderOperations, Segment, Template, Variable};

/// `headers` beside a destination.
pub(super) fn of_destination(route: &Fields<'_>) -> HeaderOperations {
    let (mut operations, authorities) = read(route);
    operations.authority = authorities.into_iter().map(|(_, host)| host).find(|host| !host.is_empty()).map(Box::from);
    operations
}

/// `headers` beside a rule's routes. Host may be written in one place only, `rewrite` included
/// (istio/istio@86c9f01 pkg/config/validation/virtualservice.go, validateAuthorityRewrite).
pub(super) fn of_rule(rule: &Fields<'_>, rewritten: Option<&str>) -> HeaderOperations {
    let (mut operations, authorities) = read(rule);
    let mut written = rewritten.unwrap_or_default();
    for (path, host) in authorities {
        if !written.is_empty() {
            let problem = format!("sets Host, which is already {written:?}");
            rule.report().error(&path, problem, "write it in one place");
        }
        written = host;
    }
    operations.authority = Some(written).filter(|host| !host.is_empty()).map(Box::from);
    operations
}

/// The operations, and what is written for Host: that of `set` before that of `add`.
fn read<'v>(parent: &Fields<'v>) -> (HeaderOperations, Vec<(String, &'v str)>) {
    let mut operations = HeaderOperations::default();
    let mut authorities = Vec::new();
    let Some(headers) = parent.object("headers") else { return (operations, authorities) };
    if let Some(request) = headers.object("request") {
        operations.request = edits(&request, Some(&mut authorities));
    }
    if let Some(response) = headers.object("response") {
        operations.response = edits(&response, None);
    }
    headers.finish();
    (operations, authorities)
}

/// `set`, `add` and `remove`; `authorities` gets what is said of Host, where something may be.
fn edits<'v>(fields: &Fields<'v>, mut authorities: Option<&mut Vec<(String, &'v str)>>) -> HeaderEdits {
    let mut lines = |key| {
        let mut lines = Vec::new();
        for (path, name, value) in fields.members(key) {
            let Some(text) = value.as_str() else {
                fields.report().error(&path, format!("{value} is not text"), "quote it");
                continue;
            };
            let template = template(&path, text, fields.report());
            if authorities.is_some() {
                template.iter().for_each(|template| known_in_requests(&path, template, fields.report()));
            }
            if let Some(authorities) = authorities.as_deref_mut().filter(|_| is_authority(name)) {
                authorities.push((path, text));
            } else if is_name(&path, name, fields.report()) {
                lines.extend(template.map(|template| (name.to_ascii_lowercase().into(), template)));
            }
        }
        lines.sort_by(|(one, _): &(Box<str>, Template), (other, _)| one.cmp(other));
        lines
    };
    let (set, add) = (lines("set"), lines("add"));
    let removed = fields.texts("remove");
    let remove = removed.iter().filter(|(path, name)| is_name(path, name, fields.report()));
    let remove = remove.map(|(_, name)| name.to_ascii_lowercase().into()).collect();
    fields.finish();
    HeaderEdits { remove, set, add }
}

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

/// Istio's webhook looks at the first two alone; Envoy refuses the others with every route of the port.
fn is_name(path: &str, name: &str, report: &Report<'_>) -> bool {
    let problem = if name.eq_ignore_ascii_case("host") {
        "Host cannot be changed here"
    } else if name.starts_with(':') {
        "a pseudo-header cannot be changed"
    } else if !is_token(name) {
        "is no header's name, and Envoy refuses all routes of a port for it"
    } else {
        return true;
    };
    report.error(path, format!("{name:?}: {problem}"), "name an ordinary header");
    false
}

/// What a header's name consists of.
pub(super) fn is_token(name: &str) -> bool {
    let special = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || special(byte))
}

fn template(path: &str, text: &str, report: &Report<'_>) -> Option<Template> {
    if text.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        report.error(path, format!("{text:?} cannot stand in a header"), "remove control characters");
        return None;
    }
    let template = match text.parse::<Template>() {
        Ok(template) => template,
        Err(problem) => {
            let remedy = "Envoy would refuse all routes of a port for it: name a variable it has, or write %% for a percent sign";
            report.error(path, problem, remedy);
            return None;
        }
    };
    for segment in &template.0 {
        let remedy = "it has no effect; the rest of the value applies";
        match segment {
            Segment::Variable(Variable::Nothing(word)) => {
                report.warn(path, format!("%{word}% stands for nothing in this version"), remedy);
            }
            Segment::Variable(Variable::StartTime { format: Some(_) }) => {
                report.warn(path, "a format of START_TIME is not honoured by this version", remedy);
            }
            Segment::Text(_) | Segment::Variable(_) => {}
        }
    }
    Some(template)
}

/// Operations on requests come before an endpoint is chosen and anything is answered.
fn known_in_requests(path: &str, template: &Template, report: &Report<'_>) {
    for segment in &template.0 {
        if let Segment::Variable(
            variable @ (Variable::ResponseHeader { .. }
            | Variable::ResponseCodeDetails
            | Variable::UpstreamHost
            | Variable::UpstreamHostWithoutPort
            | Variable::UpstreamRemotePort),
        ) = segment
        {
            let problem = format!("%{variable}% stands for nothing in a request: it is known when there is an answer");
            report.warn(path, problem, "write it under headers.response");
        }
    }
}
