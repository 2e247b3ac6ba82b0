//! What one worker keeps for one pod and one cluster: who is picked, who has failed, what is connected.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use meshlet_routing::balance::{Balance, Breakers, Outcome, Permit, Picked, Resource, Shared};
use meshlet_routing::model::{ConnectionPool, Family};
use meshlet_routing::table::Cluster;
use tokio::sync::Notify;

use super::Netns;
use super::failure::Failure;
use super::pool::Pool;
use super::tls::Peer;
use super::upstream::{self, Guard, Upstream};
use super::worker::Worker;

/// How long an unused cluster is remembered.
const MEMORY: Duration = Duration::from_secs(3600);

/// What the workers of one pod must agree on, per cluster.
#[derive(Debug)]
pub(crate) struct Common {
    /// Time is what has passed since.
    started: Instant,
    /// By Envoy's name of the cluster. Held for a look-up.
    clusters: Mutex<HashMap<Arc<str>, Weak<Shared>>>,
}

impl Default for Common {
    fn default() -> Self {
        Self { started: Instant::now(), clusters: Mutex::default() }
    }
}

impl Common {
    /// What they know about a cluster.
    pub(crate) fn of(&self, cluster: &Arc<str>) -> Arc<Shared> {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = clusters.get(cluster).and_then(Weak::upgrade) {
            return shared;
        }
        clusters.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::<Shared>::default();
        clusters.insert(Arc::clone(cluster), Arc::downgrade(&shared));
        shared
    }
}

/// See the module.
pub(crate) struct Upstreams {
    balance: RefCell<Balance>,
    breakers: Arc<Breakers>,
    /// Connections without a request.
    pub(crate) pool: Pool,
    /// Connections that count towards a limit, by endpoint.
    counted: RefCell<HashMap<SocketAddr, Rc<Cell<u32>>>>,
    /// Wakes those who wait for a connection.
    released: Rc<Notify>,
    started: Instant,
    used: Cell<Instant>,
}

impl Upstreams {
    /// Nothing is connected yet.
    pub(crate) fn new(common: &Common, cluster: &Arc<str>) -> Self {
        let shared = common.of(cluster);
        Self {
            breakers: Arc::clone(shared.breakers()),
            balance: RefCell::new(Balance::with(shared)),
            pool: Pool::default(),
            counted: RefCell::default(),
            released: Rc::default(),
            started: common.started,
            used: Cell::new(Instant::now()),
        }
    }

    /// Chooses an endpoint; its address is the one in `family`, which the client dialled, if it has any.
    pub(crate) fn pick(
        &self,
        cluster: &Cluster,
        (key, family): (Option<u64>, Family),
        draw: u64,
        tried: &[SocketAddr],
    ) -> Option<Picked> {
        let now = Instant::now();
        self.used.set(now);
        let tried: Vec<SocketAddr> = tried.iter().map(|address| cluster.listed_at(*address)).collect();
        let mut picked =
            self.balance.borrow_mut().at(now.duration_since(self.started)).pick(cluster, key, draw, &tried)?;
        picked.address = cluster.towards(picked.address, family);
        Some(picked)
    }

    /// Takes note of what came of a request.
    pub(crate) fn report(&self, cluster: &Cluster, address: SocketAddr, outcome: Outcome) {
        if cluster.outlier_detection.is_some() {
            let address = cluster.listed_at(address);
            self.balance.borrow_mut().at(self.started.elapsed()).report(cluster, address, outcome);
        }
    }

    /// The limits on what the pod asks of the cluster at a time, over all workers.
    pub(crate) fn breakers(&self) -> &Arc<Breakers> {
        &self.breakers
    }

    /// A new connection, or one that is given back while this waits: it waits for as long as the cluster has all the
    /// connections that it may have, unless this worker has none to the endpoint.
    pub(crate) async fn open(
        &self,
        address: SocketAddr,
        limits: &ConnectionPool,
        peer: Option<&Peer>,
        place: (&Netns, &Worker),
    ) -> Result<Upstream, Failure> {
        let _pending = self.breakers.take(Resource::Pending, limits).ok_or(Failure::Overflow)?;
        let permit = loop {
            let released = self.released.notified();
            if let Some(permit) = self.breakers.take(Resource::Connections, limits) {
                break permit;
            }
            if self.count(address).get() == 0 {
                break self.breakers.take_anyway(Resource::Connections, limits);
            }
            if let Some(kept) = self.pool.take(address, peer, Instant::now()) {
                return Ok(kept);
            }
            released.await;
        };
        let guard = limits.max_connections.map(|_| self.guard(address, permit));
        let stream = upstream::connect(place, address, limits, peer).await.map_err(Failure::Connect)?;
        Ok(Upstream::new(stream, guard))
    }

    /// Keeps a connection for the next request, if the cluster's limits let it have one.
    pub(crate) fn keep(&self, address: SocketAddr, mut upstream: Upstream, limits: &ConnectionPool) {
        let now = Instant::now();
        if upstream.is_spent(limits, now) {
            return;
        }
        self.pool.put(address, upstream, now);
        self.released.notify_waiters();
    }

    /// Closes what is too old; whether there is anything left to remember.
    pub(crate) fn sweep(&self, now: Instant) -> bool {
        self.pool.sweep(now);
        self.counted.borrow_mut().retain(|_, count| count.get() > 0 || Rc::strong_count(count) > 1);
        !self.pool.is_empty() || now.duration_since(self.used.get()) < MEMORY
    }

    fn count(&self, address: SocketAddr) -> Rc<Cell<u32>> {
        Rc::clone(self.counted.borrow_mut().entry(address).or_default())
    }

    fn guard(&self, address: SocketAddr, permit: Permit) -> Guard {
        Guard::new(permit, self.count(address), Rc::clone(&self.released))
    }
}
