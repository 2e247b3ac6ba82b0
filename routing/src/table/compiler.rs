//! Compiles for one scope: each port of a service once, each cluster once, and of what was compiled for an earlier world only
//! what is another since.

use std::sync::Arc;

use super::Scope;
use super::clusters::{ClusterTable, Target, cluster};
use super::compiled::{Compiled, Earlier, Trace, Unit};
use super::destination_rules::Policy;
use super::domains::Domains;
use super::filter_chains::FilterChains;
use super::policy::{self, OfConnections};
use super::rules::View;
use super::virtual_host::VirtualHost;
use crate::map::HashMap;
use crate::model::{HashKey, Hostname, RetryPolicy, Service};

/// Builds each cluster once.
pub(super) struct Clusters<'v, 'w> {
    view: &'v View<'w>,
    client: Arc<Scope>,
    policies: HashMap<Hostname, Arc<Policy<'w>>>,
    table: ClusterTable,
    earlier: Option<Earlier<'v>>,
    compiled: Compiled,
    /// Of what is being compiled, or stands for itself.
    trace: Trace,
}

impl<'v, 'w> Clusters<'v, 'w> {
    pub(super) fn new(view: &'v View<'w>) -> Self {
        Self::since(view, ClusterTable::default(), None)
    }

    /// Keeps clusters of an earlier table, and what was compiled beside them, as far as both still hold.
    pub(super) fn since(view: &'v View<'w>, mut table: ClusterTable, earlier: Option<Earlier<'v>>) -> Self {
        if let Some(Earlier { touched, .. }) = earlier {
            table.vacate(touched);
        }
        Self {
            view,
            client: Arc::new(view.scope.clone()),
            policies: HashMap::default(),
            table,
            earlier,
            compiled: Compiled::default(),
            trace: Trace::default(),
        }
    }

    /// The routes of a service's port, compiled when they are first asked for: its names and its addresses lead to the same.
    pub(super) fn host(
        &mut self,
        service: &Service,
        port: u16,
        compile: impl FnOnce(&mut Self) -> VirtualHost,
    ) -> Arc<VirtualHost> {
        let key = (service.host.clone(), port);
        if let Some(known) = self.compiled.hosts.get(&key) {
            return Arc::clone(&known.value);
        }
        let kept = self.earlier.and_then(|earlier| earlier.keep(|compiled| &compiled.hosts, &key));
        let unit = kept.unwrap_or_else(|| self.traced(&service.host, compile));
        let value = Arc::clone(&unit.value);
        self.compiled.hosts.insert(key, unit);
        value
    }

    /// The same of its chains for connections, which are its own.
    pub(super) fn chains(
        &mut self,
        service: &Service,
        port: u16,
        compile: impl FnOnce(&mut Self) -> FilterChains,
    ) -> Arc<FilterChains> {
        let key = (service.object.clone(), service.host.clone(), port);
        let kept = self.earlier.and_then(|earlier| earlier.keep(|compiled| &compiled.chains, &key));
        let unit = kept.unwrap_or_else(|| self.traced(&service.host, compile));
        let value = Arc::clone(&unit.value);
        self.compiled.chains.insert(key, unit);
        value
    }

    /// The names of a port, if nobody has other names since.
    pub(super) fn earlier_names(&self, port: u16) -> Option<&'v Domains> {
        self.earlier.filter(|earlier| !earlier.touched.services()).and_then(|earlier| earlier.routes.names(port))
    }

    fn traced<T>(&mut self, host: &Hostname, compile: impl FnOnce(&mut Self) -> T) -> Unit<T> {
        let around = std::mem::take(&mut self.trace);
        self.trace.host(host);
        let value = Arc::new(compile(self));
        let trace = Arc::new(std::mem::replace(&mut self.trace, around));
        Unit { value, trace }
    }

    /// All clusters that some route names, and all that was compiled.
    pub(super) fn finish(mut self) -> (ClusterTable, Compiled) {
        let Compiled { hosts, chains } = &self.compiled;
        let traces = hosts.values().map(|unit| &unit.trace).chain(chains.values().map(|unit| &unit.trace));
        let named = traces.flat_map(|trace| &trace.clusters).chain(&self.trace.clusters);
        self.table.keep(named.copied());
        (self.table, self.compiled)
    }

    /// The cluster of a destination.
    pub(super) fn target(&mut self, host: &Hostname, port: u16, subset: Option<&str>) -> Target {
        self.trace.host(host);
        let target = self.build(host, port, subset);
        if let Target::Cluster(id) = target {
            self.trace.cluster(id);
        }
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
        self.trace.host(host);
        let service = self.view.destination(host)?;
        self.trace.host(&service.host);
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
        self.trace.host(&service.host);
        if let Some(id) = self.table.find(&service.host, port, subset) {
            return Target::Cluster(id);
        }
        let policy = self.policy(host).unwrap_or_default();
        let part = match subset {
            None => None,
            Some(name) => match policy.subsets.iter().find(|subset| &*subset.name == name) {
                Some(subset) => Some(*subset),
                None => return Target::UnknownSubset,
            },
        };
        let defaults = self.view.policy_defaults();
        let client = Arc::clone(&self.client);
        Target::Cluster(self.table.add(cluster(service, service_port, &policy, part, defaults, client)))
    }
}
