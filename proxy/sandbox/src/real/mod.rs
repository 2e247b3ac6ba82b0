//! A real kube-apiserver with its etcd, where the environment names them: [`servers`] runs both, [`exchange`] asks, and what is
//! written is written as controllers and a kubelet do.

mod definitions;
mod exchange;
mod servers;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::skipped;

pub use definitions::definitions;
pub use exchange::Admin;
pub use servers::{ACCOUNT, ADMIN, DAEMON, Servers};

/// How long an API server may take to serve what it has been given.
const PATIENCE: Duration = Duration::from_secs(60);

/// The programs etcd and kube-apiserver; `None`, and a line on stderr that nobody's capture hides, when they are not given to try
/// `what` against.
#[must_use]
pub fn programs(what: &str) -> Option<[PathBuf; 2]> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let assets = variable("KUBEBUILDER_ASSETS");
    let program = |own: &str, name: &str| variable(own).or_else(|| Some(assets.as_ref()?.join(name)));
    let found = [program("TEST_ASSET_ETCD", "etcd"), program("TEST_ASSET_KUBE_APISERVER", "kube-apiserver")];
    if let [Some(etcd), Some(apiserver)] = found {
        return Some([etcd, apiserver]);
    }
    skipped(&format!(
        "{what} against a real API server: KUBEBUILDER_ASSETS (or TEST_ASSET_ETCD and TEST_ASSET_KUBE_APISERVER) names no etcd \
         and kube-apiserver"
    ));
    None
}

/// Where objects of its kind and namespace are.
#[must_use]
pub fn place(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]).to_lowercase());
    let plural = kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"));
    let group = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{plural}"),
        None => format!("{group}/{plural}"),
    }
}

/// The objects of the daemon's manifest.
///
/// # Errors
/// When it cannot be read.
pub fn manifest() -> anyhow::Result<Vec<Value>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/deploy/meshlet.yaml");
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    serde_saphyr::from_multiple(&text).with_context(|| format!("reading {path}"))
}

/// The objects of a sandbox in a real API server.
#[derive(Debug)]
pub(crate) struct Written {
    servers: Servers,
    admin: Admin,
    /// Guards the version of the last write by plural.
    versions: Mutex<HashMap<String, u64>>,
}

impl Written {
    /// With the daemon's manifest and the CRDs of rules, which are served on return.
    pub(crate) fn start(mut servers: Servers) -> anyhow::Result<Self> {
        servers.launch()?;
        while !servers.ready()? {
            std::thread::sleep(Duration::from_millis(50));
        }
        let written = Self { admin: servers.admin(), servers, versions: Mutex::default() };
        let definitions = definitions()?;
        for object in manifest()?.iter().chain(&definitions) {
            written.apply(object)?;
        }
        written.wait_served("/apis/discovery.k8s.io/v1/endpointslices")?;
        for definition in &definitions {
            let spec = &definition["spec"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
            for version in spec["versions"].as_array().into_iter().flatten() {
                written.wait_served(&format!("/apis/{group}/{}/{plural}", text(&version["name"])))?;
            }
        }
        Ok(written)
    }

    /// A kubeconfig of the daemon's account.
    pub(crate) fn kubeconfig(&self) -> String {
        self.servers.kubeconfig(DAEMON)
    }

    /// Creates an object, or replaces what is in it; a pod's state is written as its kubelet does.
    pub(crate) fn apply(&self, object: &Value) -> anyhow::Result<Value> {
        let (place, path) = (place(object), path(object));
        let (status, created) = self.admin.exchange("POST", &place, "application/json", object)?;
        let mut now = match status {
            200..300 => created,
            409 => self.admin.ask("PATCH", &path, "application/json-patch+json", &replacement(object))?,
            _ => bail!("creating {path} answered {status}: {created}"),
        };
        if let Some(status) = object.get("status").filter(|_| object["kind"] == "Pod") {
            let status = json!({"status": status});
            now = self.admin.ask("PATCH", &format!("{path}/status"), "application/merge-patch+json", &status)?;
        }
        self.note(&place, &now)?;
        Ok(now)
    }

    /// Deletes an object at once.
    pub(crate) fn delete(&self, object: &Value) -> anyhow::Result<()> {
        let (place, path) = (place(object), path(object));
        let before = self.admin.ask("GET", &path, "application/json", &Value::Null)?;
        let at_once = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
        self.admin.ask("DELETE", &path, "application/json", &at_once)?;
        // The answer does not say at which version it is gone; a watch does.
        let name = before["metadata"]["name"].as_str().unwrap_or_default();
        let version = before["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let watch =
            format!("{place}?watch=1&resourceVersion={version}&fieldSelector=metadata.name%3D{name}&timeoutSeconds=1");
        let events = self.admin.lines(&watch)?;
        let gone = events.iter().rfind(|event| event["type"] == "DELETED");
        self.note(&place, &gone.with_context(|| format!("{path} is not gone: {events:?}"))?["object"])
    }

    /// The version of the last write to a resource; 0 when there was none.
    pub(crate) fn version_of(&self, plural: &str) -> u64 {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(plural).copied().unwrap_or_default()
    }

    fn note(&self, place: &str, written: &Value) -> anyhow::Result<()> {
        let plural = place.rsplit('/').next().unwrap_or_default().to_owned();
        let version = written["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok());
        let version = version.with_context(|| format!("no version in what was written at {place}: {written}"))?;
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(plural, version);
        Ok(())
    }

    fn wait_served(&self, path: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while let Err(error) = self.admin.ask("GET", path, "application/json", &Value::Null) {
            if begun.elapsed() > PATIENCE {
                return Err(error.context(format!("{path} is not served within {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

fn path(object: &Value) -> String {
    format!("{}/{}", place(object), object["metadata"]["name"].as_str().unwrap_or_default())
}

/// A JSON patch that replaces whole members, as a merge does not. What a pod is made of cannot be changed.
fn replacement(object: &Value) -> Value {
    let kept = |without: &'static [&str], members: &Value| -> Map<String, Value> {
        let members = members.as_object().cloned().unwrap_or_default();
        members.into_iter().filter(|(key, _)| !without.contains(&key.as_str())).collect()
    };
    let fixed: &[&str] = if object["kind"] == "Pod" {
        &["apiVersion", "kind", "metadata", "status", "spec"]
    } else {
        &["apiVersion", "kind", "metadata", "status"]
    };
    let top = kept(fixed, object).into_iter().map(|(key, value)| (format!("/{key}"), value));
    let marks = kept(&["name", "namespace", "uid"], &object["metadata"]).into_iter();
    let marks = marks.map(|(key, value)| (format!("/metadata/{key}"), value));
    top.chain(marks).map(|(path, value)| json!({"op": "add", "path": path, "value": value})).collect()
}
