//! What a pod's annotations about capture do to its connections, and which of them do nothing.

use super::losers::{self, Native};
use super::{Client, Explanation, LoserShown, Question, capture};
use crate::decide::Dialled;
use crate::model::{Kind, ObjectRef, World};

impl Explanation {
    /// Whether the client's annotations keep the connection out of capture, whatever the rules say: then that is the answer.
    pub(super) fn excluded(&mut self, world: &World, question: &Question<'_>, dialled: Dialled) -> bool {
        let Client::Pod(pod) = &question.client else { return false };
        let Some(excluded) = pod.outbound.excludes(dialled.address, dialled.port) else { return false };
        (self.verdict, self.reason, self.path) = ("bypass", excluded.as_str(), "native");
        self.capture = Some(capture::left_alone(question.capture, dialled, excluded.to_string()));
        self.not_used = losers::of_native(world, question, Native::Connection(excluded));
        true
    }
}

/// Annotations of a captured pod that count as absent.
pub(super) fn unused(client: &Client<'_>, captured: bool) -> Vec<LoserShown> {
    let Client::Pod(pod) = client else { return Vec::new() };
    let object = ObjectRef { kind: Kind::Pod, namespace: pod.namespace.clone(), name: pod.name.clone() };
    let shown = pod.unused.iter().filter(|_| captured).map(|annotation| LoserShown {
        object: object.to_string(),
        reason: annotation.why.as_str(),
        message: annotation.to_string(),
    });
    shown.collect()
}
