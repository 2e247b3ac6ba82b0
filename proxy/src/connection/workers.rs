//! The worker threads: each owns its share of the connections, and nothing is shared between them per request.

use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::Client;
use super::log::{self, Log};
use super::worker::{self, Command, Worker};
use crate::metrics::{Counter, Tally};
use crate::settings::AccessLog;
use crate::snapshot::asked::ResolvConf;

/// The data-path threads.
pub(crate) struct Workers {
    threads: Vec<(UnboundedSender<Command>, JoinHandle<()>)>,
    log: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts `count` threads. Each calls `beat` with its number every 50 ms from the loop that serves connections, so
    /// that a worker that is stuck is silent.
    pub(crate) fn start(
        count: NonZeroUsize,
        beat: Arc<dyn Fn(usize) + Send + Sync>,
        log: AccessLog,
        resolv_conf: &ResolvConf,
        tallies: &SyncSender<Tally>,
    ) -> anyhow::Result<Self> {
        let (log, log_thread) = match log {
            AccessLog::Off => (None, None),
            AccessLog::Text | AccessLog::Json => {
                let (log, thread) = log::start(log).context("starting the access log's thread")?;
                (Some(log), Some(thread))
            }
        };
        let cpus = sched_getaffinity(None).context("reading the CPUs this process may use")?;
        let pinned = (0..count.get()).all(|cpu| cpu < CpuSet::MAX_CPU && cpus.is_set(cpu));
        let threads = (0..count.get())
            .map(|index| {
                let counter = Counter::new(tallies.clone());
                thread(index, pinned, Arc::clone(&beat), (log.clone(), resolv_conf.clone(), counter))
                    .with_context(|| format!("starting worker {index}"))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { threads, log: log_thread })
    }

    /// How many workers listen.
    pub(crate) fn count(&self) -> usize {
        self.threads.len()
    }

    /// Serves a pod from now on; `listeners` are each worker's, in order, and non-blocking. A pod that was enrolled
    /// before is withdrawn first.
    pub(crate) fn enrol(&self, client: Arc<Client>, listeners: Vec<Vec<TcpListener>>) {
        for ((worker, _), listeners) in self.threads.iter().zip(listeners) {
            // A worker that is gone has been reported by its silence.
            let _ = worker.send(Command::Enrol(Arc::clone(&client), listeners));
        }
    }

    /// Stops accepting from a pod and closes its idle connections; requests under way are finished.
    pub(crate) fn withdraw(&self, cookie: u64) {
        for (worker, _) in &self.threads {
            let _ = worker.send(Command::Withdraw(cookie));
        }
    }

    /// Withdraws every pod, gives what is under way at most `drain`, resets the rest and ends the threads.
    pub(crate) fn shutdown(self, drain: Duration) {
        let threads: Vec<_> = self
            .threads
            .into_iter()
            .map(|(worker, thread)| {
                let _ = worker.send(Command::Shutdown(drain));
                thread
            })
            .collect();
        for thread in threads.into_iter().chain(self.log) {
            if thread.join().is_err() {
                tracing::error!("a data-path thread had failed");
            }
        }
    }
}

fn thread(
    index: usize,
    pinned: bool,
    beat: Arc<dyn Fn(usize) + Send + Sync>,
    (log, resolv_conf, counter): (Option<Log>, ResolvConf, Counter),
) -> anyhow::Result<(UnboundedSender<Command>, JoinHandle<()>)> {
    let (commands, receiver) = unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("building its runtime")?;
    let resources = worker::Resources::new(log, resolv_conf, counter)?;
    let thread = std::thread::Builder::new().name(format!("meshlet-worker-{index}")).spawn(move || {
        if pinned {
            pin(index);
        }
        worker::run(&runtime, Worker::new(resources), receiver, &move || beat(index));
    })?;
    Ok((commands, thread))
}

/// Keeps this thread on the CPU whose clients it is given.
fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    if let Err(error) = sched_setaffinity(None, &set) {
        tracing::debug!(cpu, %error, "a worker stays unpinned");
    }
}
