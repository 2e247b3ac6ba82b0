//! The heartbeat that keeps the hooks armed.

use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use meshlet_wire::{BEAT_TABLES, BEAT_WORKERS, BEATS};
use rustix::time::{ClockId, clock_gettime};

use super::words::Words;

/// Threads start within milliseconds; on a machine that is swamped it may take longer.
const START_LIMIT: Duration = Duration::from_secs(10);

/// The heartbeat map, shared with the hooks. What is published of the workers is the *oldest* beat of all workers, so that one
/// wedged worker is enough to let its pods' new connections fail open.
pub(crate) struct Heartbeat {
    cells: Words,
    workers: Box<[AtomicU64]>,
}

impl Heartbeat {
    /// Maps the array; no beat is published until every worker has ticked once.
    pub(super) fn map(array: BorrowedFd<'_>, workers: NonZeroUsize) -> anyhow::Result<Self> {
        let cells = Words::map(array, BEATS).context("mapping the heartbeat map")?;
        Ok(Self { cells, workers: (0..workers.get()).map(|_| AtomicU64::new(0)).collect() })
    }

    /// Called by the node loop in each round: the routes that the kernel decides by are up to date.
    pub(crate) fn tables(&self) {
        self.cells.at(BEAT_TABLES).store(now(), Ordering::Relaxed);
    }

    /// Called by each worker from its own accept loop; `worker` counts from 0, others are ignored.
    pub(crate) fn tick(&self, worker: usize) {
        let Some(own) = self.workers.get(worker) else { return };
        own.store(now(), Ordering::Relaxed);
        let oldest = self.workers.iter().map(|beat| beat.load(Ordering::Relaxed)).min().unwrap_or(0);
        // Beats only grow; another worker may have published a later one meanwhile.
        self.published().fetch_max(oldest, Ordering::Relaxed);
    }

    /// From now on nobody keeps the routes in the kernel up to date.
    pub(crate) fn abandon_tables(&self) {
        self.cells.at(BEAT_TABLES).store(0, Ordering::Relaxed);
    }

    /// Waits until every worker has ticked once: before that the hooks would take a daemon that has just started for a dead
    /// one.
    pub(crate) fn wait(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.published().load(Ordering::Relaxed) == 0 {
            if began.elapsed() > START_LIMIT {
                bail!("a worker thread has not started within {} s: is the machine out of CPU?", START_LIMIT.as_secs());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn published(&self) -> &AtomicU64 {
        self.cells.at(BEAT_WORKERS)
    }
}

/// The clock that `bpf_ktime_get_coarse_ns` reads.
pub(super) fn now() -> u64 {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
