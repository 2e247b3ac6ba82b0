//! `cargo xtask build`: everything an operator runs, and what the node tests need beside it.

use anyhow::Result;

use crate::step::step;
use crate::{build_ebpf, process};

/// Leaves `target/release/meshlet`, which needs nothing beside it, and `target/release/meshlet-sandbox-agent`.
pub(crate) fn build() -> Result<()> {
    build_ebpf::build_ebpf()?;
    step("build the binary", || {
        process::run(process::cargo("build").args(["--release", "-p", "meshlet", "-p", "meshlet-sandbox"]))
    })
}
