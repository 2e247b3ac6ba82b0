//! The annotation that says on a pod of this node that its connections are captured.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::core::Request;
use serde_json::json;
use tokio::sync::watch;

use super::super::rights::Right;
use super::desk::{Desk, Left, Refusal};
use super::shown::{REDIRECTION, Record, Shown};
use super::{Capture, MANAGER, Wanted, woken};

pub(super) const RIGHT: Right =
    Right::to_write("", "pods", &["patch"], "captured pods do not get the annotation meshlet.dev/redirection");

const CAPTURED: &str = "enabled";

/// What changes within so long is written together.
const GATHER: Duration = Duration::from_millis(50);

/// Writes it where it is not what it should be, for as long as somebody says what should be.
pub(super) async fn keep(shown: Arc<Shown>, mut wanted: watch::Receiver<Option<Wanted>>, mut desk: Desk) {
    let mut changes = shown.changes();
    let mut left = Left::default();
    loop {
        // Before the first round nobody knows who is captured.
        let now = wanted.borrow_and_update().clone();
        changes.mark_unchanged();
        if let Some(now) = now {
            write(&shown, &now, &mut desk, &mut left).await;
        }
        if woken(&mut wanted, &mut changes, desk.opens(), GATHER).await.is_none() {
            return;
        }
    }
}

async fn write(shown: &Shown, wanted: &Wanted, desk: &mut Desk, left: &mut Left) {
    for (pod, record) in shown.pods() {
        let Some(value) = wanted.redirection(&record) else { continue };
        if record.redirection.as_deref() == value || left.holds(&pod, &record.version) {
            continue;
        }
        let Some(path) = shown.path(pod.kind, &pod.namespace) else { continue };
        // Of the pod that this one is about, not of another by its name.
        let patch = json!({"metadata": {"uid": record.uid, "annotations": {REDIRECTION: value}}});
        let manager = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match desk.send(Request::new(path).patch(&pod.name, &manager, &Patch::Merge(patch))).await {
            Ok(answer) => drop(shown.wrote(&pod, answer)),
            Err(Refusal::Object) => left.leave(&pod, &record.version),
            Err(Refusal::Closed) => return,
        }
    }
}

impl Wanted {
    /// What a pod's annotation is to be, `None` while that is not known: a marked pod may be about to be captured, and then the
    /// annotation of the daemon before this one is right.
    fn redirection(&self, pod: &Record) -> Option<Option<&'static str>> {
        match self.marked(&pod.uid).map(|marked| &marked.capture) {
            Some(Capture::Done) => Some(Some(CAPTURED)),
            Some(Capture::Pending | Capture::Failed(_)) => None,
            Some(Capture::Refused(_)) | None => Some(None),
        }
    }
}
