//! One service and its endpoints, as the endpoint controller would put them together.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::model::{Endpoint, Family, Hostname, Locality, Pod, PodAddresses, Resolution, Service, ServicePort, World};
use crate::validate::{EndpointSlice, PortSpec, ServiceSpec, SliceEndpoint, TargetPort};

/// A service has the endpoints of its EndpointSlices, or, when it has none and a selector, those of the pods it selects.
pub(super) fn join(service: &ServiceSpec, world: &World, slices: &[&EndpointSlice]) -> Service {
    let ports = service.ports.iter().map(|port| {
        let endpoints = match slices {
            [] => from_pods(service, port, world),
            slices => twins(from_slices(service, port, world, slices), service),
        };
        ServicePort {
            number: port.number,
            name: port.name.clone(),
            protocol: port.protocol,
            endpoints: endpoints.into_values().collect(),
            names: Arc::default(),
        }
    });
    let object = &service.object;
    Service {
        object: object.clone(),
        name: object.name.clone(),
        namespace: object.namespace.clone(),
        host: Hostname::service(&object.name, &object.namespace),
        addresses: service.addresses.clone(),
        ports: ports.collect(),
        resolution: if service.headless { Resolution::Dialled } else { Resolution::Endpoints },
        aliases: Vec::new(),
        node_local: service.node_local,
        distribution: service.distribution,
        export_to: service.export_to.clone(),
        created: service.created.clone(),
    }
}

fn from_slices(
    service: &ServiceSpec,
    port: &PortSpec,
    world: &World,
    slices: &[&EndpointSlice],
) -> BTreeMap<SocketAddr, Endpoint> {
    let mut endpoints: BTreeMap<SocketAddr, Endpoint> = BTreeMap::new();
    for slice in slices {
        let Some((_, number)) = slice.ports.iter().find(|(name, _)| *name == port.name) else { continue };
        for entry in &slice.endpoints {
            for ip in &entry.addresses {
                let pod = behind(entry, *ip, &service.object.namespace, world);
                let address = SocketAddr::new(*ip, *number);
                let of_pod = pod.map_or_else(|| Endpoint::new(address), |pod| of_pod(pod, address, world));
                let node = entry.node.clone().or(of_pod.node);
                let locality = locality(entry, pod, world);
                take(&mut endpoints, Endpoint { ready: entry.ready, locality, node, ..of_pod });
            }
        }
    }
    endpoints
}

/// A slice speaks of one family: a pod that is listed in both, ready or not in both, is one endpoint, at its address of the
/// service's first family.
fn twins(mut listed: BTreeMap<SocketAddr, Endpoint>, service: &ServiceSpec) -> BTreeMap<SocketAddr, Endpoint> {
    let first = service.families.first().copied().unwrap_or(Family::V4);
    let is_first = |address: &SocketAddr| Family::of(address.ip()) == first;
    let identity = |endpoint: &Endpoint| Some((endpoint.pod.clone()?, endpoint.address.port(), endpoint.ready));
    let others = listed.values().filter(|endpoint| !is_first(&endpoint.address));
    let mut others: HashMap<_, SocketAddr> =
        others.filter_map(|endpoint| Some((identity(endpoint)?, endpoint.address))).collect();
    if others.is_empty() {
        return listed;
    }
    let mut found = Vec::new();
    for endpoint in listed.values_mut().filter(|endpoint| is_first(&endpoint.address)) {
        endpoint.twin = identity(endpoint).and_then(|identity| others.remove(&identity));
        found.extend(endpoint.twin);
    }
    found.iter().for_each(|twin| drop(listed.remove(twin)));
    listed
}

/// The pod at one address of a slice: it is named there, or has the address.
fn behind<'w>(entry: &SliceEndpoint, ip: IpAddr, namespace: &str, world: &'w World) -> Option<&'w Pod> {
    let named = entry.pod.as_ref().and_then(|name| world.pods.named(namespace, name));
    named.or_else(|| world.pods.at(ip))
}

/// In the slice's zone, else where the pod or the node is. A slice names no region.
fn locality(entry: &SliceEndpoint, pod: Option<&Pod>, world: &World) -> Arc<Locality> {
    let known = match pod {
        Some(pod) if *pod.locality != Locality::default() => Arc::clone(&pod.locality),
        _ => world.nodes.locality(entry.node.as_deref().or(pod.and_then(|pod| pod.node.as_deref()))),
    };
    if entry.zone.is_empty() || known.zone == entry.zone {
        return known;
    }
    let region = Some(world.nodes.region(&entry.zone)).filter(|region| !region.is_empty());
    let region = region.unwrap_or_else(|| known.region.clone());
    Arc::new(Locality { region, zone: entry.zone.clone(), sub_zone: Box::default() })
}

fn from_pods(service: &ServiceSpec, port: &PortSpec, world: &World) -> BTreeMap<SocketAddr, Endpoint> {
    let selected = |pod: &&Pod| !pod.completed && service.selects(&pod.labels);
    let endpoint = |pod: &Pod| {
        let number = match &port.target {
            TargetPort::Number(number) => *number,
            TargetPort::Name(name) => *pod.ports.get(name)?,
        };
        let own = PodAddresses::new(&pod.addresses);
        // As the endpoint controller: in the families of the service alone, and a service that names none has the pod's first.
        let default = [Family::of(*pod.addresses.first()?)];
        let families = if service.families.is_empty() { &default[..] } else { &service.families };
        let mut addresses =
            families.iter().filter_map(|family| own.of(*family)).map(|address| SocketAddr::new(address, number));
        let ready = pod.ready || service.publish_not_ready;
        let first = of_pod(pod, addresses.next()?, world);
        Some(Endpoint { ready, twin: addresses.next(), ..first })
    };
    let mut endpoints = BTreeMap::new();
    let selected = world.pods.of_namespace(&service.object.namespace).filter(selected);
    selected.filter_map(endpoint).for_each(|endpoint| take(&mut endpoints, endpoint));
    endpoints
}

/// A pod as an endpoint.
pub(super) fn of_pod(pod: &Pod, address: SocketAddr, world: &World) -> Endpoint {
    Endpoint {
        labels: Arc::clone(&pod.labels),
        ready: pod.ready,
        pod: Some(format!("{}/{}", pod.namespace, pod.name).into()),
        workload: Some(Arc::clone(&pod.workload)),
        locality: world.nodes.of_pod(pod),
        node: pod.node.clone(),
        ..Endpoint::new(address)
    }
}

/// While slices are rewritten, or a pod takes over from another, an address may stand in two places: ready in either is ready.
pub(super) fn take(endpoints: &mut BTreeMap<SocketAddr, Endpoint>, endpoint: Endpoint) {
    let known = endpoints.entry(endpoint.address).or_insert_with(|| endpoint.clone());
    if endpoint.ready && !known.ready {
        *known = endpoint;
    }
}
