//! Where the objects come from: files, or a cluster's API. Who routes cannot tell the difference.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use meshlet_routing::inventory::Change;
use meshlet_routing::model::{MeshConfig, Pod, World};
use tokio::sync::Notify;

use super::read::{Files, Input};
use super::resolve::Resolved;
use super::watch::Watch;
use crate::cluster::writes::Marked;
use crate::cluster::{Cluster, WatchStatus};

/// One of both.
pub(crate) enum Source {
    /// Files and folders.
    Files(Files),
    /// What a cluster tells.
    Cluster(Cluster),
}

impl Source {
    /// Files and folders, read when they change.
    pub(crate) fn files(mesh: MeshConfig, paths: Vec<PathBuf>, watch: &mut Watch) -> Self {
        for path in &paths {
            watch.add(path);
        }
        Self::Files(Files::new(mesh, paths))
    }

    /// What the objects in force make.
    pub(crate) fn world(&self) -> &World {
        match self {
            Self::Files(files) => files.world(),
            Self::Cluster(cluster) => cluster.inventory().world(),
        }
    }

    /// The DNS names behind the objects in force.
    pub(crate) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Files(files) => Box::new(files.names()),
            Self::Cluster(cluster) => Box::new(cluster.inventory().names()),
        }
    }

    /// Takes over what names come to, and says what is another in the world.
    pub(crate) fn resolved(&mut self, told: &[Resolved]) -> Change {
        match self {
            Self::Files(files) => files.resolved(told),
            Self::Cluster(cluster) => cluster.resolved(told),
        }
    }

    /// Takes over what is another; `None` when nothing is. `woken` when something may be.
    pub(crate) fn read(&mut self, woken: bool) -> Option<Change> {
        match self {
            Self::Files(files) => {
                if !woken && !files.touched() {
                    return None;
                }
                let (change, faults) = files.read()?;
                for fault in faults {
                    tracing::warn!("{fault}");
                }
                Some(change)
            }
            Self::Cluster(cluster) => cluster.settle(),
        }
    }

    /// Waits until the cluster has told something that [`Self::read`] will take over. It may be dropped while it waits; nothing is
    /// lost by that.
    pub(crate) async fn news(&mut self) -> bool {
        match self {
            // Their changes wake by inotify.
            Self::Files(_) => std::future::pending().await,
            Self::Cluster(cluster) => cluster.news().await,
        }
    }

    /// Whether all that is needed has been read once: before that, nothing is captured.
    pub(crate) fn settled(&self) -> bool {
        match self {
            Self::Files(_) => true,
            Self::Cluster(cluster) => cluster.settled(),
        }
    }

    /// Tells the log that another world is in force.
    pub(crate) fn announce(&self, generation: u64, services: usize) {
        match self {
            Self::Files(_) => tracing::info!(generation, services, "in force"),
            // A large cluster is another one many times a second.
            Self::Cluster(_) => tracing::debug!(generation, services, "in force"),
        }
    }

    /// Whether a pod is one of this node's. In files one that names no node is here; in a cluster it is not placed yet.
    pub(crate) fn is_here(&self, pod: &Pod, node: &str) -> bool {
        match (self, pod.node.as_deref()) {
            (_, Some(placed)) => placed == node,
            (Self::Files(_), None) => true,
            (Self::Cluster(_), None) => false,
        }
    }

    /// The files behind the objects in force.
    pub(crate) fn inputs(&self) -> Vec<Input> {
        match self {
            Self::Files(files) => files.inputs().to_vec(),
            Self::Cluster(_) => Vec::new(),
        }
    }

    /// Has it written back to the cluster which pods are captured, and what becomes of the rules in force.
    pub(crate) fn write_back(&self, generation: u64, marked: impl FnOnce() -> Vec<Marked>) {
        if let Self::Cluster(cluster) = self {
            cluster.write_back(generation, marked());
        }
    }

    /// Reads and writes back no more; the thread that does so ends soon.
    pub(crate) fn end(self) -> Option<JoinHandle<()>> {
        match self {
            Self::Files(_) => None,
            Self::Cluster(cluster) => Some(cluster.end()),
        }
    }

    /// How the cluster's watches stand; none for files.
    pub(crate) fn watches(&self) -> Vec<WatchStatus> {
        match self {
            Self::Files(_) => Vec::new(),
            Self::Cluster(cluster) => cluster.watches(),
        }
    }
}

/// Wakes the node loop when a file or a cgroup changes.
pub(crate) fn waking() -> (Arc<Notify>, Watch) {
    let wake = Arc::new(Notify::new());
    let watch = Watch::new(Arc::clone(&wake));
    (wake, watch)
}
