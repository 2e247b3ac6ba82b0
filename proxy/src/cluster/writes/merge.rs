//! Conditions that are there and conditions that are wanted → the list that is to be there.
//!
//! Not by server-side apply: in Istio's CRDs the list of conditions is atomic (it has no `x-kubernetes-list-type`), and an
//! HTTPRoute's list of parents says that it is, so that an apply would take over the whole of it and drop what others wrote. So
//! ours are put among those that are there, which belong to whoever wrote them, and the list is written at the version that it
//! was read at.

use std::sync::Arc;

use meshlet_routing::analyze::{Condition, not_accepted};
use serde_json::{Value, json};

use super::CONTROLLER;

/// All of our types begin with it.
const OURS: &str = "meshlet.dev/";

/// The list, and which of the wanted conditions it says anew.
#[derive(Debug, PartialEq)]
pub(super) struct Merged {
    pub(super) list: Vec<Value>,
    pub(super) news: Vec<Arc<Condition>>,
}

/// Of an object that has one list of conditions, ours among others'. `None` when what is there is what is wanted. `generation` is
/// the spec that the conditions are about.
pub(super) fn conditions(there: &[Value], wanted: &[Arc<Condition>], generation: i64, now: &str) -> Option<Merged> {
    let ours = |condition: &Value| condition["type"].as_str().is_some_and(|kind| kind.starts_with(OURS));
    let merged = merge(there, wanted, generation, now, ours);
    (merged.list != there).then_some(merged)
}

/// Of an HTTPRoute, whose `status.parents` has an entry for each parent and controller; an entry is wholly its controller's.
/// Ours are those of the parents that are Services, and none where there is no such parent (any more).
pub(super) fn parents(
    there: &[Value],
    parent_refs: &[Value],
    wanted: &[Arc<Condition>],
    generation: i64,
    now: &str,
) -> Option<Merged> {
    let is_ours = |entry: &Value| entry["controllerName"] == CONTROLLER;
    // What is known of a route that is refused is of what it was before.
    let refused = wanted.iter().find_map(|support| Some([Arc::new(not_accepted(support)?), Arc::clone(support)]));
    let wanted = refused.as_ref().map_or(wanted, <[_; 2]>::as_slice);
    let mut news: Vec<Arc<Condition>> = Vec::new();
    let mut entries: Vec<Value> = Vec::new();
    for (place, parent) in parent_refs.iter().enumerate().filter(|(_, parent)| is_service(parent)) {
        let about = |condition: &&Arc<Condition>| condition.parent.is_none_or(|about| about == place);
        let about: Vec<Arc<Condition>> = wanted.iter().filter(about).cloned().collect();
        let before = there.iter().find(|entry| is_ours(entry) && entry["parentRef"] == *parent);
        let conditions = before.and_then(|entry| entry["conditions"].as_array()).map_or(&[][..], Vec::as_slice);
        let merged = merge(conditions, &about, generation, now, |_| true);
        entries.push(json!({"parentRef": parent, "controllerName": CONTROLLER, "conditions": merged.list}));
        // What is said for several parents is told once.
        let says =
            |known: &Condition, other: &Condition| (known.reason, &known.message) == (other.reason, &other.message);
        for condition in merged.news {
            if !news.iter().any(|known| says(known, &condition)) {
                news.push(condition);
            }
        }
    }
    let others = there.iter().filter(|entry| !is_ours(entry)).cloned();
    // As they are, unless one of ours is another: their order means nothing.
    let same = there.iter().filter(|entry| is_ours(entry)).eq(entries.iter());
    (!same).then(|| Merged { list: others.chain(entries).collect(), news })
}

/// Whether a `parentRef` names a Service; it is a Gateway where it does not say.
fn is_service(parent: &Value) -> bool {
    parent["kind"] == "Service" && matches!(parent["group"].as_str(), Some("" | "core"))
}

fn merge(
    there: &[Value],
    wanted: &[Arc<Condition>],
    generation: i64,
    now: &str,
    ours: impl Fn(&Value) -> bool,
) -> Merged {
    let mut conditions: Vec<Value> = Vec::new();
    let mut news = Vec::new();
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
    Merged { list: conditions, news }
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
            let merged = conditions(&there, &wanted, generation, "now").expect("one of ours is not wanted");
            assert_eq!(merged.list, [as_written(holds, message, generation, since), others.clone()]);
            assert_eq!(merged.news.len(), news, "{message}");
            assert_eq!(conditions(&merged.list, &wanted, generation, "later"), None, "{message}");
        }
    }

    fn route(parent: Option<usize>, kind: &'static str, reason: &'static str) -> Arc<Condition> {
        let condition = condition(kind, reason == kind, reason);
        Arc::new(Condition { parent, reason, ..(*condition).clone() })
    }

    fn service(name: &str) -> Value {
        json!({"group": "", "kind": "Service", "name": name})
    }

    /// What our entries of a list say: parent, and its conditions as type and reason.
    fn said(list: &[Value]) -> Vec<String> {
        let ours = list.iter().filter(|entry| entry["controllerName"] == CONTROLLER);
        ours.map(|entry| {
            let conditions = entry["conditions"].as_array().expect("conditions").iter();
            let conditions = conditions.map(|found| format!(" {}={}", found["type"], found["reason"]));
            format!("{}{}", entry["parentRef"]["name"], conditions.collect::<String>()).replace('"', "")
        })
        .collect()
    }

    #[test]
    fn given_an_http_route_then_each_service_has_an_entry_of_ours_and_others_keep_theirs() {
        let others = [
            json!({"parentRef": service("web"), "controllerName": "example.com/mesh", "conditions": [{"type": "Accepted"}]}),
            json!({"parentRef": {"name": "edge"}, "controllerName": "example.com/gateway", "conditions": []}),
        ];
        let gateway = json!({"name": "edge"});
        let refs = [gateway.clone(), service("web"), service("db")];
        let wanted = [
            route(Some(1), "Accepted", "Accepted"),
            route(Some(2), "Accepted", "NoMatchingParent"),
            route(None, "ResolvedRefs", "BackendNotFound"),
        ];
        let merged = parents(&others, &refs, &wanted, 3, "now").expect("nothing of it is there");
        let expected = [
            "web Accepted=Accepted ResolvedRefs=BackendNotFound",
            "db Accepted=NoMatchingParent ResolvedRefs=BackendNotFound",
        ];
        assert_eq!((said(&merged.list), &merged.list[..2]), (expected.map(str::to_owned).to_vec(), &others[..]));
        assert_eq!(merged.list[2]["conditions"][0]["observedGeneration"], 3);
        assert_eq!(merged.news.len(), 3, "what both say is told once");
        assert_eq!(parents(&merged.list, &refs, &wanted, 3, "later"), None);
        // Others write theirs, before ours and after them.
        let mut mixed = merged.list.clone();
        mixed.rotate_left(1);
        assert_eq!(parents(&mixed, &refs, &wanted, 3, "later"), None);

        let one = parents(&mixed, &refs[..2], &wanted, 3, "later").expect("a parent less");
        assert_eq!(
            (said(&one.list), one.list.len(), one.news.len()),
            (expected[..1].iter().map(|said| (*said).to_owned()).collect(), 3, 0)
        );
        assert_eq!(one.list[2]["conditions"][0]["lastTransitionTime"], "now");
        let none = parents(&one.list, &[gateway], &wanted, 4, "later").expect("no Service any more");
        assert!(said(&none.list).is_empty());
        assert_eq!(none.list.len(), 2, "others stay: {none:?}");
        assert_eq!(parents(&none.list, &[], &[], 5, "later"), None);
    }

    #[test]
    fn given_a_route_that_is_refused_then_what_was_before_says_nothing() {
        let refs = [service("web")];
        let support = route(None, "meshlet.dev/FullySupported", "Refused");
        let wanted = [route(Some(0), "Accepted", "Accepted"), support];
        let merged = parents(&[], &refs, &wanted, 1, "now").expect("nothing is there");
        assert_eq!(said(&merged.list), ["web Accepted=UnsupportedValue meshlet.dev/FullySupported=Refused"]);
        assert_eq!(merged.news.iter().filter(|condition| condition.warns).count(), 1);
    }
}
