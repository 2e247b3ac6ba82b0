//! The nightly toolchain for the kernel half: BPF is a target without a prebuilt `core`, and only nightly builds one.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{bpf_linker, process, workspace};

/// Installed where `nightly` is missing or has another LLVM. A date, because tomorrow's nightly is not one we have tried.
const PINNED: &str = "nightly-2026-05-20";

const NO_RUSTUP: &str = "rustup is missing, and the kernel half needs a nightly toolchain from it; install it, open a new shell, and \
    run this command again:\n  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal";

/// An installed nightly whose LLVM is the one `bpf-linker` is built for.
pub(crate) struct Nightly {
    name: &'static str,
    /// The compiler's commit; what is linked to its LLVM works with no other.
    pub(crate) commit: String,
    /// The folder that holds the toolchain's `lib`.
    pub(crate) sysroot: PathBuf,
}

impl Nightly {
    /// The user's own `nightly` if it will do, else the pinned one, installed now if it has to be.
    pub(crate) fn bring() -> Result<Nightly> {
        if !rustup_is_there() {
            bail!(NO_RUSTUP);
        }
        for name in ["nightly", PINNED] {
            if let Some(nightly) = Nightly::installed(name)? {
                return Ok(nightly);
            }
        }
        let mut install = Command::new("rustup");
        install.args([
            "toolchain",
            "install",
            PINNED,
            "--no-self-update",
            "--profile",
            "minimal",
            "--component",
            "rust-src",
        ]);
        process::run(&mut install).context("installing the nightly toolchain; is there a network?")?;
        Nightly::installed(PINNED)?
            .with_context(|| format!("{PINNED} does not have LLVM {}, which xtask expects of it", bpf_linker::LLVM))
    }

    /// Adds one of rustup's components, if it is not there.
    pub(crate) fn component(&self, component: &str) -> Result<()> {
        add_component(component, &["--toolchain", self.name])
    }

    /// This toolchain's cargo, in this workspace.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = self.command("cargo");
        cargo.current_dir(workspace::root()).arg(subcommand);
        // We were started by another toolchain's cargo, which told us where its own parts are; and the user's flags are
        // meant for the machine, not for BPF.
        for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "CARGO_BUILD_TARGET", "LD_LIBRARY_PATH"] {
            cargo.env_remove(name);
        }
        cargo
    }

    fn installed(name: &'static str) -> Result<Option<Nightly>> {
        let nightly = Nightly { name, commit: String::new(), sysroot: PathBuf::new() };
        let mut rustc = nightly.command("rustc");
        if !process::succeeds(rustc.arg("-vV")) {
            return Ok(None);
        }
        let version = process::read(&mut rustc)?;
        let field = |field: &str| version.lines().find_map(|line| line.strip_prefix(field));
        let llvm = field("LLVM version: ").and_then(|llvm| llvm.split('.').next());
        if llvm != Some(bpf_linker::LLVM) {
            return Ok(None);
        }
        let commit =
            field("commit-hash: ").with_context(|| format!("`rustc -vV` of {name} names no commit"))?.to_owned();
        let sysroot = process::read(nightly.command("rustc").args(["--print", "sysroot"]))?;
        Ok(Some(Nightly { name, commit, sysroot: sysroot.trim_end().into() }))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("rustup");
        command.args(["run", self.name, program]);
        command
    }
}

/// Adds one of rustup's components to the toolchain that runs us, if it is not there.
///
/// Without rustup it is left to the caller's cargo, which says what it lacks.
pub(crate) fn bring_component(component: &str) -> Result<()> {
    if rustup_is_there() { add_component(component, &[]) } else { Ok(()) }
}

fn add_component(component: &str, toolchain: &[&str]) -> Result<()> {
    let installed = process::read(Command::new("rustup").args(["component", "list", "--installed"]).args(toolchain))?;
    // Most names have the host's triple behind them.
    let is_it = |line: &str| line.strip_prefix(component).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    if installed.lines().any(is_it) {
        return Ok(());
    }
    process::run(Command::new("rustup").args(["component", "add", component]).args(toolchain))
}

fn rustup_is_there() -> bool {
    process::succeeds(Command::new("rustup").arg("--version"))
}
