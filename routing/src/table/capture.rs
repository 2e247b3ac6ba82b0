//! Which connections are handed to the proxy: what one scope means by an address and port, and what a node's hooks are told
//! for all its scopes together.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::Table;
use crate::decide::Dialled;

/// Which connections of captured pods are captured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capture {
    /// Those to addresses that a rule of any captured pod of the node gives a meaning to, and those to any address on a port
    /// for which a rule names a host that has none.
    #[default]
    Ruled,
    /// Those as well whose port number is declared HTTP, whatever the address: there Host decides.
    Ports,
}

impl Capture {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ruled => "ruled",
            Self::Ports => "ports",
        }
    }
}

/// Why a scope has a connection captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A rule is for the address.
    Ruled,
    /// A rule is for a name on this port whose addresses nobody knows.
    AnyAddress,
    /// The port is declared HTTP.
    Declared,
    /// Nobody registered the address, and REGISTRY_ONLY does not let it pass.
    Unregistered,
}

impl Meaning {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ruled => "a rule gives the address a meaning",
            Self::AnyAddress => "a rule on the port is for a name without addresses, so every address may be meant",
            Self::Declared => "the port is declared HTTP",
            Self::Unregistered => "nobody registered the address, and the mode is REGISTRY_ONLY",
        }
    }
}

impl Table {
    /// Why connections to an address and port are captured; `None` where they stay native. What is meant for every address
    /// is not meant for loopback, which is no way out of a pod.
    #[must_use]
    pub fn captures(&self, dialled: Dialled, capture: Capture) -> Option<Meaning> {
        let routes = &*self.routes;
        if routes.is_ruled(dialled) {
            Some(Meaning::Ruled)
        } else if dialled.address.is_loopback() || routes.has_own_meaning(dialled) {
            None
        } else if routes.is_ruled_anywhere(dialled.port) {
            Some(Meaning::AnyAddress)
        } else if capture == Capture::Ports && routes.is_declared_http(dialled.port) {
            Some(Meaning::Declared)
        } else {
            (routes.is_registry_only() && !routes.knows(dialled)).then_some(Meaning::Unregistered)
        }
    }
}

/// What the hooks of a node capture: whatever some scope of its captured pods does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// Addresses and ports.
    pub addresses: BTreeSet<(IpAddr, u16)>,
    /// Ports at every address that is not native.
    pub ports: BTreeSet<u16>,
    /// Whether every address and port that is not native is captured.
    pub everything: bool,
    /// Addresses and ports that `ports` and `everything` would take and no scope captures.
    pub native: BTreeSet<(IpAddr, u16)>,
}

impl Captured {
    /// For clients of these tables.
    #[must_use]
    pub fn of<'t>(tables: impl Iterator<Item = &'t Table> + Clone, capture: Capture) -> Self {
        let mut captured = Self::default();
        for Table { routes, .. } in tables.clone() {
            captured.everything |= routes.is_registry_only();
            captured.ports.extend(routes.ruled_anywhere());
            if capture == Capture::Ports {
                captured.ports.extend(routes.declared_http());
            }
            captured.addresses.extend(routes.ruled());
        }
        for (address, port) in tables.clone().flat_map(|table| table.routes.known()) {
            let (dialled, wildcard) =
                (Dialled { address, port }, captured.everything || captured.ports.contains(&port));
            if wildcard && tables.clone().all(|table| table.captures(dialled, capture).is_none()) {
                captured.native.insert((address, port));
            }
        }
        captured
    }

    /// Whether connections to an address and port are captured.
    #[must_use]
    pub fn holds(&self, Dialled { address, port }: Dialled) -> bool {
        let wildcard = self.everything || self.ports.contains(&port);
        let exempt = address.is_loopback() || self.native.contains(&(address, port));
        self.addresses.contains(&(address, port)) || (wildcard && !exempt)
    }
}

/// Addresses, ports at every address, and everything, as `10.96.0.1:80 *:443 *:*`.
impl fmt::Display for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses.iter().map(|(address, port)| SocketAddr::new(*address, *port).to_string());
        let ports = self.ports.iter().map(|port| format!("*:{port}"));
        let everything = self.everything.then(|| "*:*".to_owned());
        f.write_str(&addresses.chain(ports).chain(everything).collect::<Vec<String>>().join(" "))
    }
}
