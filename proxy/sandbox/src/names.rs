//! Everything a sandbox owns is named after its id, so that whoever knows the id can remove it.

use std::fs::File;
use std::io::Read as _;
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

/// A UID as the API server gives one to every object.
pub(crate) fn uid() -> anyhow::Result<String> {
    let text = hex(&random::<16>()?);
    Ok(format!("{}-{}-4{}-a{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..]))
}

/// A container id as containerd gives one.
pub(crate) fn container_id() -> anyhow::Result<String> {
    Ok(hex(&random::<32>()?))
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
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
    fn given_a_new_pod_then_its_uid_has_the_shape_of_the_api_servers() {
        let uid = uid().expect("random bytes");
        assert_eq!(uid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{uid}");
    }
}
