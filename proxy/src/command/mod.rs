//! A file per subcommand. Exit codes are istioctl's, the same for every output format.

pub(crate) mod analyze;
pub(crate) mod capture_mode;
pub(crate) mod check;
mod colour;
mod columns;
pub(crate) mod completion;
mod daemon;
pub(crate) mod demo;
pub(crate) mod explain;
mod manifests;
pub(crate) mod mesh;
mod print;
mod reach;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod uninstall;

use std::process::ExitCode;

/// Wrong usage.
pub(crate) const USAGE: u8 = 64;

/// Input that could not be read.
pub(crate) const DATA: u8 = 65;
/// Findings, an unmet expectation, a cell that is off.
pub(crate) const FINDINGS: u8 = 79;

/// `meshlet version`.
pub(crate) fn version() -> anyhow::Result<ExitCode> {
    println!("meshlet {}", env!("CARGO_PKG_VERSION"));
    Ok(ExitCode::SUCCESS)
}
