//! What one worker keeps for one captured pod.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::tcp::ReadHalf;
use tokio::sync::Notify;

use super::Client;
use super::buffer::{Buffer, Buffers};
use super::upstreams::Upstreams;

/// How long a client may hold a connection without using it; Envoy's default.
const IDLE_LIMIT: Duration = Duration::from_secs(3600);

/// How long a client may take to send its first request once its pod is closed.
const FIRST_LIMIT: Duration = Duration::from_secs(1);

/// One pod's share of a worker: as in a sidecar, no pod sees another's connections or counts.
pub(crate) struct Pod {
    /// Who it is.
    pub(crate) client: Arc<Client>,
    /// By Envoy's name of the cluster.
    upstreams: RefCell<HashMap<Arc<str>, Rc<Upstreams>>>,
    closing: Cell<bool>,
    /// Wakes everybody who waits for a client: to close, or to look at how long they have waited.
    wake: Notify,
}

impl Pod {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self { client, upstreams: RefCell::default(), closing: Cell::new(false), wake: Notify::new() }
    }

    /// What is kept for a cluster.
    pub(crate) fn upstreams(&self, cluster: &str) -> Rc<Upstreams> {
        if let Some(upstreams) = self.upstreams.borrow().get(cluster) {
            return Rc::clone(upstreams);
        }
        let name: Arc<str> = cluster.into();
        let upstreams = Rc::new(Upstreams::new(&self.client.common, &name));
        self.upstreams.borrow_mut().insert(name, Rc::clone(&upstreams));
        upstreams
    }

    /// No new connections, no further request on old ones; requests under way go on.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.wake.notify_waiters();
        self.upstreams.borrow().values().for_each(|upstreams| upstreams.pool.clear());
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
        // What a request under way holds is counted by others as well.
        let is_kept = |upstreams: &mut Rc<Upstreams>| upstreams.sweep(now) || Rc::strong_count(upstreams) > 1;
        self.upstreams.borrow_mut().retain(|_, upstreams| is_kept(upstreams));
        self.wake.notify_waiters();
    }
}
