//! How each watch stands, for those who look: one line per resource in `/api/v1/config`, the probes and the metrics.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::kinds::Watched;

/// A watch that has been silent for so long may be dead: the API server sends a bookmark every minute.
pub(crate) const SILENCE: Duration = Duration::from_secs(90);

/// What becomes of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has not begun.
    Connecting,
    /// It is followed.
    Following,
    /// Its CRD is not there.
    Absent,
    /// There is no permission, in a sentence that says which.
    Forbidden(String),
    /// The API server cannot be asked, in a sentence that says why.
    Failing(String),
}

/// One watch; written by who follows it.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) watched: &'static Watched,
    begun: Instant,
    /// When the API server was last heard of, in milliseconds since the begin.
    heard: AtomicU64,
    objects: AtomicUsize,
    /// Guards a value that is replaced as a whole.
    standing: Mutex<Standing>,
}

/// As it is shown.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WatchStatus {
    /// `virtualservices.networking.istio.io`.
    pub(crate) resource: String,
    /// `connecting`, `following`, `absent`, `forbidden` or `failing`.
    pub(crate) state: &'static str,
    /// What is wrong and what to do; empty when nothing is.
    pub(crate) message: String,
    /// Objects that are known.
    pub(crate) objects: usize,
    /// The `resourceVersion` up to which the world in force has been told.
    pub(crate) version: Box<str>,
    /// For how long what is in force may have been stale; 0 while it is followed.
    pub(crate) lag_seconds: f64,
}

impl Watch {
    pub(crate) fn new(watched: &'static Watched) -> Arc<Self> {
        let standing = Mutex::new(Standing::Connecting);
        Arc::new(Self {
            watched,
            begun: Instant::now(),
            heard: AtomicU64::new(0),
            objects: AtomicUsize::new(0),
            standing,
        })
    }

    /// The API server has said something.
    pub(crate) fn heard(&self) {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(since, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, objects: usize) {
        self.objects.store(objects, Ordering::Relaxed);
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says how it stands, and tells the log when that is another.
    pub(crate) fn stand(&self, standing: Standing) {
        let before = {
            let mut known = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *known, standing.clone())
        };
        if before == standing {
            return;
        }
        let resource = self.watched.resource();
        match standing {
            Standing::Connecting => {}
            Standing::Following => tracing::info!(resource, "followed"),
            Standing::Absent => tracing::info!(resource, "is not served: its CRD is waited for"),
            Standing::Forbidden(problem) => tracing::warn!("{problem}"),
            Standing::Failing(problem) => {
                tracing::warn!(resource, problem, "what was known last stays in force");
            }
        }
    }

    /// How it stands now, of a world that has been told up to a version.
    pub(crate) fn status(&self, version: Box<str>) -> WatchStatus {
        let standing = self.standing();
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        let silent = self.begun.elapsed().saturating_sub(heard);
        // An absent kind and one that is followed in silence are as they should be.
        let fresh = matches!(standing, Standing::Following | Standing::Absent) && silent < SILENCE;
        let (state, message) = match standing {
            Standing::Connecting => ("connecting", String::new()),
            Standing::Following => ("following", String::new()),
            Standing::Absent => ("absent", String::new()),
            Standing::Forbidden(problem) => ("forbidden", problem),
            Standing::Failing(problem) => ("failing", problem),
        };
        WatchStatus {
            resource: self.watched.resource(),
            state,
            message,
            objects: self.objects.load(Ordering::Relaxed),
            version,
            lag_seconds: if fresh { 0.0 } else { silent.as_secs_f64() },
        }
    }
}
