//! `cargo xtask`: the build and test steps that cargo lacks, a file per subcommand.
//!
//! Beside the subcommands: what a fresh machine lacks ([`toolchain`], [`bpf_linker`], [`packages`]), and how programs are run
//! and steps are timed ([`process`], [`step`]). Progress goes to stderr, so that stdout is the started program's own.

mod bench;
mod bpf_linker;
mod build;
mod build_ebpf;
mod check;
mod demo;
mod manifests;
mod packages;
mod process;
mod sizes;
mod step;
mod test;
mod toolchain;
mod vm_test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, checks, tests and shows meshlet.
///
/// Start with `cargo xtask demo`. Each command first does what it depends on, and brings what the machine lacks: a nightly
/// toolchain and a BPF linker into rustup's and the target folder, Debian packages where apt and root are there. What it
/// cannot bring it names, with the command to run, and stops.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask build                        leaves target/release/meshlet
  sudo target/release/meshlet demo         the demo, once it is built
  cargo xtask test --node weights          only the node tests whose name contains `weights`

Exit code: that of the first program that failed, else 0, or 1 where something is missing.";

#[derive(Subcommand)]
enum Subcommands {
    /// Build everything: the kernel object, then `target/release/meshlet`
    Build,
    /// Build the kernel object alone: `target/bpf/meshlet-ebpf`, which the binary embeds
    BuildEbpf,
    /// Build, then run `meshlet demo`: pods, real eBPF, configured against observed (needs root)
    Demo(demo::Arguments),
    /// Formatting, lints and the sizes of files and functions
    Check,
    /// What things cost: `cargo xtask bench routing`, `cargo xtask bench l4`
    Bench(bench::Arguments),
    /// The chart is well-formed, config/deploy/meshlet.yaml is made of it, and both fit Kubernetes' schemas
    Manifests(manifests::Arguments),
    VmTest(vm_test::Arguments),
    /// Everything that can run here: check, build, unit tests, node tests (those need root), and those of them that depend
    /// on the kernel in virtual machines with the oldest and the newest supported one
    Test(test::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Subcommands::Build => build::build(),
        Subcommands::BuildEbpf => build_ebpf::build_ebpf(),
        Subcommands::Demo(arguments) => demo::demo(&arguments),
        Subcommands::Check => check::check(),
        Subcommands::Manifests(arguments) => manifests::manifests(&arguments),
        Subcommands::VmTest(arguments) => vm_test::vm_test(&arguments),
        Subcommands::Bench(arguments) => bench::bench(&arguments),
        Subcommands::Test(arguments) => test::test(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            error.downcast_ref::<process::Failed>().map_or(ExitCode::FAILURE, |failed| ExitCode::from(failed.code))
        }
    }
}
