//! A pod's own addresses as its network namespace has them: the API tells them only after the pod's first processes run, and a
//! connect may come before.

use std::net::IpAddr;

use anyhow::Context as _;
use meshlet_routing::model::PodAddresses;

/// Where the network of a cluster is, in every pod that has more than one (the CNI's first interface).
const FIRST: &str = "eth0";

/// Of the *calling thread's* network namespace; none while it is being set up.
pub(crate) fn own() -> anyhow::Result<PodAddresses> {
    let interfaces = if_addrs::get_if_addrs().context("reading the addresses of a pod's network namespace")?;
    Ok(choose(interfaces.iter().map(|interface| (&*interface.name, interface.ip()))))
}

/// Those of `eth0`, else of the first interface that has any: global ones alone.
fn choose<'i>(interfaces: impl Iterator<Item = (&'i str, IpAddr)>) -> PodAddresses {
    let global: Vec<_> = interfaces.filter(|(_, address)| is_global(*address)).collect();
    let named = |name: &str| -> Vec<IpAddr> {
        global.iter().filter(|(interface, _)| *interface == name).map(|(_, address)| *address).collect()
    };
    let of_first = named(FIRST);
    match global.first() {
        Some((other, _)) if of_first.is_empty() => PodAddresses::new(&named(other)),
        _ => PodAddresses::new(&of_first),
    }
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_interfaces_then_those_of_eth0_come_first_and_only_global_addresses_count() {
        for (interfaces, expected) in [
            (&[("lo", "127.0.0.1"), ("lo", "::1")][..], &[][..]),
            (
                &[("lo", "127.0.0.1"), ("eth0", "10.1.0.7"), ("eth0", "fe80::7"), ("eth0", "fd00::7")],
                &["10.1.0.7", "fd00::7"],
            ),
            (&[("net1", "192.0.2.1"), ("eth0", "10.1.0.7")], &["10.1.0.7"]),
            (&[("net1", "192.0.2.1"), ("net1", "fd00::1"), ("net2", "192.0.2.9")], &["192.0.2.1", "fd00::1"]),
        ] {
            let parse = |text: &&str| text.parse::<IpAddr>().expect("an address");
            let expected: Vec<IpAddr> = expected.iter().map(parse).collect();
            let chosen = choose(interfaces.iter().map(|(name, address)| (*name, parse(address))));
            assert_eq!(chosen, PodAddresses::new(&expected), "{interfaces:?}");
        }
    }
}
