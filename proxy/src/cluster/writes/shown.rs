//! What the API server shows of the objects that are written to: whatever it shows already is not written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use meshlet_routing::analyze::Condition;
use meshlet_routing::model::{Kind, ObjectRef};
use serde_json::{Map, Value};
use tokio::sync::watch;

/// Says on a pod that its connections are captured.
pub(super) const REDIRECTION: &str = "meshlet.dev/redirection";
/// A watch that has not shown our own write after so long tells of another history, as after a restored backup.
const CATCHES_UP: Duration = Duration::from_secs(10);

/// The pods of this node and the rules, as far as they are written to. Followers write it, writers read it.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Guards the state below, for the time of a look-up.
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    records: HashMap<ObjectRef, Entry>,
    /// Where each kind is served: `/apis/networking.istio.io/v1/virtualservices`.
    paths: HashMap<Kind, String>,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    /// Whether the meaning of the object's fields is known and what there is to say about it.
    support: Option<Arc<Condition>>,
    /// When this daemon wrote what is here, until the watch shows it.
    own: Option<Instant>,
}

/// What is shown of one object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(super) uid: Box<str>,
    /// `metadata.resourceVersion`.
    pub(super) version: Box<str>,
    /// Counts the object's specs.
    pub(super) generation: i64,
    /// A pod's annotation.
    pub(super) redirection: Option<Box<str>>,
    /// What is stated on a rule, whoever wrote it: its conditions, or an HTTPRoute's parents with theirs.
    pub(super) stated: Arc<[Value]>,
    /// `spec.parentRefs` of an HTTPRoute.
    pub(super) parent_refs: Arc<[Value]>,
}

impl Record {
    /// Takes out of an object what no rule depends on; it is another whenever the object is written, whatever is written.
    pub(crate) fn take(kind: Kind, body: &mut Map<String, Value>) -> Self {
        let list = |value: Option<Value>| match value {
            Some(Value::Array(entries)) => entries.into(),
            _ => Arc::default(),
        };
        let stated = Self::member(kind).and_then(|member| Some(body.remove("status")?.get_mut(member)?.take()));
        let spec = body.get("spec").filter(|_| kind == Kind::HttpRoute);
        let mut record = Self {
            uid: Box::default(),
            version: Box::default(),
            generation: 0,
            redirection: None,
            stated: list(stated),
            parent_refs: list(spec.and_then(|spec| spec.get("parentRefs")).cloned()),
        };
        let Some(Value::Object(metadata)) = body.get_mut("metadata") else { return record };
        let text = |value: &Value| value.as_str().map(Box::from);
        record.uid = metadata.get("uid").and_then(text).unwrap_or_default();
        record.version = metadata.remove("resourceVersion").as_ref().and_then(text).unwrap_or_default();
        record.generation = metadata.remove("generation").as_ref().and_then(Value::as_i64).unwrap_or_default();
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            record.redirection = annotations.remove(REDIRECTION).as_ref().and_then(text);
        }
        record
    }

    /// Whether what becomes of objects of a kind is stated on them.
    pub(crate) fn is_stated(kind: Kind) -> bool {
        Self::member(kind).is_some()
    }

    /// Where in `status` it is.
    pub(super) fn member(kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::VirtualService | Kind::DestinationRule => Some("conditions"),
            Kind::HttpRoute => Some("parents"),
            _ => None,
        }
    }
}

impl Shown {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: watch::Sender::new(()) })
    }

    /// An object as a watch shows it.
    pub(crate) fn see(&self, object: &ObjectRef, record: Record) {
        let mut state = self.lock();
        let support = match state.records.get(object) {
            // What was sent before our own write and comes after its answer.
            Some(known) if known.own.is_some_and(|at| at.elapsed() < CATCHES_UP) && older(&record, &known.record) => {
                return;
            }
            Some(known) if known.own.is_none() && known.record == record => return,
            known => known.and_then(|known| known.support.clone()),
        };
        state.records.insert(object.clone(), Entry { record, support, own: None });
        drop(state);
        self.changed.send_replace(());
    }

    /// What there is to say about an object's fields.
    pub(crate) fn support(&self, object: &ObjectRef, support: Condition) {
        if let Some(entry) = self.lock().records.get_mut(object) {
            entry.support = Some(Arc::new(support));
        }
        self.changed.send_replace(());
    }

    /// An object as the answer to our own write shows it, which is given back.
    pub(super) fn wrote(&self, object: &ObjectRef, answer: Value) -> Option<Record> {
        let Value::Object(mut body) = answer else { return None };
        let record = Record::take(object.kind, &mut body);
        if let Some(entry) = self.lock().records.get_mut(object)
            && entry.record.uid == record.uid
            && older(&entry.record, &record)
        {
            (entry.record, entry.own) = (record.clone(), Some(Instant::now()));
        }
        Some(record)
    }

    pub(crate) fn forget(&self, object: &ObjectRef) {
        self.lock().records.remove(object);
    }

    pub(crate) fn served(&self, kind: Kind, path: &str) {
        self.lock().paths.insert(kind, path.to_owned());
    }

    /// Where objects of a kind and a namespace are; `None` while that is not known.
    pub(super) fn path(&self, kind: Kind, namespace: &str) -> Option<String> {
        let state = self.lock();
        let (group, plural) = state.paths.get(&kind)?.rsplit_once('/')?;
        Some(format!("{group}/namespaces/{namespace}/{plural}"))
    }

    pub(super) fn pods(&self) -> Vec<(ObjectRef, Record)> {
        let state = self.lock();
        let pods = state.records.iter().filter(|(object, _)| object.kind == Kind::Pod);
        pods.map(|(object, entry)| (object.clone(), entry.record.clone())).collect()
    }

    /// The rules, each with what there is to say about its fields.
    pub(super) fn rules(&self) -> Vec<(ObjectRef, Record, Option<Arc<Condition>>)> {
        let state = self.lock();
        let rules = state.records.iter().filter(|(object, _)| object.kind != Kind::Pod);
        rules.map(|(object, entry)| (object.clone(), entry.record.clone(), entry.support.clone())).collect()
    }

    /// Tells whenever something is shown that is another.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn older(one: &Record, other: &Record) -> bool {
    number(&one.version).zip(number(&other.version)).is_some_and(|(one, other)| one < other)
}

/// Versions are numbers that grow (Kubernetes 1.35 says so aloud, etcd has always had it so).
pub(super) fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}
