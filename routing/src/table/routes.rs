//! Where a connection arrives: listeners of single addresses, of a port at every address, and the names behind them.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::compiler::Clusters;
use super::domains::{self, Domains};
use super::filter_chains::{self, FilterChains};
use super::rules::View;
use super::targets::Leg;
use super::virtual_host::{self, VirtualHost};
use crate::decide::Dialled;
use crate::map::HashMap;
use crate::model::{Endpoint, OutboundTraffic, Protocol, Service, ServicePort};

/// One port of a service as a listener has it.
#[derive(Debug, Clone)]
struct Listener {
    protocol: Protocol,
    /// For undeclared ports: the address alone selects the service, whatever the Host.
    host: Arc<VirtualHost>,
    /// For bytes that are not HTTP; none on ports declared HTTP.
    chains: Option<Arc<FilterChains>>,
}

impl Listener {
    /// Takes in a younger service that has the same address and port. Where server names are looked at anyway each name finds
    /// its own service; on a port declared TCP the server may speak first, so that it stays the oldest one's.
    fn join(&mut self, later: &Self) {
        let compatible = self.protocol == Protocol::Tls && matches!(later.protocol, Protocol::Tls | Protocol::Tcp);
        if let (true, Some(chains), Some(others)) = (compatible, &mut self.chains, &later.chains) {
            Arc::make_mut(chains).join(others);
        }
    }
}

/// The part of a table that a change of endpoints leaves as it is.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// ClusterIPs, addresses of ServiceEntries, and pods of headless services.
    addresses: HashMap<Dialled, Listener>,
    /// Ports of services that have no address and are not HTTP: at every address that is nobody's own.
    anywhere: HashMap<u16, Listener>,
    /// Declared HTTP: one set of names per port number, whatever the address.
    ports: HashMap<u16, Domains>,
    /// Pods of headless services on ports declared HTTP: registered, though names alone decide there.
    pods: BTreeSet<(IpAddr, u16)>,
    ruled: BTreeSet<(IpAddr, u16)>,
    ruled_anywhere: BTreeSet<u16>,
    pub(super) outbound: OutboundTraffic,
}

impl Routes {
    pub(super) fn build(view: &View<'_>, clusters: &mut Clusters<'_, '_>) -> Self {
        let ports = domains::build(view, clusters);
        let mut routes = Self {
            ruled_anywhere: ports.iter().filter(|(_, names)| names.rule_strangers()).map(|(port, _)| *port).collect(),
            ports,
            addresses: HashMap::default(),
            anywhere: HashMap::default(),
            pods: BTreeSet::new(),
            ruled: BTreeSet::new(),
            outbound: view.outbound(),
        };
        for service in view.services() {
            for port in &service.ports {
                let host = virtual_host::of_service(view, clusters, service, port);
                let chains =
                    (!port.protocol.is_http()).then(|| filter_chains::of_service(view, clusters, service, port));
                routes.listen(service, port, &Listener { protocol: port.protocol, host, chains });
            }
        }
        routes
    }

    /// The oldest of several services at one address and port is heard, with the server names of the others
    /// (istio/istio@86c9f01 pilot/pkg/networking/core/listener.go, outboundListenerConflict).
    fn listen(&mut self, service: &Service, port: &ServicePort, listener: &Listener) {
        let meant = self.gives_meaning(service, port, listener);
        let addresses = listened(service, port);
        if addresses.is_empty() && !service.headless() {
            if !port.protocol.is_http() {
                heard(self.anywhere.entry(port.number), listener);
            }
            if meant {
                self.ruled_anywhere.insert(port.number);
            }
        }
        for address in addresses {
            if meant {
                self.ruled.insert((address, port.number));
            }
            if service.headless() && port.protocol.is_http() {
                self.pods.insert((address, port.number));
            } else {
                heard(self.addresses.entry(Dialled { address, port: port.number }), listener);
            }
        }
    }

    /// The names of a port declared HTTP.
    pub(super) fn names(&self, port: u16) -> Option<&Domains> {
        self.ports.get(&port)
    }

    pub(super) fn ruled(&self) -> impl Iterator<Item = (IpAddr, u16)> + '_ {
        self.ruled.iter().copied()
    }

    pub(super) fn ruled_anywhere(&self) -> impl Iterator<Item = u16> + '_ {
        self.ruled_anywhere.iter().copied()
    }

    pub(super) fn declared_http(&self) -> impl Iterator<Item = u16> + '_ {
        self.ports.keys().copied()
    }

    /// Addresses and ports that somebody registered.
    pub(super) fn known(&self) -> impl Iterator<Item = (IpAddr, u16)> + '_ {
        self.addresses.keys().map(|dialled| (dialled.address, dialled.port)).chain(self.pods.iter().copied())
    }

    pub(super) fn knows(&self, dialled: Dialled) -> bool {
        self.addresses.contains_key(&dialled) || self.pods.contains(&(dialled.address, dialled.port))
    }

    pub(super) fn is_ruled(&self, dialled: Dialled) -> bool {
        self.ruled.contains(&(dialled.address, dialled.port))
    }

    pub(super) fn is_ruled_anywhere(&self, port: u16) -> bool {
        self.ruled_anywhere.contains(&port)
    }

    pub(super) fn is_declared_http(&self, port: u16) -> bool {
        self.ports.contains_key(&port)
    }

    pub(super) fn is_registry_only(&self) -> bool {
        self.outbound == OutboundTraffic::RegistryOnly
    }

    /// Whether names and rules for every address are without effect here: the listener of the address is its own service's.
    pub(super) fn has_own_meaning(&self, dialled: Dialled) -> bool {
        self.addresses.get(&dialled).is_some_and(|listener| !listener.protocol.is_http())
    }

    pub(super) fn listens(&self, dialled: Dialled) -> bool {
        self.addresses.contains_key(&dialled)
            || self.ports.contains_key(&dialled.port)
            || self.anywhere.contains_key(&dialled.port)
    }

    pub(super) fn is_http_alone(&self, dialled: Dialled) -> bool {
        match self.addresses.get(&dialled) {
            Some(listener) => listener.protocol.is_http(),
            None => self.ports.contains_key(&dialled.port) && !self.anywhere.contains_key(&dialled.port),
        }
    }

    /// As declared for the address, else by what is declared for the port: HTTP and others at every address make one
    /// listener, which looks at the first bytes.
    pub(super) fn treatment(&self, dialled: Dialled) -> Protocol {
        match (self.addresses.get(&dialled), self.anywhere.get(&dialled.port)) {
            (Some(listener), _) => listener.protocol,
            (None, _) if self.ports.contains_key(&dialled.port) => Protocol::Http,
            (None, Some(listener)) => listener.protocol,
            (None, None) => Protocol::Tcp,
        }
    }

    /// At every address HTTP and others make one listener, whose other bytes meet the others' chains.
    pub(super) fn filter_chains(&self, dialled: Dialled) -> Option<&FilterChains> {
        let listener = self.addresses.get(&dialled).or_else(|| self.anywhere.get(&dialled.port))?;
        listener.chains.as_deref()
    }

    pub(super) fn virtual_host(&self, dialled: Dialled, host: &str) -> Option<&VirtualHost> {
        match self.addresses.get(&dialled) {
            Some(Listener { protocol: Protocol::Unknown, host, .. }) => Some(host),
            _ => self.ports.get(&dialled.port)?.find(host),
        }
    }

    /// Where HTTP for the service at an address goes, whatever it asks for.
    pub(super) fn legs(&self, dialled: Dialled) -> impl Iterator<Item = &Leg> {
        let routes = self.addresses.get(&dialled).map(|listener| listener.host.routes.as_slice());
        routes.into_iter().flatten().flat_map(|route| route.action.legs())
    }

    /// Whether a rule stands behind any name of the service: an unregistered host may have taken one of them.
    fn gives_meaning(&self, service: &Service, port: &ServicePort, listener: &Listener) -> bool {
        let Listener { host, chains, .. } = listener;
        let opaque = chains.as_ref().is_some_and(|chains| chains.ruled());
        match port.protocol {
            Protocol::Unknown => host.ruled() || opaque,
            protocol if protocol.is_http() => {
                host.ruled() || self.ports.get(&port.number).is_some_and(|names| names.rule_aside(service))
            }
            _ => opaque,
        }
    }
}

fn heard<K>(place: Entry<'_, K, Listener>, listener: &Listener) {
    match place {
        Entry::Vacant(place) => drop(place.insert_entry(listener.clone())),
        Entry::Occupied(mut place) => place.get_mut().join(listener),
    }
}

/// The addresses that clients of a service dial: its own, or those of its pods when it is headless
/// (istio/istio@86c9f01 pilot/pkg/networking/core/listener.go, buildSidecarOutboundListeners).
fn listened(service: &Service, port: &ServicePort) -> Vec<IpAddr> {
    if service.headless() {
        let of_pod = |endpoint: &Endpoint| [Some(endpoint.address), endpoint.twin].into_iter().flatten();
        return port.endpoints.iter().flat_map(of_pod).map(|address| address.ip()).collect();
    }
    // 0.0.0.0 is no address to dial, it is how every address is written.
    service.addresses.iter().copied().filter(|address| *address != IpAddr::V4(Ipv4Addr::UNSPECIFIED)).collect()
}
