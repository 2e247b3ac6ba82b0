//! An API server and its etcd as processes, in a folder of their own.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::daemon::free_addresses;
use crate::pod::append;
use crate::process::{Process, inside, tail};

use super::Admin;

/// The token of who may do everything.
pub const ADMIN: &str = "the-token-of-the-test";
/// The account of the manifest, with the rights that it gives.
pub const ACCOUNT: &str = "system:serviceaccount:meshlet-system:meshlet";
/// Its token.
pub const DAEMON: &str = "the-token-of-the-daemon";

/// How long an API server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// One API server, and the etcd that it may share with others. Dropping it ends them as a crash does.
#[derive(Debug)]
pub struct Servers {
    apiserver: Option<Process>,
    launched: Instant,
    port: u16,
    etcd: Option<Process>,
    store_port: u16,
    program: PathBuf,
    folder: PathBuf,
    cgroup: Option<PathBuf>,
}

impl Servers {
    /// Starts etcd; its API server is to be [launched](Self::launch) yet. What they keep and say is in the folder, which has to
    /// be there. They run in the cgroup, where one is named.
    ///
    /// # Errors
    /// When it does not start, or a file cannot be written.
    pub fn start([etcd, program]: [PathBuf; 2], folder: &Path, cgroup: Option<&Path>) -> anyhow::Result<Self> {
        fs::write(
            folder.join("tokens.csv"),
            format!("{ADMIN},admin,1,system:masters\n{DAEMON},{ACCOUNT},2,system:serviceaccounts\n"),
        )?;
        let audited = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}],
            "omitStages": ["RequestReceived"]});
        fs::write(folder.join("audit.json"), audited.to_string())?;
        let [store, peers, own] = free_addresses()?;
        let mut servers = Self {
            apiserver: None,
            launched: Instant::now(),
            port: own.port(),
            etcd: None,
            store_port: store.port(),
            program,
            folder: folder.to_owned(),
            cgroup: cgroup.map(Path::to_owned),
        };
        let arguments = [
            format!("--data-dir={}", folder.join("etcd").display()),
            format!("--listen-client-urls=http://{store}"),
            format!("--advertise-client-urls=http://{store}"),
            format!("--listen-peer-urls=http://{peers}"),
            format!("--initial-advertise-peer-urls=http://{peers}"),
            format!("--initial-cluster=default=http://{peers}"),
        ];
        servers.etcd = Some(servers.run(&etcd, &arguments, "etcd")?);
        Ok(servers)
    }

    /// Another API server over the same etcd, to be [launched](Self::launch) yet; it ends with that.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn beside(&self) -> anyhow::Result<Self> {
        let [own] = free_addresses()?;
        Ok(Self {
            apiserver: None,
            launched: Instant::now(),
            port: own.port(),
            etcd: None,
            store_port: self.store_port,
            program: self.program.clone(),
            folder: self.folder.clone(),
            cgroup: self.cgroup.clone(),
        })
    }

    /// Starts the API server, where it was if it has been before; it is to be [waited for](Self::ready).
    ///
    /// # Errors
    /// When it does not start.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        self.end();
        let at = |name: &str| self.folder.join(name).display().to_string();
        let arguments = [
            format!("--etcd-servers=http://127.0.0.1:{}", self.store_port),
            format!("--cert-dir={}", at("certificates")),
            format!("--secure-port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/12".to_owned(),
            "--service-account-issuer=https://meshlet.test".to_owned(),
            // Its own key, which it has made by the time it reads this.
            format!("--service-account-key-file={}", at("certificates/apiserver.key")),
            format!("--service-account-signing-key-file={}", at("certificates/apiserver.key")),
            format!("--token-auth-file={}", at("tokens.csv")),
            format!("--audit-policy-file={}", at("audit.json")),
            format!("--audit-log-path={}", at("audit.log")),
            "--audit-log-mode=blocking".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ];
        self.apiserver = Some(self.run(&self.program, &arguments, "apiserver")?);
        self.launched = Instant::now();
        Ok(())
    }

    /// Whether the API server is ready now.
    ///
    /// # Errors
    /// When it has ended or was launched more than two minutes ago; the message shows its log.
    pub fn ready(&mut self) -> anyhow::Result<bool> {
        if self.admin().ask("GET", "/readyz", "application/json", &Value::Null).is_ok() {
            return Ok(true);
        }
        let ended = self.apiserver.as_mut().and_then(|process| process.0.try_wait().transpose()).transpose()?;
        if ended.is_some() || self.launched.elapsed() > PATIENCE {
            let said = tail(&self.log("apiserver"));
            bail!("the API server has ended or is not ready within {PATIENCE:?}; its log ends with:\n{said}");
        }
        Ok(false)
    }

    /// Ends the API server as a crash does.
    pub fn end(&mut self) {
        drop(self.apiserver.take());
    }

    /// Who may do everything.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin { port: self.port, certificates: self.certificates() }
    }

    /// A kubeconfig that leads to it, for the owner of a token.
    #[must_use]
    pub fn kubeconfig(&self, token: &str) -> String {
        let server = format!("https://127.0.0.1:{}", self.port);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "real", "cluster": {"server": server, "certificate-authority": self.certificates()}}],
            "users": [{"name": "one", "user": {"token": token}}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "one"}}],
            "current-context": "real",
        });
        format!("{config:#}\n")
    }

    /// Where etcd answers, in plain HTTP.
    #[must_use]
    pub fn store(&self) -> String {
        format!("http://127.0.0.1:{}", self.store_port)
    }

    /// What the API servers of this etcd have answered so far: a line of JSON each.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn audit(&self) -> anyhow::Result<String> {
        fs::read_to_string(self.folder.join("audit.log")).context("reading the audit's log")
    }

    fn certificates(&self) -> PathBuf {
        self.folder.join("certificates/apiserver.crt")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn run(&self, program: &Path, arguments: &[String], name: &str) -> anyhow::Result<Process> {
        let mut words = vec![OsString::from(program)];
        words.extend(arguments.iter().map(OsString::from));
        let mut command = match &self.cgroup {
            Some(cgroup) => inside(cgroup, &words),
            None => Command::new(program),
        };
        if self.cgroup.is_none() {
            command.args(arguments);
        }
        let log = append(&self.log(name))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().map(Process).with_context(|| format!("starting {}", program.display()))
    }
}
