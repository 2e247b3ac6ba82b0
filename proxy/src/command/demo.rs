//! `meshlet demo`: the founding experiment, with real pods and real eBPF, against what was configured.

mod chance;
mod experiment;
mod interrupt;
mod measure;
mod report;
mod table;
mod world;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use self::interrupt::Interrupt;
use self::report::Verdict;
use self::world::World;

/// A cell is off.
const OFF: u8 = 79;

/// `meshlet demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Requests for each row of the matrix.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(60..=100_000))]
    requests: u32,
    /// Leave pods and daemon standing and say how to look at them, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// How to print the matrix.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// Builds the world, runs every row and prints the matrix. Whatever was built is gone on return, and also when this
/// process is killed.
pub(crate) fn demo(arguments: DemoArgs) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let mut world = World::build(&interrupt)?;
    let report = experiment::replay(&mut world, arguments.requests, &interrupt)?;
    match arguments.output {
        Output::Table => print!("{}", table::render(&report)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report).context("writing the report")?),
    }
    if arguments.keep {
        eprintln!("{}", world.directions()?);
        interrupt.wait();
    }
    Ok(match report.verdict {
        Verdict::OnTarget => ExitCode::SUCCESS,
        Verdict::Off => ExitCode::from(OFF),
    })
}
