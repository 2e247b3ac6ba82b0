//! `cargo xtask demo`: from a fresh clone to the founding experiment.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{build, packages, workspace};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For `meshlet demo` itself; `cargo xtask demo -- --help` lists what it takes
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Becomes `meshlet demo`; comes back only if it cannot.
pub(crate) fn demo(arguments: &Arguments) -> Result<()> {
    packages::bring(packages::SANDBOX.iter())?;
    build::build()?;
    let meshlet = workspace::release("meshlet");
    if !packages::root() {
        let arguments: String = arguments.arguments.iter().map(|argument| format!(" {argument}")).collect();
        bail!(
            "the demo is built; it makes network namespaces and loads eBPF, for which it has to be root:\n  sudo {} demo{arguments}",
            meshlet.display()
        );
    }
    // In our place rather than below us, so that Ctrl-C and SIGTERM reach the demo and whoever waits for it sees it clean up.
    let error = Command::new(&meshlet).arg("demo").args(&arguments.arguments).exec();
    Err(error).with_context(|| format!("starting {}", meshlet.display()))
}
