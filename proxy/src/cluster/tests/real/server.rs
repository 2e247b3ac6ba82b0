//! A kube-apiserver with its etcd for as long as a test lasts, and who writes through it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use meshlet_sandbox::real::{ACCOUNT, ADMIN, DAEMON, Servers, manifest, place};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::cluster::connect;
use crate::cluster::exchange::fetch;

/// Guards nothing but the machine: one such server at a time is enough for it.
static TURN: Mutex<()> = Mutex::const_new(());

/// One API server and who writes through it.
pub(super) struct Server {
    servers: Servers,
    client: Client,
}

impl Server {
    async fn start(mut servers: Servers) -> anyhow::Result<Self> {
        launch(&mut servers).await?;
        let client = connect::client(reach(&servers, ADMIN).await?)?;
        Ok(Self { servers, client })
    }

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

/// Starts an API server; whoever follows it does so meanwhile.
async fn launch(servers: &mut Servers) -> anyhow::Result<()> {
    servers.launch()?;
    while !servers.ready()? {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn ask(client: &Client, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Ok(serde_json::from_slice(&fetch(client, request.body(body)?).await?)?)
}

async fn reach(servers: &Servers, token: &str) -> anyhow::Result<Config> {
    let kubeconfig = Kubeconfig::from_yaml(&servers.kubeconfig(token))?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// An API server with its etcd.
pub(super) struct Real {
    pub(super) server: Server,
    /// As the daemon reaches it.
    pub(super) config: Config,
    store: Client,
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Real {
    /// Starts both, with the objects of the manifest: the daemon may do what its roles say and no more.
    pub(super) async fn start(programs: [PathBuf; 2]) -> anyhow::Result<Self> {
        let turn = TURN.lock().await;
        let folder = tempfile::tempdir()?;
        let servers = Servers::start(programs, folder.path(), None)?;
        let store = connect::client(Config::new(servers.store().parse()?))?;
        let server = Server::start(servers).await?;
        let config = reach(&server.servers, DAEMON).await?;
        for object in manifest()? {
            server.create(&object).await?;
        }
        let version = server.get("/version").await?;
        eprintln!("API server {}", version["gitVersion"]);
        Ok(Self { server, config, store, _folder: folder, _turn: turn })
    }

    /// Ends the API server as a crash does.
    pub(super) fn end(&mut self) {
        self.server.servers.end();
    }

    /// Starts it again, where it was.
    pub(super) async fn restart(&mut self) -> anyhow::Result<()> {
        launch(&mut self.server.servers).await
    }

    /// Another API server over the same etcd, of which the daemon does not know.
    pub(super) async fn beside(&self) -> anyhow::Result<Server> {
        Server::start(self.server.servers.beside()?).await
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
        let text = self.server.servers.audit()?;
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
