//! Compiles what the scopes on this node see and hands it to everyone who routes: the workers by `ArcSwap`, the hooks by
//! their maps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use meshlet_routing::decide::Dialled;
use meshlet_routing::inventory::Change;
use meshlet_routing::model::{Pod, PodAddresses, Service, World};
use meshlet_routing::table::{Capture, Captured, Distinctions, Scope, Table};
use meshlet_wire::{NATIVE, RouteKey, ServiceKey};

use super::ids::{self, Address, Ids};
use super::kernel_routes::{self, ScopeNumbers};
use crate::connection::{Meanings, Services};
use crate::kernel::{Kernel, PortSet, RoutePlan, Sort};
use crate::metrics::{Destinations, Metrics};

/// When what the kernel had no room for is asked for again: what was given back is free by then.
const AGAIN: Duration = Duration::from_secs(6);

/// Tables and service ids in force. One writer: the node loop.
pub(crate) struct Published {
    /// `None` when the rules are others.
    distinctions: Option<Distinctions>,
    tables: HashMap<Scope, Arc<Table>>,
    meanings: Arc<Meanings>,
    mode: Capture,
    /// What the hooks are to capture; `None` when the tables are others.
    meant: Option<Captured>,
    /// Whether they do.
    told: bool,
    ids: Ids,
    scopes: ScopeNumbers,
    /// `None` when the routes in the kernel are to be laid out anew.
    laid_out: Option<LaidOut>,
    captured: usize,
    /// When they are, because there was no room for some.
    again: Option<Instant>,
}

/// What the routes in the kernel were laid out for.
#[derive(Debug, PartialEq, Eq)]
struct LaidOut {
    /// Captured pods by their places.
    pods: Vec<PodAddresses>,
    /// [`Ids::changes`] then: a route goes with its id, which may come to mean something else.
    ids: u64,
}

impl Published {
    /// Nothing is ruled, and at most so many ids will stand for something, which `meanings` will say.
    pub(crate) fn new(most_ids: u32, mode: Capture, meanings: Arc<Meanings>) -> Self {
        Self {
            distinctions: None,
            tables: HashMap::new(),
            meanings,
            mode,
            meant: None,
            told: false,
            ids: Ids::new(most_ids),
            scopes: ScopeNumbers::default(),
            laid_out: None,
            captured: 0,
            again: None,
        }
    }

    /// What each id stands for.
    pub(crate) fn meanings(&self) -> Arc<Meanings> {
        Arc::clone(&self.meanings)
    }

    /// The scope of a pod, which it shares with those that no rule tells from it.
    pub(crate) fn scope(&mut self, world: &World, pod: &Pod) -> Scope {
        self.distinctions.get_or_insert_with(|| Distinctions::of(world)).of_pod(world, pod)
    }

    /// The table of one scope, compiled when it is first asked for.
    pub(crate) fn table(&mut self, world: &World, scope: &Scope) -> Arc<Table> {
        if let Some(table) = self.tables.get(scope) {
            return Arc::clone(table);
        }
        (self.laid_out, self.meant) = (None, None);
        Arc::clone(self.tables.entry(scope.clone()).or_insert_with(|| Arc::new(Table::build(world, scope))))
    }

    /// The world is another: tables follow, in what depends on what is.
    pub(crate) fn advance(&mut self, world: &World, change: &Change) {
        if change.rules.is_empty() && change.endpoints.is_empty() {
            return;
        }
        self.laid_out = None;
        if !change.rules.is_empty() {
            (self.meant, self.distinctions) = (None, None);
        }
        for (scope, table) in &mut self.tables {
            *table = Arc::new(table.following(world, scope, change));
        }
    }

    /// Drops the tables of scopes that no pod has any more.
    pub(crate) fn keep(&mut self, used: &BTreeSet<Scope>) {
        let before = self.tables.len();
        self.tables.retain(|scope, _| used.contains(scope));
        if self.tables.len() < before {
            self.meant = None;
        }
        self.scopes.keep(|scope| used.contains(scope));
    }

    /// The number by which the hooks know a scope.
    pub(crate) fn number(&mut self, scope: &Scope) -> u32 {
        self.scopes.of(scope)
    }

    /// Lays out what the kernel decides by itself, to be counted in `metrics`; `pods` are the addresses of captured pods by their
    /// places.
    pub(crate) fn lay_out(
        &mut self,
        world: &World,
        kernel: &mut Kernel,
        metrics: &Metrics,
        pods: Vec<PodAddresses>,
        now: Instant,
    ) {
        if let Some(wanted) = metrics.number(|destinations| self.routes(destinations, pods, now)) {
            let refused = kernel.routes.set(&wanted, now);
            self.again = (!refused.is_empty()).then_some(now + AGAIN);
            for sort in [Sort::Routes, Sort::Slots, Sort::Endpoints] {
                let of_sort = refused.iter().filter(|(_, full)| *full == sort);
                let names = of_sort.map(|(key, _)| self.route_name(world, *key)).collect();
                kernel.refusals.renew(sort, names, None);
            }
        }
        kernel.beat.tables();
    }

    /// The routes that the kernel is to decide by, unless they are what they were.
    fn routes(
        &mut self,
        destinations: &mut Destinations,
        pods: Vec<PodAddresses>,
        now: Instant,
    ) -> Option<BTreeMap<RouteKey, RoutePlan>> {
        let wanted = LaidOut { pods, ids: self.ids.changes() };
        if self.laid_out.as_ref() == Some(&wanted) && self.again.is_none_or(|due| now < due) {
            return None;
        }
        let plan = kernel_routes::plan(&self.tables, &mut self.scopes, &self.ids, &wanted.pods, destinations);
        self.laid_out = Some(wanted);
        Some(plan)
    }

    /// Captures exactly what some scope's rules give a meaning to, as far as there is room. Ids are published to the workers
    /// before the hooks use them, and outlive their service.
    pub(crate) fn capture(&mut self, world: &World, kernel: &mut Kernel, now: Instant) {
        let change = self.follow(now);
        if self.told && change == ids::Change::default() {
            return;
        }
        if let Some(meant) = self.meant.take() {
            self.tell(world, kernel, &meant, change);
            self.meant = Some(meant);
        }
    }

    /// Gives ids to what the tables mean by its address and takes them from what they do not.
    fn follow(&mut self, now: Instant) -> ids::Change {
        self.told &= self.meant.is_some();
        let mean = || Captured::of(self.tables.values().map(|table| &**table), self.mode);
        let meant = self.meant.take().unwrap_or_else(mean);
        let change = self.ids.follow(&meant.addresses, now);
        self.meant = Some(meant);
        change
    }

    /// Writes what the hooks are to capture into their maps.
    fn tell(&mut self, world: &World, kernel: &mut Kernel, meant: &Captured, change: ids::Change) {
        let mut refused: BTreeSet<Address> = change.refused.into_iter().collect();
        let mut problem = None;
        change.forgotten.into_iter().for_each(|id| kernel.maps.forget_id(id));
        for (id, address) in change.named {
            // A pod must not be told that its peer is an id.
            if let Err(error) = kernel.maps.name_id(id, key(address)) {
                self.ids.give_back(address);
                refused.insert(address);
                problem = Some(error);
            }
        }
        self.meanings.publish(self.services());
        // What is native on a port is known before the port is captured, and for as long as it is.
        let ports = PortSet::new(meant.ports.iter().copied(), meant.everything);
        kernel.learned.narrow(&ports);
        let mut wanted: Vec<(ServiceKey, u32)> = self.ids.live().map(|(address, id)| (key(address), id)).collect();
        let captured = wanted.len();
        wanted.extend(meant.native.iter().map(|address| (key(*address), NATIVE)));
        for (key, error) in kernel.maps.set_services(&wanted) {
            refused.insert(address(&key));
            problem = Some(error);
        }
        kernel.learned.capture(&ports);
        self.captured = captured - wanted[..captured].iter().filter(|(key, _)| refused.contains(&address(key))).count();
        self.told = refused.is_empty();
        let names = refused.into_iter().map(|address| {
            let name = service_name(world, address);
            if meant.native.contains(&address) { format!("{name}, which goes through the proxy") } else { name }
        });
        kernel.refusals.renew(Sort::Services, names.collect(), problem.as_ref());
    }

    /// Number of captured service addresses.
    pub(crate) fn captured(&self) -> usize {
        self.captured
    }

    fn services(&self) -> Services {
        self.ids.all().map(|((address, port), id)| (id, Dialled { address, port })).collect()
    }

    fn route_name(&self, world: &World, key: RouteKey) -> String {
        let service = self.ids.address(key.service).map(|address| service_name(world, address));
        let service = service.unwrap_or_else(|| format!("service id {}", key.service));
        match self.scopes.named(key.scope) {
            Some(scope) => format!("{service} for clients of namespace {}", scope.namespace),
            None => service,
        }
    }
}

/// Which object has an address, as far as one has it.
fn service_name(world: &World, (address, port): Address) -> String {
    let dialled = SocketAddr::new(address, port);
    owner(world, (address, port))
        .map_or_else(|| dialled.to_string(), |service| format!("{} ({dialled})", service.object))
}

/// The service that has an address.
pub(crate) fn owner(world: &World, (address, port): (IpAddr, u16)) -> Option<&Service> {
    world.services.iter().find(|service| service.addresses.contains(&address) && service.port(port).is_some())
}

fn key((address, port): Address) -> ServiceKey {
    let address = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    ServiceKey::new(address.octets(), port.to_be_bytes())
}

fn address(key: &ServiceKey) -> Address {
    (IpAddr::from(key.address).to_canonical(), u16::from_be_bytes(key.port))
}

#[cfg(test)]
mod tests;
