//! `cargo xtask build`: everything an operator runs, and what the node tests need beside it.

use anyhow::Result;

use crate::step::step;
use crate::{build_ebpf, process};

/// Leaves `target/release/meshlet`, static, which needs nothing beside it, and `target/release/meshlet-sandbox-agent`.
pub(crate) fn build() -> Result<()> {
    build_ebpf::build_ebpf()?;
    step("build the binary", || {
        // Static for this program alone: as a setting of the whole build it would reach the procedural macros, which must
        // be shared libraries.
        let meshlet = ["--release", "-p", "meshlet", "--bin", "meshlet", "--", "-C", "target-feature=+crt-static"];
        process::run(process::cargo("rustc").args(meshlet))?;
        process::run(process::cargo("build").args(["--release", "-p", "meshlet-sandbox"]))
    })
}
