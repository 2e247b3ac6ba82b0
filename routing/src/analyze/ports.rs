//! Service ports that declare no protocol.

use serde_json::Value;

use super::input::Input;
use super::{Findings, code};
use crate::model::{Kind, Protocol};

pub(super) fn find(input: &Input<'_>, findings: &mut Findings) {
    // A ServiceEntry's port has a field for its protocol.
    for service in input.world.services.iter().filter(|service| service.object.kind == Kind::Service) {
        let object = &service.object;
        let ports = input.manifest(object).and_then(|manifest| manifest.body.get("spec")?.get("ports")?.as_array());
        for port in service.ports.iter().filter(|port| port.protocol == Protocol::Unknown) {
            let here = |written: &Value| written.get("port").and_then(Value::as_u64) == Some(port.number.into());
            let Some(index) = ports.and_then(|ports| ports.iter().position(here)) else { continue };
            let (path, what) = match &*port.name {
                "" => (format!("spec.ports[{index}]"), "the port has no name".to_owned()),
                name => (format!("spec.ports[{index}].name"), format!("{name:?} names no protocol")),
            };
            let problem = format!("{what}: on port {} it is detected, and a request's Host is ignored", port.number);
            let remedy = "set appProtocol, or begin the name with http, http2, grpc, tls or tcp";
            findings.add(&code::PORT_NAME, input.place(object, &path), problem, remedy);
        }
    }
}
