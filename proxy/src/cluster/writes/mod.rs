//! What is written back to the cluster: on the pods of this node that they are captured ([`redirection`]) and what is wrong with
//! their marks ([`pod_events`]), and by the one daemon that holds the lease ([`lease`]) what becomes of rules ([`objects`]):
//! conditions ([`merge`]) and Events ([`events`]).
//!
//! Nothing is written that the watches show already ([`shown`]), so that nothing is ever written because of our own writes; what
//! is not allowed is told once ([`desk`]). What others have written in the meantime is a conflict (409): the watch shows it, and
//! then it is decided anew.

mod desk;
mod events;
mod lease;
mod merge;
mod objects;
mod pod_events;
mod redirection;
mod shown;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use meshlet_routing::model::{Kind, UnusedAnnotation};
use tokio::sync::watch;

use super::pace::Pace;
use super::rights::Right;
use crate::snapshot::loan::Worlds;
use desk::{Desk, Left};
use events::Events;
use lease::Terms;
use objects::Judge;
use pod_events::PodEvents;

pub(crate) use lease::Candidate;
#[cfg(test)]
pub(crate) use lease::Terms as LeaseTerms;
pub(crate) use shown::{Record, Shown};

/// What writing back needs, but for reading.
pub(super) const RIGHTS: [Right; 6] = [
    redirection::RIGHT,
    objects::VIRTUAL_SERVICES,
    objects::DESTINATION_RULES,
    objects::HTTP_ROUTES,
    events::RIGHT,
    lease::RIGHT,
];

/// Who we are where the API server asks who wrote.
const MANAGER: &str = "meshlet";
/// The same where it is asked which controller did.
const CONTROLLER: &str = "meshlet.dev/meshlet";

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
    /// The marked pods of this node.
    pub(crate) marked: Vec<Marked>,
}

/// A pod of this node that is marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) uid: Box<str>,
    pub(crate) capture: Capture,
    /// Its annotations about capture that have no effect.
    pub(crate) unused: Arc<[UnusedAnnotation]>,
}

/// Whether it is captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Capture {
    /// It is.
    Done,
    /// It will be.
    Pending,
    /// It will be, unless what is in the way stays.
    Failed(String),
    /// It is not to be, for a reason with a stable word.
    Refused(&'static str),
}

impl Wanted {
    fn marked(&self, uid: &str) -> Option<&Marked> {
        self.marked.iter().find(|marked| *marked.uid == *uid)
    }
}

/// What is needed to write.
#[derive(Debug)]
pub(crate) struct Writes {
    pub(crate) rhythm: Rhythm,
    /// Where the world in force is to be had.
    pub(crate) worlds: Worlds,
    /// Another one for every daemon.
    pub(crate) instance: String,
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
        let Self { rhythm, worlds, instance, candidate } = self;
        let desk = |right: Right| Desk::new(client.clone(), rhythm.pace, rhythm.forbidden, right);
        let annotate = redirection::keep(Arc::clone(shown), wanted.clone(), desk(redirection::RIGHT)?);
        let pod_events = PodEvents {
            shown: Arc::clone(shown),
            desk: desk(events::RIGHT)?,
            instance: instance.clone(),
            apart: rhythm.apart / 4,
            known: HashMap::new(),
        };
        let mut writers: Vec<Writer> = vec![Box::pin(annotate), Box::pin(pod_events.tell(wanted.clone()))];
        let Some(candidate) = candidate else {
            tracing::info!(
                "conditions and Events on rules are not written: POD_NAMESPACE does not say where the lease is that one daemon of all holds"
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
            http_routes: desk(objects::HTTP_ROUTES)?,
            events: Events::new(desk(events::RIGHT)?, instance),
            apart: rhythm.apart,
            left: Left::default(),
        };
        writers.push(Box::pin(judge.write(wanted.clone())));
        writers.push(Box::pin(lease::hold(candidate, rhythm.lease, desk(lease::RIGHT)?, hold, wanted.clone())));
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
