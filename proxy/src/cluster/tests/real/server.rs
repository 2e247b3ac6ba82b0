//! A kube-apiserver with its etcd, in a folder of their own, for as long as a test lasts.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::Request;
use kube::config::AuthInfo;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::cluster::connect;
use crate::cluster::exchange::{Trouble, fetch};

const ADMIN: &str = "the-token-of-the-test";
/// Whose requests are the daemon's, with the rights that the manifest gives.
const ACCOUNT: &str = "system:serviceaccount:meshlet-system:meshlet";
const DAEMON: &str = "the-token-of-the-daemon";

/// Guards nothing but the machine: one such server at a time is enough for it.
static TURN: Mutex<()> = Mutex::const_new(());

/// The programs; `None`, and a line on stderr that nobody's capture hides, when they are not given.
pub(super) fn programs() -> Option<[PathBuf; 2]> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let assets = variable("KUBEBUILDER_ASSETS");
    let program = |own: &str, name: &str| variable(own).or_else(|| Some(assets.as_ref()?.join(name)));
    let found = [program("TEST_ASSET_ETCD", "etcd"), program("TEST_ASSET_KUBE_APISERVER", "kube-apiserver")];
    if let [Some(etcd), Some(apiserver)] = found {
        return Some([etcd, apiserver]);
    }
    let said = "SKIPPED: the watches and writes against a real API server: KUBEBUILDER_ASSETS (or TEST_ASSET_ETCD and \
                TEST_ASSET_KUBE_APISERVER) names no etcd and kube-apiserver\n";
    // Without stderr nobody is left to be told.
    drop(std::io::stderr().write_all(said.as_bytes()));
    None
}

/// A process that ends with the test, as a crash ends it.
struct Process(Child);

impl Process {
    fn run(program: &Path, arguments: &[String], log: &Path) -> anyhow::Result<Self> {
        let log = fs::File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().map(Self).with_context(|| format!("starting {}", program.display()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// One API server and who writes through it.
pub(super) struct Server {
    process: Process,
    client: Client,
}

impl Server {
    /// Creates an object; what it says of its state is written as whoever reports it does.
    pub(super) async fn create(&self, object: &Value) -> anyhow::Result<Value> {
        let place = place(object);
        let created = self.ask("POST", &place, object).await?;
        let Some(status) = object.get("status").filter(|_| object["kind"] == "Pod") else { return Ok(created) };
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        self.ask("PATCH", &format!("{place}/{name}/status"), &json!({"status": status})).await
    }

    /// Merges a patch into an object.
    pub(super) async fn patch(&self, path: &str, patch: &Value) -> anyhow::Result<Value> {
        self.ask("PATCH", path, patch).await
    }

    pub(super) async fn delete(&self, object: &Value) -> anyhow::Result<()> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        self.ask("DELETE", &format!("{}/{name}", place(object)), &json!({})).await.map(drop)
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask("GET", path, &Value::Null).await
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        ask(&self.client, method, path, body).await.with_context(|| format!("{method} {path}"))
    }
}

async fn ask(client: &Client, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Ok(serde_json::from_slice(&fetch(client, request.body(body)?).await?)?)
}

/// Where objects of its kind and namespace are.
fn place(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]).to_lowercase());
    let plural = kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"));
    let group = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{plural}"),
        None => format!("{group}/{plural}"),
    }
}

/// An API server with its etcd.
pub(super) struct Real {
    pub(super) server: Server,
    /// As the daemon reaches it.
    pub(super) config: Config,
    program: PathBuf,
    port: u16,
    store: Client,
    store_port: u16,
    _etcd: Process,
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Real {
    /// Starts both, with the objects of the manifest: the daemon may do what its roles say and no more.
    pub(super) async fn start([etcd, program]: [PathBuf; 2]) -> anyhow::Result<Self> {
        let turn = TURN.lock().await;
        let folder = tempfile::tempdir()?;
        prepare(folder.path())?;
        let [store_port, peers, port] = free_ports()?;
        let etcd = Process::run(&etcd, &etcd_arguments(folder.path(), store_port, peers), &log(&folder, "etcd"))?;
        let store = connect::client(Config::new(format!("http://127.0.0.1:{store_port}").parse()?))?;
        let server = serve(&program, &folder, store_port, port).await?;
        let config = reach(port, DAEMON)?;
        let real = Self { server, config, program, port, store, store_port, _etcd: etcd, folder, _turn: turn };
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/deploy/meshlet.yaml");
        let objects: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(manifest)?)?;
        for object in &objects {
            real.server.create(object).await?;
        }
        let version = real.server.get("/version").await?;
        eprintln!("API server {}", version["gitVersion"]);
        Ok(real)
    }

    /// Ends the API server as a crash does.
    pub(super) fn end(&mut self) {
        drop(self.server.process.0.kill());
        drop(self.server.process.0.wait());
    }

    /// Starts it again, where it was.
    pub(super) async fn restart(&mut self) -> anyhow::Result<()> {
        self.server = serve(&self.program, &self.folder, self.store_port, self.port).await?;
        Ok(())
    }

    /// Another API server over the same etcd, of which the daemon does not know.
    pub(super) async fn beside(&self) -> anyhow::Result<Server> {
        let [port, ..] = free_ports()?;
        serve(&self.program, &self.folder, self.store_port, port).await
    }

    /// Has etcd forget all events so far.
    pub(super) async fn compact(&self) -> anyhow::Result<()> {
        let read = ask(&self.store, "POST", "/v3/kv/range", &json!({"key": "AA=="})).await?;
        let compaction = json!({"revision": read["header"]["revision"], "physical": true});
        ask(&self.store, "POST", "/v3/kv/compaction", &compaction).await.map(drop)
    }

    /// The daemon's requests that were answered, as the API server's audit has them: verb, path and status. A watch is there twice,
    /// with its begin and its end.
    pub(super) fn requests(&self) -> anyhow::Result<Vec<String>> {
        let text = fs::read_to_string(self.folder.path().join("audit.log"))?;
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let daemons = entries.filter(|entry| entry["user"]["username"] == ACCOUNT);
        let said = |entry: Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (verb, path) = (text(&entry["verb"]), text(&entry["requestURI"]));
            format!("{verb} {path} {}", entry["responseStatus"]["code"])
        };
        Ok(daemons.map(said).collect())
    }
}

/// What both read at their start.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    let key = rcgen::KeyPair::generate()?;
    fs::write(folder.join("accounts.key"), key.serialize_pem())?;
    // Of a private key in PKCS #8 the API server finds no public one.
    fs::write(folder.join("accounts.pub"), key.public_key_pem())?;
    let tokens = format!("{ADMIN},admin,1,system:masters\n{DAEMON},{ACCOUNT},2,system:serviceaccounts\n");
    fs::write(folder.join("tokens.csv"), tokens)?;
    let audited = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}],
        "omitStages": ["RequestReceived"]});
    fs::write(folder.join("audit.json"), audited.to_string())?;
    Ok(())
}

fn etcd_arguments(folder: &Path, port: u16, peers: u16) -> [String; 6] {
    let (store, peers) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
    [
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={store}"),
        format!("--advertise-client-urls={store}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
    ]
}

/// Runs an API server until it is ready.
async fn serve(program: &Path, folder: &tempfile::TempDir, store: u16, port: u16) -> anyhow::Result<Server> {
    let at = |name: &str| folder.path().join(name).display().to_string();
    let arguments = [
        format!("--etcd-servers=http://127.0.0.1:{store}"),
        format!("--cert-dir={}", at("certificates")),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--service-account-issuer=https://meshlet.test".to_owned(),
        format!("--service-account-key-file={}", at("accounts.pub")),
        format!("--service-account-signing-key-file={}", at("accounts.key")),
        format!("--token-auth-file={}", at("tokens.csv")),
        format!("--audit-policy-file={}", at("audit.json")),
        format!("--audit-log-path={}", at("audit.log")),
        "--audit-log-mode=blocking".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ];
    let process = Process::run(program, &arguments, &log(folder, "apiserver"))?;
    let mut server = Server { process, client: connect::client(reach(port, ADMIN)?)? };
    for _ in 0..1200 {
        let request = Request::get("/readyz").body(Vec::new())?;
        match fetch(&server.client, request).await {
            Ok(_) => return Ok(server),
            Err(Trouble::Broken(_) | Trouble::Refused(_)) => {}
            Err(trouble) => return Err(trouble.into()),
        }
        if server.process.0.try_wait()?.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let said = fs::read_to_string(log(folder, "apiserver")).unwrap_or_default();
    bail!("the API server has ended or is not ready within two minutes; its log:\n{said}")
}

fn log(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(format!("{name}.log"))
}

fn reach(port: u16, token: &str) -> anyhow::Result<Config> {
    let mut config = Config::new(format!("https://127.0.0.1:{port}").parse()?);
    config.accept_invalid_certs = true;
    config.auth_info = AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() };
    Ok(config)
}

fn free_ports() -> anyhow::Result<[u16; 3]> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let listeners = [bind()?, bind()?, bind()?];
    let [first, second, third] = listeners.each_ref().map(TcpListener::local_addr);
    Ok([first?.port(), second?.port(), third?.port()])
}
