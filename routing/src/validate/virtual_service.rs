//! VirtualServices.

use super::fields::Fields;
use super::{http, metadata};
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
    let rules = spec.objects("http");
    if rules.is_empty() && !spec.has("tcp") && !spec.has("tls") {
        report.error("spec.http", "is empty", "add a route");
    }
    let http = rules.iter().filter_map(|rule| http::read(rule, object)).collect();
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
        http,
    })
}
