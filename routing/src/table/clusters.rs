//! From (host, port, subset) to endpoints and a policy: Envoy's clusters, as one scope sees them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::Scope;
use super::destination_rules::Policy;
use super::localities::Localities;
use super::policy::{self, OfConnections};
use super::rules::View;
use super::virtual_host::VirtualHost;
use crate::balance::layout::Layout;
use crate::model::{
    ConnectionPool, Endpoint, Family, HashKey, Hostname, Labels, LoadBalancer, LocalitySetting, ObjectRef,
    OutlierDetection, PolicyDefaults, Protocol, Resolution, RetryPolicy, Service, ServicePort, Subset, TlsOrigination,
    Warmup,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClusterId(usize);

/// The clusters of one table. Routes know them by id, so that a change of endpoints leaves the routes as they are.
#[derive(Debug, Clone, Default)]
pub(super) struct ClusterTable {
    clusters: Box<[Arc<Cluster>]>,
    of_host: Arc<HashMap<Hostname, Vec<ClusterId>>>,
}

impl ClusterTable {
    fn new(clusters: Vec<Arc<Cluster>>) -> Self {
        let mut of_host: HashMap<Hostname, Vec<ClusterId>> = HashMap::new();
        for (place, cluster) in clusters.iter().enumerate() {
            of_host.entry(cluster.host.clone()).or_default().push(ClusterId(place));
        }
        Self { clusters: clusters.into(), of_host: Arc::new(of_host) }
    }

    pub(super) fn get(&self, id: ClusterId) -> &Arc<Cluster> {
        &self.clusters[id.0]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.clusters.iter()
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

/// Builds each cluster once.
pub(super) struct Clusters<'v, 'w> {
    view: &'v View<'w>,
    client: Arc<Scope>,
    policies: HashMap<Hostname, Arc<Policy<'w>>>,
    built: HashMap<(Hostname, u16, Option<Box<str>>), Target>,
    clusters: Vec<Arc<Cluster>>,
    hosts: HashMap<(Hostname, u16), Arc<VirtualHost>>,
}

impl<'v, 'w> Clusters<'v, 'w> {
    pub(super) fn new(view: &'v View<'w>) -> Self {
        Self {
            view,
            client: Arc::new(view.scope.clone()),
            policies: HashMap::new(),
            built: HashMap::new(),
            clusters: Vec::new(),
            hosts: HashMap::new(),
        }
    }

    /// What [`Self::keep_host`] was given.
    pub(super) fn host(&self, service: &Service, port: u16) -> Option<Arc<VirtualHost>> {
        self.hosts.get(&(service.host.clone(), port)).cloned()
    }

    /// Keeps the routes of a service's port: its names and its addresses lead to the same.
    pub(super) fn keep_host(&mut self, service: &Service, port: u16, host: VirtualHost) -> Arc<VirtualHost> {
        let host = Arc::new(host);
        self.hosts.insert((service.host.clone(), port), Arc::clone(&host));
        host
    }

    /// All that were built, each at its id.
    pub(super) fn finish(self) -> ClusterTable {
        ClusterTable::new(self.clusters)
    }

    /// The cluster of a destination.
    pub(super) fn target(&mut self, host: &Hostname, port: u16, subset: Option<&str>) -> Target {
        let key = (host.clone(), port, subset.map(Box::from));
        if let Some(target) = self.built.get(&key) {
            return *target;
        }
        let target = self.build(host, port, subset);
        self.built.insert(key, target);
        target
    }

    /// The hash key that a route to this destination carries.
    pub(super) fn hash_key(
        &mut self,
        host: &Hostname,
        port: u16,
        port_named: bool,
        subset: Option<&str>,
    ) -> Option<HashKey> {
        let policy = self.policy(host)?;
        let subset = subset.and_then(|name| policy.subsets.iter().find(|subset| &*subset.name == name));
        policy::hash_key(policy.traffic, subset.map(|subset| &subset.policy), port, port_named)
    }

    /// What a route for connections takes from its first destination's rule; `subset` is named when it is the sole one.
    pub(super) fn of_connections(&mut self, host: &Hostname, subset: Option<&str>) -> OfConnections {
        let Some(policy) = self.policy(host) else { return OfConnections::default() };
        let subset = subset.and_then(|name| policy.subsets.iter().find(|subset| &*subset.name == name));
        policy::of_connections(policy.traffic, subset.map(|subset| &subset.policy))
    }

    /// Whether a DestinationRule changes how the service's own default route treats requests on `port`.
    pub(super) fn has_policy(&mut self, host: &Hostname, port: u16) -> bool {
        self.policy(host).is_some_and(|policy| policy::is_felt(policy.traffic, port))
    }

    fn policy(&mut self, host: &Hostname) -> Option<Arc<Policy<'w>>> {
        let service = self.view.destination(host)?;
        let host = &service.host;
        let policy =
            self.policies.entry(host.clone()).or_insert_with(|| Arc::new(self.view.policy(host, &service.namespace)));
        Some(Arc::clone(policy))
    }

    /// How requests of routes are tried again that do not say it.
    pub(super) fn default_retries(&self) -> &'v RetryPolicy {
        &self.view.mesh.retries
    }

    fn build(&mut self, host: &Hostname, port: u16, subset: Option<&str>) -> Target {
        let Some((service, service_port)) = self.view.destination_port(host, port) else { return Target::UnknownHost };
        let policy = self.policy(host).unwrap_or_default();
        let part = match subset {
            None => None,
            Some(name) => match policy.subsets.iter().find(|subset| &*subset.name == name) {
                Some(subset) => Some(*subset),
                None => return Target::UnknownSubset,
            },
        };
        let defaults = self.view.policy_defaults();
        self.clusters.push(Arc::new(cluster(service, service_port, &policy, part, defaults, Arc::clone(&self.client))));
        Target::Cluster(ClusterId(self.clusters.len() - 1))
    }
}

fn cluster(
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
