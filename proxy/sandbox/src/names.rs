//! Everything a sandbox owns is named after its id, so that whoever knows the id can remove it.

use std::fs::File;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::cgroup;

/// The names of one sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    id: String,
    cgroup_mount: PathBuf,
}

impl Names {
    /// Names nobody else uses.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Self::of(hex(&random::<4>()?))
    }

    /// The names of the sandbox `id`.
    pub(crate) fn of(id: String) -> anyhow::Result<Self> {
        Ok(Self { id, cgroup_mount: cgroup::mount()? })
    }

    /// Eight hexadecimal digits.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Manifests, logs and the private BPF file system.
    pub(crate) fn folder(&self) -> PathBuf {
        std::env::temp_dir().join(format!("meshlet-{}", self.id))
    }

    /// Where the private BPF file system is mounted.
    pub(crate) fn bpffs(&self) -> PathBuf {
        self.folder().join("bpf")
    }

    /// The folder that stands for the API server.
    pub(crate) fn manifests(&self) -> PathBuf {
        self.folder().join("manifests")
    }

    /// The cgroup above all others of the sandbox.
    pub(crate) fn cgroup(&self) -> PathBuf {
        self.cgroup_mount.join(format!("meshlet-{}", self.id))
    }

    /// What the names of all network namespaces start with.
    pub(crate) fn netns_prefix(&self) -> String {
        format!("ms{}-", self.id)
    }
}

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

/// A UID as the API server gives one to every object.
pub(crate) fn uid() -> anyhow::Result<String> {
    let text = hex(&random::<16>()?);
    Ok(format!("{}-{}-4{}-a{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..]))
}

/// A container id as containerd gives one.
pub(crate) fn container_id() -> anyhow::Result<String> {
    Ok(hex(&random::<32>()?))
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)).context("reading /dev/urandom")?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

    #[test]
    fn given_a_new_pod_then_its_uid_has_the_shape_of_the_api_servers() {
        let uid = uid().expect("random bytes");
        assert_eq!(uid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{uid}");
    }
}
