//! Addresses of pods and Services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Context as _;

use crate::families::{Families, Family};
use crate::names::random;

/// The addresses of one sandbox: for each family a network for pods and one for Services.
#[derive(Debug)]
pub(crate) struct Addresses {
    pods: [u8; 2],
    services: [u8; 2],
    /// The first 48 bits of all IPv6 addresses.
    ula: [u16; 3],
    next_pod: u16,
    next_service: u8,
}

impl Addresses {
    /// IPv4: a random /16 of 10.128.0.0/9 for pods and a random /24 of 10.96.0.0/12, the usual Service network. IPv6: two
    /// subnets of a random unique local /48 (RFC 4193).
    pub(crate) fn new() -> anyhow::Result<Self> {
        let [pods, first, second, a, b, c, d, e] = random::<8>()?;
        Ok(Self {
            pods: [10, pods | 128],
            services: [96 | (first & 15), second],
            // The bit keeps clear of fd6d:6573:686c:6574::/96, whose addresses are the daemon's service ids.
            ula: [u16::from_be_bytes([0xfd, a | 128]), u16::from_be_bytes([b, c]), u16::from_be_bytes([d, e])],
            next_pod: 10,
            next_service: 10,
        })
    }

    /// The node's address at every pod's link, the pods' default gateway for IPv4.
    pub(crate) fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.pods[0], self.pods[1], 0, 1)
    }

    /// Addresses for a new pod, one of each family; never one that an earlier pod had.
    pub(crate) fn pod(&mut self, families: Families) -> anyhow::Result<Vec<IpAddr>> {
        let number = self.next_pod;
        self.next_pod = number.checked_add(1).context("a sandbox has room for 65525 pods")?;
        let [high, low] = number.to_be_bytes();
        let address = |family: &Family| match family {
            Family::V4 => Ipv4Addr::new(self.pods[0], self.pods[1], high, low).into(),
            Family::V6 => self.v6(1, number).into(),
        };
        Ok(families.listed().iter().map(address).collect())
    }

    /// ClusterIPs for a new Service, one of each family.
    pub(crate) fn service(&mut self, families: Families) -> anyhow::Result<Vec<IpAddr>> {
        let number = self.next_service;
        self.next_service = number.checked_add(1).context("a sandbox has room for 245 Services")?;
        let address = |family: &Family| match family {
            Family::V4 => Ipv4Addr::new(10, self.services[0], self.services[1], number).into(),
            Family::V6 => self.v6(2, number.into()).into(),
        };
        Ok(families.listed().iter().map(address).collect())
    }

    fn v6(&self, subnet: u16, number: u16) -> Ipv6Addr {
        let [first, second, third] = self.ula;
        Ipv6Addr::new(first, second, third, subnet, 0, 0, 0, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_sandbox_then_its_addresses_are_of_its_networks_and_never_repeat() {
        let mut addresses = Addresses::new().expect("random bytes");
        let pods = [(); 2].map(|()| addresses.pod(Families::Dual).expect("room"));
        let services = [(); 2].map(|()| addresses.service(Families::Dual).expect("room"));
        assert!(pods[0].iter().all(|first| !pods[1].contains(first)), "{pods:?}");
        assert!(services[0].iter().all(|first| !services[1].contains(first)), "{services:?}");
        let ([IpAddr::V4(pod), IpAddr::V6(pod6)], [IpAddr::V4(service), IpAddr::V6(service6)]) =
            (&pods[0][..], &services[0][..])
        else {
            panic!("IPv4 first: {pods:?} {services:?}")
        };
        assert!(pod.octets()[0] == 10 && pod.octets()[1] >= 128, "{pod}");
        assert_eq!(pod.octets()[..2], addresses.gateway().octets()[..2]);
        assert!(service.octets()[0] == 10 && (96..112).contains(&service.octets()[1]), "{service}");
        assert!(pod6.is_unique_local() && pod6.octets()[1] >= 128, "{pod6}");
        assert_eq!(pod6.segments()[..3], service6.segments()[..3]);
        assert_ne!(pod6.segments()[3], service6.segments()[3]);
    }

    #[test]
    fn given_one_family_then_there_is_one_address_of_it() {
        let mut addresses = Addresses::new().expect("random bytes");
        for (families, v6) in [(Families::V4, false), (Families::V6, true)] {
            for given in [addresses.pod(families).expect("room"), addresses.service(families).expect("room")] {
                assert_eq!(given.iter().map(IpAddr::is_ipv6).collect::<Vec<_>>(), [v6], "{families:?}");
            }
        }
    }
}
