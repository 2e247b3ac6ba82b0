//! What a daemon says of itself: `/api/v1/config`, as far as it is shown. What an older daemon does not say is empty.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admin::bpf::Bpf;

/// The daemon's words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Told {
    /// Of the daemon.
    pub(super) version: String,
    /// Name of the node.
    #[serde(skip_serializing)]
    pub(super) node: String,
    /// As its readiness probe says.
    pub(super) ready: bool,
    /// Whether it only says what it would do.
    pub(super) dry_run: bool,
    /// Counts the worlds that were put in force.
    pub(super) generation: u64,
    /// Number of captured addresses.
    #[serde(rename(serialize = "addresses"))]
    pub(super) services: u64,
    /// Pods of the node.
    pub(super) pods: Vec<Pod>,
    /// Of the cluster.
    pub(super) watches: Vec<Watch>,
    /// Files.
    pub(super) inputs: Vec<Value>,
    /// What the kernel holds, where that is asked for.
    #[serde(skip_deserializing)]
    pub(super) bpf: Option<Bpf>,
}

/// A pod of the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Pod {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) name: String,
    /// Whether it is to be captured.
    pub(super) marked: bool,
    /// Whether it is.
    pub(super) captured: bool,
    /// Whether it has processes, where it is marked.
    pub(super) running: bool,
    /// Why it is marked or not.
    pub(super) reason: String,
}

/// A watch on the API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Watch {
    /// `virtualservices.networking.istio.io`.
    pub(super) resource: String,
    /// `following` and so on.
    pub(super) state: String,
    /// What is wrong.
    pub(super) message: String,
    /// Objects that are known.
    pub(super) objects: u64,
    /// Version of what is in force.
    pub(super) version: String,
    /// For how long what is in force may have been stale.
    pub(super) lag_seconds: f64,
}

impl Told {
    /// Pods that are captured.
    pub(super) fn captured(&self) -> usize {
        self.pods.iter().filter(|pod| pod.captured).count()
    }

    /// Pods that are to be.
    pub(super) fn marked(&self) -> usize {
        self.pods.iter().filter(|pod| pod.marked).count()
    }

    /// The watch that what is in force is most behind by, or that is refused; `None` where all is as it should be.
    pub(super) fn worst(&self) -> Option<&Watch> {
        let troubled = self.watches.iter().filter(|watch| watch.lag_seconds > 0.0);
        troubled.max_by(|one, other| one.lag_seconds.total_cmp(&other.lag_seconds))
    }
}
