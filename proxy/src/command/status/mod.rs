//! `meshlet status`: how the daemons are, node by node. [`told`] is what each says, [`report`] what is made of it, [`page`] is for
//! eyes.

mod bpf;
mod page;
mod report;
mod told;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{ArgAction, Args, ValueEnum};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::FINDINGS;
use super::daemon::{Question, block_on};
use super::print::{json, print, yaml};
use super::reach::{Daemon, Where};
use crate::cluster::connect::ClusterArgs;
use report::{NodeReport, Report};
use told::Told;

/// Shown below the flags.
pub(crate) const HELP: &str = "\
Asks the daemon of this machine, if one answers; otherwise, or where a cluster or a node is named, every daemon of the cluster, by
port-forward: `list` on pods, `get` and `create` on pods/portforward in the daemons' namespace are needed.

Examples:
  meshlet status                              this node
  kubectl meshlet status --context prod       every node of a cluster
  meshlet status -o wide                      with the pods and why they are captured or not, and the watches
  meshlet status --node worker-1 -o json      for machines
  meshlet status --bpf                        what the kernel holds, by the names of pods and services

Exit codes: 0 all is well, 1 no daemon answers, 64 wrong usage, 79 a daemon does not answer or is not ready, or a marked pod whose
processes run is not captured (unless the daemon runs with --dry-run).";

/// Daemons that are asked at a time.
const AT_A_TIME: usize = 16;

/// `meshlet status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Ask the daemon that listens here, and no other.
    #[arg(long, value_name = "ADDR", env = "MESHLET_ADMIN")]
    admin: Option<SocketAddr>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Namespace of the daemons in the cluster.
    #[arg(short = 'n', long, value_name = "NS", default_value = "meshlet-system")]
    namespace: String,
    /// Only the daemon of this node of the cluster.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// What the kernel holds on the node: programs, maps, captured pods and addresses, and the routes that it decides by itself, by
    /// the names of pods and services.
    #[arg(long, action = ArgAction::SetTrue)]
    bpf: bool,
    /// How to print it.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line per node.
    Table,
    /// With pods and watches.
    Wide,
    /// Everything.
    Json,
    /// The same in YAML.
    Yaml,
}

/// Prints how the daemons are.
pub(crate) fn run(arguments: &StatusArgs) -> anyhow::Result<ExitCode> {
    let report = block_on(arguments.report())??;
    print(&match arguments.output {
        Output::Table | Output::Wide if arguments.bpf => page::kernel(&report),
        Output::Table => page::page(&report, false),
        Output::Wide => page::page(&report, true),
        Output::Json => json(&report)?,
        Output::Yaml => yaml(&report)?,
    })?;
    Ok(if !report.answered() {
        ExitCode::FAILURE
    } else if report.troubles().is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FINDINGS)
    })
}

impl StatusArgs {
    async fn report(&self) -> anyhow::Result<Report> {
        let place = Where::of(self.admin, &self.cluster, &self.namespace, self.node.is_some()).await?;
        let found = match place {
            Where::Here(address) => {
                // One daemon that is silent is an error, not a report.
                let told = told(&Daemon::At(address), self.bpf)
                    .await
                    .context("start `meshlet run`, or name a cluster (--kubeconfig)")?;
                return Ok(Report::new(vec![NodeReport::new(address.to_string(), None, Ok(told))]));
            }
            Where::Cluster(daemons) => {
                let pods = daemons.list(self.node.as_deref()).await?;
                pods.into_iter().map(|pod| Daemon::Of(daemons.clone(), pod)).collect::<Vec<_>>()
            }
        };
        Ok(Report::new(ask_all(found, self.bpf).await))
    }
}

/// Asks many, a few at a time.
async fn ask_all(daemons: Vec<Daemon>, bpf: bool) -> Vec<NodeReport> {
    let (turns, mut asked) = (Arc::new(Semaphore::new(AT_A_TIME)), JoinSet::new());
    for daemon in daemons {
        let turns = Arc::clone(&turns);
        asked.spawn(async move {
            // It is never closed.
            let _turn = turns.acquire().await;
            let told = told(&daemon, bpf).await.map_err(|error| format!("{error:#}"));
            NodeReport::new(daemon.title(), daemon.node(), told)
        });
    }
    asked.join_all().await
}

async fn told(daemon: &Daemon, bpf: bool) -> anyhow::Result<Told> {
    let mut told: Told = answer(daemon, "/api/v1/config").await?;
    if bpf {
        told.bpf = Some(answer(daemon, "/api/v1/bpf").await?);
    }
    Ok(told)
}

async fn answer<T: DeserializeOwned>(daemon: &Daemon, path: &str) -> anyhow::Result<T> {
    let reply = daemon.ask(&Question::get(path)).await?;
    if reply.status != 200 {
        bail!("{} answers {} to {path}: is it a meshlet of this version?", daemon.title(), reply.status);
    }
    serde_json::from_str(&reply.body)
        .with_context(|| format!("the answer of {}, which is no meshlet's", daemon.title()))
}

#[cfg(test)]
mod tests;
