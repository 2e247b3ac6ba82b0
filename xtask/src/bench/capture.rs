//! `cargo xtask bench capture`: how long a pod runs before it is captured.

use std::process::Stdio;

use anyhow::{Context, Result};

use super::paired::quantile;
use crate::step::step;
use crate::{build, packages, process, workspace};

/// From a pod's first process to its capture (needs root)
///
/// Pods start as in a cluster: the object comes first, without an address, then the network, then the sandbox's process. What is
/// printed ends when the daemon says that it has captured the pod, so it includes the asking. Near zero: the pod was captured before its
/// first process was ready to do anything.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// How many pods, one after the other
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pods: u32,
}

pub(super) fn capture(arguments: &Arguments) -> Result<()> {
    packages::bring(packages::SANDBOX.iter())?;
    build::build()?;
    let printed = step("benchmark of capturing", || {
        let mut cargo = process::cargo("bench");
        cargo.args(["-p", "meshlet-tests", "--bench", "capture", "--", &arguments.pods.to_string()]);
        cargo.env("MESHLET_BIN", workspace::release("meshlet"));
        cargo.env("MESHLET_AGENT", workspace::release("meshlet-sandbox-agent"));
        process::read(cargo.stderr(Stdio::inherit()))
    })?;
    let parsed: std::result::Result<Vec<f64>, _> = printed.lines().map(str::parse).collect();
    let mut micros = parsed.context("reading what the benchmark printed")?;
    micros.sort_by(f64::total_cmp);
    let [median, late, last] = [0.5, 0.99, 1.0].map(|share| quantile(&micros, share) / 1000.0);
    println!("{} pods: median {median:.1} ms, 99 % within {late:.1} ms, the last {last:.1} ms", micros.len());
    Ok(())
}
