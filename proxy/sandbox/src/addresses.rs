//! Addresses of pods and Services.

use std::net::Ipv4Addr;

use anyhow::Context as _;

use crate::names::random;

/// The addresses of one sandbox: its own network for pods and its own for Services.
#[derive(Debug)]
pub(crate) struct Addresses {
    pods: [u8; 2],
    services: [u8; 2],
    next_pod: u16,
    next_service: u8,
}

impl Addresses {
    /// A random /16 of 10.128.0.0/9 for pods and a random /24 of 10.96.0.0/12, the usual Service network.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let [pods, first, second] = random::<3>()?;
        Ok(Self { pods: [10, pods | 128], services: [96 | (first & 15), second], next_pod: 10, next_service: 10 })
    }

    /// The node's address at every pod's link, the pods' default gateway.
    pub(crate) fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.pods[0], self.pods[1], 0, 1)
    }

    /// An address for a new pod; never one that an earlier pod had.
    pub(crate) fn pod(&mut self) -> anyhow::Result<Ipv4Addr> {
        let [high, low] = self.next_pod.to_be_bytes();
        self.next_pod = self.next_pod.checked_add(1).context("a sandbox has room for 65525 pods")?;
        Ok(Ipv4Addr::new(self.pods[0], self.pods[1], high, low))
    }

    /// A ClusterIP for a new Service.
    pub(crate) fn service(&mut self) -> anyhow::Result<Ipv4Addr> {
        let last = self.next_service;
        self.next_service = last.checked_add(1).context("a sandbox has room for 245 Services")?;
        Ok(Ipv4Addr::new(10, self.services[0], self.services[1], last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_sandbox_then_its_addresses_are_of_the_two_networks_and_never_repeat() {
        let mut addresses = Addresses::new().expect("random bytes");
        let (first, second) = (addresses.pod().expect("room"), addresses.pod().expect("room"));
        assert_ne!(first, second);
        assert!(first.octets()[0] == 10 && first.octets()[1] >= 128, "{first}");
        assert_eq!(first.octets()[..2], addresses.gateway().octets()[..2]);
        let service = addresses.service().expect("room");
        assert!(service.octets()[0] == 10 && (96..112).contains(&service.octets()[1]), "{service}");
    }
}
