//! One sort of write, as a role allows it or not: sent at the pace that the API server bears, and told of when it cannot be.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::Request;
use kube::Client;
use meshlet_routing::model::ObjectRef;
use serde_json::Value;

use super::super::exchange::{Trouble, fetch};
use super::super::pace::{BELIEVED, Pace};
use super::super::rights::Right;
use crate::connection::Draw;

/// Why something is not written.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Not this object as it is: it has been written since, is gone, or the API server refuses what is written.
    Object,
    /// Nothing of this sort for a while.
    Closed,
}

/// Who writes one sort.
pub(super) struct Desk {
    client: Client,
    draw: Draw,
    pace: Pace,
    /// How long a missing permission is left alone.
    forbidden: Duration,
    right: Right,
    failures: u32,
    /// When it is tried again.
    opens: Option<Instant>,
    told: bool,
}

impl Desk {
    pub(super) fn new(client: Client, pace: Pace, forbidden: Duration, right: Right) -> anyhow::Result<Self> {
        let draw = Draw::seeded()?;
        Ok(Self { client, draw, pace, forbidden, right, failures: 0, opens: None, told: false })
    }

    /// When it can be tried again; `None` for now.
    pub(super) fn opens(&self) -> Option<Instant> {
        self.opens.filter(|opens| *opens > Instant::now())
    }

    pub(super) fn draw(&self) -> &Draw {
        &self.draw
    }

    /// Sends a request and gives the object that comes back.
    pub(super) async fn send(
        &mut self,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, Refusal> {
        if self.opens().is_some() {
            return Err(Refusal::Closed);
        }
        let Ok(request) = request else { return Err(Refusal::Object) };
        let place = request.uri().path().to_owned();
        let answer = fetch(&self.client, request).await;
        let read = answer.and_then(|text| {
            serde_json::from_slice(&text).map_err(|error| Trouble::Garbage(format!("the answer to a write: {error}")))
        });
        read.inspect(|_| self.failures = 0).map_err(|trouble| self.refused(&place, &trouble))
    }

    /// The same for an object that may not be there.
    pub(super) async fn find(
        &mut self,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Option<Value>, Refusal> {
        match self.send(request).await {
            Ok(found) => Ok(Some(found)),
            Err(Refusal::Object) => Ok(None),
            Err(closed) => Err(closed),
        }
    }

    fn refused(&mut self, place: &str, trouble: &Trouble) -> Refusal {
        let Right { verbs, resource, group, role, .. } = self.right;
        let verbs = verbs.join(", ");
        let pause = match trouble.code() {
            // Somebody else has written, or it is gone: the watch tells.
            404 | 409 => return Refusal::Object,
            403 if trouble.namespace_ends() => return Refusal::Object,
            // It is gone, and another has its name.
            422 if trouble.is_about("metadata.uid") => return Refusal::Object,
            401 | 403 if self.failures + 1 >= BELIEVED => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(
                        "{trouble}: it is not written back; give the daemon's {role} verbs [{verbs}] on resource {resource:?} of API group {group:?}, or run it with --status-writes=false"
                    );
                }
                self.forbidden
            }
            400 | 402 | 404..=428 => {
                tracing::warn!(place, problem = %trouble, "not written back: the API server refuses it");
                return Refusal::Object;
            }
            _ => {
                self.failures = self.failures.saturating_add(1);
                if self.failures == 1 {
                    tracing::warn!(resource, problem = %trouble, "not written back yet: it is tried again");
                }
                self.pace.after(self.failures, self.draw.next_u32())
            }
        };
        self.opens = Some(Instant::now() + pause);
        Refusal::Closed
    }
}

/// Objects that are left alone until they are at another version.
#[derive(Debug, Default)]
pub(super) struct Left(HashMap<ObjectRef, Box<str>>);

impl Left {
    pub(super) fn leave(&mut self, object: &ObjectRef, version: &str) {
        self.0.insert(object.clone(), version.into());
    }

    /// Whether an object at a version is left alone.
    pub(super) fn holds(&mut self, object: &ObjectRef, version: &str) -> bool {
        let left = self.0.get(object).is_some_and(|left| **left == *version);
        if !left {
            self.0.remove(object);
        }
        left
    }
}
