//! A pod: what it is to be, and the processes, cgroup and network namespace it is.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};

use crate::cgroup::{self, Layout};
use crate::families::Families;
use crate::names;
use crate::netns::Netns;
use crate::process::{Agent, Process, in_pod, tail};

/// Names a pod, as `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodName {
    namespace: String,
    name: String,
}

impl PodName {
    /// The pod `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// `metadata.namespace`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for PodName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a pod is to be: ready, and without labels or a server until told otherwise.
#[derive(Debug, Clone)]
pub struct PodSpec {
    pub(crate) name: PodName,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) ready: bool,
    pub(crate) serves: Option<u16>,
    pub(crate) families: Families,
}

impl PodSpec {
    /// A pod that does nothing but exist; clients are started in it by [`Sandbox::client`](crate::Sandbox::client).
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        let name = PodName::new(namespace, name);
        Self {
            name,
            labels: Vec::new(),
            annotations: Vec::new(),
            ready: true,
            serves: None,
            families: Families::default(),
        }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Adds an annotation.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Gives it addresses of these families rather than of IPv4.
    #[must_use]
    pub fn families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }

    /// Runs the agent's HTTP server on this port of all its addresses.
    #[must_use]
    pub fn serving(mut self, port: u16) -> Self {
        self.serves = Some(port);
        self
    }

    /// Starts with condition `Ready` false.
    #[must_use]
    pub fn unready(mut self) -> Self {
        self.ready = false;
        self
    }

    /// The pod's name.
    #[must_use]
    pub fn name(&self) -> &PodName {
        &self.name
    }
}

/// Where a pod is to be built.
pub(crate) struct Site<'a> {
    pub(crate) uid: String,
    pub(crate) layout: Layout,
    pub(crate) cgroup_root: &'a Path,
    pub(crate) netns: Netns,
    /// The primary one first.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) agent: &'a Agent,
    /// Where the pod's processes write their errors.
    pub(crate) log: PathBuf,
}

/// A pod that runs.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) spec: PodSpec,
    pub(crate) uid: String,
    /// The primary one first.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) netns: Netns,
    pub(crate) log: PathBuf,
    cgroup: PathBuf,
    /// The cgroup of the container `app`.
    pub(crate) container: PathBuf,
    processes: Vec<Process>,
}

impl Pod {
    /// Creates the cgroups and starts the pause process and, if one is wanted, the server, which listens on return.
    pub(crate) fn start(spec: PodSpec, site: Site<'_>) -> anyhow::Result<Self> {
        let Site { uid, layout, cgroup_root, netns, addresses, agent, log } = site;
        let cgroup = cgroup_root.join(layout.pod(&uid));
        let [pause, container] =
            [names::container_id()?, names::container_id()?].map(|id| cgroup.join(layout.container(&id)));
        for path in [&pause, &container] {
            fs::create_dir_all(path).with_context(|| format!("creating cgroup {}", path.display()))?;
        }
        let mut pod = Self { spec, uid, addresses, netns, log, cgroup, container, processes: Vec::new() };
        pod.run(&pause, agent, &["pause"])?;
        if let Some(port) = pod.spec.serves {
            let (name, port) = (pod.spec.name.name.clone(), port.to_string());
            let container = pod.container.clone();
            pod.run(&container, agent, &["serve", "--name", &name, "--port", &port])?;
        }
        Ok(pod)
    }

    /// Starts a process of the pod and waits until it says, with one byte on stdout, that it is at work.
    fn run(&mut self, cgroup: &Path, agent: &Agent, mode: &[&str]) -> anyhow::Result<()> {
        let mut child = in_pod(agent, cgroup, &self.netns, mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(append(&self.log)?)
            .spawn()
            .with_context(|| format!("starting a process of pod {}", self.spec.name))?;
        let stdout = child.stdout.take();
        self.processes.push(Process(child));
        let at_work = stdout.is_some_and(|mut stdout| stdout.read_exact(&mut [0]).is_ok());
        if !at_work {
            bail!("pod {}: `{}` does not start: {}", self.spec.name, mode.join(" "), tail(&self.log));
        }
        Ok(())
    }

    /// Kills the pod's processes, whoever started them, and removes its cgroup and network namespace.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        cgroup::kill(&self.cgroup)?;
        cgroup::remove(&self.cgroup)?;
        self.netns.remove()
    }
}

/// Opens a log for several processes to write to.
pub(crate) fn append(log: &Path) -> anyhow::Result<File> {
    File::options().create(true).append(true).open(log).with_context(|| format!("opening {}", log.display()))
}
