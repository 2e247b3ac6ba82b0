//! The CRDs of rules: those of the file or folder that the environment names, and where it has none of a kind, ours.
//!
//! The schemas of ours are made from the tables of fields (`routing/tests/coverage/fields`): what is there has its type, and
//! what is not there is kept, so that the daemon sees it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

/// Of each kind the schema of `spec`.
const SPECS: &str = include_str!("specs.json");

/// All that are needed, and whatever else the environment's file or folder has.
///
/// # Errors
/// When that file or folder cannot be read.
pub fn definitions() -> anyhow::Result<Vec<Value>> {
    let mut definitions = Vec::new();
    if let Some(path) = std::env::var_os("MESHLET_ISTIO_CRDS") {
        let path = PathBuf::from(path);
        read(&path, &mut definitions).with_context(|| format!("MESHLET_ISTIO_CRDS {}", path.display()))?;
    }
    let specs: Value = serde_json::from_str(SPECS)?;
    for own in ours(&specs) {
        if !definitions.iter().any(|given| given["metadata"]["name"] == own["metadata"]["name"]) {
            definitions.push(own);
        }
    }
    Ok(definitions)
}

fn read(path: &Path, definitions: &mut Vec<Value>) -> anyhow::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            read(&entry?.path(), definitions)?;
        }
        return Ok(());
    }
    if !["yaml", "yml", "json"].iter().any(|kind| path.extension().is_some_and(|extension| extension == *kind)) {
        return Ok(());
    }
    let objects: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(path)?)?;
    definitions.extend(objects.into_iter().filter(|object| object["kind"] == "CustomResourceDefinition"));
    Ok(())
}

fn ours(specs: &Value) -> [Value; 5] {
    const ISTIO: &str = "networking.istio.io";
    const GATEWAY: &str = "gateway.networking.k8s.io";
    [
        (ISTIO, "VirtualService", "virtualservices"),
        (ISTIO, "DestinationRule", "destinationrules"),
        (ISTIO, "ServiceEntry", "serviceentries"),
        (ISTIO, "Sidecar", "sidecars"),
        (GATEWAY, "HTTPRoute", "httproutes"),
    ]
    .map(|(group, kind, plural)| {
        let versions: &[&str] = if group == ISTIO { &["v1", "v1beta1", "v1alpha3"] } else { &["v1"] };
        let status = if group == ISTIO {
            status()
        } else {
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
        };
        let schema = json!({"type": "object", "properties": {"spec": specs[kind], "status": status}});
        definition(group, kind, plural, versions, &schema)
    })
}

fn definition(group: &str, kind: &str, plural: &str, versions: &[&str], schema: &Value) -> Value {
    let version = |name: &&str| {
        json!({"name": name, "served": true, "storage": versions.first() == Some(name),
            "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}})
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        // Groups of Kubernetes' own are refused without it.
        "metadata": {"name": format!("{plural}.{group}"), "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"}},
        "spec": {"group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": versions.iter().map(version).collect::<Vec<_>>()},
    })
}

/// As Istio has it: a condition has these members, and the API server drops all others; the list is atomic
/// (istio/istio manifests/charts/base/files/crd-all.gen.yaml).
fn status() -> Value {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time"});
    let number = json!({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true});
    let condition = json!({"type": "object", "properties": {"type": text, "status": text, "reason": text, "message": text,
        "lastProbeTime": time, "lastTransitionTime": time, "observedGeneration": number}});
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
        "conditions": {"type": "array", "items": condition}, "observedGeneration": number}})
}
