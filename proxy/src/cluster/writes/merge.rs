//! Conditions that are there and conditions that are wanted → the list that is to be there.
//!
//! Not by server-side apply: in Istio's CRDs the list of conditions is atomic (it has no `x-kubernetes-list-type`), so that an
//! apply would take over the whole of it and drop what istiod wrote. So ours are put among those that are there, which belong to
//! whoever wrote them, and the list is written at the version that it was read at.

use std::sync::Arc;

use meshlet_routing::analyze::Condition;
use serde_json::{Value, json};

/// All of our types begin with it.
const OURS: &str = "meshlet.dev/";

/// The list, and which of the wanted conditions it says anew.
#[derive(Debug, PartialEq)]
pub(super) struct Merged {
    pub(super) conditions: Vec<Value>,
    pub(super) news: Vec<Arc<Condition>>,
}

/// `None` when what is there is what is wanted. `generation` is the spec that the conditions are about.
pub(super) fn merge(there: &[Value], wanted: &[Arc<Condition>], generation: i64, now: &str) -> Option<Merged> {
    let mut conditions: Vec<Value> = Vec::new();
    let mut news = Vec::new();
    let ours = |condition: &Value| condition["type"].as_str().is_some_and(|kind| kind.starts_with(OURS));
    let of_kind = |kind: &str| there.iter().find(|condition| condition["type"] == *kind);
    for condition in there {
        match wanted.iter().find(|wanted| condition["type"] == *wanted.kind) {
            Some(wanted) => conditions.push(written(wanted, Some(condition), generation, now)),
            None if ours(condition) => {}
            None => conditions.push(condition.clone()),
        }
    }
    for wanted in wanted {
        let before = of_kind(wanted.kind);
        if before.is_none() {
            conditions.push(written(wanted, None, generation, now));
        }
        let says_so = |before: &Value| before["reason"] == *wanted.reason && before["message"] == *wanted.message;
        if !before.is_some_and(says_so) {
            news.push(Arc::clone(wanted));
        }
    }
    (conditions != there).then_some(Merged { conditions, news })
}

fn written(wanted: &Condition, before: Option<&Value>, generation: i64, now: &str) -> Value {
    let status = if wanted.holds { "True" } else { "False" };
    let same = before.filter(|before| before["status"] == *status);
    let since = same.and_then(|before| before["lastTransitionTime"].as_str()).unwrap_or(now);
    json!({
        "type": wanted.kind, "status": status, "reason": wanted.reason, "message": wanted.message,
        "observedGeneration": generation, "lastTransitionTime": since,
    })
}

#[cfg(test)]
mod tests {
    use meshlet_routing::model::{Kind, ObjectRef};

    use super::*;

    fn condition(kind: &'static str, holds: bool, message: &str) -> Arc<Condition> {
        let object = ObjectRef { kind: Kind::VirtualService, namespace: "shop".into(), name: "a".into() };
        let reason = if holds { "AllResolved" } else { "HostNotFound" };
        let message = message.to_owned();
        Arc::new(Condition { object, parent: None, kind, holds, reason, message, warns: !holds })
    }

    fn as_written(holds: bool, message: &str, generation: i64, since: &str) -> Value {
        written(&condition("meshlet.dev/A", holds, message), None, generation, since)
    }

    #[test]
    fn given_conditions_of_others_then_they_stay_and_ours_are_put_among_them() {
        let others = json!({"type": "Reconciled", "status": "True"});
        let gone = json!({"type": "meshlet.dev/Gone", "status": "True"});
        let there = [gone, as_written(true, "fine", 1, "then"), others.clone()];
        for (holds, message, generation, since, news) in [
            (true, "fine", 1, "then", 0),
            (true, "fine", 2, "then", 0),
            (true, "finer", 1, "then", 1),
            (false, "broken", 1, "now", 1),
        ] {
            let wanted = [condition("meshlet.dev/A", holds, message)];
            let merged = merge(&there, &wanted, generation, "now").expect("one of ours is not wanted");
            assert_eq!(merged.conditions, [as_written(holds, message, generation, since), others.clone()]);
            assert_eq!(merged.news.len(), news, "{message}");
            assert_eq!(merge(&merged.conditions, &wanted, generation, "later"), None, "{message}");
        }
    }
}
