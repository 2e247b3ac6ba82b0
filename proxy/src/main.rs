//! meshlet: arguments in, exit code out.

mod admin;
mod capture;
mod cluster;
mod command;
mod connection;
mod kernel;
mod metrics;
mod node;
mod protocol;
mod settings;
mod snapshot;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

/// Makes Istio's VirtualService and DestinationRule true for marked pods of this node, without sidecars.
#[derive(Parser)]
#[command(name = "meshlet", version, max_term_width = 120)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the node daemon: capture marked pods, route their traffic.
    #[command(after_help = command::run::HELP)]
    Run(Box<settings::RunArgs>),
    /// One request, one answer: captured or not, which rule, which endpoints, and what was not used and why.
    #[command(after_help = command::explain::HELP)]
    Explain(Box<command::explain::ExplainArgs>),
    /// Routing tests for CI: requests in, expected answers out, by the same engine.
    #[command(after_help = command::test::HELP)]
    Test(command::test::TestArgs),
    /// Findings about manifests, with stable codes, file, line and column.
    #[command(after_help = command::analyze::HELP)]
    Analyze(command::analyze::AnalyzeArgs),
    /// Can this node run it, and does it work now: a line per check, and a remedy for what fails.
    #[command(after_help = command::check::HELP)]
    Check(Box<command::check::CheckArgs>),
    /// Build pods on this machine and replay the founding experiment with real eBPF; prints the matrix. Needs root.
    Demo(command::demo::DemoArgs),
    /// Take away what a stopped daemon left pinned: pods are native already, this removes the last trace.
    Uninstall(command::uninstall::UninstallArgs),
    /// Print the version.
    Version,
    /// A process inside one of the demo's pods.
    #[command(hide = true)]
    SandboxAgent {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing is left to report to if even this cannot be written.
            drop(error.print());
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(command::USAGE),
            };
        }
    };
    let outcome = match arguments.command {
        Command::Run(arguments) => command::run::run(*arguments),
        Command::Explain(arguments) => command::explain::run(&arguments),
        Command::Test(arguments) => command::test::run(&arguments),
        Command::Analyze(arguments) => command::analyze::run(&arguments),
        Command::Check(arguments) => command::check::run(&arguments),
        Command::Demo(arguments) => command::demo::demo(arguments),
        Command::Uninstall(arguments) => command::uninstall::uninstall(&arguments),
        Command::Version => command::version(),
        Command::SandboxAgent { arguments } => Ok(meshlet_sandbox::agent(arguments)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("meshlet: {error:#}");
        ExitCode::FAILURE
    })
}
