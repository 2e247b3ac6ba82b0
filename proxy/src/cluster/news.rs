//! Objects as the API server gives them → what the node loop is told: only what is valid, and only what is another.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use meshlet_routing::analyze::fully_supported;
use meshlet_routing::manifest::Manifest;
use meshlet_routing::model::{Kind, ObjectRef};
use meshlet_routing::validate::{Valid, validate};
use serde_json::{Map, Value};

use super::kinds::Watched;
use super::writes::{Record, Shown};

/// What a watch tells.
#[derive(Debug)]
pub(crate) struct Told {
    /// Which one, by its place in [`super::kinds::WATCHED`].
    pub(crate) from: usize,
    /// Up to which `resourceVersion`.
    pub(crate) version: Option<Box<str>>,
    pub(crate) news: News,
}

/// What is another.
#[derive(Debug)]
pub(crate) enum News {
    /// Nothing but the version.
    Nothing,
    /// An object is there, or is another.
    Put(Box<Valid>),
    /// An object is gone.
    Remove(ObjectRef),
    /// All objects that there are have been told.
    Complete,
    /// There is no such resource, so that there is no object.
    Absent,
    /// There is no permission for it.
    Forbidden,
}

/// The objects of one resource, as far as a change has to be told from none.
#[derive(Debug)]
pub(crate) struct Known {
    watched: &'static Watched,
    node: Arc<str>,
    source: Arc<str>,
    /// What each says, and in which listing it was last seen.
    objects: HashMap<ObjectRef, (u64, u64)>,
    listing: u64,
    /// Where what is written to is noted; none when nothing is.
    shown: Option<Arc<Shown>>,
}

impl Known {
    /// None yet; `node` is the one whose pods are kept whole.
    pub(crate) fn new(watched: &'static Watched, node: Arc<str>, shown: Option<Arc<Shown>>) -> Self {
        let shown = shown.filter(|_| watched.kind == Kind::Pod || Record::is_stated(watched.kind));
        Self { watched, node, source: "cluster".into(), objects: HashMap::new(), listing: 0, shown }
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    /// An object as it is now. Faults are reported here, once per version of an object; one that is refused leaves the last good
    /// one in force.
    pub(crate) fn put(&mut self, object: Value) -> News {
        let Value::Object(mut body) = object else { return News::Nothing };
        // It is another whenever the object is written, whatever is written.
        let record = Record::take(self.watched.kind, &mut body);
        let elsewhere = self.watched.kind == Kind::Pod && !self.is_here(&body);
        if elsewhere {
            reduce(&mut body);
        }
        let Some(manifest) = Manifest::of_object(self.watched.kind, Arc::clone(&self.source), body) else {
            return News::Nothing;
        };
        if let Some(shown) = self.shown.as_ref().filter(|_| !elsewhere) {
            shown.see(&manifest.object, record);
        }
        let digest = digest(&manifest.body);
        let before = self.objects.insert(manifest.object.clone(), (digest, self.listing));
        if before.is_some_and(|(before, _)| before == digest) {
            return News::Nothing;
        }
        let validated = validate(&manifest);
        for fault in &validated.faults {
            tracing::warn!("{fault}");
        }
        if let Some(shown) = self.shown.as_ref().filter(|_| self.watched.kind != Kind::Pod) {
            shown.support(&manifest.object, fully_supported(&manifest.object, &validated.faults));
        }
        validated.valid.map_or(News::Nothing, |valid| News::Put(Box::new(valid)))
    }

    /// An object that is gone.
    pub(crate) fn remove(&mut self, object: Value) -> News {
        let Value::Object(body) = object else { return News::Nothing };
        let manifest = Manifest::of_object(self.watched.kind, Arc::clone(&self.source), body);
        let known = manifest.and_then(|manifest| self.objects.remove_entry(&manifest.object));
        known.map_or(News::Nothing, |(object, _)| {
            self.forget(&object);
            News::Remove(object)
        })
    }

    /// A listing begins: what is not put before it ends is gone.
    pub(crate) fn begin(&mut self) {
        self.listing += 1;
    }

    /// A listing has ended: what is gone.
    pub(crate) fn end(&mut self) -> Vec<ObjectRef> {
        let listing = self.listing;
        let gone = self.objects.extract_if(|_, (_, seen)| *seen != listing).map(|(object, _)| object);
        let gone: Vec<ObjectRef> = gone.collect();
        gone.iter().for_each(|object| self.forget(object));
        gone
    }

    fn forget(&self, object: &ObjectRef) {
        self.shown.iter().for_each(|shown| shown.forget(object));
    }

    /// Of a pod that is not placed yet nothing is used before it is.
    fn is_here(&self, pod: &Map<String, Value>) -> bool {
        pod.get("spec").and_then(|spec| spec.get("nodeName")).and_then(Value::as_str) == Some(&self.node)
    }
}

/// The version of an object, which its list or its event has.
pub(crate) fn version(object: &Value) -> Option<Box<str>> {
    object["metadata"]["resourceVersion"].as_str().map(Box::from)
}

/// Marks that say whether a pod of another node is somebody's captured client.
const MARKS: [&str; 2] = ["meshlet.dev/redirect", "sidecar.istio.io/inject"];

/// Of other nodes' pods only what an endpoint needs is kept: address, labels, locality, readiness; and its marks. Named ports are
/// resolved in the EndpointSlices.
fn reduce(body: &mut Map<String, Value>) {
    if let Some(Value::Object(metadata)) = body.get_mut("metadata") {
        metadata.retain(|key, _| matches!(key.as_str(), "name" | "namespace" | "labels" | "annotations"));
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.retain(|key, _| MARKS.contains(&key.as_str()));
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    if let Some(Value::Object(spec)) = body.get_mut("spec") {
        spec.retain(|key, _| matches!(key.as_str(), "nodeName" | "hostNetwork"));
    }
}

fn digest(body: &Map<String, Value>) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::kinds::WATCHED;

    fn known(kind: Kind) -> Known {
        let watched = WATCHED.iter().find(|watched| watched.kind == kind).expect("a kind that is watched");
        Known::new(watched, "here".into(), None)
    }

    fn rule(version: &str, hosts: Value) -> Value {
        json!({"metadata": {"namespace": "shop", "name": "a", "resourceVersion": version},
            "spec": {"hosts": hosts, "http": [{"route": [{"destination": {"host": "a"}}]}]}})
    }

    #[test]
    fn given_an_object_that_is_written_and_says_the_same_then_nothing_is_told() {
        let mut known = known(Kind::VirtualService);
        assert!(matches!(known.put(rule("1", json!(["a"]))), News::Put(_)));
        assert!(matches!(known.put(rule("2", json!(["a"]))), News::Nothing));
        assert!(matches!(known.put(rule("3", json!(["b"]))), News::Put(_)));
    }

    #[test]
    fn given_an_object_that_is_refused_then_nothing_is_told_until_it_is_gone() {
        let mut known = known(Kind::VirtualService);
        assert!(matches!(known.put(rule("1", json!(["a"]))), News::Put(_)));
        assert!(matches!(known.put(rule("2", json!(5))), News::Nothing), "the last good one stays");
        assert!(matches!(known.remove(rule("3", json!(5))), News::Remove(_)));
        assert!(matches!(known.remove(rule("3", json!(5))), News::Nothing), "it is gone already");
    }

    #[test]
    fn given_a_listing_then_what_it_does_not_hold_is_gone() {
        let mut known = known(Kind::Namespace);
        let named = |name: &str| json!({"metadata": {"name": name}});
        known.begin();
        for name in ["a", "b"] {
            assert!(matches!(known.put(named(name)), News::Put(_)));
        }
        assert!(known.end().is_empty());
        known.begin();
        assert!(matches!(known.put(named("a")), News::Nothing));
        let gone: Vec<String> = known.end().iter().map(ToString::to_string).collect();
        assert_eq!((gone, known.len()), (vec!["Namespace b".to_owned()], 1));
    }

    #[test]
    fn given_a_pod_of_another_node_then_what_only_its_own_node_uses_is_no_news() {
        let pod = |node: &str, note: &str| json!({"metadata": {"namespace": "shop", "name": "a", "annotations": {"note": note}}, "spec": {"nodeName": node}});
        let mut known = known(Kind::Pod);
        assert!(matches!(known.put(pod("there", "1")), News::Put(_)));
        assert!(matches!(known.put(pod("there", "2")), News::Nothing));
        assert!(matches!(known.put(pod("here", "2")), News::Put(_)));
        assert!(matches!(known.put(pod("here", "3")), News::Put(_)));
    }
}
