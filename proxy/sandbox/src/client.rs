//! A client inside a pod, told what to do.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::pod::{Pod, append};
use crate::process::{Agent, Process, in_pod, tail};
use crate::protocol::{
    Answer, Command, ConnectCall, Connected, FloodCall, FloodReport, HttpCall, Interface, LoadCall, LoadReport, Moment,
    RawAnswer, RawCall,
};

/// A process inside a pod that connects where it is told to. It ends when this is dropped.
///
/// # Errors
/// All methods fail when the process has ended, such as with its pod. What goes wrong on the way to a server is not an
/// error but a result.
#[derive(Debug)]
pub struct Client {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    process: Process,
    log: PathBuf,
}

impl Client {
    /// Starts one in the pod's container.
    pub(crate) fn start(pod: &Pod, agent: &Agent) -> anyhow::Result<Self> {
        let mut child = in_pod(agent, &pod.container, &pod.netns, &["client"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(append(&pod.log)?)
            .spawn()
            .with_context(|| format!("starting a client in pod {}", pod.spec.name))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let process = Process(child);
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { bail!("a client without stdin and stdout") };
        Ok(Self { stdin, stdout: BufReader::new(stdout), process, log: pod.log.clone() })
    }

    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Sends HTTP requests, one after the other.
    pub fn http(&mut self, call: &HttpCall) -> anyhow::Result<Vec<Answer>> {
        #[derive(Deserialize)]
        struct Answers {
            answers: Vec<Answer>,
        }
        self.tell::<Answers>(&Command::Http(call.clone())).map(|answers| answers.answers)
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, call: &RawCall) -> anyhow::Result<RawAnswer> {
        self.tell(&Command::Raw(call.clone()))
    }

    /// Begins a flood of requests in the background.
    pub fn flood(&mut self, call: &FloodCall) -> anyhow::Result<()> {
        self.tell::<Value>(&Command::Flood(call.clone())).map(drop)
    }

    /// How far the flood is.
    pub fn marker(&mut self) -> anyhow::Result<Moment> {
        self.tell(&Command::Marker)
    }

    /// Ends the flood.
    pub fn halt(&mut self) -> anyhow::Result<FloodReport> {
        self.tell(&Command::Halt)
    }

    /// Counters of the pod's network interfaces.
    pub fn netdev(&mut self) -> anyhow::Result<BTreeMap<String, Interface>> {
        self.tell(&Command::Netdev)
    }

    /// Ports with a listening TCP socket in the pod, whoever opened it.
    pub fn listening(&mut self) -> anyhow::Result<Vec<u16>> {
        self.tell(&Command::Listening)
    }

    /// Opens a TCP connection and closes it.
    pub fn connect(&mut self, call: &ConnectCall) -> anyhow::Result<Connected> {
        self.tell(&Command::Connect(call.clone()))
    }

    /// Connects a UDP socket.
    pub fn udp(&mut self, to: SocketAddr) -> anyhow::Result<Connected> {
        self.tell(&Command::Udp { to })
    }

    /// Does one thing as often as it can. Unlike elsewhere, what goes wrong on the way is an error: a benchmark with one has no result.
    pub fn load(&mut self, call: &LoadCall) -> anyhow::Result<LoadReport> {
        self.tell(&Command::Load(*call))
    }

    fn tell<T: DeserializeOwned>(&mut self, command: &Command) -> anyhow::Result<T> {
        let mut line = serde_json::to_string(command).context("writing a command")?;
        line.push('\n');
        let mut reply = String::new();
        let told = self.stdin.write_all(line.as_bytes()).and_then(|()| self.stdout.read_line(&mut reply));
        if told.is_err() || reply.is_empty() {
            bail!("the client has ended: {}", tail(&self.log));
        }
        let reply: Value = serde_json::from_str(&reply).context("reading a client's answer")?;
        if let Some(problem) = reply.get("refused").and_then(Value::as_str) {
            bail!("the client refuses {}: {problem}", line.trim_end());
        }
        serde_json::from_value(reply).context("reading a client's answer")
    }
}
