//! The built binary, run as a sandbox's node daemon.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::http;
use crate::pod::{PodName, append};
use crate::process::{Process, inside, tail};
use crate::sandbox::Sandbox;

/// How long anything that is waited for may take. Natively it is a second, emulated on a busy machine it has been thirty.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long the daemon may take to stop.
const STOPPING: Duration = Duration::from_secs(15);

/// A running `meshlet run`. It is killed when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    process: Process,
    admin: SocketAddr,
    health: SocketAddr,
    metrics: SocketAddr,
    log: PathBuf,
}

/// `GET /api/v1/config`, as far as it is waited for.
#[derive(Debug, Deserialize)]
struct Config {
    inputs: Vec<Input>,
    watches: Vec<Watch>,
    pods: Vec<Enrolled>,
}

#[derive(Debug, Deserialize)]
struct Watch {
    /// `pods`, `virtualservices.networking.istio.io`.
    resource: String,
    state: String,
    version: String,
}

impl Watch {
    /// Whether it has been told of all that was written; what is not there is as it should be.
    fn follows(&self, sandbox: &Sandbox) -> bool {
        let plural = self.resource.split('.').next().unwrap_or_default();
        self.state == "absent"
            || self.version.parse().is_ok_and(|told: u64| Some(told) >= sandbox.objects().version_of(plural))
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    path: PathBuf,
    bytes: u64,
    modified_ns: String,
}

#[derive(Debug, Deserialize)]
struct Enrolled {
    namespace: String,
    name: String,
    captured: bool,
    reason: String,
}

impl Daemon {
    /// Starts the daemon on the sandbox's manifests and cgroups and waits until it is ready. It runs in the machine's own
    /// network namespace, beside the pods' cgroups and not among them, without any `MESHLET_*` of the environment.
    ///
    /// # Errors
    /// When it ends or is not ready within 90 s; the message shows its log.
    pub fn start(sandbox: &Sandbox, binary: &Path, extra: &[&str]) -> anyhow::Result<Self> {
        let [admin, health, metrics] = free_addresses()?;
        let log = sandbox.folder().join("daemon.log");
        let path = |path: PathBuf| path.into_os_string();
        let mut words = vec![
            path(binary.to_owned()),
            "run".into(),
            "--cgroup-root".into(),
            path(sandbox.cgroup_root()),
            "--bpffs".into(),
            path(sandbox.bpffs()),
            "--admin".into(),
            admin.to_string().into(),
            "--health".into(),
            health.to_string().into(),
            "--metrics".into(),
            metrics.to_string().into(),
        ];
        words.extend(sandbox.source());
        words.extend(extra.iter().map(Into::into));
        let mut command = inside(&sandbox.daemon_cgroup(), &words);
        // As the DaemonSet has it.
        command.env("POD_NAMESPACE", "meshlet-system").env("POD_NAME", "meshlet-sandbox");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MESHLET_")) {
            command.env_remove(name);
        }
        let child = command.stdout(append(&log)?).stderr(append(&log)?).spawn();
        let child = child.with_context(|| format!("starting {}", binary.display()))?;
        let mut daemon = Self { process: Process(child), admin, health, metrics, log };
        daemon.wait("to be ready", |daemon| Ok(daemon.ready()))?;
        Ok(daemon)
    }

    /// The daemon's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Where `/api/v1/…` is served.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where the probes are answered.
    #[must_use]
    pub fn health(&self) -> SocketAddr {
        self.health
    }

    /// Whether `/healthz/ready` answers 200.
    #[must_use]
    pub fn ready(&self) -> bool {
        get(self.health, "/healthz/ready").is_ok_and(|(status, _)| status == 200)
    }

    /// Whether `/healthz/live` answers 200.
    #[must_use]
    pub fn live(&self) -> bool {
        get(self.health, "/healthz/live").is_ok_and(|(status, _)| status == 200)
    }

    /// What `/metrics` says.
    ///
    /// # Errors
    /// When it does not answer, or with anything but a 200.
    pub fn scrape(&self) -> anyhow::Result<String> {
        let (status, body) = get(self.metrics, "/metrics")?;
        anyhow::ensure!(status == 200, "/metrics answered {status}");
        String::from_utf8(body).context("reading /metrics")
    }

    /// Waits until exactly what is in the manifests folder, or in the cluster, now is in force.
    ///
    /// # Errors
    /// When the daemon ends, or after 90 s.
    pub fn wait_in_force(&mut self, sandbox: &Sandbox) -> anyhow::Result<()> {
        if sandbox.objects().node().is_some() {
            return self.wait("to put the cluster's objects in force", |daemon| {
                Ok(daemon.config()?.watches.iter().all(|watch| watch.follows(sandbox)))
            });
        }
        let expected = inputs(&sandbox.manifests())?;
        self.wait("to put the manifests in force", |daemon| {
            Ok(daemon.config()?.inputs.into_iter().collect::<BTreeSet<_>>() == expected)
        })
    }

    /// Whether the pod is captured now.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn is_captured(&self, pod: &PodName) -> anyhow::Result<bool> {
        Ok(self.enrolled(pod)?.is_some_and(|enrolled| enrolled.captured))
    }

    /// Waits until the pod is captured, or is not.
    ///
    /// # Errors
    /// When the daemon ends, or after 90 s; the message has the daemon's reason.
    pub fn wait_captured(&mut self, pod: &PodName, captured: bool) -> anyhow::Result<()> {
        let waited = self.wait(&format!("to {} pod {pod}", if captured { "capture" } else { "release" }), |daemon| {
            Ok(daemon.is_captured(pod)? == captured)
        });
        waited.with_context(|| match self.enrolled(pod) {
            Ok(Some(enrolled)) => {
                format!("pod {pod} is {}: {}", if captured { "native" } else { "captured" }, enrolled.reason)
            }
            _ => format!("the daemon does not know pod {pod}"),
        })
    }

    /// Stops all its threads where they are (SIGSTOP).
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When it has ended.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.process.0.wait().context("waiting for the daemon's end").map(drop)
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it has ended before, or has not after 15 s.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let started = Instant::now();
        loop {
            if let Some(status) = self.process.0.try_wait().context("waiting for the daemon's end")? {
                return Ok(status);
            }
            if started.elapsed() > STOPPING {
                bail!("the daemon does not stop within {STOPPING:?}; its log ends with:\n{}", tail(&self.log));
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// What it has written to stdout and stderr, together with those who ran in this sandbox before.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn enrolled(&self, pod: &PodName) -> anyhow::Result<Option<Enrolled>> {
        let is_it = |other: &Enrolled| other.namespace == pod.namespace() && other.name == pod.name();
        Ok(self.config()?.pods.into_iter().find(is_it))
    }

    fn config(&self) -> anyhow::Result<Config> {
        let (_, body) = get(self.admin, "/api/v1/config")?;
        serde_json::from_slice(&body).context("reading /api/v1/config")
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(pid(&self.process.0)?, signal).context("signalling the daemon")
    }

    /// Polls until `condition` holds; its failures count as "not yet".
    fn wait(&mut self, purpose: &str, condition: impl Fn(&Self) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let held = condition(self);
            if matches!(held, Ok(true)) {
                return Ok(());
            }
            let ended = self.process.0.try_wait().context("waiting for the daemon")?;
            let problem = match (ended, held) {
                (Some(status), _) => format!("ended ({status})"),
                (None, _) if started.elapsed() < PATIENCE => {
                    // Asking costs the daemon what it is waited for: where it takes long, on an emulated CPU, less often.
                    sleep((started.elapsed() / 8).clamp(Duration::from_millis(5), Duration::from_millis(100)));
                    continue;
                }
                (None, Err(error)) => format!("did not within {PATIENCE:?}: {error:#}"),
                (None, Ok(_)) => format!("did not within {PATIENCE:?}"),
            };
            bail!("waited for the daemon {purpose}, but it {problem}; its log ends with:\n{}", tail(&self.log));
        }
    }
}

fn pid(child: &Child) -> anyhow::Result<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process id")
}

/// The manifests in the folder, as the daemon lists what it has read.
fn inputs(folder: &Path) -> anyhow::Result<BTreeSet<Input>> {
    let mut inputs = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry.with_context(|| format!("listing {}", folder.display()))?.path();
        let metadata = fs::metadata(&path).with_context(|| format!("reading {}", path.display()))?;
        let modified =
            metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        inputs.insert(Input { path, bytes: metadata.len(), modified_ns: modified.as_nanos().to_string() });
    }
    Ok(inputs)
}

/// Loopback addresses nobody listens on. Somebody else may take one before the daemon does, which then says so.
pub(crate) fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    // All are held until all are found, so that no two are the same.
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>().context("finding free ports")?;
    let addresses: Vec<SocketAddr> =
        listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>().context("finding free ports")?;
    addresses.try_into().map_err(|_| anyhow::anyhow!("finding {N} free ports"))
}

/// One GET; the status and the body.
fn get(from: SocketAddr, path: &str) -> anyhow::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect_timeout(&from, PATIENCE).with_context(|| format!("connecting to {from}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).context("setting a time limit")?;
    let exchange = || {
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {from}\r\nconnection: close\r\n\r\n")?;
        let mut reader = BufReader::new(stream);
        let head = http::read_head(&mut reader)?.ok_or_else(|| http::invalid("no answer"))?;
        let framing = head.response_framing("GET")?;
        Ok::<_, std::io::Error>((head.status()?, http::read_body(&mut reader, framing)?))
    };
    exchange().with_context(|| format!("asking {from} for {path}"))
}
