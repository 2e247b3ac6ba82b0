//! Cgroups of pods, named as the kubelet and containerd name them.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How long killed processes may take to leave their cgroup.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the kubelet names cgroups (`cgroupDriver`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<uid_with_underscores>.slice/cri-containerd-<id>.scope`
    Systemd,
    /// `kubepods/besteffort/pod<uid>/<id>`
    Cgroupfs,
}

impl Layout {
    /// The cgroup above all pods'.
    pub(crate) fn kubepods(self) -> &'static str {
        match self {
            Self::Systemd => "kubepods.slice",
            Self::Cgroupfs => "kubepods",
        }
    }

    /// A pod's cgroup, below the root.
    pub(crate) fn pod(self, uid: &str) -> PathBuf {
        match self {
            Self::Systemd => {
                let slice = format!("kubepods-besteffort-pod{}.slice", uid.replace('-', "_"));
                Path::new(self.kubepods()).join("kubepods-besteffort.slice").join(slice)
            }
            Self::Cgroupfs => Path::new(self.kubepods()).join("besteffort").join(format!("pod{uid}")),
        }
    }

    /// A container's cgroup, below its pod's.
    pub(crate) fn container(self, id: &str) -> String {
        match self {
            Self::Systemd => format!("cri-containerd-{id}.scope"),
            Self::Cgroupfs => id.to_owned(),
        }
    }
}

/// Where cgroup v2 is mounted.
pub(crate) fn mount() -> anyhow::Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("reading /proc/self/mountinfo")?;
    mounts.lines().find_map(cgroup2_mount).context(
        "cgroup v2 is not mounted: boot with systemd.unified_cgroup_hierarchy=1, or `mount -t cgroup2 none /sys/fs/cgroup`",
    )
}

/// The mount point in one line of mountinfo, if it is cgroup v2's.
fn cgroup2_mount(line: &str) -> Option<PathBuf> {
    // 25 30 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw
    let (mount, source) = line.split_once(" - ")?;
    let is_cgroup2 = source.split(' ').next() == Some("cgroup2");
    mount.split(' ').nth(4).filter(|_| is_cgroup2).map(PathBuf::from)
}

/// Kills every process in the cgroup and below it, and waits until they are gone.
pub(crate) fn kill(cgroup: &Path) -> anyhow::Result<()> {
    fs::write(cgroup.join("cgroup.kill"), "1")
        .with_context(|| format!("killing the processes in {}", cgroup.display()))?;
    let events = cgroup.join("cgroup.events");
    let started = Instant::now();
    while fs::read_to_string(&events).is_ok_and(|text| text.contains("populated 1")) {
        if started.elapsed() > PATIENCE {
            bail!("processes in {} survive their killing", cgroup.display());
        }
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Removes the cgroup and those below it; they hold no process any more.
pub(crate) fn remove(cgroup: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(cgroup).with_context(|| format!("listing {}", cgroup.display()))? {
        let entry = entry.with_context(|| format!("listing {}", cgroup.display()))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup).with_context(|| format!("removing {}", cgroup.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_uid_when_a_cgroup_is_named_then_it_is_as_the_kubelet_names_it() {
        let cases = [
            (
                Layout::Systemd,
                "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0f3e_11.slice",
                "cri-containerd-77aa.scope",
            ),
            (Layout::Cgroupfs, "kubepods/besteffort/pod0f3e-11", "77aa"),
        ];
        for (layout, pod, container) in cases {
            assert_eq!(layout.pod("0f3e-11"), Path::new(pod));
            assert_eq!(layout.container("77aa"), container);
        }
    }

    #[test]
    fn given_a_hybrid_machine_when_mounts_are_read_then_only_version_2_counts() {
        let cases = [
            ("31 24 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu", None),
            (
                "32 24 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 master:1 - cgroup2 cgroup2 rw",
                Some("/sys/fs/cgroup/unified"),
            ),
            ("33 24 0:28 / /tmp rw - tmpfs cgroup2 rw", None),
        ];
        for (line, mount) in cases {
            assert_eq!(cgroup2_mount(line), mount.map(PathBuf::from), "{line}");
        }
    }
}
