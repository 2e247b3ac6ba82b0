//! The daemons of a cluster, for who asks from outside: their pods are found by the API, and a stream leads to each by
//! port-forward, as kubectl does it.

use std::time::Duration;

use anyhow::{anyhow, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::client::UpgradeConnectionError;
use kube::{Client, Error};
use tokio::io::DuplexStream;
use tokio::time::timeout;

use super::connect::{self, ClusterArgs};

/// What the DaemonSet labels its pods with.
pub(crate) const SELECTOR: &str = "app.kubernetes.io/name=meshlet";
/// Where the admin API listens in a pod, on its loopback.
const ADMIN_PORT: u16 = 15000;
/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Why a stream ended is told behind its end.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// Those in one namespace.
#[derive(Clone)]
pub(crate) struct Daemons {
    client: Client,
    namespace: String,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DaemonPod {
    /// Name of the pod.
    pub(crate) name: String,
    /// The node that it is on; none while it is not placed.
    pub(crate) node: Option<String>,
}

/// A stream to a daemon's admin API.
pub(crate) struct Forwarded {
    /// The bytes.
    pub(crate) stream: DuplexStream,
    trouble: Box<dyn Future<Output = Option<String>> + Send + Unpin>,
}

impl Forwarded {
    /// What the kubelet said when the stream came to nothing.
    pub(crate) async fn trouble(self) -> Option<String> {
        timeout(AFTERWARDS, self.trouble).await.ok().flatten()
    }
}

impl Daemons {
    /// Those that a kubeconfig leads to; nobody is asked yet.
    pub(crate) async fn of(cluster: &ClusterArgs, namespace: &str) -> anyhow::Result<Self> {
        Ok(Self { client: connect::client(cluster.config().await?)?, namespace: namespace.to_owned() })
    }

    /// All of them, or the one of a node, by node; never none.
    pub(crate) async fn list(&self, node: Option<&str>) -> anyhow::Result<Vec<DaemonPod>> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let listed = Self::within(pods.list(&ListParams::default().labels(SELECTOR))).await;
        let listed = listed.map_err(|error| Self::explained(error, "the verb list on pods", &self.namespace))?;
        let mut found: Vec<DaemonPod> = listed.items.into_iter().filter_map(alive).collect();
        if found.is_empty() {
            bail!(
                "namespace {} of the cluster has no pod labelled {SELECTOR}: install meshlet, or name its namespace",
                self.namespace
            );
        }
        found.sort_by(|one, other| (&one.node, &one.name).cmp(&(&other.node, &other.name)));
        let Some(node) = node else { return Ok(found) };
        let nodes: Vec<String> = found.iter().filter_map(|daemon| daemon.node.clone()).collect();
        found.retain(|daemon| daemon.node.as_deref() == Some(node));
        if found.is_empty() {
            bail!(
                "no daemon is on node {node} (they are on {}): see `kubectl -n {} get pods -l {SELECTOR} -o wide`",
                nodes.join(", "),
                self.namespace
            );
        }
        Ok(found)
    }

    /// The node that a pod is on.
    pub(crate) async fn node_of(&self, namespace: &str, name: &str) -> anyhow::Result<String> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let found = Self::within(pods.get_opt(name)).await;
        let found = found.map_err(|error| Self::explained(error, "the verb get on pods", namespace))?;
        let Some(pod) = found else {
            bail!("there is no pod {namespace}/{name} in the cluster: correct its name, or its namespace with -n");
        };
        let node = pod.spec.and_then(|spec| spec.node_name).filter(|node| !node.is_empty());
        node.ok_or_else(|| {
            anyhow!("pod {namespace}/{name} is on no node yet: see `kubectl -n {namespace} describe pod {name}`")
        })
    }

    /// A stream to the admin API of one.
    pub(crate) async fn open(&self, daemon: &DaemonPod) -> anyhow::Result<Forwarded> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let opened = Self::within(pods.portforward(&daemon.name, &[ADMIN_PORT])).await;
        // By websocket it is a GET; newer API servers want create as well, which kubectl's older way needed.
        let needed = "the verbs get and create on pods/portforward";
        let mut opened = opened.map_err(|error| Self::explained(error, needed, &self.namespace))?;
        match (opened.take_stream(ADMIN_PORT), opened.take_error(ADMIN_PORT)) {
            (Some(stream), Some(trouble)) => Ok(Forwarded { stream, trouble: Box::new(Box::pin(trouble)) }),
            _ => bail!("the API server opens no stream to pod {}", self.title(daemon)),
        }
    }

    /// `namespace/name`.
    pub(crate) fn title(&self, daemon: &DaemonPod) -> String {
        format!("{}/{}", self.namespace, daemon.name)
    }

    async fn within<T>(step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let late = |_| Err(Error::Service(format!("not within {PATIENCE:?}").into()));
        timeout(PATIENCE, step).await.unwrap_or_else(late)
    }

    /// What went wrong, and what to do about it.
    fn explained(error: Error, needed: &str, namespace: &str) -> anyhow::Error {
        let refused = match &error {
            Error::Api(status) => Some(status.code),
            Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => Some(status.as_u16()),
            _ => None,
        };
        match refused {
            Some(401) => anyhow!("the API server does not know who asks: renew the kubeconfig's credentials"),
            Some(403) => anyhow!(
                "no permission: {needed} in namespace {namespace} must be granted by a Role; or run meshlet on the node itself"
            ),
            _ => anyhow::Error::new(error)
                .context(format!("{needed} in namespace {namespace}: is the API server reachable by this kubeconfig?")),
        }
    }
}

/// One that still runs, or will.
fn alive(pod: Pod) -> Option<DaemonPod> {
    let phase = pod.status.and_then(|status| status.phase);
    if pod.metadata.deletion_timestamp.is_some() || matches!(phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    Some(DaemonPod { name: pod.metadata.name?, node: pod.spec.and_then(|spec| spec.node_name) })
}

#[cfg(test)]
mod tests;
