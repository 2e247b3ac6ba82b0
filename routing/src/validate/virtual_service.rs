//! VirtualServices.

use super::fields::Fields;
use super::{metadata, string_match};
use crate::model::{
    Destination, FaultInjection, HeaderOperations, HostPattern, Hostname, HttpAction, HttpMatch, HttpRule, ObjectRef,
    Rewrite, Split, VirtualService,
};

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<VirtualService> {
    let report = fields.report();
    let metadata = metadata::read(fields);
    let Some(spec) = fields.object("spec") else {
        report.error("spec", "is missing", "add hosts and http");
        return None;
    };
    let hosts = spec.texts("hosts");
    let gateways = spec.texts("gateways");
    let mesh = gateways.is_empty() || gateways.iter().any(|(_, name)| *name == "mesh");
    if hosts.is_empty() {
        report.error(
            "spec.hosts",
            "is empty",
            "name the hosts whose traffic it routes (delegates are not honoured by this version)",
        );
    }
    for (path, host) in &hosts {
        if *host == "*" && mesh {
            report.error(
                path,
                "\"*\" is not allowed for mesh clients",
                "name a host, or bind the object to gateways only",
            );
        }
    }
    let http = spec.objects("http");
    if http.is_empty() && !spec.has("tcp") && !spec.has("tls") {
        report.error("spec.http", "is empty", "add a route");
    }
    let rules = http.iter().filter_map(|rule| http_rule(rule, object)).collect();
    spec.not_honoured(&["tcp", "tls"]);
    let export_to = metadata::export_to(&spec, &object.namespace);
    spec.finish();
    metadata::finish(fields);
    Some(VirtualService {
        object: object.clone(),
        created: metadata.created,
        hosts: hosts.iter().map(|(_, host)| HostPattern::resolve(host, &object.namespace)).collect(),
        gateways: gateways.iter().map(|(_, name)| Box::from(*name)).collect(),
        mesh,
        export_to,
        http: rules,
    })
}

fn http_rule(rule: &Fields<'_>, object: &ObjectRef) -> Option<HttpRule> {
    for key in ["redirect", "directResponse", "delegate"] {
        if rule.has(key) {
            rule.report().error(&rule.path(key), "is not honoured by this version", "use route, or remove the rule");
        }
    }
    rule.not_honoured(&[
        "rewrite",
        "timeout",
        "retries",
        "fault",
        "mirror",
        "mirrorPercentage",
        "mirrorPercent",
        "mirrors",
        "corsPolicy",
        "headers",
    ]);
    let name = rule.text("name").map(Into::into);
    let matches = rule.objects("match").iter().map(http_match).collect();
    let split = split(rule, object);
    rule.finish();
    Some(HttpRule {
        name,
        matches,
        action: HttpAction::Route(split?),
        rewrite: Rewrite::default(),
        timeout: None,
        retries: None,
        fault: FaultInjection::default(),
        mirrors: Vec::new(),
        cors: None,
        headers: HeaderOperations::default(),
    })
}

fn http_match(entry: &Fields<'_>) -> HttpMatch {
    let ignore_uri_case = entry.boolean("ignoreUriCase").unwrap_or(false);
    let condition = |key, fold| entry.object(key).and_then(|fields| string_match::read(&fields, fold));
    let gateways = entry.texts("gateways");
    let found = HttpMatch {
        name: entry.text("name").map(Into::into),
        uri: condition("uri", ignore_uri_case),
        // Folding has no effect on an expression.
        ignore_uri_case: ignore_uri_case && entry.object("uri").is_some_and(|uri| !uri.has("regex")),
        scheme: None,
        method: condition("method", false),
        authority: condition("authority", false),
        headers: string_match::headers(entry, "headers"),
        without_headers: string_match::headers(entry, "withoutHeaders"),
        query_params: Vec::new(),
        port: entry.port("port"),
        source_labels: entry.labels("sourceLabels"),
        source_namespace: entry.text("sourceNamespace").map(Box::from),
        gateways_list_mesh: (!gateways.is_empty()).then(|| gateways.iter().any(|(_, name)| *name == "mesh")),
    };
    entry.not_honoured(&["statPrefix"]);
    for key in ["queryParams", "scheme"] {
        if entry.has(key) {
            // Ignoring a condition would let the route take requests it must not.
            entry.report().error(&entry.path(key), "is not honoured by this version", "remove the condition");
        }
    }
    entry.finish();
    found
}

/// Istio reads weights only beside others; of several, those of weight 0 are dropped and an all-zero sum is refused.
fn split(rule: &Fields<'_>, object: &ObjectRef) -> Option<Split> {
    let routes = rule.objects("route");
    let mut destinations = Vec::new();
    for route in &routes {
        route.not_honoured(&["headers"]);
        let weight = route.number("weight").unwrap_or(0);
        if let Some(found) = route.object("destination") {
            destinations.extend(destination(&found, object).map(|destination| (weight, destination)));
        } else if !route.has("destination") {
            route.report().error(&route.path("destination"), "is missing", "add destination.host");
        }
        route.finish();
    }
    if routes.is_empty() {
        if !["redirect", "directResponse", "delegate"].iter().any(|key| rule.has(key)) {
            rule.report().error(&rule.path("route"), "is empty", "add a destination");
        }
        return None;
    }
    if routes.len() == 1 {
        return destinations.pop().map(|(_, destination)| Split::Sole(destination));
    }
    destinations.retain(|(weight, _)| *weight > 0);
    if destinations.is_empty() {
        rule.report().error(
            &rule.path("route"),
            "the weights sum to 0",
            "give at least one destination a weight above 0",
        );
        return None;
    }
    Some(Split::Weighted(destinations.into()))
}

fn destination(fields: &Fields<'_>, object: &ObjectRef) -> Option<Destination> {
    let host = fields.text("host").filter(|host| !host.is_empty());
    let port = fields.object("port").and_then(|port| {
        let number = port.port("number");
        port.finish();
        number
    });
    let subset = fields.text("subset").filter(|subset| !subset.is_empty()).map(Box::from);
    fields.finish();
    match host {
        Some(host) if !host.starts_with('*') => Some(Destination {
            host: Hostname::resolve(host, &object.namespace),
            subset,
            port,
            headers: HeaderOperations::default(),
        }),
        Some(host) => {
            fields.report().error(&fields.path("host"), format!("{host:?} is a wildcard"), "name one service");
            None
        }
        None => {
            fields.report().error(&fields.path("host"), "is missing", "name a service");
            None
        }
    }
}
