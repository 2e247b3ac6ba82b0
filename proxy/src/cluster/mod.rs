//! The truth from a cluster's API. A task per resource ([`follow`], on a thread of its own) finds where it is served
//! ([`discover`]), lists and watches it ([`exchange`]: in bounded memory and time), keeps what is needed ([`keep`], [`kinds`]),
//! checks it and tells what is another ([`news`]) over a bounded channel to the node loop, whose side is [`Cluster`].
//!
//! What goes the other way is in [`writes`].
//!
//! Not kube-runtime's `watcher`: that one watches again at once, without end, when a server closes at once; reads lists and
//! lines of any length; and keeps bookmarks to itself, by which staleness is told from silence.

pub(crate) mod connect;
pub(crate) mod daemons;
mod discover;
mod exchange;
mod follow;
mod keep;
mod kinds;
mod news;
mod pace;
mod page;
pub(crate) mod rights;
mod standing;
pub(crate) mod survey;
#[cfg(test)]
mod tests;
pub(crate) mod writes;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use kube::Config;
use meshlet_routing::inventory::{Change, Inventory};
use meshlet_routing::model::MeshConfig;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use follow::Follower;
use kinds::WATCHED;
use news::{News, Told};
use pace::Pace;
use standing::Watch;
use writes::{Marked, Shown, Wanted, Writes};

use crate::snapshot::resolve::Resolved;

pub(crate) use standing::WatchStatus;

/// What is told and not yet taken is at most so much.
const WAITING: usize = 512;
/// What is taken over at a time, so that the node loop does its other duties.
const AT_A_TIME: usize = 4096;
/// Who writes back has so long to come to an end.
const FAREWELL: Duration = Duration::from_secs(2);

/// The node loop's side: the objects in force.
pub(crate) struct Cluster {
    inventory: Inventory,
    told: mpsc::Receiver<Told>,
    watches: Vec<Followed>,
    /// Whether all that is needed has been told once: before that, a part of the rules would be taken for all.
    settled: bool,
    /// Whether something was told that the world does not show yet.
    stale: bool,
    /// Whether a world was in force.
    in_force: bool,
    /// What is to be written back.
    wanted: watch::Sender<Option<Wanted>>,
    // Held, not used: the watches end with it.
    _end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// One watch, as the node loop knows it.
struct Followed {
    watch: Arc<Watch>,
    version: Box<str>,
    told: Completeness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Completeness {
    Nothing,
    /// All objects, once.
    All,
    /// That there are none.
    Absent,
    /// That there is no permission.
    Forbidden,
}

impl Followed {
    fn settled(&self) -> bool {
        match self.told {
            Completeness::Nothing => false,
            Completeness::All | Completeness::Absent => true,
            Completeness::Forbidden => !self.watch.watched.vital,
        }
    }
}

impl Cluster {
    /// Begins to follow what this node needs, on a thread of its own.
    ///
    /// # Errors
    /// The thread does not start, or the client cannot be made.
    pub(crate) fn follow(config: Config, mesh: MeshConfig, node: &str, writes: Option<Writes>) -> anyhow::Result<Self> {
        Self::follow_at(Pace::PATIENT, config, mesh, node, writes)
    }

    fn follow_at(
        pace: Pace,
        config: Config,
        mesh: MeshConfig,
        node: &str,
        writes: Option<Writes>,
    ) -> anyhow::Result<Self> {
        let (wanted, wants) = watch::channel(None);
        let shown = writes.is_some().then(Shown::new);
        let (tell, told) = mpsc::channel(WAITING);
        let (end, ended) = oneshot::channel();
        let watches: Vec<Arc<Watch>> = WATCHED.iter().map(Watch::new).collect();
        let node: Arc<str> = node.into();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("starting the cluster's runtime")?;
        let (followers, writers) = {
            let _within = runtime.enter();
            let client = connect::client(config)?;
            let follower = |(place, watch): (usize, &Arc<Watch>)| {
                let (watch, node) = (Arc::clone(watch), Arc::clone(&node));
                Follower::new(client.clone(), pace, place, watch, node, tell.clone(), shown.clone())
            };
            let followers = watches.iter().enumerate().map(follower).collect::<anyhow::Result<Vec<_>>>()?;
            let writers = writes.zip(shown.as_ref()).map(|(writes, shown)| writes.begin(&client, shown, &wants));
            (followers, writers.transpose()?.unwrap_or_default())
        };
        let run = move || {
            runtime.block_on(async {
                followers.into_iter().for_each(|follower| drop(tokio::spawn(follower.follow())));
                let mut writing: JoinSet<()> = writers.into_iter().collect();
                // It is never sent: the other side is dropped.
                drop(ended.await);
                // They see that nothing is wanted any more. The API server may be gone, too.
                drop(tokio::time::timeout(FAREWELL, async { while writing.join_next().await.is_some() {} }).await);
            });
            // Whatever is judged at the moment is for nobody.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("meshlet-cluster".to_owned()).spawn(run);
        let thread = thread.context("starting the cluster's thread")?;
        let followed = |watch| Followed { watch, version: Box::default(), told: Completeness::Nothing };
        Ok(Self {
            inventory: Inventory::new(mesh),
            told,
            watches: watches.into_iter().map(followed).collect(),
            settled: false,
            stale: false,
            in_force: false,
            wanted,
            _end: end,
            thread,
        })
    }

    /// Follows and writes no more. What is given back has been, or could not be, when the thread has ended, at most two seconds
    /// later.
    pub(crate) fn end(self) -> JoinHandle<()> {
        self.thread
    }

    /// The objects in force.
    pub(crate) fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Takes over what names come to, and says what is another in the world.
    pub(crate) fn resolved(&mut self, told: &[Resolved]) -> Change {
        told.iter().for_each(|resolved| self.inventory.resolved(&resolved.name, &resolved.addresses));
        // What watches have told is for `settle` to bring into the world, together with what comes of it.
        if self.stale { Change::default() } else { self.inventory.settle() }
    }

    /// Whether all that is needed has been told once.
    pub(crate) fn settled(&self) -> bool {
        self.settled
    }

    /// Has it written back which pods are captured and what becomes of the rules in force, unless that is so already.
    pub(crate) fn write_back(&self, generation: u64, marked: Vec<Marked>) {
        let told = self.watches.iter().map(|followed| (followed.watch.watched.kind, followed.version.clone()));
        let wanted = Wanted { generation, told: told.collect(), marked };
        self.wanted.send_if_modified(|known| known.replace(wanted.clone()) != Some(wanted));
    }

    /// How each watch stands.
    pub(crate) fn watches(&self) -> Vec<WatchStatus> {
        self.watches.iter().map(|followed| followed.watch.status(followed.version.clone())).collect()
    }

    /// Waits for news and takes them over; whether there is something for [`Self::settle`]. It may be dropped while it waits;
    /// nothing is lost by that.
    pub(crate) async fn news(&mut self) -> bool {
        match self.told.recv().await {
            Some(told) => self.take(told),
            // The thread has ended, which it does not before this is dropped.
            None => std::future::pending().await,
        }
        for _ in 0..AT_A_TIME {
            let Ok(told) = self.told.try_recv() else { break };
            self.take(told);
        }
        self.settled && self.stale
    }

    /// Brings the world up to date; `None` when nothing is another, or all is not told yet.
    pub(crate) fn settle(&mut self) -> Option<Change> {
        if !self.settled || !std::mem::take(&mut self.stale) {
            return None;
        }
        let change = self.inventory.settle();
        let first = !std::mem::replace(&mut self.in_force, true);
        (first || !change.is_empty()).then_some(change)
    }

    fn take(&mut self, told: Told) {
        let followed = &mut self.watches[told.from];
        if let Some(version) = told.version {
            followed.version = version;
        }
        match told.news {
            News::Nothing => return,
            News::Put(valid) => self.inventory.put(&valid),
            News::Remove(object) => self.inventory.remove(&object),
            News::Complete => followed.told = Completeness::All,
            News::Absent => followed.told = Completeness::Absent,
            News::Forbidden => followed.told = Completeness::Forbidden,
        }
        self.stale = true;
        if !self.settled && self.watches.iter().all(Followed::settled) {
            tracing::info!("all that is needed from the cluster is known");
            self.settled = true;
        }
    }
}
