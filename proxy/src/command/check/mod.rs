//! `meshlet check`: can this node and this cluster run it, and does it work now. [`facts`] looks at the node and judges nothing,
//! [`verdicts`] judges and looks at nothing; [`cluster`] is both for what the API tells. [`report`] is what comes of it, [`page`] for
//! eyes.

mod cluster;
mod facts;
mod page;
mod report;
mod verdicts;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{ArgAction, Args, ValueEnum};

use super::FINDINGS;
use super::colour::Colour;
use super::daemon::block_on;
use super::print::{json, print, yaml};
use crate::cluster::connect::ClusterArgs;
use cluster::Cluster;
use facts::{Daemon, Facts};
use report::Report;

/// Shown below the flags.
pub(crate) const HELP: &str = "\
Looks at the node it runs on, as root, and at the cluster, if a kubeconfig or a pod's service account leads to
one. From a workstation it looks at the cluster alone; a daemon looks at its own node by
  kubectl -n meshlet-system exec daemonset/meshlet -- /meshlet check --cgroup-root /host/cgroup

In the cluster who asks needs to list namespaces, nodes, pods and mutatingwebhookconfigurations, and to create
subjectaccessreviews (not as the daemon's own account). What may not be asked for is said, and is no failure.

Examples:
  meshlet check --pre          before anything is installed: can the nodes run it, and may I install it
  meshlet check --wait 60s     right after: until the daemons are ready, or a minute is over
  meshlet check -o wide        with every permission, node and pod that a line sums up
  meshlet check -o json        for machines

Exit codes: 0 all is well (warnings included), 1 could not run, 64 wrong usage, 79 something failed.";

/// Between two looks while waiting.
const PAUSE: Duration = Duration::from_secs(1);

/// `meshlet check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Only what is needed before anything is installed, and whether who asks may install it.
    #[arg(long, action = ArgAction::SetTrue)]
    pre: bool,
    /// Look again until nothing fails, for at most this long (such as 30s or 5m).
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    wait: Duration,
    /// Look for pods below this cgroup v2 directory. Default: where cgroup v2 is mounted.
    #[arg(long, value_name = "PATH", env = "MESHLET_CGROUP_ROOT")]
    cgroup_root: Option<PathBuf>,
    /// The BPF file system for the pinned links.
    #[arg(long, value_name = "PATH", env = "MESHLET_BPFFS", default_value = "/sys/fs/bpf")]
    bpffs: PathBuf,
    /// Where the daemon's admin API listens.
    #[arg(long, value_name = "ADDR", env = "MESHLET_ADMIN", default_value = "127.0.0.1:15000")]
    admin: SocketAddr,
    /// Where the daemon answers probes.
    #[arg(long, value_name = "ADDR", env = "MESHLET_HEALTH", default_value = "127.0.0.1:15021")]
    health: SocketAddr,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Namespace of the daemons in the cluster.
    #[arg(short = 'n', long, value_name = "NS", env = "POD_NAMESPACE", default_value = "meshlet-system")]
    namespace: String,
    /// How to print the result.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// When the table is coloured.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    color: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For eyes.
    Table,
    /// With what each line sums up.
    Wide,
    /// A list of sections.
    Json,
    /// The same in YAML.
    Yaml,
}

fn duration(written: &str) -> Result<Duration, String> {
    let of_unit = |unit: &str, seconds: u64| {
        let number = written.strip_suffix(unit)?.parse::<u64>().ok()?;
        Some(Duration::from_secs(number.checked_mul(seconds)?))
    };
    of_unit("s", 1)
        .or_else(|| of_unit("m", 60))
        .ok_or_else(|| format!("{written:?} is not a duration: write 30s or 5m"))
}

/// Prints what holds and what does not.
pub(crate) fn run(arguments: &CheckArgs) -> anyhow::Result<ExitCode> {
    let end = Instant::now() + arguments.wait;
    let report = loop {
        let report = arguments.look()?;
        if report.holds() || Instant::now() >= end {
            break report;
        }
        std::thread::sleep(PAUSE);
    };
    let wide = arguments.output == Output::Wide;
    print(&match arguments.output {
        Output::Table | Output::Wide => page::page(&report, wide, arguments.color.on()),
        Output::Json => json(&report)?,
        Output::Yaml => yaml(&report)?,
    })?;
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

impl CheckArgs {
    fn look(&self) -> anyhow::Result<Report> {
        let cluster = block_on(cluster::look(&self.cluster, &self.namespace, self.pre))??;
        let mut facts = Facts::of_node(self.cgroup_root.as_deref(), &self.bpffs);
        let here = self.cgroup_root.is_some() || matches!(cluster, Cluster::Nowhere(_)) || facts.of_a_node();
        if here && !self.pre {
            facts.daemon = Some(facts::daemon(self.admin, self.health));
        }
        let answers = matches!(facts.daemon, Some(Daemon::Answers { .. }));
        let mut sections = if here {
            verdicts::judge(&facts, cluster.daemons_in())
        } else {
            vec![verdicts::not_here(&self.namespace, self.pre)]
        };
        sections.extend(cluster::judge(&cluster, answers));
        Ok(Report { sections })
    }
}
