//! The founding experiment's node.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use meshlet_sandbox::{
    Agent, Answer, ApiServer, Client, Daemon, Families, HttpCall, Layout, PodName, PodSpec, Sandbox, ServiceSpec,
};

/// The port clients dial; the pods listen on 80.
pub const SERVICE_PORT: u16 = 8080;
const NAMESPACE: &str = "infra-jinsu-lab";
const SERVICE: &str = "httpping-without-sidecar";

/// The program under test: `MESHLET_BIN`, which `cargo xtask test` sets.
#[must_use]
pub fn binary() -> PathBuf {
    PathBuf::from(
        std::env::var_os("MESHLET_BIN").expect("MESHLET_BIN names the built meshlet: run `cargo xtask test --node`"),
    )
}

/// An empty node.
#[must_use]
pub fn sandbox(layout: Layout) -> Sandbox {
    Sandbox::new(layout, agent()).expect("a sandbox")
}

/// An empty node of a cluster.
#[must_use]
pub fn cluster() -> Sandbox {
    Sandbox::in_cluster(Layout::Systemd, agent()).expect("a sandbox")
}

fn agent() -> Agent {
    let agent =
        std::env::var_os("MESHLET_AGENT").expect("MESHLET_AGENT names the built agent: run `cargo xtask test --node`");
    Agent::program(agent.as_ref())
}

/// `meshlet run` on a sandbox, not started, with these flags and a free port for every listener.
#[must_use]
pub fn daemon_command(sandbox: &Sandbox, flags: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("run").args(sandbox.source());
    command.arg("--bpffs").arg(sandbox.bpffs()).args(flags);
    let root = sandbox.cgroup_root();
    let root = root.to_str().expect("an ASCII path");
    let defaults = [
        ("--cgroup-root", root),
        ("--admin", "127.0.0.1:0"),
        ("--metrics", "127.0.0.1:0"),
        ("--health", "127.0.0.1:0"),
    ];
    for (flag, value) in defaults.into_iter().filter(|(flag, _)| !flags.contains(flag)) {
        command.args([flag, value]);
    }
    command
}

/// A VirtualService for the experiment's service with these `spec` fields beside its hosts, and its subsets.
#[must_use]
pub fn mesh_rule(fields: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: rule, namespace: {NAMESPACE}}}\n\
         spec:\n  hosts: [{SERVICE}]\n{fields}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: rule, namespace: {NAMESPACE}}}\n\
         spec:\n  host: {SERVICE}\n  subsets:\n  - {{name: v1, labels: {{version: v1}}}}\n  - {{name: v2, labels: {{version: v2}}}}\n"
    )
}

/// Three pods `v1-*`, three `v2-*`, a marked and an unmarked client, and the daemon.
pub struct Node {
    /// Dropped before the sandbox, so that it does not outlive its pods.
    pub daemon: Daemon,
    /// The pods.
    pub sandbox: Sandbox,
    /// The service's ClusterIP and port.
    pub service: SocketAddr,
}

impl Node {
    /// With the kubelet's systemd layout and default flags.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Layout::Systemd, &[])
    }

    /// With another layout or further flags.
    #[must_use]
    pub fn with(layout: Layout, flags: &[&str]) -> Self {
        Self::built(sandbox(layout), Families::V4, flags)
    }

    /// With pods and a service of these IP families.
    #[must_use]
    pub fn of(families: Families) -> Self {
        Self::built(sandbox(Layout::Systemd), families, &[])
    }

    /// The same node, whose objects are those of a cluster: the daemon reads them from the API.
    #[must_use]
    pub fn in_cluster() -> Self {
        Self::built(cluster(), Families::V4, &[])
    }

    /// The same behind a real API server; `None`, and a line on stderr, where the environment names none to try `what` against.
    #[must_use]
    pub fn in_real_cluster(what: &str) -> Option<Self> {
        let programs = meshlet_sandbox::real::programs(what)?;
        let sandbox = Sandbox::in_real_cluster(Layout::Systemd, agent(), programs).expect("a sandbox");
        Some(Self::built(sandbox, Families::V4, &[]))
    }

    /// In a sandbox, with pods and a service of these IP families, and further flags.
    #[must_use]
    pub fn built(mut sandbox: Sandbox, families: Families, flags: &[&str]) -> Self {
        sandbox.namespace(NAMESPACE, &[]).expect("a namespace");
        for version in ["v1", "v2"] {
            for letter in ["a", "b", "c"] {
                let pod = Self::server(&format!("{version}-{letter}"), version);
                sandbox.add_pod(pod.families(families)).expect("a server");
            }
        }
        for (name, mark) in [("marked", "true"), ("unmarked", "false")] {
            let pod = PodSpec::new(NAMESPACE, name).label("sidecar.istio.io/inject", mark);
            sandbox.add_pod(pod.families(families)).expect("a client's pod");
        }
        let service = ServiceSpec::new(NAMESPACE, SERVICE, SERVICE_PORT, 80).selecting("app", "httpping");
        let address = sandbox.add_service(service.families(families)).expect("a service");
        let daemon = start(&sandbox, flags);
        let mut node = Self { daemon, sandbox, service: (address, SERVICE_PORT).into() };
        node.settle();
        node.daemon.wait_captured(&Self::pod("marked"), true).expect("the marked pod captured");
        node
    }

    /// A pod of the experiment's service.
    #[must_use]
    pub fn server(name: &str, version: &str) -> PodSpec {
        PodSpec::new(NAMESPACE, name).label("app", "httpping").label("version", version).serving(80)
    }

    /// A pod of the experiment's namespace by name.
    #[must_use]
    pub fn pod(name: &str) -> PodName {
        PodName::new(NAMESPACE, name)
    }

    /// Waits until all that was written is in force.
    pub fn settle(&mut self) {
        self.daemon.wait_in_force(&self.sandbox).expect("the manifests in force");
    }

    /// Writes a manifest and waits until it is in force.
    pub fn apply(&mut self, yaml: &str) {
        self.sandbox.apply("rule.yaml", yaml).expect("the manifest written");
        self.settle();
    }

    /// The API server of a node in a cluster.
    #[must_use]
    pub fn api(&self) -> &ApiServer {
        self.sandbox.api().expect("a node in a cluster")
    }

    /// The same, to be taken down.
    pub fn api_mut(&mut self) -> &mut ApiServer {
        self.sandbox.api_mut().expect("a node in a cluster")
    }

    /// The daemon's memory in KiB, by its name in `/proc/PID/status`: `VmRSS` now, `VmHWM` at its most.
    #[must_use]
    pub fn memory(&self, field: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.daemon.pid())).expect("the daemon's status");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of /proc/PID/status");
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    /// Kills the daemon (SIGKILL) and starts another with `flags`.
    pub fn restart(&mut self, flags: &[&str]) {
        self.daemon = start(&self.sandbox, flags);
        self.settle();
        self.daemon.wait_captured(&Self::pod("marked"), true).expect("the marked pod captured");
    }

    /// A client inside `marked` or `unmarked`, or any other pod.
    #[must_use]
    pub fn client(&self, pod: &str) -> Client {
        self.sandbox.client(&Self::pod(pod)).expect("a client")
    }

    /// The primary address of a pod.
    #[must_use]
    pub fn ip(&self, pod: &str) -> IpAddr {
        self.sandbox.pod_ip(&Self::pod(pod)).expect("a pod")
    }

    /// A GET to the service by its short name.
    #[must_use]
    pub fn get(&self) -> HttpCall {
        HttpCall::get(self.service, SERVICE)
    }

    /// Sends a call from a pod; every answer must be there and be a 200.
    #[must_use]
    pub fn ask(&self, pod: &str, call: &HttpCall) -> Vec<Answer> {
        let answers = self.client(pod).http(call).expect("answers");
        assert_eq!(answers.len(), call.count, "every request is answered");
        for answer in &answers {
            assert_eq!((answer.status, &answer.error), (Some(200), &None), "{answer:?}");
        }
        answers
    }
}

/// With the kernel programs' log, so that a failure can be read from it.
fn start(sandbox: &Sandbox, flags: &[&str]) -> Daemon {
    let flags: Vec<&str> = ["--bpf-log"].iter().chain(flags).copied().collect();
    Daemon::start(sandbox, &binary(), &flags).expect("a daemon")
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.daemon.log());
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::new()
    }
}
