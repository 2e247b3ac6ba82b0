//! Removes what a sandbox leaves, however its process ends.
//!
//! The janitor is a process of its own that reads its stdin. The other end of that pipe is the sandbox's: when it closes,
//! by a drop, a panic or a SIGKILL, the janitor removes everything. There is no second way to clean up that could rot.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use rustix::mount::{UnmountFlags, unmount};

use crate::cgroup;
use crate::names::Names;
use crate::netns;
use crate::process::Agent;

/// The sandbox's end of the pipe. Dropping it waits until everything is removed.
#[derive(Debug)]
pub(crate) struct Janitor {
    process: Child,
}

impl Janitor {
    /// To be started before the first thing it has to remove.
    pub(crate) fn start(agent: &Agent, names: &Names) -> anyhow::Result<Self> {
        let words = agent.mode(&["janitor", names.id()]);
        let process = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting the janitor, {}", words[0].display()))?;
        Ok(Self { process })
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It has reported on stderr what it could not remove.
        drop(self.process.wait());
    }
}

/// The janitor's process: waits for the sandbox's end and removes what is left.
pub(crate) fn serve(id: String) -> anyhow::Result<()> {
    let names = Names::of(id)?;
    std::io::stdin().read_to_end(&mut Vec::new()).context("waiting for the sandbox's end")?;
    // One failure must not keep the rest from being removed.
    let faults: Vec<String> =
        [cgroups(&names), mounts(&names), netns::remove_all(&names.netns_prefix()), folder(&names)]
            .into_iter()
            .filter_map(Result::err)
            .map(|fault| format!("{fault:#}"))
            .collect();
    if !faults.is_empty() {
        bail!("sandbox {} is not wholly removed: {}", names.id(), faults.join("; "));
    }
    Ok(())
}

fn cgroups(names: &Names) -> anyhow::Result<()> {
    let root = names.cgroup();
    if root.exists() {
        cgroup::kill(&root)?;
        cgroup::remove(&root)?;
    }
    Ok(())
}

fn mounts(names: &Names) -> anyhow::Result<()> {
    match unmount(names.bpffs(), UnmountFlags::DETACH) {
        // Not mounted, or not even there: the sandbox ended before it got so far.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("unmounting {}", names.bpffs().display())),
    }
}

fn folder(names: &Names) -> anyhow::Result<()> {
    let folder = names.folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}
