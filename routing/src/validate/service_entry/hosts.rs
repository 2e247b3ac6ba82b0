//! The names and addresses that a ServiceEntry stands for.

use std::net::IpAddr;

use super::super::fields::Fields;
use super::Mode;
use crate::model::Hostname;

pub(super) fn read(spec: &Fields<'_>, mode: Mode) -> Vec<Hostname> {
    let written = spec.texts("hosts");
    if written.is_empty() {
        spec.report().error(&spec.path("hosts"), "is empty", "name the hosts that it stands for");
    }
    let mut hosts = Vec::new();
    for (path, host) in &written {
        match fault(spec, host, mode) {
            Some((problem, remedy)) => spec.report().error(path, problem, remedy),
            None => hosts.push(Hostname::new(host)),
        }
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

fn fault(spec: &Fields<'_>, host: &str, mode: Mode) -> Option<(String, &'static str)> {
    let wildcard = host.starts_with('*');
    if host == "*" {
        return Some(("\"*\" is every host".to_owned(), "name hosts, or write a Sidecar with outboundTrafficPolicy"));
    }
    if !is_name(host.strip_prefix("*.").unwrap_or(host)) {
        return Some((format!("{host:?} is no DNS name"), "write a name, or *. and a name"));
    }
    let by_itself = !spec.has("endpoints");
    match mode {
        Mode::Dns | Mode::DnsRoundRobin if wildcard && by_itself => {
            Some((format!("{host:?} cannot be resolved"), "name endpoints, or write resolution: NONE or DYNAMIC_DNS"))
        }
        Mode::DynamicDns if !wildcard => {
            Some((format!("{host:?} is no wildcard"), "DYNAMIC_DNS is for wildcards: write resolution: DNS"))
        }
        _ => None,
    }
}

/// Labels of letters, digits, dashes and underscores, and dots between them.
pub(super) fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    name.len() <= 255 && name.strip_suffix('.').unwrap_or(name).split('.').all(label)
}

/// Single addresses; a range is reported, since the kernel knows services by their addresses.
pub(super) fn addresses(spec: &Fields<'_>, mode: Mode) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for (path, text) in spec.texts("addresses") {
        match text.split_once('/') {
            None => match text.parse() {
                Ok(address) if !addresses.contains(&address) => addresses.push(address),
                Ok(_) => {}
                Err(_) => spec.report().error(&path, format!("{text:?} is not an IP address"), "write an IP address"),
            },
            Some((address, length)) => match (address.parse::<IpAddr>(), length.parse::<u8>()) {
                (Ok(address), Ok(length)) if length == bits(address) => addresses.push(address),
                (Ok(address), Ok(length)) if length < bits(address) => range(spec, &path, text, mode),
                _ => spec.report().error(&path, format!("{text:?} is no range"), "write ADDRESS/LENGTH"),
            },
        }
    }
    addresses
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn range(spec: &Fields<'_>, path: &str, text: &str, mode: Mode) {
    if matches!(mode, Mode::None | Mode::Static) {
        let problem = format!("{text}: a range of addresses is not honoured by this version");
        spec.report().warn(path, problem, "list the addresses that clients dial; names still apply on HTTP ports");
    } else {
        let remedy = "Istio takes ranges with resolution NONE or STATIC: write single addresses";
        spec.report().error(path, format!("{text}: a range cannot stand beside DNS"), remedy);
    }
}
