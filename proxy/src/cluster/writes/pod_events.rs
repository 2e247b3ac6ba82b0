//! Events on the pods of this node: what is wrong with a pod's marks and annotations, told by the node's own daemon, which alone
//! knows. Each once, however often the daemon is started within the hour that an Event lives: its name is made of what it says.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use meshlet_routing::model::ObjectRef;
use tokio::sync::watch;

use super::desk::{Desk, Refusal};
use super::events::{AN_HOUR, About, HOUR, Warning, note};
use super::shown::{Record, Shown};
use super::{Capture, Marked, Wanted, woken};

/// What is wrong for less long than this many times the pause between two Events is not told: pods come and go.
const STANDS: u32 = 4;

/// UID of the pod, reason, note.
type Key = (Box<str>, &'static str, String);

/// Who tells them.
pub(super) struct PodEvents {
    pub(super) shown: Arc<Shown>,
    pub(super) desk: Desk,
    /// Who we are among the daemons.
    pub(super) instance: String,
    /// Events are at least so far apart, whatever becomes of the pods.
    pub(super) apart: Duration,
    /// Since when what is wrong now is wrong, and when it was told.
    pub(super) known: HashMap<Key, (Instant, Option<Instant>)>,
}

impl PodEvents {
    /// Tells for as long as somebody says who is captured.
    pub(super) async fn tell(mut self, mut wanted: watch::Receiver<Option<Wanted>>) {
        let mut changes = self.shown.changes();
        loop {
            let now = wanted.borrow_and_update().clone();
            changes.mark_unchanged();
            let next = match now {
                Some(now) => self.next(&now).await,
                None => None,
            };
            let until = next.into_iter().chain(self.desk.opens()).max();
            // Who is captured is told many times a second on a busy node; nobody waits for an Event.
            if woken(&mut wanted, &mut changes, until, self.apart).await.is_none() {
                return;
            }
        }
    }

    /// Tells what has been wrong for long enough and is not told yet: one thing. When to look again.
    async fn next(&mut self, wanted: &Wanted) -> Option<Instant> {
        let now = Instant::now();
        let pods = self.shown.pods();
        let wrong: Vec<(Key, &ObjectRef, &Record)> = pods
            .iter()
            .filter_map(|(pod, record)| Some((wanted.marked(&record.uid)?, pod, record)))
            .flat_map(|(marked, pod, record)| {
                let key = |(reason, text): (&'static str, String)| (record.uid.clone(), reason, note(&text));
                marked.warnings().map(move |warning| (key(warning), pod, record))
            })
            .collect();
        // What was told stays known for as long as the pod is there.
        self.known.retain(|key, (_, told)| match told {
            Some(_) => pods.iter().any(|(_, record)| record.uid == key.0),
            None => wrong.iter().any(|(stands, ..)| stands == key),
        });
        let mut again: Option<Instant> = None;
        for (key, pod, record) in wrong {
            let (since, told) = *self.known.entry(key.clone()).or_insert((now, None));
            let due = since + self.apart * STANDS;
            if told.is_some() || self.has_enough(&key.0, now) {
                continue;
            }
            if due > now {
                again = Some(again.map_or(due, |again| again.min(due)));
                continue;
            }
            let Some(path) = self.shown.path(pod.kind, &pod.namespace) else { continue };
            if self.write(&About { path: &path, object: pod, record }, &key).await {
                self.known.insert(key, (since, Some(now)));
            }
            return Some(now);
        }
        again
    }

    /// Whether it is there now, or never will be.
    async fn write(&mut self, about: &About<'_>, key: &Key) -> bool {
        let (_, reason, note) = key;
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let warning = Warning { action: "Capturing", reason, note };
        let moment = format!("{:.6}", Timestamp::now());
        let request = about.create(&about.name(hasher.finish()), &moment, &warning, &self.instance);
        !matches!(self.desk.send(request).await, Err(Refusal::Closed))
    }

    fn has_enough(&self, pod: &str, now: Instant) -> bool {
        let of_pod = self.known.iter().filter(|((uid, ..), _)| **uid == *pod);
        let told = of_pod.filter_map(|(_, (_, told))| *told).filter(|told| now.duration_since(*told) < HOUR);
        told.count() >= AN_HOUR
    }
}

impl Marked {
    /// What is wrong with the pod: a stable word, and a sentence.
    fn warnings(&self) -> impl Iterator<Item = (&'static str, String)> {
        let capture = match &self.capture {
            Capture::Refused(reason) => Some((*reason, refused(reason))),
            Capture::Failed(error) => {
                Some(("CaptureFailed", format!("the pod is marked and not captured yet: {error}")))
            }
            Capture::Done | Capture::Pending => None,
        };
        let unused = self.unused.iter().map(|annotation| (annotation.why.as_str(), annotation.to_string()));
        capture.into_iter().chain(unused)
    }
}

fn refused(reason: &str) -> String {
    let why = match reason {
        "HostNetwork" => "it uses the node's network",
        "SystemNamespace" => "its namespace is a system namespace",
        "Sidecar" => "it has a sidecar, and one proxy is enough",
        "Ambient" => "ztunnel captures it",
        "Gateway" => "it is a gateway",
        other => other,
    };
    format!(
        "the pod is marked and yet not captured: {why}; no rule applies to it as a client; label it meshlet.dev/redirect: disabled if that is meant"
    )
}
