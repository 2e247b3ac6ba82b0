//! Processes of the sandbox: each runs in its cgroup and, in a pod, in the pod's network namespace.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};

use anyhow::Context as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::netns::Netns;
use crate::program::command;

/// How to start this package's [`agent`](crate::agent): the program and the arguments that come before the agent's own.
#[derive(Debug, Clone)]
pub struct Agent {
    words: Vec<OsString>,
}

impl Agent {
    /// A program that hands all its arguments to the agent, such as `meshlet-sandbox-agent`.
    #[must_use]
    pub fn program(path: &Path) -> Self {
        Self { words: vec![path.into()] }
    }

    /// The running program, whose hidden subcommand hands the rest to the agent.
    ///
    /// # Errors
    /// When the running program's file cannot be found.
    pub fn subcommand(name: &str) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding the running program")?;
        Ok(Self { words: vec![program.into(), name.into()] })
    }

    /// The command line of one of the agent's modes.
    pub(crate) fn mode(&self, args: &[&str]) -> Vec<OsString> {
        self.words.iter().cloned().chain(args.iter().map(OsString::from)).collect()
    }
}

/// A command line that runs in a cgroup.
///
/// The process moves itself before anything else: the kernel notes a socket's cgroup when it is created.
/// It has its own process group, so that Ctrl-C reaches only the program in front, which then takes things down in order.
pub(crate) fn inside(cgroup: &Path, words: &[OsString]) -> Command {
    let mut shell = command("sh");
    shell.args(["-c", r#"echo $$ > "$0/cgroup.procs" && exec "$@""#]).arg(cgroup).args(words).process_group(0);
    shell
}

/// The agent in a pod's cgroup and network namespace, which it [`enter`]s by itself: a shell and `nsenter` before it would take
/// longer than the pod's whole network, many times a test.
pub(crate) fn in_pod(agent: &Agent, cgroup: &Path, netns: &Netns, mode: &[&str]) -> Command {
    let words = agent.mode(&["in"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(cgroup).arg(netns.path()).args(mode).process_group(0);
    command
}

/// Moves this process; to be called before it has threads or sockets, whose places the kernel notes when they are created.
pub(crate) fn enter(cgroup: &Path, netns: &Path) -> anyhow::Result<()> {
    // The kernel takes 0 for whoever writes.
    std::fs::write(cgroup.join("cgroup.procs"), "0").with_context(|| format!("joining cgroup {}", cgroup.display()))?;
    let file = File::open(netns).with_context(|| format!("opening {}", netns.display()))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("entering the network namespace {}", netns.display()))
}

/// A child process that is killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has been reaped already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The last lines of a log file, for error messages.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
