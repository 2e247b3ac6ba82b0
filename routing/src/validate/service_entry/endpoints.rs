//! The endpoints that a ServiceEntry lists.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::super::fields::Fields;
use super::super::topology;
use super::hosts::is_name;
use super::{EntryPort, Mode};
use crate::model::{Labels, Locality};

/// One entry of `endpoints`.
#[derive(Debug, Clone)]
pub(crate) struct EntryEndpoint {
    pub(crate) address: Address,
    pub(crate) labels: Arc<Labels>,
    pub(crate) locality: Arc<Locality>,
    pub(crate) weight: NonZeroU32,
    /// Ports that differ from the entry's, by its port's name.
    ports: Vec<(Box<str>, u16)>,
}

/// Where an endpoint is.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Ip(IpAddr),
    /// A DNS name.
    Name(Box<str>),
}

impl EntryEndpoint {
    /// The port behind one of the entry's.
    pub(crate) fn port(&self, of: &EntryPort) -> u16 {
        self.ports.iter().find(|(name, _)| *name == of.name).map_or(of.target, |(_, number)| *number)
    }
}

pub(super) fn read(spec: &Fields<'_>, mode: Mode, ports: &[EntryPort]) -> Vec<EntryEndpoint> {
    let written = spec.objects("endpoints");
    let (path, report) = (spec.path("endpoints"), spec.report());
    match mode {
        Mode::None if !written.is_empty() => {
            report.error(&path, "stand beside resolution: NONE", "write resolution: STATIC or DNS, or remove them");
        }
        Mode::DynamicDns if !written.is_empty() => {
            report.error(&path, "stand beside resolution: DYNAMIC_DNS", "write resolution: DNS, or remove them");
        }
        Mode::DnsRoundRobin if written.len() > 1 => {
            report.error(&path, "are more than one", "DNS_ROUND_ROBIN takes none or one: write resolution: DNS");
        }
        _ => {}
    }
    written.iter().filter_map(|entry| endpoint(entry, mode, ports)).collect()
}

fn endpoint(entry: &Fields<'_>, mode: Mode, ports: &[EntryPort]) -> Option<EntryEndpoint> {
    let address = address(entry, mode);
    let own = own_ports(entry, ports);
    let labels = Arc::new(entry.labels("labels"));
    let locality = Arc::new(entry.text("locality").map(topology::written).unwrap_or_default());
    // Zero means unset, as for every integer of Istio's.
    let weight = entry.number("weight").and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    entry.not_honoured(&["network", "serviceAccount"]);
    entry.finish();
    Some(EntryEndpoint { address: address?, labels, locality, weight, ports: own })
}

fn address(entry: &Fields<'_>, mode: Mode) -> Option<Address> {
    let (path, report) = (entry.path("address"), entry.report());
    let Some(text) = entry.text("address").filter(|text| !text.is_empty()) else {
        if !entry.has("network") {
            report.error(&path, "is missing", "write an IP address, or a DNS name with resolution: DNS");
        }
        return None;
    };
    if let Ok(address) = text.parse() {
        return Some(Address::Ip(address));
    }
    if text.starts_with("unix://") {
        report.warn(&path, "a Unix socket is not honoured by this version", "the endpoint is left out");
        return None;
    }
    match mode {
        Mode::Dns | Mode::DnsRoundRobin if is_name(text) => Some(Address::Name(text.into())),
        Mode::Dns | Mode::DnsRoundRobin => {
            report.error(&path, format!("{text:?} is neither a DNS name nor an IP address"), "write one of them");
            None
        }
        _ => {
            report.error(&path, format!("{text:?} is not an IP address"), "write one, or resolution: DNS");
            None
        }
    }
}

fn own_ports(entry: &Fields<'_>, ports: &[EntryPort]) -> Vec<(Box<str>, u16)> {
    let mut own = Vec::new();
    for (path, name, value) in entry.members("ports") {
        let number = value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0);
        let Some(number) = number else {
            entry.report().error(&path, format!("{value} is not a port"), "write a port from 1 to 65535");
            continue;
        };
        if ports.iter().all(|port| &*port.name != name) {
            entry.report().error(&path, format!("{name:?} is no port of the entry"), "name one of spec.ports");
        }
        own.push((name.into(), number));
    }
    own
}
