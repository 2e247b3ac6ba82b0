//! `cargo xtask bench`: what things cost, measured side by side in one run.
//!
//! A figure alone says more about the machine and the minute than about the program, so [`l4`] alternates short windows of
//! what it compares, and [`paired`] judges the ratios of neighbours.

mod capture;
mod cluster;
mod l4;
mod paired;

use anyhow::Result;

use crate::process;
use crate::step::step;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(clap::Subcommand)]
enum Benchmark {
    /// Decisions, changes of endpoints and whole builds, in worlds of 10 to 10 000 services; memory per cluster
    Routing {
        /// For criterion: part of a benchmark's name, `--save-baseline NAME` ...
        #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    Capture(capture::Arguments),
    Cluster(cluster::Arguments),
    L4(l4::Arguments),
}

/// Runs one benchmark.
pub(crate) fn bench(arguments: &Arguments) -> Result<()> {
    match &arguments.benchmark {
        Benchmark::Routing { arguments } => step("benchmark of the routing core", || {
            let scale = ["-p", "meshlet-routing", "--bench", "scale", "--"];
            process::run(process::cargo("bench").args(scale).args(arguments))
        }),
        Benchmark::Capture(arguments) => capture::capture(arguments),
        Benchmark::Cluster(arguments) => cluster::cluster(arguments),
        Benchmark::L4(arguments) => l4::l4(arguments),
    }
}
