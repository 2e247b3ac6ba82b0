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
use super::merge::merge;
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

/// To judge a world takes at most this share of a core.
const SHARE: u32 = 20;

/// Who writes.
pub(super) struct Judge {
    pub(super) shown: Arc<Shown>,
    pub(super) worlds: Worlds,
    pub(super) holding: watch::Receiver<bool>,
    pub(super) virtual_services: Desk,
    pub(super) destination_rules: Desk,
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
            let opens = [self.virtual_services.opens(), self.destination_rules.opens(), again];
            let until = opens.into_iter().flatten().min();
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
        let now = format!("{:.0}", Timestamp::now());
        let Some(merged) = merge(&record.conditions, wanted, record.generation, &now) else { return };
        let Some(path) = self.shown.path(object.kind, &object.namespace) else { return };
        let desk = match object.kind {
            Kind::DestinationRule => &mut self.destination_rules,
            _ => &mut self.virtual_services,
        };
        let metadata = json!({"uid": record.uid, "resourceVersion": record.version});
        let patch = Patch::Merge(json!({"metadata": metadata, "status": {"conditions": merged.conditions}}));
        let manager = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match desk.send(Request::new(path.as_str()).patch_subresource("status", &object.name, &manager, &patch)).await {
            Ok(answer) => self.shown.wrote(object, answer),
            Err(Refusal::Object) => return self.left.leave(object, &record.version),
            Err(Refusal::Closed) => return,
        }
        for condition in merged.news.iter().filter(|condition| condition.warns) {
            self.events.warn(&path, record, condition).await;
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
