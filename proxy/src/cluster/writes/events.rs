//! Events on rules: one for what is wrong, and no more than a few an hour whatever becomes of the rule. What an Event is like is
//! the same for those on pods ([`super::pod_events`]).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use meshlet_routing::analyze::Condition;
use meshlet_routing::model::ObjectRef;
use serde_json::json;

use super::super::rights::Right;
use super::CONTROLLER;
use super::desk::Desk;
use super::shown::Record;

pub(super) const RIGHT: Right = Right::to_write(
    "events.k8s.io",
    "events",
    &["create", "patch"],
    "no Event says that something is wrong with a rule or a pod",
);

/// The API server refuses longer notes.
const LONGEST_NOTE: usize = 1024;
/// The API server keeps Events for an hour, too.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// So many are written about one object in an hour.
pub(super) const AN_HOUR: usize = 4;

/// What makes an Event the same: UID, reason, note.
type Key = (Box<str>, &'static str, String);

/// Who tells them.
pub(super) struct Events {
    desk: Desk,
    /// Who we are among the daemons.
    instance: String,
    told: HashMap<Key, Told>,
    /// When something was written about an object, by its UID.
    written: HashMap<Box<str>, Vec<Instant>>,
}

/// An Event that is there.
struct Told {
    path: String,
    name: String,
    count: u64,
    last: Instant,
}

impl Events {
    pub(super) fn new(desk: Desk, instance: String) -> Self {
        Self { desk, instance, told: HashMap::new(), written: HashMap::new() }
    }

    /// Says that something is wrong with an object; `path` is where it is. What cannot be written is not made up for: the
    /// condition says the same.
    pub(super) async fn warn(&mut self, path: &str, record: &Record, condition: &Condition) {
        let now = Instant::now();
        self.forget(now);
        let note = note(&condition.message);
        let key = (record.uid.clone(), condition.reason, note.clone());
        if let Some(told) = self.told.get_mut(&key) {
            (told.count, told.last) = (told.count + 1, now);
        }
        let written = self.written.entry(record.uid.clone()).or_default();
        if written.len() >= AN_HOUR {
            return;
        }
        written.push(now);
        let moment = format!("{:.6}", Timestamp::now());
        if let Some(Told { path, name, count, .. }) = self.told.get(&key) {
            let series = json!({"series": {"count": count, "lastObservedTime": moment}});
            let manager = PatchParams { field_manager: Some(super::MANAGER.to_owned()), ..PatchParams::default() };
            let request = Request::new(path.as_str()).patch(name, &manager, &Patch::Merge(series));
            // Gone, if refused: it is told again when it comes to be again.
            if self.desk.send(request).await.is_err() {
                self.told.remove(&key);
            }
            return;
        }
        let about = About { path, object: &condition.object, record };
        let warning = Warning { action: "Applying", reason: condition.reason, note: &note };
        let name = about.name(self.desk.draw().next());
        if self.desk.send(about.create(&name, &moment, &warning, &self.instance)).await.is_ok() {
            self.told.insert(key, Told { path: about.events(), name, count: 1, last: now });
        }
    }

    fn forget(&mut self, now: Instant) {
        let fresh = |at: &Instant| now.duration_since(*at) < HOUR;
        self.told.retain(|_, told| fresh(&told.last));
        self.written.retain(|_, written| {
            written.retain(fresh);
            !written.is_empty()
        });
    }
}

/// What an Event is about.
pub(super) struct About<'e> {
    /// Where the object is: `/apis/networking.istio.io/v1/namespaces/…`.
    pub(super) path: &'e str,
    pub(super) object: &'e ObjectRef,
    pub(super) record: &'e Record,
}

/// What it says.
pub(super) struct Warning<'e> {
    /// What somebody did who met it.
    pub(super) action: &'static str,
    pub(super) reason: &'static str,
    pub(super) note: &'e str,
}

impl About<'_> {
    /// Where its Events are.
    fn events(&self) -> String {
        format!("/apis/events.k8s.io/v1/namespaces/{}/events", self.object.namespace)
    }

    /// The name of one of them.
    pub(super) fn name(&self, number: u64) -> String {
        let name: String = self.object.name.chars().take(200).collect();
        format!("{name}.{number:016x}")
    }

    /// The request that creates it.
    pub(super) fn create(
        &self,
        name: &str,
        moment: &str,
        warning: &Warning<'_>,
        instance: &str,
    ) -> Result<http::Request<Vec<u8>>, kube::core::request::Error> {
        let Self { path, object, record } = self;
        let version = path.strip_prefix("/apis/").or(path.strip_prefix("/api/"));
        let api_version = version.and_then(|path| path.split_once("/namespaces/"));
        let event = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"name": name, "namespace": object.namespace},
            "eventTime": moment, "type": "Warning", "reason": warning.reason, "action": warning.action,
            "note": warning.note, "reportingController": CONTROLLER, "reportingInstance": instance,
            "regarding": {"apiVersion": api_version.map(|(version, _)| version), "kind": object.kind.as_str(),
                "namespace": object.namespace, "name": object.name, "uid": record.uid,
                "resourceVersion": record.version},
        });
        let post = PostParams { field_manager: Some(super::MANAGER.to_owned()), ..PostParams::default() };
        Request::new(self.events()).create(&post, event.to_string().into_bytes())
    }
}

/// As much of a message as an Event holds.
pub(super) fn note(message: &str) -> String {
    if message.len() <= LONGEST_NOTE {
        return message.to_owned();
    }
    let end = (0..=LONGEST_NOTE - '…'.len_utf8()).rev().find(|end| message.is_char_boundary(*end));
    format!("{}…", &message[..end.unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_long_message_then_a_note_is_cut_between_letters_and_never_too_long() {
        for letter in ["a", "ä", "…", "🦀"] {
            for length in [1000, 1020, 1021, 1022, 1023, 1024, 1025, 3000] {
                let message = letter.repeat(length / letter.len() + 1);
                let note = note(&message);
                assert!(note.len() <= LONGEST_NOTE && note.len() > 990, "{letter} {length} {}", note.len());
                assert!(note == message || note.ends_with('…'), "{letter} {length}");
            }
        }
    }
}
