//! What runs in the sandbox's pods. Each mode is a process of its own and ends with the one that started it.

mod call;
mod client;
mod flood;
mod load;
mod proc_net;
mod raw;
mod reply;
mod serve;
mod socket;

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::{janitor, process};

/// Runs the agent; `args` are the mode and its arguments:
///
/// `pause` · `serve --name POD --port N` · `client` · `janitor ID` · `in CGROUP NETNS` and one of these, to run there
///
/// To be called by a binary whose command line [`Agent`](crate::Agent) holds.
pub fn agent(args: impl IntoIterator<Item = String>) -> ExitCode {
    let args: Vec<String> = args.into_iter().collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox agent {}: {error:#}", args.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> anyhow::Result<()> {
    match args {
        ["in", cgroup, netns, mode @ ..] => {
            process::enter(cgroup.as_ref(), netns.as_ref())?;
            run(mode)
        }
        ["pause"] => pause(),
        ["serve", "--name", name, "--port", port] => serve::serve(name, port.parse().context("reading --port")?),
        ["client"] => client::serve(),
        ["janitor", id] => janitor::serve((*id).to_owned()),
        _ => bail!("no such mode: pause, serve --name POD --port N, client, janitor ID, in CGROUP NETNS MODE"),
    }
}

/// Holds the pod's namespace, as the pause container does.
fn pause() -> anyhow::Result<()> {
    at_work()?;
    until_orphaned();
    Ok(())
}

/// Tells the one that started this process that it is at work: one byte on stdout.
fn at_work() -> anyhow::Result<()> {
    std::io::stdout().write_all(b".").and_then(|()| std::io::stdout().flush()).context("reporting")
}

/// Returns when the process that started this one is gone: its end of stdin closes with it.
fn until_orphaned() {
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
}
