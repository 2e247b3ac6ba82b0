//! `bpf-linker`, which turns the kernel half's bitcode into one BPF object.
//!
//! It reads bitcode that nightly wrote, so it has to be linked to an LLVM of that version; Debian's are older. The toolchain
//! brings its own as a shared library, and `bpf-linker` is built against that one: no LLVM to install, none to compile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::toolchain::Nightly;
use crate::{process, workspace};

/// The LLVM that this version of `bpf-linker` was tried with; a nightly with another one is passed over.
pub(crate) const LLVM: &str = "22";

const VERSION: &str = "0.13.0";

/// The folder that holds a `bpf-linker` for this nightly, built now if there is none: about a minute.
pub(crate) fn bring(nightly: &Nightly) -> Result<PathBuf> {
    let folder = workspace::target().join("tools").join(format!("bpf-linker-{VERSION}-{}", nightly.commit));
    let programs = folder.join("bin");
    if !process::succeeds(Command::new(programs.join("bpf-linker")).arg("--version")) {
        let llvm = folder.join("llvm");
        link_llvm(nightly, &llvm)?;
        install(nightly, &folder, &llvm).context("building bpf-linker")?;
    }
    Ok(programs)
}

/// Makes a prefix in which `bpf-linker`'s build script finds the toolchain's LLVM under the name a linker looks for.
fn link_llvm(nightly: &Nightly, prefix: &Path) -> Result<()> {
    let libraries = prefix.join("lib");
    fs::create_dir_all(&libraries).with_context(|| format!("creating {}", libraries.display()))?;
    let link = libraries.join("libLLVM.so");
    // A link to a toolchain that was moved or installed again; that there is none is the usual case.
    let _ = fs::remove_file(&link);
    symlink(llvm_of(nightly)?, &link).with_context(|| format!("creating {}", link.display()))
}

fn llvm_of(nightly: &Nightly) -> Result<PathBuf> {
    let folder = nightly.sysroot.join("lib");
    let prefix = format!("libLLVM.so.{LLVM}");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let library =
        entries.filter_map(|entry| entry.ok()).find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    library.map(|entry| entry.path()).with_context(|| format!("{} has no {prefix}*", folder.display()))
}

fn install(nightly: &Nightly, folder: &Path, llvm: &Path) -> Result<()> {
    let mut cargo = nightly.cargo("install");
    cargo.args(["bpf-linker", "--version", VERSION, "--locked", "--force", "--no-default-features"]);
    cargo.args(["--features", &format!("llvm-{LLVM}"), "--root"]).arg(folder);
    let rpath = format!("-Clink-arg=-Wl,-rpath,{}", nightly.sysroot.join("lib").display());
    // Without a target folder of ours cargo builds in a temporary one, and removes it.
    cargo.env("LLVM_PREFIX", llvm).env("CARGO_ENCODED_RUSTFLAGS", rpath).env_remove("CARGO_TARGET_DIR");
    process::run(&mut cargo)
}
