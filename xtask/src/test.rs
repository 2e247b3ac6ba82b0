//! `cargo xtask test`: everything that can run on this machine, as CI runs it.

use std::env;

use anyhow::{Result, bail};

use crate::step::step;
use crate::{build, check, manifests, packages, process, vm_test, workspace};

const AS_ROOT: &str = "the node tests need root:\n  sudo env \"PATH=$PATH\" \"HOME=$HOME\" cargo xtask test --node";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only build and run the node tests
    #[arg(long)]
    node: bool,
    /// For the node tests' own command line: parts of test names, `--nocapture`, `--list` ...
    #[arg(value_name = "FILTER", requires = "node", trailing_var_arg = true, allow_hyphen_values = true)]
    filter: Vec<String>,
}

/// Stops at the first step that fails.
pub(crate) fn test(arguments: &Arguments) -> Result<()> {
    packages::bring(packages::SANDBOX.iter().chain(packages::INSPECTION))?;
    if !arguments.node {
        check::check()?;
        manifests::check()?;
    }
    build::build()?;
    if !arguments.node {
        step("unit tests", || process::run(&mut process::cargo("test")))?;
    }
    // A skip nobody reads is a green light for untested code: where nobody reads, or nothing else was asked for, it is a failure.
    let read = env::var_os("CI").is_none();
    match (packages::root(), arguments.node || !read) {
        (true, _) => step("node tests", || node(&arguments.filter))?,
        (false, true) => bail!(AS_ROOT),
        (false, false) => {
            eprintln!("==> node tests: SKIPPED, and with them all that touches the kernel; {AS_ROOT}");
        }
    }
    if arguments.node {
        return Ok(());
    }
    match step("node tests on the oldest and the newest kernel", vm_test::of_the_kernel)? {
        Some(missing) if read => eprintln!("==> node tests on the oldest and the newest kernel: SKIPPED: {missing:#}"),
        Some(missing) => return Err(missing.context("trying the oldest and the newest kernel")),
        None => {}
    }
    Ok(())
}

fn node(filter: &[String]) -> Result<()> {
    let mut cargo = process::cargo("test");
    cargo.args(["-p", "meshlet-tests", "--test", "node", "--", "--test-threads=1"]).args(filter);
    cargo.env("MESHLET_BIN", workspace::release("meshlet"));
    cargo.env("MESHLET_AGENT", workspace::release("meshlet-sandbox-agent"));
    process::run(&mut cargo)
}
