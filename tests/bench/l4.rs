//! What the kernel half costs, in windows that alternate. `cargo xtask bench l4` runs this and does the arithmetic.
//!
//! Prints a line per window, in the order of time: what was compared, by which path, units per second. Only of [`VISIT`]
//! windows, between which meshlet is neither started nor stopped, it prints the median: they are too far from their
//! counterparts to be compared one by one.
//! All processes of the pods share one CPU, before all others there: placement, which says more about a window than the path
//! does, is then always the same, and a rate is the inverse of what the whole path costs.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use harness::{binary, sandbox};
use meshlet_sandbox::{Client, Daemon, Layout, Load, LoadCall, PodName, PodSpec, Sandbox, ServiceSpec};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const NAMESPACE: &str = "bench";

/// A route that needs no bytes. The one pod is in both subsets, so that the kernel has weights to pick by.
const RULES: &str = "\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: server, namespace: bench}
spec: {host: server, subsets: [{name: a, labels: {in: both}}, {name: b, labels: {app: server}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: bench}
spec:
  hosts: [server]
  tcp:
  - route:
    - {weight: 10, destination: {host: server, subset: a}}
    - {weight: 90, destination: {host: server, subset: b}}
";

/// How many windows are worth a start or a stop of meshlet.
const VISIT: usize = 5;

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [rounds, millis] = &arguments[..] else {
        bail!("usage: ROUNDS MILLISECONDS; `cargo xtask bench l4` calls this as it should be")
    };
    let rounds: usize = rounds.parse().context("reading the number of rounds")?;
    let millis = millis.parse().context("reading the length of a window")?;
    let mut bench = Bench::new(millis)?;
    for _ in 0..rounds {
        bench.round()?;
    }
    bench.verify()
}

/// Four pods, two Services, and what was seen when nothing had been measured yet.
struct Bench {
    /// Dropped before the sandbox, so that it does not outlive its pods.
    daemon: Daemon,
    captured: Client,
    unmarked: Client,
    sandbox: Sandbox,
    service: SocketAddr,
    /// Nobody wrote a rule for it. Its pod is another: one that two Services lead to would have conntrack look for ports.
    unruled: SocketAddr,
    endpoint: SocketAddr,
    millis: u64,
    on_loopback: u64,
}

impl Bench {
    fn new(millis: u64) -> anyhow::Result<Self> {
        let mut sandbox = sandbox(Layout::Systemd);
        sandbox.namespace(NAMESPACE, &[])?;
        let server = PodSpec::new(NAMESPACE, "server").label("app", "server").label("in", "both").serving(80);
        let server = sandbox.add_pod(server)?;
        let captured = PodSpec::new(NAMESPACE, "captured").label("sidecar.istio.io/inject", "true");
        let captured = sandbox.add_pod(captured)?;
        let unmarked = sandbox.add_pod(PodSpec::new(NAMESPACE, "unmarked"))?;
        let service = ServiceSpec::new(NAMESPACE, "server", 9000, 80).port_name("tcp").selecting("app", "server");
        let service = (sandbox.add_service(service)?, 9000).into();
        sandbox.add_pod(PodSpec::new(NAMESPACE, "other").label("app", "other").serving(80))?;
        let unruled = ServiceSpec::new(NAMESPACE, "unruled", 9000, 80).port_name("tcp").selecting("app", "other");
        let unruled = (sandbox.add_service(unruled)?, 9000).into();
        sandbox.apply("rules.yaml", RULES)?;
        let daemon = start(&sandbox)?;
        let (mut captured, unmarked) = (sandbox.client(&captured)?, sandbox.client(&unmarked)?);
        for pod in ["captured", "unmarked", "server", "other"] {
            pin(&sandbox.cgroup_of(&PodName::new(NAMESPACE, pod))?)?;
        }
        let endpoint = (sandbox.pod_ip(&server)?, 80).into();
        let on_loopback = on_loopback(&mut captured)?;
        Ok(Self { daemon, captured, unmarked, sandbox, service, unruled, endpoint, millis, on_loopback })
    }

    /// Every comparison once in each order.
    fn round(&mut self) -> anyhow::Result<()> {
        for (name, load) in [("bulk", Load::Bulk), ("ping-pong", Load::PingPong), ("connects", Load::Connects)] {
            for path in ["kernel", "direct", "kube-proxy", "kube-proxy", "direct", "kernel"] {
                let rate = self.window(path, load)?;
                println!("{name} {path} {rate:.1}");
            }
        }
        for present in [true, false] {
            let paths = if present { ["with", "without"] } else { ["without", "with"] };
            for path in paths {
                self.presence(path == "with")?;
                for (name, service) in [("unmarked", "unruled"), ("ruled", "kube-proxy")] {
                    let rates = (0..VISIT).map(|_| self.window(service, Load::Connects));
                    let mut rates = rates.collect::<anyhow::Result<Vec<_>>>()?;
                    rates.sort_by(f64::total_cmp);
                    println!("{name} {path} {:.1}", rates[VISIT / 2]);
                }
            }
        }
        Ok(())
    }

    /// One window; units per second.
    fn window(&mut self, path: &str, load: Load) -> anyhow::Result<f64> {
        let (client, to) = match path {
            "kernel" => (&mut self.captured, self.service),
            "direct" => (&mut self.captured, self.endpoint),
            "unruled" => (&mut self.unmarked, self.unruled),
            _ => (&mut self.unmarked, self.service),
        };
        let report = client.load(&LoadCall { to, load, millis: self.millis })?;
        ensure!(report.peer == to, "a client that dialled {to} sees {}", report.peer);
        Ok(report.amount as f64 * 1e9 / report.nanos as f64)
    }

    /// Starts meshlet, or stops it and takes its programs out of the kernel, unless it is so already.
    fn presence(&mut self, wanted: bool) -> anyhow::Result<()> {
        let pins = self.sandbox.bpffs().join("meshlet");
        if wanted == pins.exists() {
            return Ok(());
        }
        if wanted {
            self.daemon = start(&self.sandbox)?;
        } else {
            self.daemon.stop()?;
            let uninstall = Command::new(binary()).args(["uninstall", "--bpffs"]).arg(self.sandbox.bpffs()).output()?;
            ensure!(uninstall.status.success() && !pins.exists(), "{}", String::from_utf8_lossy(&uninstall.stderr));
        }
        // A start leaves cold caches, and a stop maps that the kernel frees later: neither is what is compared.
        (0..VISIT).try_for_each(|_| self.window("kube-proxy", Load::Connects).map(drop))
    }

    /// That what is said to be decided in the kernel was: the proxy is reached over the pod's loopback.
    fn verify(mut self) -> anyhow::Result<()> {
        let packets = on_loopback(&mut self.captured)? - self.on_loopback;
        ensure!(packets == 0, "{packets} packets went through the proxy: these were not the kernel's decisions");
        Ok(())
    }
}

/// With everything in force and the marked pod captured.
fn start(sandbox: &Sandbox) -> anyhow::Result<Daemon> {
    let mut daemon = Daemon::start(sandbox, &binary(), &[])?;
    daemon.wait_in_force(sandbox)?;
    daemon.wait_captured(&PodName::new(NAMESPACE, "captured"), true)?;
    Ok(daemon)
}

fn on_loopback(client: &mut Client) -> anyhow::Result<u64> {
    Ok(client.netdev()?.get("lo").context("a pod without a loopback")?.rx_packets)
}

/// Puts all threads in a container, and those they will start, on the machine's last CPU, and before whoever else is there.
fn pin(container: &Path) -> anyhow::Result<()> {
    let allowed = sched_getaffinity(None).context("asking for our CPUs")?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu)).context("we may run on no CPU")?;
    let mut set = CpuSet::new();
    set.set(last);
    for process in fs::read_to_string(container.join("cgroup.procs"))?.lines() {
        for thread in fs::read_dir(Path::new("/proc").join(process).join("task"))? {
            let thread = thread?.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
            sched_setaffinity(thread, &set).with_context(|| format!("pinning process {process}"))?;
        }
        let preferred = Command::new("chrt").args(["--all-tasks", "--fifo", "--pid", "1", process]).output()?;
        ensure!(preferred.status.success(), "chrt: {}", String::from_utf8_lossy(&preferred.stderr));
    }
    Ok(())
}
