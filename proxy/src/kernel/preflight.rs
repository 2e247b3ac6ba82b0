//! What a node must have, said before anything is touched: what is missing and how to get it.

use std::fs;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::sys;

/// Oldest kernel the hooks load on: the coarse clock (5.11), the netns cookie for user space (5.14).
const OLDEST: (u32, u32) = (5, 15);
/// Capabilities the daemon uses, by bit (linux include/uapi/linux/capability.h), with what for.
const CAPABILITIES: [(u32, &str, &str); 4] = [
    (39, "CAP_BPF", "load programs and create maps"),
    (12, "CAP_NET_ADMIN", "attach programs and mark its own sockets"),
    (21, "CAP_SYS_ADMIN", "enter the pods' network namespaces"),
    (19, "CAP_SYS_PTRACE", "find the pods' network namespaces in /proc"),
];
/// The hooks' attach types (linux include/uapi/linux/bpf.h, enum bpf_attach_type).
const ATTACH_TYPES: [(u32, &str); 4] = [(10, "connect4"), (11, "connect6"), (29, "getpeername4"), (30, "getpeername6")];
/// `f_type` of cgroup v2 (linux include/uapi/linux/magic.h).
const CGROUP2_MAGIC: i64 = 0x6367_7270;
const BPF_F_ALLOW_MULTI: u32 = 2;

/// The running kernel's release, such as `6.12.4-amd64`.
pub(crate) fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Refuses kernels the object does not load on.
pub(crate) fn check_kernel(release: &str) -> anyhow::Result<()> {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < OLDEST {
        bail!("kernel {release} is too old: meshlet needs Linux {}.{} or newer on this node", OLDEST.0, OLDEST.1);
    }
    Ok(())
}

/// This process's effective capabilities, a bit each.
pub(crate) fn capabilities() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .context("/proc/self/status has no CapEff line")
}

/// Names every capability that is missing.
pub(crate) fn check_capabilities(effective: u64) -> anyhow::Result<()> {
    let missing: Vec<String> = CAPABILITIES
        .iter()
        .filter(|(bit, ..)| effective & (1 << bit) == 0)
        .map(|(_, name, purpose)| format!("{name} (to {purpose})"))
        .collect();
    if !missing.is_empty() {
        bail!(
            "missing capabilities: {}; run as root, or add them to securityContext.capabilities.add of the DaemonSet",
            missing.join(", ")
        );
    }
    Ok(())
}

/// Where cgroup v2 is mounted, from the mount table: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` on hybrid systems.
pub(crate) fn cgroup2_mount() -> anyhow::Result<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").context("reading /proc/self/mountinfo")?;
    cgroup2_in(&table).context(
        "no cgroup v2 is mounted: boot with systemd.unified_cgroup_hierarchy=1, or mount one \
         (mount -t cgroup2 none DIR) and name it with --cgroup-root",
    )
}

/// Whether `path` lies in a cgroup v2 file system.
pub(crate) fn is_cgroup2(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type == CGROUP2_MAGIC)
}

fn cgroup2_in(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        source.starts_with("cgroup2 ").then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// Programs of one hook at one cgroup.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attached {
    /// `connect4` and so on.
    pub(crate) hook: &'static str,
    /// The cgroup itself, not one above.
    pub(crate) cgroup: PathBuf,
    /// Whether others may be attached beside and below them.
    pub(crate) multi: bool,
    /// In the order they run in.
    pub(crate) programs: Vec<Attachment>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Attachment {
    /// Its id, as bpftool shows it.
    pub(crate) id: u32,
    /// Its name, at most 15 characters; empty when that may not be asked.
    pub(crate) name: String,
}

/// Every program that a connect from below `cgroup` meets, in order: those of deeper cgroups run first.
/// Needs `CAP_NET_ADMIN`.
pub(crate) fn on_the_way(cgroup: &Path) -> Vec<Attached> {
    let mut found = Vec::new();
    for ancestor in cgroup.ancestors() {
        let Ok(directory) = fs::File::open(ancestor) else { break };
        for (attach_type, hook) in ATTACH_TYPES {
            // Above the cgroup mount there is nothing to ask.
            let Ok((flags, ids)) = sys::attached(directory.as_fd(), attach_type) else { return named(found) };
            if !ids.is_empty() {
                let programs = ids.into_iter().map(|id| Attachment { id, name: String::new() }).collect();
                let multi = flags & BPF_F_ALLOW_MULTI != 0;
                found.push(Attached { hook, cgroup: ancestor.to_owned(), multi, programs });
            }
        }
    }
    named(found)
}

/// With the names of programs, as far as the kernel tells them.
fn named(mut found: Vec<Attached>) -> Vec<Attached> {
    let programs = found.iter_mut().flat_map(|attached| &mut attached.programs);
    let mut unnamed: Vec<&mut Attachment> = programs.collect();
    if unnamed.is_empty() {
        return found;
    }
    for loaded in aya::programs::loaded_programs().map_while(Result::ok) {
        for program in unnamed.iter_mut().filter(|program| program.id == loaded.id()) {
            loaded.name_as_str().unwrap_or_default().clone_into(&mut program.name);
        }
    }
    found
}

/// Refuses to attach where a foreign program would be displaced, or would keep ours out: one attached by the legacy call
/// with ALLOW_OVERRIDE is silently replaced for the subtree, one without flags gives EPERM.
pub(super) fn refuse_displaced(cgroup: &Path) -> anyhow::Result<()> {
    match on_the_way(cgroup).iter().find(|attached| !attached.multi) {
        None => Ok(()),
        Some(attached) => bail!("{}", displaced(attached)),
    }
}

/// What is wrong with programs that are not attached as "multi", and what to do.
pub(crate) fn displaced(attached: &Attached) -> String {
    let (cgroup, hook) = (attached.cgroup.display(), attached.hook);
    format!(
        "cgroup {cgroup} carries a foreign {hook} program that was not attached with the \"multi\" flag: attaching \
         below it would displace it; see `bpftool cgroup show {cgroup}`, and have its owner attach it with \
         BPF_F_ALLOW_MULTI or by a link"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_hybrid_mount_table_when_read_then_the_unified_mount_is_found() {
        let table = "30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                     31 30 0:27 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n\
                     40 30 0:35 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_in(table), Some(PathBuf::from("/sys/fs/cgroup/unified")));
    }

    #[test]
    fn given_no_cgroup2_when_read_then_nothing_is_found() {
        assert_eq!(cgroup2_in("31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"), None);
    }
}
