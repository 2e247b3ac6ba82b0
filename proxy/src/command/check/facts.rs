//! What there is on this node, as far as it can be seen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::capture::cgroup;
use crate::command::daemon::get;
use crate::kernel::{self, Attached, FailurePolicy, Kernel, Sizes};

/// Everything that [`judge`](super::verdicts::judge) asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// `uname -r`.
    pub(super) kernel: String,
    /// Effective capabilities of this process, a bit each; or why they could not be read.
    pub(super) capabilities: Result<u64, String>,
    /// The cgroup v2 folder that was named or found; or why there is none.
    pub(super) cgroup: Result<PathBuf, String>,
    /// The topmost kubepods cgroup in it.
    pub(super) kubepods: Option<PathBuf>,
    /// The BPF file system, and whether one is there.
    pub(super) bpffs: (PathBuf, bool),
    /// Whether the kernel takes our programs, and if so, why not those that observe; nothing of them stays. `None` when there is no
    /// point in trying.
    pub(super) programs: Option<Result<Option<String>, String>>,
    /// What a connect from a pod meets, in order.
    pub(super) on_the_way: Vec<Attached>,
    /// The daemon of this node; `None` when it is not asked for.
    pub(super) daemon: Option<Daemon>,
}

/// What a daemon says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Daemon {
    /// Nothing answers, and why.
    Silent(String),
    /// It answers its probes.
    Answers {
        /// What its readiness probe says when it is not ready.
        ready: Result<(), String>,
        /// Captured pods, marked pods that are not captured yet as `namespace/name`, and captured addresses.
        config: Result<(usize, Vec<String>, u64), String>,
    },
}

impl Facts {
    /// Looks around; changes nothing that stays.
    pub(super) fn of_node(cgroup_root: Option<&Path>, bpffs: &Path) -> Self {
        let kernel = kernel::kernel_release();
        let capabilities = kernel::capabilities().map_err(|error| format!("{error:#}"));
        let cgroup = cgroup_folder(cgroup_root);
        let kubepods = cgroup.as_deref().ok().and_then(cgroup::kubepods);
        let hopeful = kernel::check_kernel(&kernel).is_ok()
            && capabilities.as_ref().is_ok_and(|bits| kernel::check_capabilities(*bits).is_ok());
        let programs = hopeful.then(|| {
            let loaded = Kernel::load(FailurePolicy::Open, NonZeroUsize::MIN, Sizes::new(&[]), false);
            loaded.map(|kernel| kernel.unobserved).map_err(|error| format!("{error:#}"))
        });
        let below = kubepods.as_deref().or(cgroup.as_deref().ok());
        let on_the_way = below.map(kernel::on_the_way).unwrap_or_default();
        let bpffs = (bpffs.to_owned(), kernel::is_bpffs(bpffs));
        Self { kernel, capabilities, cgroup, kubepods, bpffs, programs, on_the_way, daemon: None }
    }
}

impl Facts {
    /// Whether it looks like a node that this process may look into: there are pods, and it is not an ordinary user's.
    pub(super) fn of_a_node(&self) -> bool {
        self.kubepods.is_some() && self.capabilities.as_ref().is_ok_and(|bits| *bits != 0)
    }
}

fn cgroup_folder(named: Option<&Path>) -> Result<PathBuf, String> {
    let Some(named) = named else { return kernel::cgroup2_mount().map_err(|error| format!("{error:#}")) };
    if kernel::is_cgroup2(named) {
        return Ok(named.to_owned());
    }
    Err(format!("{} is not in a cgroup v2 file system: name the cgroup v2 mount or a folder in it", named.display()))
}

/// Asks a daemon how it is.
pub(super) fn daemon(admin: SocketAddr, health: SocketAddr) -> Daemon {
    match get(reachable(health), "/healthz/ready") {
        Err(error) => Daemon::Silent(format!("{error:#}")),
        Ok(reply) => Daemon::Answers {
            ready: if reply.status == 200 { Ok(()) } else { Err(reply.body.trim().to_owned()) },
            config: config(reachable(admin)).map_err(|error| format!("{error:#}")),
        },
    }
}

/// A listener on every address is reached by loopback.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = if listener.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listener.ip() };
    SocketAddr::new(ip, listener.port())
}

fn config(admin: SocketAddr) -> anyhow::Result<(usize, Vec<String>, u64)> {
    let config: Value = serde_json::from_str(&get(admin, "/api/v1/config")?.body)?;
    let pods = config["pods"].as_array().cloned().unwrap_or_default();
    let captured = pods.iter().filter(|pod| pod["captured"] == true).count();
    let waiting = pods.iter().filter(|pod| pod["marked"] == true && pod["captured"] != true);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let waiting = waiting.map(|pod| format!("{}/{}", text(&pod["namespace"]), text(&pod["name"]))).collect();
    Ok((captured, waiting, config["services"].as_u64().unwrap_or_default()))
}
