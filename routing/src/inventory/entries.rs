//! A ServiceEntry → the services it adds, one for each of its hosts.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use super::join::{of_pod, take};
use super::names::Names;
use crate::model::{Endpoint, Hostname, NamedEndpoint, Resolution, Service, ServicePort, World};
use crate::validate::{Address, EntryEndpoint, EntryPort, ServiceEntry};

pub(super) fn services<'e>(
    entry: &'e ServiceEntry,
    world: &World,
    resolved: &Names,
) -> impl Iterator<Item = Service> + use<'e> {
    let ports = |host: Option<&Hostname>| -> Vec<ServicePort> {
        entry.ports.iter().map(|port| service_port(entry, host, port, world, resolved)).collect()
    };
    // Without endpoints of its own each host is resolved by itself.
    let by_host = entry.resolves() && entry.endpoints.is_empty();
    let of_hosts: Vec<Vec<ServicePort>> = match by_host {
        true => entry.hosts.iter().map(|host| ports(Some(host))).collect(),
        false => vec![ports(None); entry.hosts.len()],
    };
    entry.hosts.iter().zip(of_hosts).map(|(host, ports)| Service {
        object: entry.object.clone(),
        name: Arc::clone(&entry.object.name),
        namespace: Arc::clone(&entry.object.namespace),
        host: host.clone(),
        addresses: entry.addresses.clone(),
        ports,
        resolution: entry.resolution,
        aliases: Vec::new(),
        node_local: false,
        distribution: entry.distribution,
        export_to: entry.export_to.clone(),
        created: entry.created.clone(),
    })
}

fn service_port(
    entry: &ServiceEntry,
    host: Option<&Hostname>,
    port: &EntryPort,
    world: &World,
    resolved: &Names,
) -> ServicePort {
    let names: Arc<[NamedEndpoint]> = match host {
        Some(host) => [of_host(host, port)].into(),
        None => entry.endpoints.iter().filter_map(|endpoint| of_name(endpoint, port)).collect(),
    };
    let first_alone = entry.resolution == Resolution::FirstOfNames;
    let behind = names.iter().flat_map(|named| {
        let addresses = resolved.addresses(&named.name);
        let used = if first_alone { addresses.len().min(1) } else { addresses.len() };
        addresses[..used].iter().map(|address| of_address(named, *address))
    });
    let mut found: BTreeMap<SocketAddr, Endpoint> = BTreeMap::new();
    listed(entry, port)
        .chain(behind)
        .chain(selected(entry, port, world))
        .for_each(|found_one| take(&mut found, found_one));
    ServicePort {
        number: port.number,
        name: port.name.clone(),
        protocol: port.protocol,
        endpoints: found.into_values().collect(),
        names,
    }
}

/// A host that is its own endpoint.
fn of_host(host: &Hostname, port: &EntryPort) -> NamedEndpoint {
    NamedEndpoint {
        name: host.as_str().into(),
        port: port.target,
        labels: Arc::default(),
        locality: Arc::default(),
        weight: NonZeroU32::MIN,
    }
}

fn of_name(endpoint: &EntryEndpoint, port: &EntryPort) -> Option<NamedEndpoint> {
    let Address::Name(name) = &endpoint.address else { return None };
    Some(NamedEndpoint {
        name: name.clone(),
        port: endpoint.port(port),
        labels: Arc::clone(&endpoint.labels),
        locality: Arc::clone(&endpoint.locality),
        weight: endpoint.weight,
    })
}

fn of_address(named: &NamedEndpoint, address: IpAddr) -> Endpoint {
    let (labels, locality) = (Arc::clone(&named.labels), Arc::clone(&named.locality));
    Endpoint { labels, locality, weight: named.weight, ..Endpoint::new(SocketAddr::new(address, named.port)) }
}

fn listed<'e>(entry: &'e ServiceEntry, port: &'e EntryPort) -> impl Iterator<Item = Endpoint> + use<'e> {
    entry.endpoints.iter().filter_map(|endpoint| {
        let Address::Ip(ip) = endpoint.address else { return None };
        let address = SocketAddr::new(ip, endpoint.port(port));
        let (labels, locality) = (Arc::clone(&endpoint.labels), Arc::clone(&endpoint.locality));
        Some(Endpoint { labels, locality, weight: endpoint.weight, ..Endpoint::new(address) })
    })
}

fn selected<'w>(
    entry: &'w ServiceEntry,
    port: &'w EntryPort,
    world: &'w World,
) -> impl Iterator<Item = Endpoint> + use<'w> {
    let pods = world.pods.of_namespace(&entry.object.namespace).filter(|pod| entry.selects(pod));
    pods.filter_map(|pod| {
        let address = SocketAddr::new(*pod.addresses.first()?, port.target);
        Some(of_pod(pod, address, world))
    })
}
