//! What the daemon has to be allowed. `meshlet check` asks the API server for it, the log names what is missing of it, and a test
//! holds it against the roles of the manifest and against what the daemon asks for.

use super::kinds::{WATCHED, Watched};
use super::writes;

/// Verbs on a resource, as a role grants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Right {
    /// Empty for the core group.
    pub(crate) group: &'static str,
    /// `pods`, `virtualservices/status`.
    pub(crate) resource: &'static str,
    pub(crate) verbs: &'static [&'static str],
    /// `ClusterRole`, or `Role`: in the daemon's own namespace alone.
    pub(crate) role: &'static str,
    /// What comes of it when it is missing.
    pub(crate) without: &'static str,
    /// Whether the daemon can be told to do without (`--status-writes=false`).
    pub(crate) optional: bool,
}

impl Right {
    /// To read all objects of a resource, and go on reading.
    pub(crate) const fn to_read(group: &'static str, resource: &'static str, without: &'static str) -> Self {
        Self { group, resource, verbs: &["list", "watch"], role: "ClusterRole", without, optional: false }
    }

    /// To write back.
    pub(crate) const fn to_write(
        group: &'static str,
        resource: &'static str,
        verbs: &'static [&'static str],
        without: &'static str,
    ) -> Self {
        Self { group, resource, verbs, role: "ClusterRole", without, optional: true }
    }

    /// As `kubectl describe clusterrole` shows it: `pods`, `virtualservices.networking.istio.io/status`.
    pub(crate) fn title(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        match self.resource.split_once('/') {
            Some((plural, part)) => format!("{plural}{group}/{part}"),
            None => format!("{}{group}", self.resource),
        }
    }
}

/// All of them.
pub(crate) fn of_daemon() -> Vec<Right> {
    WATCHED.iter().map(Watched::right).chain(writes::RIGHTS).collect()
}
