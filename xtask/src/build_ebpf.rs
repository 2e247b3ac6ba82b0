//! `cargo xtask build-ebpf`: the kernel half as one BPF object with BTF, for `proxy/build.rs` to embed.

use std::env::consts::ARCH;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::step;
use crate::toolchain::Nightly;
use crate::{bpf_linker, process, workspace};

/// BPF with the byte order of the machine that will run it; big-endian nodes (s390x) are not supported.
const TARGET: &str = "bpfel-unknown-none";

/// Leaves `target/bpf/meshlet-ebpf`, untouched where nothing changed, so that the binary is not built again.
pub(crate) fn build_ebpf() -> Result<()> {
    let mut build = step("toolchain for the kernel object", || cargo("build"))?;
    step("build the kernel object", || {
        process::run(&mut build)?;
        publish()
    })
}

/// Nightly's cargo for the kernel half, with the toolchain it needs in place.
pub(crate) fn cargo(subcommand: &str) -> Result<Command> {
    let nightly = Nightly::bring()?;
    nightly.component("rust-src")?;
    let linker = bpf_linker::bring(&nightly)?;
    let mut cargo = nightly.cargo(subcommand);
    cargo.args(["--release", "-p", "meshlet-ebpf", "--target", TARGET, "-Z", "build-std=core", "--target-dir"]);
    cargo.arg(workspace::target().join("bpf")).env("PATH", process::path_with(&linker)?);
    // aya-ebpf reads registers by the layout of the machine that will run the object; the BTF comes from the debug info.
    let flags = [&format!("--cfg=bpf_target_arch=\"{ARCH}\""), "-Cdebuginfo=2", "-Clink-arg=--btf"];
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    Ok(cargo)
}

fn publish() -> Result<()> {
    let folder = workspace::target().join("bpf");
    let built = folder.join(TARGET).join("release/meshlet-ebpf");
    let object = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    let published = folder.join("meshlet-ebpf");
    if fs::read(&published).is_ok_and(|before| before == object) {
        return Ok(());
    }
    fs::write(&published, object).with_context(|| format!("writing {}", published.display()))
}
