//! Running programs: what they print goes through, and how they end becomes our own end.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::{env, error, fmt, iter};

use anyhow::{Context, Result};

use crate::workspace;

/// A program that ended badly.
#[derive(Debug)]
pub(crate) struct Failed {
    command: String,
    /// Its exit code, or 128 + the signal that ended it, as a shell has it; never 0.
    pub(crate) code: u8,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {} from `{}`", self.code, self.command)
    }
}

impl error::Error for Failed {}

/// Runs the command to its end; [`Failed`] unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting `{}`", shown(command)))?;
    succeeded(command, status)
}

/// What the command prints on stdout; [`Failed`] unless it succeeds.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting `{}`", shown(command)))?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    succeeded(command, output.status)?;
    String::from_utf8(output.stdout).with_context(|| format!("reading what `{}` printed", shown(command)))
}

/// Whether the command can be started and succeeds; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The cargo that runs us, in this workspace.
///
/// The target folder is always `target`: the binary is promised to be there, and `proxy/build.rs` looks there for the object.
pub(crate) fn cargo(subcommand: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace::root()).env("CARGO_TARGET_DIR", workspace::target()).arg(subcommand);
    cargo
}

/// `PATH` with this folder before everything else.
pub(crate) fn path_with(first: &Path) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = iter::once(first.to_path_buf()).chain(env::split_paths(&path));
    env::join_paths(folders).with_context(|| format!("adding {} to PATH", first.display()))
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = iter::once(program.file_name().unwrap_or(program.as_os_str())).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failed { command: shown(command), code }.into())
}
