//! One service and its endpoints, as the endpoint controller would put them together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::model::{Endpoint, Hostname, Pod, Pods, Service, ServicePort};
use crate::validate::{EndpointSlice, PortSpec, ServiceSpec, TargetPort};

/// A service has the endpoints of its EndpointSlices, or, when it has none and a selector, those of the pods it selects.
pub(super) fn join(service: &ServiceSpec, pods: &Pods, slices: &[&EndpointSlice]) -> Service {
    let ports = service.ports.iter().map(|port| {
        let endpoints =
            if slices.is_empty() { from_pods(service, port, pods) } else { from_slices(service, port, pods, slices) };
        ServicePort {
            number: port.number,
            name: port.name.clone(),
            protocol: port.protocol,
            endpoints: endpoints.into_values().collect(),
        }
    });
    Service {
        name: service.name.clone(),
        namespace: service.namespace.clone(),
        host: Hostname::service(&service.name, &service.namespace),
        addresses: service.addresses.clone(),
        ports: ports.collect(),
        export_to: service.export_to.clone(),
        created: service.created.clone(),
    }
}

fn from_slices(
    service: &ServiceSpec,
    port: &PortSpec,
    pods: &Pods,
    slices: &[&EndpointSlice],
) -> BTreeMap<SocketAddr, Endpoint> {
    let mut endpoints: BTreeMap<SocketAddr, Endpoint> = BTreeMap::new();
    for slice in slices {
        let Some((_, number)) = slice.ports.iter().find(|(name, _)| *name == port.name) else { continue };
        for entry in &slice.endpoints {
            for ip in &entry.addresses {
                let named = entry.pod.as_ref().and_then(|name| pods.named(&service.namespace, name));
                let pod = named.or_else(|| pods.at(*ip));
                let address = SocketAddr::new(*ip, *number);
                let endpoint = Endpoint {
                    address,
                    labels: pod.map(|pod| Arc::clone(&pod.labels)).unwrap_or_default(),
                    ready: entry.ready,
                    pod: pod.map(|pod| format!("{}/{}", pod.namespace, pod.name).into()),
                    ..Endpoint::new(address)
                };
                take(&mut endpoints, endpoint);
            }
        }
    }
    endpoints
}

fn from_pods(service: &ServiceSpec, port: &PortSpec, pods: &Pods) -> BTreeMap<SocketAddr, Endpoint> {
    let selected = |pod: &&Pod| !pod.completed && service.selects(&pod.labels);
    let endpoint = |pod: &Pod| {
        let number = match &port.target {
            TargetPort::Number(number) => *number,
            TargetPort::Name(name) => *pod.ports.get(name)?,
        };
        let address = SocketAddr::new(*pod.addresses.first()?, number);
        let name = format!("{}/{}", pod.namespace, pod.name).into();
        let ready = pod.ready || service.publish_not_ready;
        let labels = Arc::clone(&pod.labels);
        Some(Endpoint { labels, ready, pod: Some(name), ..Endpoint::new(address) })
    };
    let mut endpoints = BTreeMap::new();
    let selected = pods.of_namespace(&service.namespace).filter(selected);
    selected.filter_map(endpoint).for_each(|endpoint| take(&mut endpoints, endpoint));
    endpoints
}

/// While slices are rewritten, or a pod takes over from another, an address may stand in two places: ready in either is ready.
fn take(endpoints: &mut BTreeMap<SocketAddr, Endpoint>, endpoint: Endpoint) {
    let known = endpoints.entry(endpoint.address).or_insert_with(|| endpoint.clone());
    if endpoint.ready && !known.ready {
        *known = endpoint;
    }
}
