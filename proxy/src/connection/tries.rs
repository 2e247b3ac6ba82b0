//! How often a request is tried, and how long that may take. Limits run from when all of the request is here, as in Envoy
//! (source/common/router/router.cc, Filter::onRequestComplete).

use std::future::pending;
use std::time::Duration;

use meshlet_routing::balance::{Breakers, Resource};
use meshlet_routing::model::{ConnectionPool, RetryPolicy};
use meshlet_routing::retry::{self, Attempt};

use super::flags::Flags;
use super::upload::Progress;

/// The tries of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tries<'t> {
    /// Of its route; one that has none tries once.
    policy: Option<&'t RetryPolicy>,
    /// Tries beyond the first.
    pub(crate) retries: u32,
    /// Over all of them.
    limit: Option<Duration>,
    /// How many may be under way, of all requests of the pod to the cluster.
    budget: (&'t Breakers, &'t ConnectionPool),
}

/// What follows a try that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another one.
    Again,
    /// Nothing: another one would have followed, had there not been enough.
    UsedUp,
    /// Nothing: as many are under way as may be.
    Overflow,
    /// Nothing.
    Over,
}

impl Next {
    /// How it shows.
    pub(crate) fn flags(self) -> Flags {
        match self {
            Self::Again | Self::Over => Flags::NONE,
            Self::UsedUp => Flags::URX,
            Self::Overflow => Flags::UO,
        }
    }
}

impl<'t> Tries<'t> {
    /// Before the first; `limit` is over all of them, `budget` says how many may be under way beside others.
    pub(crate) fn new(
        policy: Option<&'t RetryPolicy>,
        limit: Option<Duration>,
        budget: (&'t Breakers, &'t ConnectionPool),
    ) -> Self {
        Self { policy, retries: 0, limit, budget }
    }

    /// What follows a try that ended so.
    pub(crate) fn after(&self, attempt: Attempt) -> Next {
        match self.policy {
            Some(policy) if retry::retried(policy, self.retries, attempt) => {
                let (breakers, limits) = self.budget;
                if breakers.is_full(Resource::Retries, limits) { Next::Overflow } else { Next::Again }
            }
            Some(policy) if self.retries > 0 && retry::retried(policy, 0, attempt) => Next::UsedUp,
            _ => Next::Over,
        }
    }

    /// How long to wait before the next one; `draw` is uniform over all of `u32`.
    pub(crate) fn back_off(&self, draw: u32) -> Duration {
        self.policy.map_or(Duration::ZERO, |policy| retry::back_off(policy, self.retries, draw))
    }

    /// Returns when one try has taken too long. A response that has begun is left to the limit over all.
    pub(crate) async fn one_is_late(&self, progress: &Progress) {
        let limit = self.policy.and_then(|policy| retry::try_limit(policy, self.limit));
        late(limit, progress).await;
        if progress.answered.get() {
            pending().await
        }
    }
}

/// Returns so long after all of the request was here.
pub(crate) async fn late(limit: Option<Duration>, progress: &Progress) {
    let Some(limit) = limit else { return pending().await };
    progress.whole().await;
    tokio::time::sleep(limit).await;
}
