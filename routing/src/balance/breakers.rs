//! How much of a cluster one client uses at a time: Envoy's circuit breakers.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::model::ConnectionPool;

/// What a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Connections to endpoints, idle ones too.
    Connections,
    /// Requests that wait for a connection.
    Pending,
    /// Requests that have one, of HTTP/1.1 as well.
    Requests,
    /// Tries beyond the first.
    Retries,
}

impl Resource {
    /// The limit that a cluster has for it.
    #[must_use]
    pub fn limit(self, pool: &ConnectionPool) -> Option<NonZeroU32> {
        match self {
            Self::Connections => pool.max_connections,
            Self::Pending => pool.max_pending,
            Self::Requests => pool.max_requests,
            Self::Retries => pool.max_retries,
        }
    }

    fn place(self) -> usize {
        match self {
            Self::Connections => 0,
            Self::Pending => 1,
            Self::Requests => 2,
            Self::Retries => 3,
        }
    }
}

/// Counts of one client pod and cluster, shared by all who serve that pod.
#[derive(Debug, Default)]
pub struct Breakers {
    held: [AtomicU32; 4],
}

/// One that counts until it is dropped.
#[derive(Debug)]
#[must_use = "it counts no longer than it is held"]
pub struct Permit(Option<(Arc<Breakers>, Resource)>);

impl Breakers {
    /// One more, unless that is beyond the limit. What has no limit is not counted, so a limit that comes later counts from
    /// then on.
    pub fn take(self: &Arc<Self>, resource: Resource, pool: &ConnectionPool) -> Option<Permit> {
        let Some(limit) = resource.limit(pool) else { return Some(Permit(None)) };
        let count = self.count(resource);
        // Nothing is published by it but the number itself.
        let taken =
            count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| (held < limit.get()).then(|| held + 1));
        taken.ok().map(|_| Permit(Some((Arc::clone(self), resource))))
    }

    /// One more, whatever the limit: a first connection to an endpoint is always made, or its requests would wait for ever
    /// (envoy source/common/conn_pool/conn_pool_base.cc, shouldCreateNewConnection, tryCreateNewConnection).
    pub fn take_anyway(self: &Arc<Self>, resource: Resource, pool: &ConnectionPool) -> Permit {
        if resource.limit(pool).is_none() {
            return Permit(None);
        }
        self.count(resource).fetch_add(1, Ordering::Relaxed);
        Permit(Some((Arc::clone(self), resource)))
    }

    /// Whether one more would be beyond the limit.
    #[must_use]
    pub fn is_full(&self, resource: Resource, pool: &ConnectionPool) -> bool {
        resource.limit(pool).is_some_and(|limit| self.held(resource) >= limit.get())
    }

    /// How many are held.
    #[must_use]
    pub fn held(&self, resource: Resource) -> u32 {
        self.count(resource).load(Ordering::Relaxed)
    }

    fn count(&self, resource: Resource) -> &AtomicU32 {
        &self.held[resource.place()]
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((breakers, resource)) = self.0.take() {
            breakers.count(resource).fetch_sub(1, Ordering::Relaxed);
        }
    }
}
