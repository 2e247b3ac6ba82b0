//! What daemons say, together.

use serde::Serialize;

use super::told::Told;

/// The JSON of `meshlet status`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    api_version: &'static str,
    kind: &'static str,
    /// By name.
    pub(super) nodes: Vec<NodeReport>,
}

/// One node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeReport {
    /// Its name, or the daemon's where nobody says it.
    pub(super) node: String,
    /// The daemon: `namespace/name` of its pod, or the address it was asked at.
    pub(super) daemon: String,
    /// Why it did not answer.
    pub(super) problem: Option<String>,
    captured_pods: usize,
    marked_pods: usize,
    /// What it says; empty where it did not answer.
    #[serde(flatten)]
    pub(super) told: Told,
}

impl NodeReport {
    /// Of a daemon, on `node` as far as that is known without asking it.
    pub(super) fn new(daemon: String, node: Option<&str>, told: Result<Told, String>) -> Self {
        let (told, problem) = match told {
            Ok(told) => (told, None),
            Err(problem) => (Told::default(), Some(problem)),
        };
        let named = [node.unwrap_or_default(), &told.node].into_iter().find(|name| !name.is_empty());
        let node = named.unwrap_or(&daemon).to_owned();
        Self { node, daemon, problem, captured_pods: told.captured(), marked_pods: told.marked(), told }
    }

    fn troubles(&self) -> Vec<String> {
        let node = &self.node;
        if let Some(problem) = &self.problem {
            return vec![format!("{node}: {problem}")];
        }
        let mut troubles = Vec::new();
        if !self.told.ready {
            let waited = self.told.watches.iter().filter(|watch| !matches!(&*watch.state, "following" | "absent"));
            let waited: Vec<String> = waited.map(|watch| format!("{} is {}", watch.resource, watch.state)).collect();
            let why = if waited.is_empty() { "`meshlet check` there says why".to_owned() } else { waited.join(", ") };
            troubles.push(format!("{node}: the daemon is not ready: {why}"));
        }
        let missed = self.told.pods.iter().filter(|pod| pod.marked && pod.running && !pod.captured);
        for pod in missed.filter(|_| !self.told.dry_run) {
            let name = format!("{}/{}", pod.namespace, pod.name);
            troubles.push(format!("{node}: pod {name} is marked, runs and is not captured: the daemon's log says why"));
        }
        troubles
    }
}

impl Report {
    /// By name.
    pub(super) fn new(mut nodes: Vec<NodeReport>) -> Self {
        nodes.sort_by(|one, other| (&one.node, &one.daemon).cmp(&(&other.node, &other.daemon)));
        Self { api_version: "meshlet.dev/v1", kind: "Status", nodes }
    }

    /// Whether any daemon answered.
    pub(super) fn answered(&self) -> bool {
        self.nodes.iter().any(|node| node.problem.is_none())
    }

    /// A sentence for everything that is not as it should be.
    pub(super) fn troubles(&self) -> Vec<String> {
        self.nodes.iter().flat_map(NodeReport::troubles).collect()
    }
}
