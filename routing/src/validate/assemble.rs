//! Valid objects → one world: services meet their endpoints.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::endpoint_slice::EndpointSlice;
use super::service::{PortSpec, ServiceSpec, TargetPort};
use super::{Object, Valid};
use crate::model::{Endpoint, Hostname, Pod, Service, ServicePort, World};

impl World {
    /// Puts objects together, as the endpoint controller would: a service has the endpoints of its EndpointSlices, or, when
    /// it has none and a selector, those of the pods it selects. The order of objects has no influence.
    #[must_use]
    pub fn assemble<'o>(objects: impl IntoIterator<Item = &'o Valid>) -> Self {
        let mut world = Self::default();
        let (mut services, mut slices) = (Vec::new(), HashMap::<(&str, &str), Vec<&EndpointSlice>>::new());
        for Valid(object) in objects {
            match object {
                Object::Namespace(namespace) => world.namespaces.push(namespace.clone()),
                Object::Pod(pod) => world.pods.push(pod.clone()),
                Object::Service(service) => services.push(service),
                Object::EndpointSlice(slice) => {
                    slices.entry((&slice.namespace, &slice.service)).or_default().push(slice)
                }
                Object::VirtualService(rule) => world.virtual_services.push(rule.clone()),
                Object::DestinationRule(rule) => world.destination_rules.push(rule.clone()),
            }
        }
        let pods = Pods::new(&world.pods);
        let join = |service: &&ServiceSpec| {
            join(service, &pods, slices.get(&(&*service.namespace, &*service.name)).map(Vec::as_slice))
        };
        world.services = services.iter().map(join).collect();
        world
    }
}

/// Pods by what endpoints refer to them with.
struct Pods<'w> {
    all: &'w [Pod],
    by_name: HashMap<(&'w str, &'w str), &'w Pod>,
    by_address: HashMap<IpAddr, &'w Pod>,
}

impl<'w> Pods<'w> {
    fn new(all: &'w [Pod]) -> Self {
        let by_address = all
            .iter()
            .filter(|pod| !pod.host_network && !pod.completed)
            .flat_map(|pod| pod.addresses.iter().map(move |address| (*address, pod)));
        Self {
            all,
            by_name: all.iter().map(|pod| ((&*pod.namespace, &*pod.name), pod)).collect(),
            by_address: by_address.collect(),
        }
    }
}

fn join(service: &ServiceSpec, pods: &Pods<'_>, slices: Option<&[&EndpointSlice]>) -> Service {
    let ports = service.ports.iter().map(|port| {
        let endpoints = match slices {
            Some(slices) => from_slices(service, port, pods, slices),
            None => from_pods(service, port, pods),
        };
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
    pods: &Pods<'_>,
    slices: &[&EndpointSlice],
) -> BTreeMap<SocketAddr, Endpoint> {
    let mut endpoints: BTreeMap<SocketAddr, Endpoint> = BTreeMap::new();
    for slice in slices {
        let Some((_, number)) = slice.ports.iter().find(|(name, _)| *name == port.name) else { continue };
        for entry in &slice.endpoints {
            for ip in &entry.addresses {
                let named = entry.pod.as_ref().and_then(|name| pods.by_name.get(&(&*service.namespace, &**name)));
                let pod = named.or_else(|| pods.by_address.get(ip));
                let address = SocketAddr::new(*ip, *number);
                let endpoint = Endpoint {
                    address,
                    labels: pod.map(|pod| Arc::clone(&pod.labels)).unwrap_or_default(),
                    ready: entry.ready,
                    pod: pod.map(|pod| format!("{}/{}", pod.namespace, pod.name).into()),
                    ..Endpoint::new(address)
                };
                // While slices are rewritten an address may stand in two: ready in either is ready.
                let known = endpoints.entry(address).or_insert_with(|| endpoint.clone());
                if endpoint.ready && !known.ready {
                    *known = endpoint;
                }
            }
        }
    }
    endpoints
}

fn from_pods(service: &ServiceSpec, port: &PortSpec, pods: &Pods<'_>) -> BTreeMap<SocketAddr, Endpoint> {
    let selected = |pod: &&Pod| {
        !service.selector.is_empty()
            && pod.namespace == service.namespace
            && !pod.completed
            && service.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
    };
    let endpoint = |pod: &Pod| {
        let number = match &port.target {
            TargetPort::Number(number) => *number,
            TargetPort::Name(name) => *pod.ports.get(name)?,
        };
        let address = SocketAddr::new(*pod.addresses.first()?, number);
        let name = format!("{}/{}", pod.namespace, pod.name).into();
        let ready = pod.ready || service.publish_not_ready;
        let labels = Arc::clone(&pod.labels);
        Some((address, Endpoint { labels, ready, pod: Some(name), ..Endpoint::new(address) }))
    };
    pods.all.iter().filter(selected).filter_map(endpoint).collect()
}
