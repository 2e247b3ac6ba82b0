//! What is counted apart, and what is counted.

use std::net::SocketAddr;
use std::ops::AddAssign;
use std::sync::Arc;

use meshlet_routing::model::{Hostname, Kind, Workload};
use meshlet_routing::table::Cluster;

use crate::connection::Flags;

/// A service as metrics name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Service {
    /// Its full name.
    pub(crate) host: Hostname,
    /// The name of the Service; of a ServiceEntry its host.
    pub(crate) name: Arc<str>,
    /// The object's namespace.
    pub(crate) namespace: Arc<str>,
}

impl Service {
    /// Istio's name for where a client has dialled.
    fn dialled() -> Self {
        Self { host: Hostname::new("unknown"), name: "PassthroughCluster".into(), namespace: "unknown".into() }
    }

    fn of(cluster: &Cluster) -> Self {
        let (host, object) = (&cluster.host, cluster.service());
        let name = if object.kind == Kind::Service { Arc::clone(&object.name) } else { host.as_str().into() };
        Self { host: host.clone(), name, namespace: Arc::clone(&object.namespace) }
    }
}

/// Where connections go: an endpoint of a cluster, and whose pod it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Destination {
    /// `None` where a connection has led nowhere.
    pub(crate) service: Option<Service>,
    /// The cluster's subset.
    pub(crate) subset: Option<Arc<str>>,
    /// `None` where there was nobody to go to.
    pub(crate) endpoint: Option<SocketAddr>,
    /// Whose pod it is, where known.
    pub(crate) workload: Option<Arc<Workload>>,
}

impl Destination {
    /// An endpoint of a cluster, or none of them.
    pub(crate) fn of(cluster: &Cluster, endpoint: Option<SocketAddr>) -> Self {
        let workload = endpoint.and_then(|address| cluster.endpoint(address)?.workload.clone());
        Self { service: Some(Service::of(cluster)), subset: cluster.subset.clone(), endpoint, workload }
    }

    /// Where a client has dialled, which no rule says anything about.
    pub(crate) fn dialled(endpoint: Option<SocketAddr>) -> Self {
        Self { service: Some(Service::dialled()), subset: None, endpoint, workload: None }
    }

    /// Nowhere.
    pub(crate) fn none() -> Self {
        Self { service: None, subset: None, endpoint: None, workload: None }
    }
}

/// Who speaks with whom, and how that went: a series of `istio_tcp_*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Parties {
    /// The client.
    pub(crate) source: Arc<Workload>,
    /// What it reached.
    pub(crate) service: Option<Service>,
    /// Who answered.
    pub(crate) workload: Option<Arc<Workload>>,
    /// Envoy's response flags.
    pub(crate) flags: Flags,
}

impl Parties {
    /// Which endpoint of the workload it was makes no difference.
    pub(crate) fn new(source: &Arc<Workload>, destination: &Destination, flags: Flags) -> Self {
        let Destination { service, workload, .. } = destination.clone();
        Self { source: Arc::clone(source), service, workload, flags }
    }
}

/// What has become of connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Connections {
    /// Begun.
    pub(crate) opened: u64,
    /// Of those, ended.
    pub(crate) closed: u64,
    /// Bytes from the client.
    pub(crate) sent: u64,
    /// Bytes to the client.
    pub(crate) received: u64,
}

impl AddAssign for Connections {
    fn add_assign(&mut self, more: Self) {
        self.opened += more.opened;
        self.closed += more.closed;
        self.sent += more.sent;
        self.received += more.received;
    }
}

impl Connections {
    /// Whether none of them lives.
    pub(crate) fn are_over(&self) -> bool {
        // One that began unseen may have been seen to end.
        self.opened <= self.closed
    }
}
