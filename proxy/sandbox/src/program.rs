//! External programs: the kernel's own tools do what has no safe API here.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Programs used, and the Debian packages that bring them.
const PACKAGES: [(&str, &str); 4] =
    [("ip", "iproute2"), ("nft", "nftables"), ("nsenter", "util-linux"), ("sh", "dash")];

/// Fails with the packages to install when a program is missing.
pub(crate) fn require_all() -> anyhow::Result<()> {
    let missing: Vec<_> = PACKAGES.iter().filter(|(program, _)| find(program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    bail!("cannot find {}: on Debian, `apt-get install {}` brings it", names.join(", "), packages.join(" "))
}

/// Where a program is. The folders of administration are searched too: `su` leaves them out of PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// A command for the program, found.
pub(crate) fn command(program: &str) -> Command {
    Command::new(find(program).as_deref().unwrap_or(Path::new(program)))
}

/// Runs a command to its end with `input` on its stdin; its failure is an error with what it wrote to stderr.
pub(crate) fn run(command: &mut Command, input: &str) -> anyhow::Result<()> {
    let shown = shown(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {shown}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends early says why on stderr, which is worth more than a broken pipe.
        drop(stdin.write_all(input.as_bytes()));
    }
    let output = child.wait_with_output().with_context(|| format!("waiting for {shown}"))?;
    if !output.status.success() {
        bail!("{shown}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
