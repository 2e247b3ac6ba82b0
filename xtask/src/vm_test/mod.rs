//! `cargo xtask vm-test`: the node tests on other kernels, each in a virtual machine of its own.
//!
//! [`kernels`] fetches Debian's packaged kernels, [`initramfs`] puts what the tests need beside the built binary, [`machine`]
//! boots the two in QEMU by software emulation, which needs no privileges and no KVM, and reads what the tests print.
//! As many machines run at once as there are CPUs.

mod initramfs;
mod kernels;
mod machine;

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};

use crate::packages::{self, Program};
use crate::step::step;
use crate::{build, process, workspace};
use kernels::{Kernel, SERIES, Series, Support};
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

/// What [`of_the_kernel`] runs: that the programs load and do their work, redirect, pick and observe, that bpftool sees what it should, and that
/// the capabilities of the DaemonSet suffice. Emulated a test takes ten times as long, and these are as many as a few minutes hold.
const OF_THE_KERNEL: [&str; 6] = [
    "check::",
    "kernel_routes::",
    "kernel_view::",
    "redirect::",
    "telemetry::given_a_route_that_the_kernel_decides",
    "telemetry::given_endpoints_that_refuse",
];

/// The node tests on other kernels, each in a virtual machine (software emulation; kernels are Debian's packages)
///
/// By default all of them on the oldest and the newest supported kernel. With --all also on those between, and an
/// older one has to be refused by `meshlet run` with its message.
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
    let wanted = wanted(arguments)?;
    let kernels = step("fetch kernels", || kernels::fetch(&wanted))?;
    on_kernels(&kernels, &arguments.filter)
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
    Ok(SERIES.iter().filter(|series| arguments.all || series.support == Support::End).collect())
}

/// For `cargo xtask test`, after `build`: what depends on the kernel most, on the oldest and the newest supported one.
///
/// What kept it from being tried, if anything did: no emulator, or no kernels to be had.
pub(crate) fn of_the_kernel() -> Result<Option<anyhow::Error>> {
    let ends: Vec<_> = SERIES.iter().filter(|series| series.support == Support::End).collect();
    let brought = packages::bring(packages::SANDBOX.iter().chain(packages::INSPECTION).chain(TOOLS));
    let kernels = match brought.and_then(|()| step("fetch kernels", || kernels::fetch(&ends))) {
        Ok(kernels) => kernels,
        Err(error) => return Ok(Some(error)),
    };
    println!("vm-test: only {}; `cargo xtask vm-test` runs all node tests", OF_THE_KERNEL.join(", "));
    on_kernels(&kernels, &OF_THE_KERNEL.map(str::to_owned)).map(|()| None)
}

fn on_kernels(kernels: &[Kernel], filter: &[String]) -> Result<()> {
    let programs = programs()?;
    let base = step("build the file system of the machines", || initramfs::base(&programs, filter))?;
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let mut failed = Vec::new();
    for together in kernels.chunks(cpus) {
        for (kernel, outcome) in together.iter().zip(at_once(together, &base)) {
            let outcome = outcome?;
            println!("vm-test: Linux {}: {outcome}", kernel.version);
            if !outcome.is_good(kernel.supported) {
                failed.push(kernel.version.clone());
            }
        }
    }
    if !failed.is_empty() {
        bail!("node tests failed on Linux {}; the machines' logs are in {}", failed.join(", "), folder().display());
    }
    Ok(())
}

/// A machine for each, in the order of the kernels.
fn at_once(kernels: &[Kernel], base: &Path) -> Vec<Result<Outcome>> {
    thread::scope(|scope| {
        let machines: Vec<_> = kernels.iter().map(|kernel| scope.spawn(|| on_kernel(kernel, base))).collect();
        let ended = machines.into_iter().map(|machine| machine.join());
        ended.map(|outcome| outcome.unwrap_or_else(|_| Err(anyhow!("listening to a machine panicked")))).collect()
    })
}

fn on_kernel(kernel: &Kernel, base: &Path) -> Result<Outcome> {
    step(&format!("node tests on Linux {}", kernel.version), || {
        let image = initramfs::with_modules(kernel, base)?;
        machine::run(kernel, &image)
    })
}

/// The programs that run in the machine, with the names they have there.
fn programs() -> Result<Vec<(PathBuf, &'static str)>> {
    let mut cargo = process::cargo("test");
    // Optimised: whatever runs in there is emulated, the tests as well.
    cargo.args(["--release", "-p", "meshlet-tests", "--test", "node", "--no-run", "--message-format=json"]);
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
