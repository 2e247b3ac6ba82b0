//! `meshlet uninstall`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::kernel;

/// `meshlet uninstall`.
#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// The BPF file system that the daemon was given.
    #[arg(long, value_name = "PATH", env = "MESHLET_BPFFS", default_value = "/sys/fs/bpf")]
    bpffs: PathBuf,
}

/// Unpins the links; with them go the programs and their maps.
pub(crate) fn uninstall(arguments: &UninstallArgs) -> anyhow::Result<ExitCode> {
    let removed = kernel::uninstall(&arguments.bpffs)?;
    for pin in &removed {
        println!("removed {}", pin.display());
    }
    if removed.is_empty() {
        println!("nothing of meshlet is pinned under {}", arguments.bpffs.display());
    }
    Ok(ExitCode::SUCCESS)
}
