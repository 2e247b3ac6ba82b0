//! The watches against a real kube-apiserver with its etcd, where the environment names them.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use kube::Client;
use kube::config::AuthInfo;

use super::*;
use crate::cluster::exchange::fetch;

const TOKEN: &str = "a-token-of-this-test-alone";

/// The programs; `None`, and a line on stderr that nobody's capture hides, when they are not given.
fn programs() -> Option<[PathBuf; 2]> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let assets = variable("KUBEBUILDER_ASSETS");
    let program = |own: &str, name: &str| variable(own).or_else(|| Some(assets.as_ref()?.join(name)));
    let found = [program("TEST_ASSET_ETCD", "etcd"), program("TEST_ASSET_KUBE_APISERVER", "kube-apiserver")];
    if let [Some(etcd), Some(apiserver)] = found {
        return Some([etcd, apiserver]);
    }
    let said = "SKIPPED: the watches against a real API server: KUBEBUILDER_ASSETS (or TEST_ASSET_ETCD and \
                TEST_ASSET_KUBE_APISERVER) names no etcd and kube-apiserver\n";
    // Without stderr nobody is left to be told.
    drop(std::io::stderr().write_all(said.as_bytes()));
    None
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// An API server with etcd, in a folder of their own.
struct Real {
    apiserver: Process,
    program: PathBuf,
    arguments: Vec<String>,
    client: Client,
    config: Config,
    _etcd: Process,
    folder: tempfile::TempDir,
}

impl Real {
    async fn start([etcd, apiserver]: [PathBuf; 2]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let [store, peers, secure] = free_ports()?;
        let (store, peers) = (format!("http://127.0.0.1:{store}"), format!("http://127.0.0.1:{peers}"));
        let etcd_arguments = [
            format!("--data-dir={}", at("etcd")),
            format!("--listen-client-urls={store}"),
            format!("--advertise-client-urls={store}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
        ];
        let etcd = run(&etcd, &etcd_arguments, &folder.path().join("etcd.log"))?;
        let key = rcgen::KeyPair::generate()?.serialize_pem();
        fs::write(at("accounts.key"), key)?;
        fs::write(at("tokens.csv"), format!("{TOKEN},admin,1,system:masters\n"))?;
        let arguments = vec![
            format!("--etcd-servers={store}"),
            format!("--cert-dir={}", at("certificates")),
            format!("--secure-port={secure}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--service-account-issuer=https://meshlet.test".to_owned(),
            format!("--service-account-key-file={}", at("accounts.key")),
            format!("--service-account-signing-key-file={}", at("accounts.key")),
            format!("--token-auth-file={}", at("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ];
        let process = run(&apiserver, &arguments, &folder.path().join("apiserver.log"))?;
        let mut config = Config::new(format!("https://127.0.0.1:{secure}").parse()?);
        config.accept_invalid_certs = true;
        config.auth_info = AuthInfo { token: Some(TOKEN.to_owned().into()), ..AuthInfo::default() };
        let client = connect::client(config.clone())?;
        let real = Self { apiserver: process, program: apiserver, arguments, client, config, _etcd: etcd, folder };
        real.ready().await?;
        Ok(real)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        for _ in 0..600 {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            if fetch(&self.client, request).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = fs::read_to_string(self.folder.path().join("apiserver.log")).unwrap_or_default();
        anyhow::bail!("the API server is not ready within a minute; its log:\n{log}")
    }

    /// Ends the API server as a crash does.
    fn end(&mut self) {
        drop(self.apiserver.0.kill());
        drop(self.apiserver.0.wait());
    }

    async fn restart(&mut self) -> anyhow::Result<()> {
        self.apiserver = run(&self.program, &self.arguments, &self.folder.path().join("apiserver.log"))?;
        self.ready().await
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<()> {
        let request = http::Request::builder().method(method).uri(path).header("content-type", content_type(method));
        let sent = fetch(&self.client, request.body(body.to_string().into_bytes())?).await;
        sent.map(drop).with_context(|| format!("{method} {path}"))
    }

    /// Istio's CRDs, as far as watching needs them, or those of the folder or file that the environment names.
    async fn define(&self) -> anyhow::Result<()> {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        for definition in definitions()? {
            self.send("POST", path, &definition).await?;
        }
        Ok(())
    }
}

fn content_type(method: &str) -> &'static str {
    if method == "PATCH" { "application/merge-patch+json" } else { "application/json" }
}

fn run(program: &Path, arguments: &[String], log: &Path) -> anyhow::Result<Process> {
    let log = fs::File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().map(Process).with_context(|| format!("starting {}", program.display()))
}

fn free_ports() -> anyhow::Result<[u16; 3]> {
    let listeners =
        [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let [first, second, third] = listeners.each_ref().map(TcpListener::local_addr);
    Ok([first?.port(), second?.port(), third?.port()])
}

fn definitions() -> anyhow::Result<Vec<Value>> {
    if let Some(path) = std::env::var_os("MESHLET_ISTIO_CRDS") {
        let text = fs::read_to_string(&path).with_context(|| format!("MESHLET_ISTIO_CRDS {}", path.display()))?;
        return Ok(serde_saphyr::from_multiple(&text)?);
    }
    let kinds = [
        ("virtualservices", "VirtualService"),
        ("destinationrules", "DestinationRule"),
        ("serviceentries", "ServiceEntry"),
        ("sidecars", "Sidecar"),
    ];
    Ok(kinds.iter().map(|(plural, kind)| definition(plural, kind)).collect())
}

fn definition(plural: &str, kind: &str) -> Value {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": any, "status": any}}});
    let version = |name: &str| json!({"name": name, "served": true, "storage": name == "v1", "schema": schema, "subresources": {"status": {}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.networking.istio.io")},
        "spec": {"group": "networking.istio.io", "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [version("v1"), version("v1beta1"), version("v1alpha3")]},
    })
}

const RULES: &str = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices";

#[tokio::test]
async fn given_a_real_api_server_then_its_objects_are_in_force_and_follow_it_through_a_restart() {
    let Some(programs) = programs() else { return };
    let mut real = Real::start(programs).await.expect("an API server");
    let mut cluster =
        Cluster::follow_at(QUICK, real.config.clone(), MeshConfig::default(), "here", None).expect("watches");
    until(&mut cluster, "all is known, without a CRD", Cluster::settled).await;
    assert_eq!(state(&cluster.watches(), "virtualservices").state, "absent");

    real.define().await.expect("CRDs");
    until(&mut cluster, "CRDs", |cluster| state(&cluster.watches(), "virtualservices").state == "following").await;
    real.send("POST", "/api/v1/namespaces", &namespace("shop")).await.expect("a namespace");
    real.send("POST", "/api/v1/namespaces/shop/services", &service("echo", "10.0.0.10")).await.expect("a Service");
    let slices = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
    real.send("POST", slices, &slice(&[("10.1.0.1", "a", true)])).await.expect("a slice");
    real.send("POST", RULES, &rule("first", "echo")).await.expect("a rule");
    until(&mut cluster, "the objects", |cluster| names(cluster) == ["first"] && endpoints(cluster).len() == 1).await;
    real.send("PATCH", &format!("{slices}/echo-1"), &slice(&[("10.1.0.1", "a", false)])).await.expect("readiness");
    until(&mut cluster, "readiness", |cluster| endpoints(cluster)[0].contains("false")).await;

    real.end();
    until(&mut cluster, "the outage", |cluster| state(&cluster.watches(), "pods").state == "failing").await;
    assert_eq!(names(&cluster), ["first"]);
    real.restart().await.expect("the API server again");
    real.send("POST", RULES, &rule("second", "other")).await.expect("a rule");
    until(&mut cluster, "what came after", |cluster| names(cluster) == ["first", "second"]).await;
    real.send("DELETE", &format!("{RULES}/first"), &json!({})).await.expect("the rule deleted");
    until(&mut cluster, "the deletion", |cluster| names(cluster) == ["second"]).await;
}
