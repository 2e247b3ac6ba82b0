//! The world of the founding experiment: one Service, three pods of each version, two clients, the daemon.

use std::net::SocketAddr;

use anyhow::Context as _;
use meshlet_sandbox::{Agent, Client, Daemon, Layout, PodName, PodSpec, Sandbox, ServiceSpec};

use super::interrupt::Interrupt;

pub(crate) const NAMESPACE: &str = "infra-jinsu-lab";
pub(crate) const SERVICE: &str = "httpping-without-sidecar";
pub(crate) const PORT: u16 = 8080;
pub(crate) const VERSIONS: [&str; 2] = ["v1", "v2"];
/// Pods of each version.
pub(crate) const COPIES: [&str; 3] = ["a", "b", "c"];

/// The file that holds the rule of the moment.
const RULE: &str = "rule.yaml";

/// What the demo built. Dropping it takes everything down.
pub(crate) struct World {
    /// A client in a pod that is marked as Istio's injection is asked for.
    pub(crate) marked: Client,
    /// A client in a pod that is not.
    pub(crate) unmarked: Client,
    /// The Service's ClusterIP and port.
    pub(crate) service: SocketAddr,
    marked_pod: PodName,
    // Before the sandbox, which takes the ground from under it.
    daemon: Daemon,
    sandbox: Sandbox,
}

impl World {
    /// Builds it, up to a daemon that has captured the marked client and not the other one.
    pub(crate) fn build(interrupt: &Interrupt) -> anyhow::Result<Self> {
        eprintln!("building a node with eight pods");
        let mut sandbox = Sandbox::new(Layout::Systemd, Agent::subcommand("sandbox-agent")?)?;
        sandbox.namespace(NAMESPACE, &[])?;
        for version in VERSIONS {
            for copy in COPIES {
                interrupt.check()?;
                let pod = PodSpec::new(NAMESPACE, &format!("{version}-{copy}"));
                sandbox.add_pod(pod.label("app", "httpping").label("version", version).serving(80))?;
            }
        }
        let service = ServiceSpec::new(NAMESPACE, SERVICE, PORT, 80).selecting("app", "httpping");
        let service = SocketAddr::from((sandbox.add_service(service)?, PORT));
        let marked = PodSpec::new(NAMESPACE, "client-marked").label("sidecar.istio.io/inject", "true");
        let marked_pod = sandbox.add_pod(marked)?;
        let unmarked_pod = sandbox.add_pod(PodSpec::new(NAMESPACE, "client-unmarked"))?;
        let (marked, unmarked) = (sandbox.client(&marked_pod)?, sandbox.client(&unmarked_pod)?);
        interrupt.check()?;
        eprintln!("starting the daemon");
        let program = std::env::current_exe().context("finding the running program")?;
        let mut daemon = Daemon::start(&sandbox, &program, &[])?;
        daemon.wait_captured(&marked_pod, true)?;
        daemon.wait_captured(&unmarked_pod, false)?;
        Ok(Self { marked, unmarked, service, marked_pod, daemon, sandbox })
    }

    /// Puts one rule in the place of the last and waits until it is in force.
    pub(crate) fn apply(&mut self, rule: &str) -> anyhow::Result<()> {
        self.sandbox.apply(RULE, rule)?;
        self.daemon.wait_in_force(&self.sandbox)
    }

    /// How to look at the world while it stands.
    pub(crate) fn directions(&self) -> anyhow::Result<String> {
        let cgroup = self.sandbox.cgroup_of(&self.marked_pod)?;
        let netns = self.sandbox.netns_of(&self.marked_pod)?;
        Ok(format!(
            "\nThe world stands. In another shell, as root:\n\
             \x20 a request from the marked pod:  sh -c 'echo $$ > {cgroup}/cgroup.procs; exec nsenter --net={netns} curl -si -H host:{SERVICE} http://{service}/'\n\
             \x20 its rule, to be edited:         {rule}\n\
             \x20 the programs on the hooks:      bpftool cgroup tree {kubepods}\n\
             \x20 what the daemon has in force:   curl -s http://{admin}/api/v1/config\n\
             \x20 what it says:                   tail -f {log}\n\
             Ctrl-C takes everything down.",
            cgroup = cgroup.display(),
            netns = netns.display(),
            service = self.service,
            rule = self.sandbox.manifests().join(RULE).display(),
            kubepods = self.sandbox.kubepods().display(),
            admin = self.daemon.admin(),
            log = self.sandbox.folder().join("daemon.log").display(),
        ))
    }
}
