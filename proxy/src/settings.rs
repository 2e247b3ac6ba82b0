//! Flags and `MESHLET_*` of `meshlet run`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use crate::cluster::connect::ClusterArgs;
use crate::cluster::writes::Candidate;
use crate::command::capture_mode::CaptureMode;
use crate::command::mesh::MeshArgs;
use crate::kernel::{FailurePolicy, MapSize};

/// `meshlet run`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Read the objects from this file or folder (recursively: .yaml, .yml, .json); repeatable. Changes take effect at once.
    /// Without it they are read from the cluster.
    #[arg(short = 'f', long = "filename", value_name = "PATH", env = "MESHLET_FILENAME", value_delimiter = ',')]
    pub(crate) filename: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Write back to the cluster that is read: the annotation meshlet.dev/redirection on captured pods, Events on marked pods with
    /// which something is wrong, and by the one daemon that holds the Lease "meshlet" in $POD_NAMESPACE conditions and Events on
    /// VirtualServices, DestinationRules and HTTPRoutes. Not with --dry-run.
    #[arg(long, value_name = "BOOL", env = "MESHLET_STATUS_WRITES", action = ArgAction::Set, default_value_t = true)]
    pub(crate) status_writes: bool,
    #[command(flatten)]
    pub(crate) mesh: MeshArgs,
    /// Name of this node: pods with this spec.nodeName, or read from a file and with none, are its own. Default: $NODE_NAME, else the host name.
    #[arg(long, value_name = "NAME", env = "MESHLET_NODE")]
    pub(crate) node: Option<String>,
    /// Look for pods below this cgroup v2 directory. Default: where cgroup v2 is mounted.
    #[arg(long, value_name = "PATH", env = "MESHLET_CGROUP_ROOT")]
    pub(crate) cgroup_root: Option<PathBuf>,
    /// Pin the links of the kernel programs in this BPF file system, under meshlet/; mounted when it is not.
    #[arg(long, value_name = "PATH", env = "MESHLET_BPFFS", default_value = "/sys/fs/bpf")]
    pub(crate) bpffs: PathBuf,
    /// Listen on this port in each captured pod's network namespace, on loopback; another one is taken where the pod uses it.
    #[arg(long, value_name = "N", env = "MESHLET_CAPTURE_PORT", default_value_t = 15001)]
    pub(crate) capture_port: u16,
    /// What of captured pods' connections is captured.
    #[arg(long, env = "MESHLET_CAPTURE", value_enum, default_value_t = CaptureMode::Ruled)]
    pub(crate) capture: CaptureMode,
    /// Forget an address that was captured with its port alone when nobody has dialled it for so many seconds.
    #[arg(long, value_name = "SECONDS", env = "MESHLET_FORGET_AFTER", default_value_t = 120, hide = true)]
    pub(crate) forget_after: u32,
    /// Serve /api/v1/config and /api/v1/explain here.
    #[arg(long, value_name = "ADDR", env = "MESHLET_ADMIN", default_value = "127.0.0.1:15000")]
    pub(crate) admin: SocketAddr,
    /// Serve /metrics and /stats/prometheus here.
    #[arg(long, value_name = "ADDR", env = "MESHLET_METRICS", default_value = "0.0.0.0:15020")]
    pub(crate) metrics: SocketAddr,
    /// Serve /healthz/ready and /healthz/live here.
    #[arg(long, value_name = "ADDR", env = "MESHLET_HEALTH", default_value = "0.0.0.0:15021")]
    pub(crate) health: SocketAddr,
    /// Resolve the DNS names of ServiceEntries by the nameservers and the search list of this file.
    #[arg(long, value_name = "PATH", env = "MESHLET_RESOLV_CONF", default_value = "/etc/resolv.conf")]
    pub(crate) resolv_conf: PathBuf,
    /// Data-path threads. Default: one per CPU.
    #[arg(long, value_name = "N", env = "MESHLET_WORKERS")]
    pub(crate) workers: Option<NonZeroUsize>,
    /// What a captured pod's new connections to ruled services meet when the daemon is gone.
    #[arg(long, env = "MESHLET_FAILURE_POLICY", value_enum, default_value_t = FailurePolicy::Open)]
    pub(crate) failure_policy: FailurePolicy,
    /// One line per request on stdout.
    #[arg(long, env = "MESHLET_ACCESS_LOG", value_enum, default_value_t = AccessLog::Off)]
    pub(crate) access_log: AccessLog,
    /// Decide and report, redirect nothing: no program is attached and no pod is touched.
    #[arg(long, env = "MESHLET_DRY_RUN", action = ArgAction::SetTrue)]
    pub(crate) dry_run: bool,
    /// Give the kernel's maps room for N services (captured addresses), seen (addresses dialled on ports that are captured at every
    /// address), pods, routes, slots or endpoints, or for N ports or ranges that pods' annotations name; repeatable. The log says
    /// when one is full, and the metrics how full each is. Default: services=65536, seen=65536, pods=4096, routes=65536,
    /// slots=524288, endpoints=65536, ports=65536, ranges=65536.
    #[arg(
        long = "map-size",
        value_name = "SORT=N",
        env = "MESHLET_MAP_SIZE",
        value_delimiter = ',',
        value_parser = MapSize::parse
    )]
    pub(crate) map_size: Vec<MapSize>,
    /// Let the kernel programs report rare events (refusals, failed binds) to the log.
    #[arg(long, env = "MESHLET_BPF_LOG", action = ArgAction::SetTrue)]
    pub(crate) bpf_log: bool,
}

/// Whether requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessLog {
    /// Not at all.
    Off,
    /// Envoy's default format.
    Text,
    /// An object per line: Istio's keys, and which rule decided.
    Json,
}

impl RunArgs {
    /// Whether anything is written back to the cluster.
    pub(crate) fn writes_back(&self) -> bool {
        self.status_writes && !self.dry_run
    }

    /// As whom the lease is asked for; `None` when nothing says where it is.
    pub(crate) fn candidate(&self) -> Option<Candidate> {
        Some(Candidate { namespace: variable("POD_NAMESPACE")?, name: self.instance() })
    }

    /// Who this daemon is among all.
    pub(crate) fn instance(&self) -> String {
        variable("POD_NAME").unwrap_or_else(|| self.node_name())
    }

    /// The node's name: the flag, `NODE_NAME`, or the host name.
    pub(crate) fn node_name(&self) -> String {
        self.node
            .clone()
            .or_else(|| variable("NODE_NAME"))
            .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
    }
}

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
