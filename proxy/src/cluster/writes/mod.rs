//! What is written back to the cluster: on the pods of this node that they are captured ([`redirection`]), and by the one daemon
//! that holds the lease ([`lease`]) what becomes of rules ([`objects`]): conditions ([`merge`]) and Events ([`events`]).
//!
//! Nothing is written that the watches show already ([`shown`]), so that nothing is ever written because of our own writes; what
//! is not allowed is told once ([`desk`]).

mod desk;
mod events;
mod lease;
mod merge;
mod objects;
mod redirection;
mod shown;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use meshlet_routing::model::Kind;
use tokio::sync::watch;

use super::pace::Pace;
use super::rights::Right;
use crate::snapshot::loan::Worlds;
use desk::{Desk, Left};
use events::Events;
use lease::Terms;
use objects::Judge;

pub(crate) use lease::Candidate;
#[cfg(test)]
pub(crate) use lease::Terms as LeaseTerms;
pub(crate) use shown::{Record, Shown};

/// What writing back needs, but for reading.
pub(super) const RIGHTS: [Right; 5] =
    [redirection::RIGHT, objects::VIRTUAL_SERVICES, objects::DESTINATION_RULES, events::RIGHT, lease::RIGHT];

/// Who we are where the API server asks who wrote.
const MANAGER: &str = "meshlet";

/// How often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// After failures.
    pub(crate) pace: Pace,
    /// What is not allowed is left alone for so long.
    pub(crate) forbidden: Duration,
    /// Worlds are judged at least so far apart.
    pub(crate) apart: Duration,
    pub(crate) lease: Terms,
}

impl Rhythm {
    pub(crate) const PATIENT: Self = Self {
        pace: Pace::PATIENT,
        forbidden: Duration::from_secs(600),
        apart: Duration::from_secs(2),
        lease: Terms { lasts: Duration::from_secs(15), renewed: Duration::from_secs(5) },
    };
}

/// What the node loop wants to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Counts the worlds that were in force; 0 before the first.
    pub(crate) generation: u64,
    /// Up to which version of each kind the world in force has been told.
    pub(crate) told: Vec<(Kind, Box<str>)>,
    /// The marked pods of this node by their UIDs, and whether they are captured.
    pub(crate) marked: Vec<(Box<str>, bool)>,
}

/// What is needed to write.
#[derive(Debug)]
pub(crate) struct Writes {
    pub(crate) rhythm: Rhythm,
    /// Where the world in force is to be had.
    pub(crate) worlds: Worlds,
    /// Who asks for the lease; without one, nothing is written about rules.
    pub(crate) candidate: Option<Candidate>,
}

impl Writes {
    /// Begins to write, for as long as the runtime runs: the futures of those who do.
    pub(crate) fn begin(
        self,
        client: &Client,
        shown: &Arc<Shown>,
        wanted: &watch::Receiver<Option<Wanted>>,
    ) -> anyhow::Result<Vec<Writer>> {
        let Self { rhythm, worlds, candidate } = self;
        let desk = |right: Right| Desk::new(client.clone(), rhythm.pace, rhythm.forbidden, right);
        let annotate = redirection::keep(Arc::clone(shown), wanted.clone(), desk(redirection::RIGHT)?);
        let mut writers: Vec<Writer> = vec![Box::pin(annotate)];
        let Some(candidate) = candidate else {
            tracing::info!(
                "conditions and Events are not written: POD_NAMESPACE does not say where the lease is that one daemon of all holds"
            );
            return Ok(writers);
        };
        let (hold, holding) = watch::channel(false);
        let judge = Judge {
            shown: Arc::clone(shown),
            worlds,
            holding,
            virtual_services: desk(objects::VIRTUAL_SERVICES)?,
            destination_rules: desk(objects::DESTINATION_RULES)?,
            events: Events::new(desk(events::RIGHT)?, candidate.name.clone()),
            apart: rhythm.apart,
            left: Left::default(),
        };
        writers.push(Box::pin(judge.write(wanted.clone())));
        writers.push(Box::pin(lease::hold(candidate, rhythm.lease, desk(lease::RIGHT)?, hold)));
        Ok(writers)
    }
}

/// One of them.
pub(crate) type Writer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Waits until something else is wanted or shown, or until a time, and a little longer for what comes with it; `None` when nobody
/// wants anything any more.
async fn woken(
    wanted: &mut watch::Receiver<Option<Wanted>>,
    changes: &mut watch::Receiver<()>,
    until: Option<Instant>,
    longer: Duration,
) -> Option<()> {
    let over = async {
        match until {
            Some(until) => tokio::time::sleep_until(until.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        wanted = wanted.changed() => wanted.ok()?,
        shown = changes.changed() => shown.ok()?,
        () = over => {}
    }
    tokio::time::sleep(longer).await;
    Some(())
}
