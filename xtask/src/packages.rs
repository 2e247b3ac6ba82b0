//! The programs that pods are built with: looked for, and installed where apt and root are there.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::step::step;

/// A program and the Debian package it comes in.
pub(crate) struct Program {
    name: &'static str,
    package: &'static str,
}

impl Program {
    /// A program and its package.
    pub(crate) const fn new(name: &'static str, package: &'static str) -> Self {
        Self { name, package }
    }
}

/// What the demo builds its pods and its kube-proxy with.
pub(crate) const SANDBOX: &[Program] = &[
    Program { name: "ip", package: "iproute2" },
    Program { name: "nft", package: "nftables" },
    Program { name: "nsenter", package: "util-linux" },
    Program { name: "mount", package: "mount" },
];

/// What only the node tests look at the kernel with.
pub(crate) const INSPECTION: &[Program] = &[Program { name: "bpftool", package: "bpftool" }];

/// Sees to it that these programs can be started, or says what to run and fails.
pub(crate) fn bring<'p>(programs: impl Iterator<Item = &'p Program>) -> Result<()> {
    let missing: Vec<_> = programs.filter(|program| !present(program.name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|program| program.name).collect();
    let packages: Vec<_> = missing.iter().map(|program| program.package).collect();
    let (names, packages) = (names.join(", "), packages.join(" "));
    if !present("apt-get") {
        bail!("programs are missing: {names}; install them (Debian's packages: {packages}) and run this command again");
    }
    if !root() {
        bail!(
            "programs are missing: {names}; run\n  sudo apt-get install -y --no-install-recommends {packages}\nand this command again"
        );
    }
    step(&format!("install {packages}"), || install(missing.iter().map(|program| program.package)))
}

/// Whether we are root, as building pods requires.
pub(crate) fn root() -> bool {
    // The owner of a process's folder is its effective user.
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn install<'p>(packages: impl Iterator<Item = &'p str>) -> Result<()> {
    // The lists may be good enough even if they cannot be fetched again, so it is the second command that decides.
    if let Err(error) = process::run(apt_get().arg("update")) {
        eprintln!("xtask: going on with the package lists that are there: {error:#}");
    }
    process::run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages))
        .context("installing packages")
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Someone else may be installing: a machine that has just booted usually is.
    command.args(["-q", "-o", "DPkg::Lock::Timeout=300"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn present(program: &str) -> bool {
    // Debian leaves the last two out of a user's PATH, but root, who will run the program, has them.
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).any(|file| executable(&file))
}

fn executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0)
}
