//! VirtualServices.

use super::fields::Fields;
use super::{http, l4, metadata};
use crate::model::{HostPattern, ObjectRef, VirtualService};

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
    for (path, host) in &hosts {
        if *host == "*" && mesh {
            report.error(
                path,
                "\"*\" is not allowed for mesh clients",
                "name a host, or bind the object to gateways only",
            );
        }
    }
    let rules = ["http", "tls", "tcp"].map(|key| spec.objects(key));
    if rules.iter().all(Vec::is_empty) {
        report.error("spec.http", "is empty", "add a route");
    }
    let [http, tls, tcp] = rules;
    if hosts.is_empty() {
        delegate(&spec, &http);
    }
    let http = http.iter().filter_map(|rule| http::read(rule, object)).collect();
    let names: Vec<&str> = hosts.iter().map(|(_, host)| *host).collect();
    let tls = l4::tls(&tls, object, &names);
    let tcp = l4::tcp(&tcp, object);
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
        http,
        tls,
        tcp,
    })
}

/// Without hosts it is a delegate, which routes for the roots that name it and on nobody else's behalf
/// (istio/istio@86c9f01 pkg/config/validation/validation.go, ValidateVirtualService).
fn delegate(spec: &Fields<'_>, rules: &[Fields<'_>]) {
    for key in ["gateways", "tls", "tcp"].into_iter().filter(|key| spec.has(key)) {
        let problem = "means nothing in an object without hosts, which is a delegate";
        spec.report().error(&spec.path(key), problem, "remove it, or name hosts");
    }
    for rule in rules.iter().filter(|rule| rule.has("delegate")) {
        let problem = "stands in an object without hosts, which is a delegate itself";
        rule.report().error(&rule.path("delegate"), problem, "delegate from a root alone, or name hosts");
    }
}
