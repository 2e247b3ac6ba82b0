//! What becomes of rules, written on them: by who holds the lease, from the world in force, and not while that is behind what
//! the watches show.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::core::Request;
use meshlet_routing::analyze::{Condition, conditions};
use meshlet_routing::model::{Kind, ObjectRef};
use serde_json::json;
use tokio::sync::watch;

use super::super::rights::Right;
use super::desk::{Desk, Left, Refusal};
use super::events::Events;
use super::merge::{self, Merged};
use super::shown::{Record, Shown, number};
use super::{MANAGER, Wanted, woken};
use crate::snapshot::loan::Worlds;

pub(super) const VIRTUAL_SERVICES: Right = Right::to_write(
    "networking.istio.io",
    "virtualservices/status",
    &["patch"],
    "rules of this kind get no conditions that say what becomes of them",
);
pub(super) const DESTINATION_RULES: Right = Right { resource: "destinationrules/status", ..VIRTUAL_SERVICES };
pub(super) const HTTP_ROUTES: Right =
    Right { resource: "httproutes/status", group: "gateway.networking.k8s.io", ..VIRTUAL_SERVICES };

/// To judge a world takes at most this share of a core.
const SHARE: u32 = 20;

/// Who writes.
pub(super) struct Judge {
    pub(super) shown: Arc<Shown>,
    pub(super) worlds: Worlds,
    pub(super) holding: watch::Receiver<bool>,
    pub(super) virtual_services: Desk,
    pub(super) destination_rules: Desk,
    pub(super) http_routes: Desk,
    pub(super) events: Events,
    /// Worlds are judged at least so far apart.
    pub(super) apart: Duration,
    pub(super) left: Left,
}

/// What there is to say, by object, and of which world.
struct Judgement {
    generation: u64,
    conditions: HashMap<ObjectRef, Vec<Arc<Condition>>>,
    /// When the next world is judged.
    until: Instant,
}

impl Judge {
    /// Writes for as long as somebody says what is in force.
    pub(super) async fn write(mut self, mut wanted: watch::Receiver<Option<Wanted>>) {
        let mut changes = self.shown.changes();
        let mut judgement: Option<Judgement> = None;
        loop {
            if !*self.holding.borrow_and_update() {
                // Whoever held it since may have written.
                if self.holding.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let now = wanted.borrow_and_update().clone();
            changes.mark_unchanged();
            let mut again = None;
            if let Some(now) = now.filter(|now| now.generation > 0) {
                let stale = judgement.as_ref().is_none_or(|known| known.generation != now.generation);
                let until = judgement.as_ref().map(|known| known.until).filter(|until| *until > Instant::now());
                if stale && until.is_none() {
                    judgement = self.judge(now.generation).await;
                } else if stale {
                    again = until;
                }
                if let Some(known) = judgement.as_ref().filter(|known| known.generation == now.generation) {
                    self.write_all(known, &now).await;
                }
            }
            let desks = [&self.virtual_services, &self.destination_rules, &self.http_routes];
            let until = desks.into_iter().map(Desk::opens).chain([again]).flatten().min();
            tokio::select! {
                woken = woken(&mut wanted, &mut changes, until, self.apart / 4) => if woken.is_none() { return },
                held = self.holding.changed() => if held.is_err() { return },
            }
        }
    }

    /// Judges the world in force, on a thread of its own: watches go on meanwhile.
    async fn judge(&mut self, generation: u64) -> Option<Judgement> {
        let world = self.worlds.now().await?;
        let begun = Instant::now();
        let found = tokio::task::spawn_blocking(move || conditions(&world)).await.ok()?;
        let apart = self.apart.max(begun.elapsed() * SHARE);
        let mut by_object: HashMap<ObjectRef, Vec<Arc<Condition>>> = HashMap::new();
        for condition in found {
            by_object.entry(condition.object.clone()).or_default().push(Arc::new(condition));
        }
        Some(Judgement { generation, conditions: by_object, until: begun + apart })
    }

    async fn write_all(&mut self, judgement: &Judgement, wanted: &Wanted) {
        for (object, record, support) in self.shown.rules() {
            if !*self.holding.borrow() {
                return;
            }
            if !wanted.holds(object.kind, &record) || self.left.holds(&object, &record.version) {
                continue;
            }
            let known = judgement.conditions.get(&object).into_iter().flatten().cloned();
            let conditions: Vec<Arc<Condition>> = known.chain(support).collect();
            self.write_one(&object, &record, &conditions).await;
        }
    }

    async fn write_one(&mut self, object: &ObjectRef, record: &Record, wanted: &[Arc<Condition>]) {
        let Some(merged) = record.merged(object.kind, wanted) else { return };
        let Some(path) = self.shown.path(object.kind, &object.namespace) else { return };
        let Some(member) = Record::member(object.kind) else { return };
        let desk = match object.kind {
            Kind::DestinationRule => &mut self.destination_rules,
            Kind::HttpRoute => &mut self.http_routes,
            _ => &mut self.virtual_services,
        };
        // At the version that was read: whoever has written since is not overwritten.
        let metadata = json!({"uid": record.uid, "resourceVersion": record.version});
        let patch = Patch::Merge(json!({"metadata": metadata, "status": {member: merged.list}}));
        let manager = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match desk.send(Request::new(path.as_str()).patch_subresource("status", &object.name, &manager, &patch)).await {
            Ok(answer) => {
                // An API server that makes something else of it would be written to without end.
                let kept = self.shown.wrote(object, answer).filter(|kept| kept.merged(object.kind, wanted).is_some());
                kept.iter().for_each(|kept| self.left.leave(object, &kept.version));
            }
            Err(Refusal::Object) => return self.left.leave(object, &record.version),
            Err(Refusal::Closed) => return,
        }
        for condition in merged.news.iter().filter(|condition| condition.warns) {
            self.events.warn(&path, record, condition).await;
        }
    }
}

impl Record {
    /// What is to be stated, unless it is.
    fn merged(&self, kind: Kind, wanted: &[Arc<Condition>]) -> Option<Merged> {
        let now = format!("{:.0}", Timestamp::now());
        match kind {
            Kind::HttpRoute => merge::parents(&self.stated, &self.parent_refs, wanted, self.generation, &now),
            _ => merge::conditions(&self.stated, wanted, self.generation, &now),
        }
    }
}

impl Wanted {
    /// Whether the world in force holds an object as it is shown.
    fn holds(&self, kind: Kind, record: &Record) -> bool {
        let told = self.told.iter().find(|(told, _)| *told == kind).and_then(|(_, version)| number(version));
        told.zip(number(&record.version)).is_some_and(|(told, shown)| shown <= told)
    }
}
