//! Where the sandbox's objects are written to, for the daemon to read: a folder of manifests, the double of the API server or a real one.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use serde_json::Value;

use crate::api::ApiServer;
use crate::real::{Servers, Written};
use crate::{manifest, names};

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
    pub(crate) server: Server,
    /// By which the daemon reaches it.
    kubeconfig: PathBuf,
    /// Guards the objects of each manifest.
    files: Mutex<HashMap<String, Vec<Value>>>,
}

/// Whose the API is.
#[derive(Debug)]
pub(crate) enum Server {
    /// The double's.
    Double(ApiServer),
    /// A real API server's.
    Real(Box<Written>),
}

impl Objects {
    /// In a double that is started for it; its kubeconfig is in the folder.
    pub(crate) fn double(folder: &Path) -> anyhow::Result<Self> {
        let server = ApiServer::start()?;
        let kubeconfig = server.kubeconfig();
        Self::api(Server::Double(server), folder, &kubeconfig)
    }

    /// In a real API server that is started for it in the folder and the cgroup.
    pub(crate) fn real(programs: [PathBuf; 2], folder: &Path, cgroup: &Path) -> anyhow::Result<Self> {
        let own = folder.join("api");
        for created in [own.as_path(), cgroup] {
            fs::create_dir(created).with_context(|| format!("creating {}", created.display()))?;
        }
        let written = Written::start(Servers::start(programs, &own, Some(cgroup))?)?;
        let kubeconfig = written.kubeconfig();
        Self::api(Server::Real(Box::new(written)), folder, &kubeconfig)
    }

    fn api(server: Server, folder: &Path, text: &str) -> anyhow::Result<Self> {
        let kubeconfig = folder.join("kubeconfig");
        fs::write(&kubeconfig, text).with_context(|| format!("writing {}", kubeconfig.display()))?;
        Ok(Self::Api(Published { server, kubeconfig, files: Mutex::default() }))
    }

    /// How a daemon is told where they are.
    pub(crate) fn source(&self) -> Vec<OsString> {
        match self {
            Self::Folder(folder) => vec!["-f".into(), folder.into()],
            Self::Api(published) => {
                vec!["--kubeconfig".into(), published.kubeconfig.clone().into(), "--node".into(), NODE.into()]
            }
        }
    }

    /// What the node is called, where it is one of several.
    pub(crate) fn node(&self) -> Option<&'static str> {
        match self {
            Self::Folder(_) => None,
            Self::Api(_) => Some(NODE),
        }
    }

    /// The UID of a pod that is to be started. A real API server gives it, so the object is there before anything else of the pod.
    pub(crate) fn uid(&self, pod: impl FnOnce() -> Value) -> anyhow::Result<String> {
        let Self::Api(Published { server: Server::Real(written), .. }) = self else { return names::uid() };
        let created = written.apply(&pod())?;
        created["metadata"]["uid"].as_str().map(str::to_owned).context("a pod without a UID")
    }

    /// The version of the last write to a resource, where the objects are in an API.
    pub(crate) fn version_of(&self, plural: &str) -> Option<u64> {
        match self {
            Self::Folder(_) => None,
            Self::Api(Published { server: Server::Double(double), .. }) => Some(double.version_of(plural)),
            Self::Api(Published { server: Server::Real(written), .. }) => Some(written.version_of(plural)),
        }
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

impl Server {
    fn apply_all(&self, objects: &[Value]) -> anyhow::Result<()> {
        match self {
            Self::Double(double) => double.apply_all(objects.iter().cloned()),
            Self::Real(written) => objects.iter().try_for_each(|object| written.apply(object).map(drop)),
        }
    }

    fn delete(&self, object: &Value) -> anyhow::Result<()> {
        match self {
            Self::Double(double) => double.delete(object),
            Self::Real(written) => written.delete(object),
        }
    }
}

impl Published {
    fn replace(&self, file: &str, objects: Vec<Value>) -> anyhow::Result<()> {
        let identity = |object: &Value| {
            let of = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
            (object["kind"].as_str().unwrap_or_default().to_owned(), of("namespace"), of("name"))
        };
        self.server.apply_all(&objects)?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let before = files.insert(file.to_owned(), objects);
        let now = files.get(file).into_iter().flatten();
        let kept: Vec<_> = now.map(identity).collect();
        let gone = before.iter().flatten().filter(|object| !kept.contains(&identity(object)));
        gone.into_iter().try_for_each(|object| self.server.delete(object))
    }
}
