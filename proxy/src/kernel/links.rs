//! Attaching at the kubepods cgroup by pinned links, taking over what an earlier daemon pinned, and taking all away.
//!
//! Only links are pinned: a link holds its program and that its maps, so a dead daemon's state stays as it was (refusing
//! under `--failure-policy closed`, inert otherwise), and a new daemon swaps in its own programs one by one.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use aya::programs::CgroupAttachMode;
use aya::programs::links::FdLink;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::load::{HOOKS, Kernel, program};
use super::preflight::refuse_displaced;
use super::sys;

/// `f_type` of a BPF file system (linux include/uapi/linux/magic.h).
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// The four pinned links at one cgroup.
pub(crate) struct Links {
    cgroup: PathBuf,
    id: u64,
    pins: PathBuf,
}

impl Links {
    /// Attaches the programs at `cgroup`, pins under `pins`; links already pinned there for this cgroup get our programs
    /// instead.
    pub(crate) fn attach(kernel: &mut Kernel, cgroup: &Path, pins: &Path) -> anyhow::Result<Self> {
        let directory = fs::File::open(cgroup).with_context(|| format!("opening cgroup {}", cgroup.display()))?;
        let id = directory.metadata()?.ino();
        fs::create_dir_all(pins).with_context(|| format!("creating {}", pins.display()))?;
        for (name, pin) in HOOKS {
            let path = pins.join(pin);
            if take_over(kernel, name, &path, id)? {
                continue;
            }
            let hook = program(&mut kernel.ebpf, name)?;
            // `Single` means multi for links: the kernel wants no flags there (aya#1078).
            let link = hook
                .attach(&directory, CgroupAttachMode::Single)
                .with_context(|| format!("attaching {name} to cgroup {}", cgroup.display()))?;
            let link: FdLink = hook.take_link(link)?.try_into()?;
            link.pin(&path).with_context(|| format!("pinning the link of {name} at {}", path.display()))?;
        }
        Ok(Self { cgroup: cgroup.to_owned(), id, pins: pins.to_owned() })
    }

    /// The cgroup the programs are attached to.
    pub(crate) fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// Whether every link is pinned and still holds the cgroup that now stands at the path. A link outlives its cgroup as a
    /// severed one that does nothing (Calico and Cilium both met it: calico#12801, cilium#48420).
    pub(crate) fn intact(&self) -> bool {
        let standing = fs::metadata(&self.cgroup).is_ok_and(|metadata| metadata.ino() == self.id);
        standing
            && HOOKS.iter().all(|(_, pin)| {
                sys::object_get(&self.pins.join(pin))
                    .and_then(|link| sys::link_cgroup(link.as_fd()))
                    .is_ok_and(|cgroup| cgroup == self.id)
            })
    }

    /// Removes what is pinned for a cgroup that is no more.
    pub(crate) fn discard(self) {
        for (_, pin) in HOOKS {
            // Somebody may have been here before.
            drop(fs::remove_file(self.pins.join(pin)));
        }
        drop(fs::remove_dir(&self.pins));
    }
}

/// Puts our program behind the link pinned at `path`. False when there is none, or only a severed one, now removed.
fn take_over(kernel: &mut Kernel, name: &str, path: &Path, cgroup: u64) -> anyhow::Result<bool> {
    let link = match sys::object_get(path) {
        Ok(link) => link,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("opening the pinned link {}", path.display())),
    };
    let attached = sys::link_cgroup(link.as_fd()).with_context(|| format!("asking the link {}", path.display()))?;
    if attached != cgroup {
        fs::remove_file(path).with_context(|| format!("removing the severed link {}", path.display()))?;
        return Ok(false);
    }
    let hook = program(&mut kernel.ebpf, name)?;
    sys::link_update(link.as_fd(), hook.fd()?.as_fd())
        .with_context(|| format!("putting {name} behind the link {}", path.display()))?;
    Ok(true)
}

/// Whether `path` lies in a BPF file system.
pub(crate) fn is_bpffs(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type == BPF_FS_MAGIC)
}

/// Makes sure a BPF file system is mounted at `path`.
pub(crate) fn mount_bpffs(path: &Path) -> anyhow::Result<()> {
    if is_bpffs(path) {
        return Ok(());
    }
    fs::create_dir_all(path).with_context(|| format!("creating {}", path.display()))?;
    rustix::mount::mount("bpf", path, "bpf", rustix::mount::MountFlags::empty(), None).with_context(|| {
        format!(
            "no BPF file system at {0}: mount one (mount -t bpf bpf {0}) or name another with --bpffs",
            path.display()
        )
    })
}

/// Where one cgroup's links are pinned: named by the cgroup's id, so that several nodes (kind) may share a machine.
pub(crate) fn pin_directory(bpffs: &Path, cgroup: &Path) -> anyhow::Result<PathBuf> {
    let id = fs::metadata(cgroup).with_context(|| format!("reading cgroup {}", cgroup.display()))?.ino();
    Ok(bpffs.join("meshlet").join(id.to_string()))
}

/// Refuses a cgroup where a foreign program would be displaced, and takes the node's lock: held until the returned descriptor closes, however the process ends.
pub(crate) fn lock_node(bpffs: &Path, cgroup: &Path) -> anyhow::Result<(PathBuf, OwnedFd)> {
    refuse_displaced(cgroup)?;
    let pins = pin_directory(bpffs, cgroup)?;
    fs::create_dir_all(&pins).with_context(|| format!("creating {}", pins.display()))?;
    let lock: OwnedFd = fs::File::open(&pins).with_context(|| format!("opening {}", pins.display()))?.into();
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok((pins, lock)),
        Err(Errno::WOULDBLOCK) => {
            bail!("another meshlet already runs for cgroup {}: stop it first", cgroup.display())
        }
        Err(error) => Err(error).with_context(|| format!("locking {}", pins.display())),
    }
}

/// Detaches and unpins everything below `bpffs`/meshlet; returns what was removed. Refuses while a daemon holds it.
pub(crate) fn uninstall(bpffs: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let root = bpffs.join("meshlet");
    let mut removed = Vec::new();
    let nodes = match fs::read_dir(&root) {
        Ok(nodes) => nodes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(removed),
        Err(error) => return Err(error).with_context(|| format!("reading {}", root.display())),
    };
    for node in nodes {
        let node = node?.path();
        let lock = fs::File::open(&node).with_context(|| format!("opening {}", node.display()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(anyhow!("a meshlet still runs and holds {}: stop it first", node.display()));
        }
        for pin in fs::read_dir(&node)? {
            let pin = pin?.path();
            // Unpinned alone, a link is detached some time after its last descriptor closes. A severed one has nothing left.
            if let Ok(link) = sys::object_get(&pin) {
                drop(sys::link_detach(link.as_fd()));
            }
            fs::remove_file(&pin).with_context(|| format!("removing {}", pin.display()))?;
            removed.push(pin);
        }
        fs::remove_dir(&node).with_context(|| format!("removing {}", node.display()))?;
    }
    fs::remove_dir(&root).with_context(|| format!("removing {}", root.display()))?;
    Ok(removed)
}
