//! `cargo xtask check`: what a program can keep of the style guide.

use anyhow::Result;

use crate::step::step;
use crate::toolchain::{self, Nightly};
use crate::{build_ebpf, process, sizes};

const LINTS: [&str; 3] = ["--", "-D", "warnings"];

/// Formatting, sizes, then the lints of both halves; stops at the first that is not kept.
pub(crate) fn check() -> Result<()> {
    step("formatting", || {
        toolchain::bring_component("rustfmt")?;
        process::run(process::cargo("fmt").args(["--all", "--check"]))
    })?;
    step("sizes of files and functions", sizes::check)?;
    // The binary does not compile without the object that it embeds.
    build_ebpf::build_ebpf()?;
    step("lints of the kernel half", || {
        Nightly::bring()?.component("clippy")?;
        process::run(build_ebpf::cargo("clippy")?.args(LINTS))
    })?;
    step("lints", || {
        toolchain::bring_component("clippy")?;
        let mut clippy = process::cargo("clippy");
        process::run(clippy.args(["--workspace", "--exclude", "meshlet-ebpf", "--all-targets"]).args(LINTS))
    })
}
