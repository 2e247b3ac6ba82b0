//! `cargo xtask bench cluster`: what a large cluster costs a node.

use anyhow::Result;

use crate::step::step;
use crate::{build, packages, process, workspace};

/// The daemon's memory and time with a large cluster, from a double of the API server (needs root)
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Services, each with ten endpoints
    #[arg(long, default_value_t = 10_000)]
    services: usize,
    /// Pods of other nodes
    #[arg(long, default_value_t = 50_000)]
    pods: usize,
}

pub(super) fn cluster(arguments: &Arguments) -> Result<()> {
    packages::bring(packages::SANDBOX.iter())?;
    build::build()?;
    step("benchmark of a large cluster", || {
        let mut cargo = process::cargo("bench");
        cargo.args(["-p", "meshlet-tests", "--bench", "cluster", "--"]);
        cargo.args([arguments.services.to_string(), arguments.pods.to_string()]);
        cargo.env("MESHLET_BIN", workspace::release("meshlet"));
        cargo.env("MESHLET_AGENT", workspace::release("meshlet-sandbox-agent"));
        process::run(&mut cargo)
    })
}
