//! Compiles what the scopes on this node see and hands it to everyone who routes: the workers by `ArcSwap`, the hooks by
//! their maps.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use meshlet_routing::decide::Dialled;
use meshlet_routing::inventory::Change;
use meshlet_routing::model::{Service, World};
use meshlet_routing::table::{Scope, Table};
use meshlet_wire::{ID_MASK, ServiceKey};

use super::kernel_routes::{self, ScopeNumbers};
use crate::connection::Services;
use crate::kernel::Kernel;

/// How long the id of a withdrawn service keeps its meaning: a connection may still sit in an accept queue, or live on and
/// ask for its peer.
const QUARANTINE: Duration = Duration::from_secs(600);

/// Tables and service ids in force. One writer: the node loop.
pub(crate) struct Published {
    tables: HashMap<Scope, Arc<Table>>,
    services: Arc<ArcSwap<Services>>,
    ids: HashMap<(IpAddr, u16), u32>,
    retired: HashMap<u32, ((IpAddr, u16), Instant)>,
    scopes: ScopeNumbers,
    /// Captured pods by their places, as the routes in the kernel know them; `None` when those are to be laid out anew.
    laid_out_for: Option<Vec<IpAddr>>,
    /// Ids that stand for something, retired ones included.
    taken: HashSet<u32>,
    next: u32,
}

impl Published {
    /// Nothing is ruled.
    pub(crate) fn new() -> Self {
        Self {
            tables: HashMap::new(),
            services: Arc::default(),
            ids: HashMap::new(),
            retired: HashMap::new(),
            scopes: ScopeNumbers::default(),
            laid_out_for: None,
            taken: HashSet::new(),
            next: 1,
        }
    }

    /// What each id stands for.
    pub(crate) fn services(&self) -> Arc<ArcSwap<Services>> {
        Arc::clone(&self.services)
    }

    /// The table of one scope, compiled when it is first asked for.
    pub(crate) fn table(&mut self, world: &World, scope: &Scope) -> Arc<Table> {
        if let Some(table) = self.tables.get(scope) {
            return Arc::clone(table);
        }
        self.laid_out_for = None;
        Arc::clone(self.tables.entry(scope.clone()).or_insert_with(|| Arc::new(Table::build(world, scope))))
    }

    /// The world is another: tables are compiled again where rules are, and follow where only endpoints are.
    pub(crate) fn advance(&mut self, world: &World, change: &Change) {
        if change.rules {
            self.tables.clear();
        } else if !change.endpoints.is_empty() {
            let services: Vec<&Service> =
                change.endpoints.iter().flat_map(|host| world.services.of_host(host)).collect();
            self.laid_out_for = None;
            for table in self.tables.values_mut() {
                *table = Arc::new(table.with_endpoints(services.iter().copied()));
            }
        }
    }

    /// Drops the tables of scopes that no pod has any more.
    pub(crate) fn keep(&mut self, used: &BTreeSet<Scope>) {
        self.tables.retain(|scope, _| used.contains(scope));
        self.scopes.keep(|scope| used.contains(scope));
    }

    /// The number by which the hooks know a scope.
    pub(crate) fn number(&mut self, scope: &Scope) -> u32 {
        self.scopes.of(scope)
    }

    /// Lays out what the kernel decides by itself; `pods` are the addresses of captured pods by their places.
    pub(crate) fn lay_out(&mut self, kernel: &mut Kernel, pods: Vec<IpAddr>, now: Instant) {
        if self.laid_out_for.as_ref() != Some(&pods) {
            let wanted = kernel_routes::plan(&self.tables, &mut self.scopes, &self.ids, &pods);
            for (key, error) in kernel.routes.set(&wanted, now) {
                tracing::warn!(route = ?key, error = format!("{error:#}"), "the proxy decides");
            }
            self.laid_out_for = Some(pods);
        }
        kernel.beat.tables();
    }

    /// Captures exactly what some scope's rules give a meaning to. Ids are published to the workers before the hooks use
    /// them, and outlive their service.
    pub(crate) fn capture(&mut self, kernel: &mut Kernel, now: Instant) {
        let ruled: BTreeSet<(IpAddr, u16)> = self.tables.values().flat_map(|table| table.ruled()).collect();
        let gone: Vec<(IpAddr, u16)> = self.ids.keys().filter(|service| !ruled.contains(*service)).copied().collect();
        let expired: Vec<u32> =
            self.retired.iter().filter(|(_, (_, since))| now - *since > QUARANTINE).map(|(id, _)| *id).collect();
        for service in &ruled {
            if !self.ids.contains_key(service) {
                let id = self.allocate(*service);
                if let Err(error) = kernel.maps.name_id(id, key(*service)) {
                    tracing::warn!(service = ?service, error = format!("{error:#}"), "getpeername will show the id");
                }
            }
        }
        for service in gone {
            if let Some(id) = self.ids.remove(&service) {
                // Its routes go with it: the id may come to mean something else.
                self.laid_out_for = None;
                self.retired.insert(id, (service, now));
            }
        }
        for id in expired {
            self.retired.remove(&id);
            self.taken.remove(&id);
            kernel.maps.forget_id(id);
        }
        self.services.store(Arc::new(self.meanings()));
        let wanted: Vec<(ServiceKey, u32)> = self.ids.iter().map(|(service, id)| (key(*service), *id)).collect();
        for (key, error) in kernel.maps.set_services(&wanted) {
            tracing::warn!(service = ?key, error = format!("{error:#}"), "stays native");
        }
    }

    /// Number of captured service addresses.
    pub(crate) fn captured(&self) -> usize {
        self.ids.len()
    }

    fn meanings(&self) -> Services {
        let live = self.ids.iter().map(|(service, id)| (*id, *service));
        let retired = self.retired.iter().map(|(id, (service, _))| (*id, *service));
        live.chain(retired).map(|(id, (address, port))| (id, Dialled { address, port })).collect()
    }

    /// A service that comes back gets its old id while that is still kept: its connections never changed their meaning.
    fn allocate(&mut self, service: (IpAddr, u16)) -> u32 {
        self.laid_out_for = None;
        let kept = self.retired.iter().find(|(_, (retired, _))| *retired == service).map(|(id, _)| *id);
        let id = kept.unwrap_or_else(|| {
            while self.taken.contains(&self.next) {
                self.next = following(self.next);
            }
            let id = self.next;
            self.next = following(id);
            id
        });
        self.retired.remove(&id);
        self.taken.insert(id);
        self.ids.insert(service, id);
        id
    }
}

/// Ids run from 1 to 2^22 - 2: 127.64.0.0 and 127.127.255.255 stay unused.
fn following(id: u32) -> u32 {
    if id + 1 >= ID_MASK { 1 } else { id + 1 }
}

fn key((address, port): (IpAddr, u16)) -> ServiceKey {
    let address = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    ServiceKey { address: address.octets(), port: port.to_be_bytes() }
}
