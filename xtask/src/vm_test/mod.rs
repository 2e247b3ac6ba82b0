//! `cargo xtask vm-test`: the node tests on other kernels, each in a virtual machine of its own.
//!
//! [`kernels`] fetches Debian's packaged kernels, [`initramfs`] puts what the tests need beside the built binary, [`machine`]
//! boots the two in QEMU by software emulation, which needs no privileges and no KVM, and reads what the tests print.

mod initramfs;
mod kernels;
mod machine;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::packages::{self, Program};
use crate::step::step;
use crate::{build, process, workspace};
use kernels::{Kernel, SERIES, Series};
use machine::Outcome;

/// What builds and boots a machine, beside what the node tests use.
const TOOLS: &[Program] = &[
    Program::new("qemu-system-x86_64", "qemu-system-x86"),
    Program::new("busybox", "busybox-static"),
    Program::new("cpio", "cpio"),
    Program::new("depmod", "kmod"),
    Program::new("xz", "xz-utils"),
    Program::new("dpkg-deb", "dpkg"),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Every kernel that can be had, not only the oldest and the newest supported
    #[arg(long)]
    all: bool,
    /// Only this series, such as 6.12; repeatable
    #[arg(long, value_name = "SERIES", conflicts_with = "all")]
    kernel: Vec<String>,
    /// For the node tests' own command line: parts of test names, `--list` ...
    #[arg(value_name = "FILTER", trailing_var_arg = true, allow_hyphen_values = true)]
    filter: Vec<String>,
}

/// Builds, then runs the node tests on each kernel.
pub(crate) fn vm_test(arguments: &Arguments) -> Result<()> {
    packages::bring(packages::SANDBOX.iter().chain(packages::INSPECTION).chain(TOOLS))?;
    build::build()?;
    on_kernels(&wanted(arguments)?, &arguments.filter)
}

fn wanted(arguments: &Arguments) -> Result<Vec<&'static Series>> {
    let of_name = |name: &String| {
        let known = SERIES.iter().map(|series| series.name).collect::<Vec<_>>().join(", ");
        let found = SERIES.iter().find(|series| series.name == name);
        found.with_context(|| format!("--kernel {name}: this machine can fetch {known}"))
    };
    if !arguments.kernel.is_empty() {
        return arguments.kernel.iter().map(of_name).collect();
    }
    Ok(SERIES.iter().filter(|series| arguments.all || series.is_end).collect())
}

fn on_kernels(wanted: &[&Series], filter: &[String]) -> Result<()> {
    let kernels = step("fetch kernels", || kernels::fetch(wanted))?;
    let programs = programs()?;
    let base = step("build the file system of the machines", || initramfs::base(&programs, filter))?;
    let mut failed = Vec::new();
    for kernel in &kernels {
        let outcome = step(&format!("node tests on Linux {}", kernel.version), || on_kernel(kernel, &base))?;
        println!("vm-test: Linux {}: {outcome}", kernel.version);
        if !outcome.is_good() {
            failed.push(kernel.version.clone());
        }
    }
    if !failed.is_empty() {
        bail!("node tests failed on Linux {}; the machines' logs are in {}", failed.join(", "), folder().display());
    }
    Ok(())
}

fn on_kernel(kernel: &Kernel, base: &Path) -> Result<Outcome> {
    let image = initramfs::with_modules(kernel, base)?;
    machine::run(kernel, &image)
}

/// The programs that run in the machine, with the names they have there.
fn programs() -> Result<Vec<(PathBuf, &'static str)>> {
    let mut cargo = process::cargo("test");
    cargo.args(["-p", "meshlet-tests", "--test", "node", "--no-run", "--message-format=json"]);
    let messages = process::read(&mut cargo).context("building the node tests")?;
    let tests = executable(&messages).context("cargo does not say where the node tests are")?;
    Ok(vec![
        (workspace::release("meshlet"), "meshlet"),
        (workspace::release("meshlet-sandbox-agent"), "meshlet-sandbox-agent"),
        (tests, "node"),
    ])
}

/// The test program that cargo's messages, one JSON object a line, speak of last.
fn executable(messages: &str) -> Option<PathBuf> {
    let of_line = |line: &str| {
        let (_, rest) = line.split_once("\"executable\":\"")?;
        rest.split_once('"').map(|(path, _)| PathBuf::from(path))
    };
    messages.lines().filter_map(of_line).next_back()
}

/// Where machines are built and write their logs.
fn folder() -> PathBuf {
    workspace::target().join("vm")
}
