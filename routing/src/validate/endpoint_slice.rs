//! EndpointSlices.

use std::net::IpAddr;
use std::sync::Arc;

use super::fields::Fields;
use super::metadata;
use crate::model::ObjectRef;

/// A part of a service's endpoints.
#[derive(Debug, Clone)]
pub(crate) struct EndpointSlice {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    /// Name of the service.
    pub(crate) service: Box<str>,
    /// Name and number of each TCP port; the name is the service port's.
    pub(crate) ports: Vec<(Box<str>, u16)>,
    pub(crate) endpoints: Vec<SliceEndpoint>,
}

/// One entry of `endpoints`.
#[derive(Debug, Clone)]
pub(crate) struct SliceEndpoint {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) ready: bool,
    /// Empty when not known.
    pub(crate) zone: Box<str>,
    pub(crate) node: Option<Arc<str>>,
    /// Name of the pod behind it.
    pub(crate) pod: Option<Box<str>>,
}

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<EndpointSlice> {
    let metadata = metadata::read(fields);
    let Some(service) = metadata.labels.get("kubernetes.io/service-name") else {
        let remedy = "add the name of its Service; until then the slice has no effect";
        fields.report().warn("metadata.labels", "has no kubernetes.io/service-name", remedy);
        return None;
    };
    let ports = fields.objects("ports");
    let tcp = ports.iter().filter(|port| port.text("protocol").is_none_or(|protocol| protocol == "TCP"));
    let ports =
        tcp.filter_map(|port| Some((port.text("name").unwrap_or_default().into(), port.port("port")?))).collect();
    Some(EndpointSlice {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        service: service.clone(),
        ports,
        endpoints: fields.objects("endpoints").iter().filter_map(endpoint).collect(),
    })
}

/// `None` for one that is shutting down: it is not even listed (istio/istio@86c9f01
/// pilot/pkg/serviceregistry/kube/controller/endpointslice.go, endpointHealthStatus). Readiness is asked first: of a service
/// with `publishNotReadyAddresses` Kubernetes calls every endpoint ready to its end.
fn endpoint(fields: &Fields<'_>) -> Option<SliceEndpoint> {
    let mut addresses = Vec::new();
    for (path, text) in fields.texts("addresses") {
        match text.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => fields.report().error(&path, format!("{text:?} is not an IP address"), "write an IP address"),
        }
    }
    let target = fields.object("targetRef").filter(|target| target.text("kind") == Some("Pod"));
    let conditions = fields.object("conditions");
    let condition = |key| conditions.as_ref().and_then(|conditions| conditions.boolean(key));
    // Absent means ready (k8s.io/api discovery/v1, EndpointConditions).
    let ready = condition("ready").unwrap_or(true);
    if !ready && condition("terminating").unwrap_or(false) {
        return None;
    }
    Some(SliceEndpoint {
        addresses,
        ready,
        zone: fields.text("zone").unwrap_or_default().into(),
        node: fields.text("nodeName").map(Arc::from),
        pod: target.and_then(|target| target.text("name")).map(Box::from),
    })
}
