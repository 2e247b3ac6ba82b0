//! `destination` of a route or a mirror.

use super::fields::Fields;
use super::names::{is_domain, is_label};
use crate::model::{Destination, HeaderOperations, Hostname, ObjectRef};

pub(super) fn read(fields: &Fields<'_>, object: &ObjectRef) -> Option<Destination> {
    let host = fields.text("host").filter(|host| !host.is_empty());
    let port = fields.object("port").and_then(|port| {
        let number = port.port("number");
        if number.is_none() && !port.has("number") {
            fields.report().error(&port.path("number"), "is missing", "write the service's port, or leave port out");
        }
        port.finish();
        number
    });
    let subset = fields.text("subset").filter(|subset| !subset.is_empty());
    fields.finish();
    if let Some(subset) = subset.filter(|subset| !is_label(subset)) {
        let problem = format!("{subset:?} is no subset's name");
        fields.report().error(&fields.path("subset"), problem, "letters, digits and dashes can stand in it");
    }
    let Some(host) = host else {
        fields.report().error(&fields.path("host"), "is missing", "name a service");
        return None;
    };
    if host == "*" || !is_domain(host) {
        let problem = if host == "*" { "is a wildcard" } else { "is no name of a service" };
        fields.report().error(&fields.path("host"), format!("{host:?} {problem}"), "name one service");
        return None;
    }
    let host = Hostname::resolve(host, &object.namespace);
    Some(Destination { host, subset: subset.map(Box::from), port, headers: HeaderOperations::default() })
}
