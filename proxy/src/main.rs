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

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

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
    /// Can this node and this cluster run it, and does it work now: a line per check, and a remedy for what fails.
    #[command(after_help = command::check::HELP)]
    Check(Box<command::check::CheckArgs>),
    /// How the daemons are, node by node: ready, which pods and addresses they capture, by which rules.
    #[command(after_help = command::status::HELP)]
    Status(Box<command::status::StatusArgs>),
    /// Build pods on this machine and replay the founding experiment with real eBPF; prints the matrix. Needs root.
    Demo(command::demo::DemoArgs),
    /// Take away what a stopped daemon left pinned: pods are native already, this removes the last trace.
    Uninstall(command::uninstall::UninstallArgs),
    /// Print the script by which a shell completes meshlet's command line.
    #[command(after_help = command::completion::HELP)]
    Completion(command::completion::CompletionArgs),
    /// Print the version.
    Version,
    /// A process inside one of the demo's pods.
    #[command(hide = true)]
    SandboxAgent {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// How kubectl finds a plugin, and what its users write.
const PLUGIN: (&str, &str) = ("kubectl-meshlet", "kubectl meshlet");

impl Arguments {
    /// Those that this process was given; what is said of them names the program as it was called.
    fn of_process() -> clap::error::Result<Self> {
        let called = std::env::args_os().next().map(PathBuf::from);
        let mut command = Self::command();
        if called.as_deref().and_then(Path::file_name).is_some_and(|name| name == PLUGIN.0) {
            command = command.bin_name(PLUGIN.1);
        }
        let mut matches = command.try_get_matches_from_mut(std::env::args_os())?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::of_process() {
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
        Command::Status(arguments) => command::status::run(&arguments),
        Command::Demo(arguments) => command::demo::demo(arguments),
        Command::Uninstall(arguments) => command::uninstall::uninstall(&arguments),
        Command::Completion(arguments) => command::completion::run(&arguments, &Arguments::command()),
        Command::Version => command::version(),
        Command::SandboxAgent { arguments } => Ok(meshlet_sandbox::agent(arguments)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("meshlet: {error:#}");
        ExitCode::FAILURE
    })
}
