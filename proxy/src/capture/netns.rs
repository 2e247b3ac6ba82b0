//! A process's network namespace: opened, compared, entered by a thread.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

use anyhow::Context as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// An open network namespace.
#[derive(Debug)]
pub(crate) struct Netns {
    file: OwnedFd,
    inode: u64,
}

impl Netns {
    /// The namespace of a process.
    fn of_process(pid: u32) -> anyhow::Result<Self> {
        Self::open(&format!("/proc/{pid}/ns/net"))
    }

    /// The namespace of a pod, by any of its processes. One that has just joined the pod's cgroup may still be outside, in
    /// the `node`'s namespace, and is passed over; `known` is preferred.
    pub(crate) fn of_pod(processes: &[u32], node: u64, known: Option<u64>) -> Option<Self> {
        let mut first = None;
        // A process may end while its entry is read.
        for netns in processes.iter().filter_map(|pid| Self::of_process(*pid).ok()).filter(|netns| netns.inode != node)
        {
            if known.is_none_or(|known| known == netns.inode) {
                return Some(netns);
            }
            first.get_or_insert(netns);
        }
        first
    }

    /// The node's: a pod that shares it is on the host network, and a process that is to become a pod's may still be in it, as
    /// CRI-O's monitor of a container always is. In a pod that sees the node's processes the daemon's own is another.
    pub(crate) fn of_node() -> anyhow::Result<Self> {
        Self::of_process(1).or_else(|_| Self::open("/proc/self/ns/net"))
    }

    fn open(path: &str) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {path}"))?;
        let inode = file.metadata().with_context(|| format!("reading {path}"))?.ino();
        Ok(Self { file: file.into(), inode })
    }

    /// Identifies the namespace as long as it is open somewhere.
    pub(crate) fn inode(&self) -> u64 {
        self.inode
    }

    /// The same once more.
    pub(crate) fn try_clone(&self) -> anyhow::Result<Self> {
        let file = self.file.try_clone().context("sharing a network namespace")?;
        Ok(Self { file, inode: self.inode })
    }

    /// The descriptor, for the workers.
    pub(crate) fn into_file(self) -> OwnedFd {
        self.file
    }

    /// Runs `work` inside the namespace, on a thread of its own, so that no other work ever runs there by accident.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        std::thread::scope(|scope| {
            let entered = scope.spawn(|| {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
                    .context("entering the pod's network namespace")?;
                work()
            });
            entered.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread in the pod's network namespace failed")))
        })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
