//! The bodies of answers.

use serde_json::{Value, json};

use super::request::{Objects, Query};
use super::store::{Refused, Store, Stored};

/// A status and a body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// 200.
    pub(crate) fn ok(body: impl ToString) -> Self {
        Self { status: 200, body: body.to_string() }
    }

    /// A `Status` that says what is wrong.
    pub(crate) fn failure(status: u16, reason: &str, message: &str) -> Self {
        Self { status, body: failure(status, reason, message).to_string() }
    }

    /// For an object that could not be written.
    pub(crate) fn refused(refused: &Refused, of: &Objects) -> Self {
        let name = of.name.as_deref().unwrap_or_default();
        let plural = of.resource.plural;
        match refused {
            Refused::NotFound => Self::failure(404, "NotFound", &format!("{plural} {name:?} not found")),
            Refused::Exists => Self::failure(409, "AlreadyExists", &format!("{plural} {name:?} already exists")),
            Refused::Conflict => {
                let problem = "the object has been modified; please apply your changes to the latest version";
                Self::failure(409, "Conflict", &format!("{plural} {name:?}: {problem}"))
            }
        }
    }
}

/// A `Status`.
pub(crate) fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

/// What an answer shows of objects.
#[derive(Debug, Clone)]
pub(crate) struct View {
    kind: &'static str,
    api_version: String,
    metadata_only: bool,
    custom: bool,
}

impl View {
    /// As the request's path and `Accept` want it.
    pub(crate) fn new(of: &Objects, accept: &str) -> Self {
        let metadata_only = accept.contains("as=PartialObjectMetadata");
        let api_version = of.resource.api_version(&of.version);
        let custom = of.resource.group.contains(".istio.io") || of.resource.group.starts_with("gateway.");
        Self { kind: of.resource.kind, api_version, metadata_only, custom }
    }

    /// One object.
    pub(crate) fn object(&self, object: &Stored) -> String {
        if self.metadata_only {
            let metadata = &object.value["metadata"];
            return format!(
                r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{metadata}}}"#
            );
        }
        let rest = object.text.strip_prefix('{').unwrap_or_default();
        format!(r#"{{"kind":"{}","apiVersion":"{}",{rest}"#, self.kind, self.api_version)
    }

    /// A page of a list; `continue` is the number of objects that came before.
    pub(crate) fn list(&self, store: &Store, of: &Objects, query: &Query) -> String {
        let skipped = query.number("continue").unwrap_or(0);
        let limit = query.number("limit").unwrap_or(u64::MAX);
        let selected =
            || store.list(of.resource.plural, of.namespace.as_deref()).filter(|(_, object)| query.selects(object));
        let (skip, take) = (size(skipped), size(limit));
        let items: Vec<String> = selected().skip(skip).take(take).map(|(_, object)| self.item(object)).collect();
        let (total, end) = (selected().count(), skip.saturating_add(items.len()));
        let next = if end < total { format!(r#","continue":"{end}""#) } else { String::new() };
        let (kind, api_version) = if self.metadata_only {
            ("PartialObjectMetadata", "meta.k8s.io/v1")
        } else {
            (self.kind, &*self.api_version)
        };
        let version = store.version();
        // As Go writes what was never made.
        let items = match self.metadata_only && items.is_empty() {
            true => "null".to_owned(),
            false => format!("[{}]", items.join(",")),
        };
        format!(
            r#"{{"kind":"{kind}List","apiVersion":"{api_version}","metadata":{{"resourceVersion":"{version}"{next}}},"items":{items}}}"#
        )
    }

    /// Items of built-in lists have neither `kind` nor `apiVersion`.
    fn item(&self, object: &Stored) -> String {
        if self.custom || self.metadata_only { self.object(object) } else { object.text.clone() }
    }

    /// A line of a watch.
    pub(crate) fn event(&self, kind: &str, object: &Stored) -> String {
        format!("{{\"type\":\"{kind}\",\"object\":{}}}\n", self.object(object))
    }

    /// A line that says how far a watch has come; `initial` ends the objects that a streaming list begins with.
    pub(crate) fn bookmark(&self, version: u64, initial: bool) -> String {
        let annotations = if initial { json!({"k8s.io/initial-events-end": "true"}) } else { json!({}) };
        let (kind, api_version) = if self.metadata_only {
            ("PartialObjectMetadata", "meta.k8s.io/v1")
        } else {
            (self.kind, &*self.api_version)
        };
        let metadata = json!({"resourceVersion": version.to_string(), "annotations": annotations});
        let object = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        format!("{}\n", json!({"type": "BOOKMARK", "object": object}))
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
