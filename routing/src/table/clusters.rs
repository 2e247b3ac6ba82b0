//! From (host, port, subset) to endpoints and a policy: Envoy's clusters, as one scope sees them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use super::Scope;
use super::destination_rules::Policy;
use super::localities::Localities;
use super::policy;
use crate::balance::layout::Layout;
use crate::inventory::Touched;
use crate::map::HashMap;
use crate::model::{
    ConnectionPool, Endpoint, Family, Hostname, Labels, LoadBalancer, LocalitySetting, ObjectRef, OutlierDetection,
    PolicyDefaults, Protocol, Resolution, Service, ServicePort, Subset, TlsOrigination, Warmup,
};

/// How connections to a cluster find where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// One of the endpoints is chosen.
    Endpoints,
    /// Headless, or PASSTHROUGH: endpoints are not chosen, the connection goes where the client dialled.
    Dialled,
    /// There are no endpoints: the name that the client asks for is resolved, and the connection goes to this port there
    /// (`resolution: DYNAMIC_DNS`, Envoy's dynamic forward proxy).
    AskedName {
        /// The service port's target.
        port: u16,
    },
}

/// What a destination names: one port of a service, or a part of its endpoints.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Envoy's name in Istio: `outbound|PORT|SUBSET|HOST`.
    pub name: Arc<str>,
    /// The service.
    pub host: Hostname,
    /// The service's port.
    pub port: u16,
    /// The subset, if the destination names one.
    pub subset: Option<Arc<str>>,
    /// What the service declared.
    pub protocol: Protocol,
    /// `namespace/name` of the DestinationRule behind the policy.
    pub destination_rule: Option<Arc<str>>,
    /// How an endpoint is chosen.
    pub load_balancer: LoadBalancer,
    /// How the share of an endpoint that is new grows.
    pub warmup: Option<Warmup>,
    /// What the place of an endpoint means.
    pub locality: Arc<LocalitySetting>,
    /// How much one client may ask of it.
    pub connection_pool: Arc<ConnectionPool>,
    /// When an endpoint that fails is left alone; `None`: never.
    pub outlier_detection: Option<Arc<OutlierDetection>>,
    /// How TLS is spoken to the endpoints; `None`: bytes go out as they came.
    pub tls: Option<Arc<TlsOrigination>>,
    /// How its connections find where they go.
    pub finding: Finding,
    /// The ready endpoints, in ascending order of address.
    pub endpoints: Arc<[Endpoint]>,
    /// There are endpoints, and all of them are DNS names that are not known to come to any address.
    pub unresolved: bool,
    /// The object behind it: of several with one host each has its own ports.
    pub(crate) service: ObjectRef,
    /// `internalTrafficPolicy: Local`: endpoints on other nodes than the client's are not used.
    pub(crate) node_local: bool,
    /// `trafficDistribution`: what is far takes over from what is near even without outlier detection.
    pub(crate) near_first: bool,
    /// Labels of the subset, which its endpoints carry.
    pub(crate) selector: Arc<Labels>,
    /// Where the endpoints stand towards each other.
    pub(crate) layout: Arc<Layout>,
    /// Whose requests it takes.
    pub(crate) client: Arc<Scope>,
}

impl Cluster {
    /// The same with other endpoints of the service's port, of which a subset takes its own.
    fn with_endpoints(&self, of_port: &ServicePort) -> Self {
        let minimum = self.outlier_detection.as_ref().map_or(0, |policy| policy.min_health_percent);
        let carries = |labels: &Labels| self.selector.iter().all(|(key, value)| labels.get(key) == Some(value));
        // Where a client runs may not be known: then any node may be its own.
        let near =
            |endpoint: &Endpoint| !self.node_local || self.client.node.is_none() || endpoint.node == self.client.node;
        let selected = |endpoint: &&Endpoint| {
            // With a panic threshold those that are not ready are not even listed, or a panic would make use of them.
            (endpoint.ready || minimum == 0) && near(endpoint) && carries(&endpoint.labels)
        };
        let listed: Vec<&Endpoint> = of_port.endpoints.iter().filter(selected).collect();
        let by_name = matches!(self.finding, Finding::AskedName { .. });
        let unresolved = listed.is_empty() && !by_name && of_port.names.iter().any(|name| carries(&name.labels));
        let endpoints: Arc<[Endpoint]> = listed.iter().copied().filter(|endpoint| endpoint.ready).cloned().collect();
        let fails_over = self.near_first || self.outlier_detection.is_some();
        let localities = Localities { client: &self.client, setting: &self.locality, fails_over };
        let layout = Layout::new(localities.plans(&listed), &endpoints, &self.load_balancer);
        layout.lay_keys_like(&self.layout);
        Self { endpoints, unresolved, layout: Arc::new(layout), ..self.clone() }
    }

    /// Where a client that dialled in `family` reaches the endpoint that is listed at `address`.
    #[must_use]
    pub fn towards(&self, address: SocketAddr, family: Family) -> SocketAddr {
        if Family::of(address.ip()) == family {
            return address;
        }
        let place = self.endpoints.binary_search_by_key(&address, |endpoint| endpoint.address).ok();
        place.and_then(|place| self.endpoints.get(place)).map_or(address, |endpoint| endpoint.towards(family))
    }

    /// The address at which the endpoint is listed that is reached at `address`.
    #[must_use]
    pub fn listed_at(&self, address: SocketAddr) -> SocketAddr {
        let found = self.endpoints.iter().find(|endpoint| endpoint.twin == Some(address));
        found.map_or(address, |endpoint| endpoint.address)
    }

    /// The Service or ServiceEntry behind it.
    #[must_use]
    pub fn service(&self) -> &ObjectRef {
        &self.service
    }

    /// The ready endpoint that is reached at an address.
    #[must_use]
    pub fn endpoint(&self, address: SocketAddr) -> Option<&Endpoint> {
        match self.endpoints.binary_search_by_key(&address, |endpoint| endpoint.address) {
            Ok(place) => self.endpoints.get(place),
            Err(_) => self.endpoints.iter().find(|endpoint| endpoint.twin == Some(address)),
        }
    }

    /// Whether no endpoint takes part in it that is ready.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }

    /// How many endpoints it has, ready or not, that take part in it.
    pub(crate) fn listed(&self) -> usize {
        self.layout.listed()
    }
}

/// A cluster of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(usize);

/// The clusters of one table. Routes know them by id, so that a change of endpoints leaves the routes as they are.
#[derive(Debug, Clone, Default)]
pub(super) struct ClusterTable {
    clusters: Vec<Arc<Cluster>>,
    of_host: Arc<HashMap<Hostname, Vec<ClusterId>>>,
    /// Places of what no route of this table names any more.
    free: Arc<BTreeSet<ClusterId>>,
}

impl ClusterTable {
    pub(super) fn get(&self, id: ClusterId) -> &Arc<Cluster> {
        &self.clusters[id.0]
    }

    /// The one at a place.
    #[cfg(test)]
    pub(super) fn at(&self, place: usize) -> Option<&Arc<Cluster>> {
        self.clusters.get(place).filter(|_| !self.free.contains(&ClusterId(place)))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        let all = self.clusters.iter().enumerate();
        all.filter(|(place, _)| !self.free.contains(&ClusterId(*place))).map(|(_, cluster)| cluster)
    }

    /// The cluster of a port of a host, or of a subset there.
    pub(super) fn find(&self, host: &Hostname, port: u16, subset: Option<&str>) -> Option<ClusterId> {
        let is = |id: &&ClusterId| {
            let cluster = self.get(**id);
            cluster.port == port && cluster.subset.as_deref() == subset
        };
        self.of_host.get(host)?.iter().find(is).copied()
    }

    /// Takes over the endpoints that a service has now.
    pub(super) fn follow(&mut self, service: &Service) {
        for ClusterId(place) in self.of_host.get(&service.host).into_iter().flatten() {
            let cluster = &mut self.clusters[*place];
            let port = service.port(cluster.port).filter(|_| cluster.service == service.object);
            if let Some(port) = port {
                *cluster = Arc::new(cluster.with_endpoints(port));
            }
        }
    }

    /// What is of these hosts is no longer to be found, and its places may be taken.
    pub(super) fn vacate(&mut self, touched: &Touched) {
        let gone: Vec<ClusterId> =
            self.of_host.iter().filter(|(host, _)| touched.holds(host)).flat_map(|(_, ids)| ids).copied().collect();
        if !gone.is_empty() {
            Arc::make_mut(&mut self.of_host).retain(|host, _| !touched.holds(host));
            Arc::make_mut(&mut self.free).extend(gone);
        }
    }

    /// Adds a cluster.
    pub(super) fn add(&mut self, cluster: Cluster) -> ClusterId {
        let free = if self.free.is_empty() { None } else { Arc::make_mut(&mut self.free).pop_first() };
        let id = free.unwrap_or(ClusterId(self.clusters.len()));
        Arc::make_mut(&mut self.of_host).entry(cluster.host.clone()).or_default().push(id);
        match self.clusters.get_mut(id.0) {
            Some(place) => *place = Arc::new(cluster),
            None => self.clusters.push(Arc::new(cluster)),
        }
        id
    }

    /// Gives up what no route names.
    pub(super) fn keep(&mut self, named: impl Iterator<Item = ClusterId>) {
        let mut unnamed = vec![true; self.clusters.len()];
        named.for_each(|id| unnamed[id.0] = false);
        self.free.iter().for_each(|id| unnamed[id.0] = false);
        let unnamed: Vec<ClusterId> = unnamed
            .into_iter()
            .enumerate()
            .filter(|(_, unnamed)| *unnamed)
            .map(|(place, _)| ClusterId(place))
            .collect();
        for id in &unnamed {
            let of_host = Arc::make_mut(&mut self.of_host);
            let host = &self.clusters[id.0].host;
            let left = of_host.get_mut(host).map_or(0, |ids| {
                ids.retain(|known| known != id);
                ids.len()
            });
            if left == 0 {
                of_host.remove(host);
            }
        }
        if !unnamed.is_empty() {
            Arc::make_mut(&mut self.free).extend(unnamed);
        }
    }
}

/// Where a destination leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To a cluster.
    Cluster(ClusterId),
    /// To no known service or port: 503 with flag NC.
    UnknownHost,
    /// To a subset that the DestinationRule this client sees does not define: 503 with flag NC.
    UnknownSubset,
}

/// One port of a service, or a part of it.
pub(super) fn cluster(
    service: &Service,
    port: &ServicePort,
    policy: &Policy<'_>,
    subset: Option<&Subset>,
    defaults: &PolicyDefaults,
    client: Arc<Scope>,
) -> Cluster {
    let composed = policy::compose(policy.traffic, subset.map(|subset| &subset.policy), port.number, defaults);
    let name = format!("outbound|{}|{}|{}", port.number, subset.map_or("", |subset| &subset.name), service.host);
    let preferred = service.distribution.setting().filter(|_| composed.locality.is_none());
    let near_first = preferred.is_some();
    let bare = Cluster {
        service: service.object.clone(),
        node_local: service.node_local,
        near_first,
        unresolved: false,
        name: name.into(),
        host: service.host.clone(),
        port: port.number,
        subset: subset.map(|subset| subset.name.as_ref().into()),
        protocol: port.protocol,
        destination_rule: policy.rules.first().map(|rule| format!("{}/{}", rule.namespace, rule.name).into()),
        load_balancer: composed.load_balancer,
        warmup: composed.warmup,
        locality: composed
            .locality
            .or_else(|| preferred.map(Arc::new))
            .unwrap_or_else(|| Arc::clone(&defaults.locality)),
        connection_pool: composed.connection_pool,
        outlier_detection: composed.outlier_detection,
        tls: composed.tls,
        finding: finding(service.resolution, composed.original_destination, port),
        endpoints: Arc::default(),
        selector: subset.map(|subset| Arc::new(subset.labels.clone())).unwrap_or_default(),
        layout: Arc::default(),
        client,
    };
    bare.with_endpoints(port)
}

fn finding(resolution: Resolution, passes: bool, port: &ServicePort) -> Finding {
    match resolution {
        _ if passes => Finding::Dialled,
        Resolution::Dialled => Finding::Dialled,
        // Its only name is the wildcard, which has the port that is dialled there.
        Resolution::AskedNames => {
            Finding::AskedName { port: port.names.first().map_or(port.number, |wildcard| wildcard.port) }
        }
        Resolution::Endpoints | Resolution::Names | Resolution::FirstOfNames => Finding::Endpoints,
    }
}
