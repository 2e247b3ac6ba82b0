//! A ServiceEntry → the services it adds, one for each of its hosts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::join::{of_pod, take};
use crate::model::{Endpoint, Hostname, NamedEndpoint, Resolution, Service, ServicePort, World};
use crate::validate::{Address, EntryPort, ServiceEntry};

pub(super) fn services<'e>(entry: &'e ServiceEntry, world: &World) -> impl Iterator<Item = Service> + use<'e> {
    let endpoints: Vec<Arc<[Endpoint]>> = entry.ports.iter().map(|port| endpoints(entry, port, world)).collect();
    entry.hosts.iter().map(move |host| Service {
        object: entry.object.clone(),
        name: Arc::clone(&entry.object.name),
        namespace: Arc::clone(&entry.object.namespace),
        host: host.clone(),
        addresses: entry.addresses.clone(),
        ports: entry
            .ports
            .iter()
            .zip(&endpoints)
            .map(|(port, endpoints)| service_port(entry, host, port, endpoints))
            .collect(),
        resolution: entry.resolution,
        aliases: Vec::new(),
        node_local: false,
        distribution: entry.distribution,
        export_to: entry.export_to.clone(),
        created: entry.created.clone(),
    })
}

fn service_port(entry: &ServiceEntry, host: &Hostname, port: &EntryPort, endpoints: &Arc<[Endpoint]>) -> ServicePort {
    let names = entry.endpoints.iter().filter_map(|endpoint| match &endpoint.address {
        Address::Ip(_) => None,
        Address::Name(name) => {
            let (name, labels) = (name.clone(), Arc::clone(&endpoint.labels));
            Some(NamedEndpoint { name, port: endpoint.port(port), labels })
        }
    });
    let mut names: Vec<NamedEndpoint> = names.collect();
    if entry.resolution == Resolution::Names && entry.endpoints.is_empty() {
        // Without endpoints the host is its own.
        names.push(NamedEndpoint { name: host.as_str().into(), port: port.target, labels: Arc::default() });
    }
    ServicePort {
        number: port.number,
        name: port.name.clone(),
        protocol: port.protocol,
        endpoints: Arc::clone(endpoints),
        names: names.into(),
    }
}

fn endpoints(entry: &ServiceEntry, port: &EntryPort, world: &World) -> Arc<[Endpoint]> {
    let listed = entry.endpoints.iter().filter_map(|endpoint| {
        let Address::Ip(ip) = endpoint.address else { return None };
        let address = SocketAddr::new(ip, endpoint.port(port));
        let (labels, locality) = (Arc::clone(&endpoint.labels), Arc::clone(&endpoint.locality));
        Some(Endpoint { labels, locality, weight: endpoint.weight, ..Endpoint::new(address) })
    });
    let pods = world.pods.of_namespace(&entry.object.namespace).filter(|pod| entry.selects(pod));
    let selected = pods.filter_map(|pod| {
        let address = SocketAddr::new(*pod.addresses.first()?, port.target);
        Some(of_pod(pod, address, world))
    });
    let mut found: BTreeMap<SocketAddr, Endpoint> = BTreeMap::new();
    listed.chain(selected).for_each(|endpoint| take(&mut found, endpoint));
    found.into_values().collect()
}
