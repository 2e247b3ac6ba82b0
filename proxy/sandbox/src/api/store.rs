//! What etcd is to the API server: objects by name, one counter of versions, and the events since the last compaction.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::names;

/// Events that are kept by themselves; older ones are compacted away.
const KEPT: usize = 20_000;

/// Names an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) plural: &'static str,
    /// Empty for what has none.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// An object as it was at one version: without `apiVersion` and `kind`, which depend on who asks.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    pub(crate) value: Value,
    /// The value as JSON, written once for all readers.
    pub(crate) text: String,
}

/// What happened to an object.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) version: u64,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Stored>>,
    /// `None` when it was deleted.
    pub(crate) after: Option<Arc<Stored>>,
}

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Store {
    version: u64,
    /// The newest version that is gone: who asks for what came after it is answered.
    compacted: u64,
    objects: BTreeMap<Key, Arc<Stored>>,
    log: VecDeque<Event>,
    /// The version of the last write to each resource.
    last: BTreeMap<&'static str, u64>,
}

/// Why something was not written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not there.
    NotFound,
    /// It is there already.
    Exists,
    /// It was read at another version than it has.
    Conflict,
}

impl Store {
    /// The version of the last write.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The version of the last write to one resource; 0 when there was none.
    pub(crate) fn version_of(&self, plural: &str) -> u64 {
        self.last.get(plural).copied().unwrap_or(0)
    }

    /// One object.
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Stored>> {
        self.objects.get(key)
    }

    /// All objects of a resource, of one namespace or of all, in the order of their names.
    pub(crate) fn list<'s>(
        &'s self,
        plural: &'static str,
        namespace: Option<&'s str>,
    ) -> impl Iterator<Item = (&'s Key, &'s Arc<Stored>)> {
        let first = Key { plural, namespace: namespace.unwrap_or_default().to_owned(), name: String::new() };
        let of_it =
            move |key: &Key| key.plural == plural && namespace.is_none_or(|namespace| key.namespace == namespace);
        self.objects.range(first..).take_while(move |(key, _)| of_it(key))
    }

    /// What happened after a version, in order; `None` when not all of it is known any more.
    pub(crate) fn since(&self, version: u64) -> Option<impl Iterator<Item = &Event>> {
        if version < self.compacted {
            return None;
        }
        let first = self.log.partition_point(|event| event.version <= version);
        Some(self.log.range(first..))
    }

    /// Forgets all events so far.
    pub(crate) fn compact(&mut self) {
        self.compacted = self.version;
        self.log.clear();
    }

    /// Writes an object; `expected` is the version at which it has to be now, 0 when it may not be there yet.
    pub(crate) fn put(&mut self, key: Key, mut value: Value, expected: Option<u64>) -> Result<Arc<Stored>, Refused> {
        let before = self.objects.get(&key).cloned();
        match (expected, before.as_ref().map(|before| before.version)) {
            (Some(0), Some(_)) => return Err(Refused::Exists),
            (Some(wanted), None) if wanted != 0 => return Err(Refused::NotFound),
            (Some(wanted), Some(found)) if wanted != found => return Err(Refused::Conflict),
            _ => {}
        }
        complete(&mut value, &key, before.as_deref());
        // As the API server has it: what changes nothing is no event.
        if let Some(before) = before.as_ref().filter(|before| before.value == value) {
            return Ok(Arc::clone(before));
        }
        self.version += 1;
        value["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let text = value.to_string();
        let after = Arc::new(Stored { version: self.version, value, text });
        self.objects.insert(key.clone(), Arc::clone(&after));
        self.note(Event { version: self.version, key, before, after: Some(Arc::clone(&after)) });
        Ok(after)
    }

    /// Deletes an object.
    pub(crate) fn delete(&mut self, key: &Key) -> Result<Arc<Stored>, Refused> {
        let before = self.objects.remove(key).ok_or(Refused::NotFound)?;
        self.version += 1;
        // The last event shows the object as it was, at the version of its end.
        let mut value = before.value.clone();
        value["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let last = Arc::new(Stored { version: self.version, text: value.to_string(), value });
        self.note(Event { version: self.version, key: key.clone(), before: Some(Arc::clone(&last)), after: None });
        Ok(last)
    }

    fn note(&mut self, event: Event) {
        self.last.insert(event.key.plural, event.version);
        self.log.push_back(event);
        if self.log.len() > KEPT
            && let Some(oldest) = self.log.pop_front()
        {
            self.compacted = oldest.version;
        }
    }
}

/// What the API server adds to `metadata` by itself.
fn complete(value: &mut Value, key: &Key, before: Option<&Stored>) {
    let Some(object) = value.as_object_mut() else { return };
    object.remove("apiVersion");
    object.remove("kind");
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else { return };
    metadata.insert("name".to_owned(), json!(key.name));
    if !key.namespace.is_empty() {
        metadata.insert("namespace".to_owned(), json!(key.namespace));
    }
    let known = before.and_then(|before| before.value.get("metadata"));
    for (field, fresh) in [("uid", names::uid().unwrap_or_default()), ("creationTimestamp", super::clock::now())] {
        if !metadata.contains_key(field) {
            let kept = known.and_then(|known| known.get(field)).cloned();
            metadata.insert(field.to_owned(), kept.unwrap_or_else(|| json!(fresh)));
        }
    }
    if let Some(version) = known.and_then(|known| known.get("resourceVersion")) {
        metadata.insert("resourceVersion".to_owned(), version.clone());
    }
    let generation = known.and_then(|known| known.get("generation")).and_then(Value::as_u64).unwrap_or(0);
    let changed = before.is_none_or(|before| before.value.get("spec") != object.get("spec"));
    object["metadata"]["generation"] = json!(generation + u64::from(changed));
}
