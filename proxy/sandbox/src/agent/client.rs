//! The client of a pod: reads commands, one a line, and carries them out.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Value, json};

use super::flood::Flood;
use super::{call, load, proc_net, raw, socket};
use crate::protocol::Command;

/// Serves until stdin ends.
pub(super) fn serve() -> anyhow::Result<()> {
    let mut flood = None;
    for line in io::stdin().lines() {
        let line = line.context("reading a command")?;
        let reply = serde_json::from_str(&line)
            .context("reading the command")
            .and_then(|command| carry_out(command, &mut flood))
            .unwrap_or_else(|problem| json!({"refused": format!("{problem:#}")}));
        writeln!(io::stdout(), "{reply}").context("answering")?;
    }
    Ok(())
}

fn carry_out(command: Command, flood: &mut Option<Flood>) -> anyhow::Result<Value> {
    match command {
        Command::Http(http) => value(json!({"answers": call::call(&http)})),
        Command::Raw(bytes) => value(raw::call(&bytes)),
        Command::Connect(connect) => value(socket::try_connect(&connect)),
        Command::Udp { to } => value(socket::try_udp(to)),
        Command::Load(call) => value(load::load(&call).with_context(|| format!("load on {}", call.to))?),
        Command::Netdev => value(proc_net::interfaces()?),
        Command::Listening => value(proc_net::listening()?),
        Command::Flood(call) => {
            anyhow::ensure!(flood.is_none(), "a flood is under way already");
            *flood = Some(Flood::start(call));
            Ok(json!({}))
        }
        Command::Marker => value(flood.as_ref().context("no flood is under way")?.marker()),
        Command::Halt => value(flood.take().context("no flood is under way")?.halt()),
    }
}

fn value(of: impl Serialize) -> anyhow::Result<Value> {
    serde_json::to_value(of).context("writing the answer")
}
