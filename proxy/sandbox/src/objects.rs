//! Where the sandbox's objects are written to, for the daemon to read: a folder of manifests, or the double of the API server.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use serde_json::Value;

use crate::api::ApiServer;
use crate::manifest;

/// What the node is called in the cluster.
pub(crate) const NODE: &str = "sandbox";

/// One of both.
#[derive(Debug)]
pub(crate) enum Objects {
    /// A folder.
    Folder(PathBuf),
    /// The API.
    Api(Published),
}

/// Objects in the API, as the manifests that they were written by.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) server: ApiServer,
    /// Guards the objects of each manifest.
    files: Mutex<HashMap<String, Vec<Value>>>,
}

impl Objects {
    /// In a double that is started for it.
    pub(crate) fn api() -> anyhow::Result<Self> {
        Ok(Self::Api(Published { server: ApiServer::start()?, files: Mutex::default() }))
    }

    /// Writes a manifest, or replaces it: objects that are in it no more are deleted.
    pub(crate) fn write(&self, file: &str, yaml: &str) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => manifest::write(folder, file, yaml),
            Self::Api(published) => {
                let objects = serde_saphyr::from_multiple::<Value>(yaml);
                let objects = objects.map_err(|error| anyhow::anyhow!("{file} is not YAML: {error}"))?;
                published.replace(file, objects)
            }
        }
    }

    /// Takes a manifest away.
    pub(crate) fn remove(&self, file: &str) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => manifest::remove(folder, file),
            Self::Api(published) => {
                let known = published.files.lock().unwrap_or_else(PoisonError::into_inner).remove(file);
                let objects = known.with_context(|| format!("there is no manifest {file}"))?;
                objects.iter().try_for_each(|object| published.server.delete(object))
            }
        }
    }
}

impl Published {
    fn replace(&self, file: &str, objects: Vec<Value>) -> anyhow::Result<()> {
        let identity = |object: &Value| {
            let of = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
            (object["kind"].as_str().unwrap_or_default().to_owned(), of("namespace"), of("name"))
        };
        self.server.apply_all(objects.iter().cloned())?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let before = files.insert(file.to_owned(), objects);
        let now = files.get(file).into_iter().flatten();
        let kept: Vec<_> = now.map(identity).collect();
        let gone = before.iter().flatten().filter(|object| !kept.contains(&identity(object)));
        gone.into_iter().try_for_each(|object| self.server.delete(object))
    }
}
