//! What all who serve one client pod know about one cluster: a sidecar's workers share this as well.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::breakers::Breakers;
use super::outlier::{Outcome, Outliers};
use crate::model::{Endpoint, OutlierDetection};
use crate::table::Cluster;

/// Outlier detection, circuit breakers and the age of endpoints, for one client pod and one cluster. It outlives changes of
/// the cluster.
#[derive(Debug, Default)]
pub struct Shared {
    breakers: Arc<Breakers>,
    /// Who has failed. Held for a look-up and never across anything that waits.
    outliers: Mutex<Outliers>,
    /// Grows whenever somebody is thrown out or comes back.
    changes: AtomicU64,
    /// Whether anybody has failed of late: until then a success changes nothing, and costs nothing.
    troubled: AtomicBool,
    /// Since when an endpoint is known, where the cluster warms endpoints up.
    joined: Mutex<HashMap<SocketAddr, Duration>>,
}

/// Who is out at the moment.
#[derive(Debug)]
pub(super) struct Out {
    /// See [`Shared::changes`].
    pub(super) changes: u64,
    /// In ascending order.
    pub(super) addresses: Vec<SocketAddr>,
    /// When the next look is due.
    pub(super) next_look: Duration,
}

impl Shared {
    /// The limits on what the pod asks of the cluster at a time.
    #[must_use]
    pub fn breakers(&self) -> &Arc<Breakers> {
        &self.breakers
    }

    /// Takes note of what came of a request.
    pub(super) fn report(&self, cluster: &Cluster, address: SocketAddr, outcome: Outcome, now: Duration) {
        let Some(policy) = &cluster.outlier_detection else { return };
        let fine = matches!(outcome, Outcome::Answered(status) if status < 500);
        if fine && !self.troubled.load(Ordering::Relaxed) {
            return;
        }
        let mut outliers = held(&self.outliers);
        let came_back = outliers.sweep(policy, now);
        let ejected = outliers.report(policy, address, outcome, cluster.listed(), now);
        self.publish(&outliers, came_back || ejected);
    }

    /// Lets those come back whose time it is, forgets those who are gone, and says who is out.
    pub(super) fn look(&self, policy: &OutlierDetection, endpoints: &[Endpoint], now: Duration) -> Out {
        let mut outliers = held(&self.outliers);
        let came_back = outliers.sweep(policy, now);
        let is_there =
            |address: &SocketAddr| endpoints.binary_search_by_key(address, |endpoint| endpoint.address).is_ok();
        let gone = outliers.retain(is_there);
        self.publish(&outliers, came_back || gone);
        let mut addresses: Vec<SocketAddr> = outliers.out().collect();
        addresses.sort_unstable();
        Out { changes: self.changes(), addresses, next_look: outliers.next_look(policy) }
    }

    /// Changes whenever somebody is thrown out or comes back.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn publish(&self, outliers: &Outliers, changed: bool) {
        self.troubled.store(!outliers.is_clean(), Ordering::Relaxed);
        if changed {
            self.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// Since when each endpoint is known; those that were not are so from now on.
    pub(super) fn joined(&self, endpoints: &[Endpoint], now: Duration) -> Box<[Duration]> {
        let mut joined = held(&self.joined);
        joined.retain(|address, _| endpoints.binary_search_by_key(address, |endpoint| endpoint.address).is_ok());
        endpoints.iter().map(|endpoint| *joined.entry(endpoint.address).or_insert(now)).collect()
    }
}

/// What a thread that panicked left behind is as good as any other state of a counter.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
