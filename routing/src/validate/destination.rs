//! `destination` of a route or a mirror.

use super::fields::Fields;
use crate::model::{Destination, HeaderOperations, Hostname, ObjectRef};

pub(super) fn read(fields: &Fields<'_>, object: &ObjectRef) -> Option<Destination> {
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
