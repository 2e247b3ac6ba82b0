//! What one worker keeps for one captured pod.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meshlet_routing::balance::{Balance, Picked};
use meshlet_routing::table::Cluster;
use tokio::net::tcp::ReadHalf;
use tokio::sync::Notify;

use super::Client;
use super::buffer::{Buffer, Buffers};
use super::pool::Pool;

/// How long a client may hold a connection without using it; Envoy's default.
const IDLE_LIMIT: Duration = Duration::from_secs(3600);

/// How long a client may take to send its first request once its pod is closed.
const FIRST_LIMIT: Duration = Duration::from_secs(1);

/// How long the balance of an unused cluster is remembered.
const BALANCE_LIMIT: Duration = Duration::from_secs(3600);

/// One pod's share of a worker: as in a sidecar, no pod sees another's connections or counts.
pub(crate) struct Pod {
    /// Who it is.
    pub(crate) client: Arc<Client>,
    /// Its idle connections to endpoints.
    pub(crate) pool: Pool,
    balances: RefCell<HashMap<Arc<str>, (Balance, Instant)>>,
    closing: Cell<bool>,
    /// Wakes everybody who waits for a client: to close, or to look at how long they have waited.
    wake: Notify,
}

impl Pod {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self {
            client,
            pool: Pool::default(),
            balances: RefCell::default(),
            closing: Cell::new(false),
            wake: Notify::new(),
        }
    }

    /// Chooses an endpoint of the cluster for this pod.
    pub(crate) fn pick(&self, cluster: &Cluster, key: Option<u64>, draw: u64, tried: &[SocketAddr]) -> Option<Picked> {
        let mut balances = self.balances.borrow_mut();
        if let Some((balance, used)) = balances.get_mut(&cluster.name) {
            *used = Instant::now();
            return balance.pick(cluster, key, draw, tried);
        }
        let (balance, _) =
            balances.entry(Arc::clone(&cluster.name)).or_insert_with(|| (Balance::new(), Instant::now()));
        balance.pick(cluster, key, draw, tried)
    }

    /// No new connections, no further request on old ones; requests under way go on.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.wake.notify_waiters();
        self.pool.clear();
    }

    /// Whether [`Self::close`] was called.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Waits for [`Self::close`].
    pub(crate) async fn closed(&self) {
        loop {
            let woken = self.wake.notified();
            if self.closing.get() {
                return;
            }
            woken.await;
        }
    }

    /// Waits for a new connection's first bytes; `None` when it is to be closed. It was accepted, so even while the pod
    /// closes it has a moment for its request.
    pub(crate) async fn first_bytes(&self, read: &mut ReadHalf<'_>, buffers: &Rc<Buffers>) -> Option<Buffer> {
        let expired = async {
            self.closed().await;
            tokio::time::sleep(FIRST_LIMIT).await;
        };
        tokio::select! {
            biased;
            buffer = buffers.read(read) => buffer.ok(),
            () = expired => None,
        }
    }

    /// Waits for the client's next bytes; empty when it has ended, `None` when the connection is to be closed.
    pub(crate) async fn next_bytes(&self, read: &mut ReadHalf<'_>, buffers: &Rc<Buffers>) -> Option<Buffer> {
        let since = Instant::now();
        let expired = async {
            loop {
                let woken = self.wake.notified();
                if self.closing.get() || since.elapsed() >= IDLE_LIMIT {
                    return;
                }
                woken.await;
            }
        };
        tokio::select! {
            biased;
            buffer = buffers.read(read) => buffer.ok(),
            () = expired => None,
        }
    }

    /// Drops what was not used for long.
    pub(crate) fn sweep(&self, now: Instant) {
        self.pool.sweep(now);
        self.balances.borrow_mut().retain(|_, (_, used)| now.duration_since(*used) < BALANCE_LIMIT);
        self.wake.notify_waiters();
    }
}
