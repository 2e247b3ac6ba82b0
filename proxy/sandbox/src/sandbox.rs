//! The sandbox: one node, its pods and Services, and what stands for the API server and kube-proxy.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use rustix::mount::{MountFlags, mount};
use serde_json::Value;

use crate::addresses::Addresses;
use crate::api::ApiServer;
use crate::cgroup::Layout;
use crate::client::Client;
use crate::janitor::Janitor;
use crate::kube_proxy::{Balanced, KubeProxy};
use crate::manifest;
use crate::names::Names;
use crate::netns::Netns;
use crate::objects::{Objects, Published, Server};
use crate::pod::{Pod, PodName, PodSpec, Site};
use crate::process::Agent;
use crate::program;
use crate::service::ServiceSpec;

/// A node with pods and Services. Needs root; several may exist at once. Dropping it removes everything.
#[derive(Debug)]
pub struct Sandbox {
    // First, so that it is dropped first: it kills the pods' processes, which are then reaped as the pods are dropped.
    _janitor: Janitor,
    names: Names,
    objects: Objects,
    layout: Layout,
    agent: Agent,
    addresses: Addresses,
    node: Netns,
    kube_proxy: KubeProxy,
    pods: BTreeMap<PodName, Pod>,
    /// With their ClusterIPs.
    services: BTreeMap<PodName, (ServiceSpec, Vec<IpAddr>)>,
    pods_ever: usize,
}

impl Sandbox {
    /// A node without pods.
    ///
    /// # Errors
    /// Without root, cgroup v2 or one of the programs needed (the message names the Debian package), and when the kernel
    /// refuses one of the steps.
    pub fn new(layout: Layout, agent: Agent) -> anyhow::Result<Self> {
        Self::with(layout, agent, |names| Ok(Objects::Folder(names.manifests())))
    }

    /// The same, but its objects are those of a cluster, behind a double of the API server. The sandbox stands for the endpoint
    /// controller as well.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn in_cluster(layout: Layout, agent: Agent) -> anyhow::Result<Self> {
        Self::with(layout, agent, |names| Objects::double(&names.folder()))
    }

    /// The same behind a real API server, given the [programs](crate::real::programs). The daemon has the account of its manifest.
    ///
    /// # Errors
    /// As [`Self::new`], and when these do not start.
    pub fn in_real_cluster(layout: Layout, agent: Agent, programs: [PathBuf; 2]) -> anyhow::Result<Self> {
        Self::with(layout, agent, |names| Objects::real(programs, &names.folder(), &names.cgroup().join("api")))
    }

    fn with(
        layout: Layout,
        agent: Agent,
        objects: impl FnOnce(&Names) -> anyhow::Result<Objects>,
    ) -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("building pods from cgroups, network namespaces and mounts needs root: run it with sudo");
        }
        program::require_all()?;
        let names = Names::new()?;
        let janitor = Janitor::start(&agent, &names)?;
        for folder in [names.folder(), names.bpffs(), names.manifests()] {
            fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        mount("bpf", names.bpffs(), "bpf", MountFlags::empty(), None)
            .with_context(|| format!("mounting a BPF file system at {}", names.bpffs().display()))?;
        let root = names.cgroup();
        for cgroup in [root.clone(), root.join(layout.kubepods()), root.join("daemon")] {
            fs::create_dir(&cgroup).with_context(|| format!("creating cgroup {}", cgroup.display()))?;
        }
        let node = Netns::node(&names.netns_prefix())?;
        Ok(Self {
            _janitor: janitor,
            layout,
            agent,
            addresses: Addresses::new()?,
            kube_proxy: KubeProxy::new(node.clone()),
            node,
            objects: objects(&names)?,
            names,
            pods: BTreeMap::new(),
            services: BTreeMap::new(),
            pods_ever: 0,
        })
    }

    /// Writes a Namespace, or writes it anew with other labels.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn namespace(&self, name: &str, labels: &[(&str, &str)]) -> anyhow::Result<()> {
        self.write(&format!("namespace.{name}.json"), &manifest::namespace(name, labels))
    }

    /// Starts a pod; its server, if it has one, listens on return.
    ///
    /// # Errors
    /// When there is one of that name, or a step of building it fails.
    pub fn add_pod(&mut self, spec: PodSpec) -> anyhow::Result<PodName> {
        let addresses = self.addresses.pod(spec.families)?;
        let uid = self.objects.uid(|| manifest::pod(&spec, "", &[], self.objects.node()))?;
        let name = self.start(spec, uid, addresses)?;
        self.publish(&name)?;
        Ok(name)
    }

    /// Starts a pod in a cluster's order: the object first, placed and without an address; then its network, then its
    /// processes. Its address is never told: a kubelet does so only some time after.
    ///
    /// # Errors
    /// As [`Self::add_pod`].
    pub fn schedule_pod(&mut self, spec: PodSpec) -> anyhow::Result<PodName> {
        let addresses = self.addresses.pod(spec.families)?;
        let object = |uid: &str| manifest::pod(&spec, uid, &[], self.objects.node());
        let uid = self.objects.uid(|| object(""))?;
        self.write(&manifest::pod_file(&spec.name), &object(&uid))?;
        self.start(spec, uid, addresses)
    }

    fn start(&mut self, spec: PodSpec, uid: String, addresses: Vec<IpAddr>) -> anyhow::Result<PodName> {
        let name = spec.name.clone();
        if self.pods.contains_key(&name) {
            bail!("pod {name} is there already");
        }
        let index = self.pods_ever;
        self.pods_ever += 1;
        let netns = format!("{}p{index}", self.names.netns_prefix());
        let netns = Netns::pod(netns, &self.node, index, &addresses, self.addresses.gateway())
            .with_context(|| format!("building the network of pod {name}"))?;
        let site = Site {
            uid,
            layout: self.layout,
            cgroup_root: &self.names.cgroup(),
            netns,
            addresses,
            agent: &self.agent,
            log: self.names.folder().join(format!("pod.{}.{}.log", name.namespace(), name.name())),
        };
        let pod = Pod::start(spec, site)?;
        self.pods.insert(name.clone(), pod);
        Ok(name)
    }

    /// Replaces a running pod's labels and annotations: sets or removes a mark, or moves the pod to another subset.
    ///
    /// # Errors
    /// When there is no such pod, or the file or kube-proxy's rules cannot be written.
    pub fn relabel_pod(
        &mut self,
        pod: &PodName,
        labels: &[(&str, &str)],
        annotations: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let spec = &mut self.running_mut(pod)?.spec;
        spec.labels = manifest::owned(labels);
        spec.annotations = manifest::owned(annotations);
        self.publish(pod)
    }

    /// Sets the pod's condition `Ready`; kube-proxy follows.
    ///
    /// # Errors
    /// As [`Self::relabel_pod`].
    pub fn set_ready(&mut self, pod: &PodName, ready: bool) -> anyhow::Result<()> {
        self.running_mut(pod)?.spec.ready = ready;
        self.publish(pod)
    }

    /// Ends a pod: first for the API server and kube-proxy, then its processes, cgroup and network namespace.
    ///
    /// # Errors
    /// When there is no such pod, or a part of it cannot be removed.
    pub fn delete_pod(&mut self, pod: &PodName) -> anyhow::Result<()> {
        let running = self.pods.remove(pod).with_context(|| format!("there is no pod {pod}"))?;
        self.withdraw(&manifest::pod_file(pod))?;
        self.sync_kube_proxy()?;
        running.remove().with_context(|| format!("removing pod {pod}"))
    }

    /// Creates a Service and returns its (primary) ClusterIP. Its endpoints are the ready pods that the selector matches, at any time.
    ///
    /// # Errors
    /// When there is one of that name, or the file or kube-proxy's rules cannot be written.
    pub fn add_service(&mut self, spec: ServiceSpec) -> anyhow::Result<IpAddr> {
        let name = PodName::new(&spec.namespace, &spec.name);
        if self.services.contains_key(&name) {
            bail!("service {name} is there already");
        }
        let addresses = self.addresses.service(spec.families)?;
        let primary = *addresses.first().context("a Service has a family")?;
        self.write(&format!("service.{}.{}.json", spec.namespace, spec.name), &manifest::service(&spec, &addresses))?;
        self.services.insert(name, (spec, addresses));
        self.sync_kube_proxy()?;
        Ok(primary)
    }

    /// Writes any other manifest, or replaces it, at once.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn apply(&self, file: &str, yaml: &str) -> anyhow::Result<()> {
        self.objects.write(file, yaml)
    }

    /// Removes a manifest.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn withdraw(&self, file: &str) -> anyhow::Result<()> {
        self.objects.remove(file)
    }

    /// Starts a client inside a pod.
    ///
    /// # Errors
    /// When there is no such pod, or the client does not start.
    pub fn client(&self, pod: &PodName) -> anyhow::Result<Client> {
        Client::start(self.running(pod)?, &self.agent)
    }

    /// The pod's (primary) address: the IPv4 one, if it has one.
    ///
    /// # Errors
    /// When there is no such pod.
    pub fn pod_ip(&self, pod: &PodName) -> anyhow::Result<IpAddr> {
        self.pod_ips(pod)?.first().copied().with_context(|| format!("pod {pod} has no address"))
    }

    /// The pod's addresses, the primary one first.
    ///
    /// # Errors
    /// When there is no such pod.
    pub fn pod_ips(&self, pod: &PodName) -> anyhow::Result<Vec<IpAddr>> {
        Ok(self.running(pod)?.addresses.clone())
    }

    /// The pod's network namespace, as `nsenter --net=` takes it.
    ///
    /// # Errors
    /// When there is no such pod.
    pub fn netns_of(&self, pod: &PodName) -> anyhow::Result<PathBuf> {
        Ok(self.running(pod)?.netns.path())
    }

    /// The node's network namespace, which forwards between pods.
    #[must_use]
    pub fn node_netns(&self) -> PathBuf {
        self.node.path()
    }

    /// The cgroup of the pod's container `app`: a process that joins it is the pod's.
    ///
    /// # Errors
    /// When there is no such pod.
    pub fn cgroup_of(&self, pod: &PodName) -> anyhow::Result<PathBuf> {
        Ok(self.running(pod)?.container.clone())
    }

    /// A Service's ClusterIPs, the primary one first.
    ///
    /// # Errors
    /// When there is no such Service.
    pub fn cluster_ips(&self, namespace: &str, name: &str) -> anyhow::Result<Vec<IpAddr>> {
        let service = self.services.get(&PodName::new(namespace, name));
        service
            .map(|(_, addresses)| addresses.clone())
            .with_context(|| format!("there is no service {namespace}/{name}"))
    }

    /// What stands for the cgroup v2 mount: kubepods is right below.
    #[must_use]
    pub fn cgroup_root(&self) -> PathBuf {
        self.names.cgroup()
    }

    /// The cgroup above all pods'.
    #[must_use]
    pub fn kubepods(&self) -> PathBuf {
        self.cgroup_root().join(self.layout.kubepods())
    }

    /// A BPF file system of the sandbox's own.
    #[must_use]
    pub fn bpffs(&self) -> PathBuf {
        self.names.bpffs()
    }

    /// The folder that stands for the API server.
    #[must_use]
    pub fn manifests(&self) -> PathBuf {
        self.names.manifests()
    }

    /// The sandbox's folder, for logs and whatever else is to go with it.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.names.folder()
    }

    /// The double of the API server, where there is one.
    #[must_use]
    pub fn api(&self) -> Option<&ApiServer> {
        match &self.objects {
            Objects::Api(Published { server: Server::Double(double), .. }) => Some(double),
            _ => None,
        }
    }

    /// The same, to be taken down.
    #[must_use]
    pub fn api_mut(&mut self) -> Option<&mut ApiServer> {
        match &mut self.objects {
            Objects::Api(Published { server: Server::Double(double), .. }) => Some(double),
            _ => None,
        }
    }

    /// How a daemon is told where the objects are.
    #[must_use]
    pub fn source(&self) -> Vec<OsString> {
        self.objects.source()
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    fn running(&self, pod: &PodName) -> anyhow::Result<&Pod> {
        self.pods.get(pod).with_context(|| format!("there is no pod {pod}"))
    }

    fn running_mut(&mut self, pod: &PodName) -> anyhow::Result<&mut Pod> {
        self.pods.get_mut(pod).with_context(|| format!("there is no pod {pod}"))
    }

    /// Tells the API server's readers and kube-proxy what a pod is now.
    fn publish(&mut self, name: &PodName) -> anyhow::Result<()> {
        let pod = self.running(name)?;
        let node = self.objects.node();
        self.write(&manifest::pod_file(name), &manifest::pod(&pod.spec, &pod.uid, &pod.addresses, node))?;
        self.sync_kube_proxy()
    }

    fn sync_kube_proxy(&mut self) -> anyhow::Result<()> {
        let balanced = |(spec, addresses): &(ServiceSpec, Vec<IpAddr>)| -> Vec<Balanced> {
            addresses.iter().map(|address| spec.balanced(*address, self.pods.values())).collect()
        };
        let services: Vec<Balanced> = self.services.values().flat_map(balanced).collect();
        self.kube_proxy.sync(&services)?;
        self.write_endpoints()
    }

    /// Whoever reads a folder finds the endpoints by himself.
    fn write_endpoints(&self) -> anyhow::Result<()> {
        if self.objects.node().is_none() {
            return Ok(());
        }
        for (name, (spec, _)) in &self.services {
            for family in spec.families.listed() {
                let slice = manifest::endpoint_slice(spec, *family, self.pods.values().filter(|pod| spec.selects(pod)));
                self.write(
                    &format!("endpointslice.{}.{}.{}.json", name.namespace(), name.name(), family.name()),
                    &slice,
                )?;
            }
        }
        Ok(())
    }

    fn write(&self, file: &str, object: &Value) -> anyhow::Result<()> {
        self.apply(file, &format!("{object:#}\n"))
    }

    pub(crate) fn daemon_cgroup(&self) -> PathBuf {
        self.cgroup_root().join("daemon")
    }
}
