//! `meshlet check`: can this node run it, and does it work now. [`facts`] looks and judges nothing, [`verdicts`] judges and looks at
//! nothing, [`page`] is for eyes.

mod facts;
mod page;
mod verdicts;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{ArgAction, Args, ValueEnum};

use super::FINDINGS;
use super::colour::Colour;
use super::print::{json, print, yaml};
use facts::Facts;
use verdicts::{Report, judge};

/// Shown below the flags.
pub(crate) const HELP: &str = "\
Runs on the node itself, as root: on a cluster,
  kubectl -n meshlet-system exec daemonset/meshlet -- /meshlet check --cgroup-root /host/cgroup

Examples:
  meshlet check --pre                      before anything is installed: the node alone
  meshlet check --wait 60s                 right after: until the daemon is ready, or a minute is over
  meshlet check -o json                    for machines

Exit codes: 0 all is well (warnings included), 1 could not run, 64 wrong usage, 79 something failed.";

/// Between two looks while waiting.
const PAUSE: Duration = Duration::from_millis(500);

/// `meshlet check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Only what the node needs before a daemon runs.
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
        let report = arguments.look();
        if report.holds() || Instant::now() >= end {
            break report;
        }
        std::thread::sleep(PAUSE);
    };
    print(&match arguments.output {
        Output::Table => page::page(&report, arguments.color.on()),
        Output::Json => json(&report)?,
        Output::Yaml => yaml(&report)?,
    })?;
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

impl CheckArgs {
    fn look(&self) -> Report {
        let mut facts = Facts::of_node(self.cgroup_root.as_deref(), &self.bpffs);
        if !self.pre {
            facts.daemon = Some(facts::daemon(self.admin, self.health));
        }
        judge(&facts)
    }
}
