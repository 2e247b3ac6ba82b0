//! What every object has.

use std::sync::Arc;

use serde_json::Value;

use super::fields::Fields;
use crate::manifest::Manifest;
use crate::model::{Creation, ExportTo, Kind, Labels};

/// A Service's list of the namespaces that know it.
pub(super) const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// `metadata`, as far as anything reads it.
pub(super) struct Metadata {
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    pub(super) uid: Option<Box<str>>,
    pub(super) created: Creation,
}

pub(super) fn read(fields: &Fields<'_>) -> Metadata {
    let Some(metadata) = fields.object("metadata") else {
        return Metadata { labels: Labels::new(), annotations: Labels::new(), uid: None, created: Creation(None) };
    };
    Metadata {
        labels: metadata.labels("labels"),
        annotations: metadata.labels("annotations"),
        uid: metadata.text("uid").map(Box::from),
        created: Creation(metadata.text("creationTimestamp").map(Box::from)),
    }
}

/// Whether an object says who sees it. A DestinationRule with a selector is private without saying so.
pub(super) fn says_export(manifest: &Manifest) -> bool {
    let annotations = manifest.body.get("metadata").and_then(|metadata| metadata.get("annotations"));
    let annotation = annotations.and_then(|annotations| annotations.get(EXPORT_TO)).and_then(Value::as_str);
    let spec = manifest.body.get("spec");
    let listed = spec.and_then(|spec| spec.get("exportTo")).and_then(Value::as_array);
    match manifest.object.kind {
        Kind::Service => annotation.is_some_and(|words| !words.trim().is_empty()),
        Kind::DestinationRule if spec.is_some_and(|spec| spec.get("workloadSelector").is_some()) => true,
        _ => listed.is_some_and(|words| !words.is_empty()),
    }
}

/// `spec.exportTo`: absent means everybody, `.` the object's own namespace, `~` nobody.
pub(super) fn export_to(spec: &Fields<'_>, namespace: &Arc<str>) -> ExportTo {
    let written = spec.texts("exportTo");
    let mut known: Vec<&str> = Vec::new();
    for (path, word) in &written {
        // `.` is the same as its name.
        let word = if *word == "." { &**namespace } else { *word };
        if known.contains(&word) {
            spec.report().error(path, format!("{word:?} is listed twice"), "remove one of them");
        }
        known.push(word);
    }
    // istio/istio@86c9f01 pkg/config/validation/validation.go, validateExportTo
    let alone = |word: &str| known.contains(&word) && known.len() > 1;
    if alone("*") || alone("~") {
        let problem = "names namespaces beside \"*\" or \"~\", which say it all";
        spec.report().error(&spec.path("exportTo"), problem, "keep one of them");
    }
    from_names(written.iter().map(|(_, name)| *name), namespace)
}

pub(super) fn from_names<'n>(names: impl Iterator<Item = &'n str>, namespace: &Arc<str>) -> ExportTo {
    let mut reached: Vec<Arc<str>> = Vec::new();
    let mut any = false;
    for name in names {
        any = true;
        match name {
            "*" => return ExportTo::All,
            "~" => {}
            "." => reached.push(Arc::clone(namespace)),
            other => reached.push(other.into()),
        }
    }
    if any { ExportTo::Namespaces(reached.into()) } else { ExportTo::All }
}

/// The fields that every object has beside its own.
pub(super) fn finish(fields: &Fields<'_>) {
    for key in ["apiVersion", "kind", "metadata", "status"] {
        fields.has(key);
    }
    fields.finish();
}
