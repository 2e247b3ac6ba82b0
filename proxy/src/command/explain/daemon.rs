//! The question put to a running daemon, by its admin API.

use anyhow::{Context as _, bail};
use meshlet_routing::explain::{Asked, Who};
use serde_json::Value;

use crate::cluster::daemons::Daemons;
use crate::command::daemon::Question;
use crate::command::reach::{Daemon, Where};

/// The daemon that knows the client best: the one on the pod's node. Any can imagine one.
pub(super) async fn of(place: Where, client: &Who) -> anyhow::Result<Daemon> {
    match place {
        Where::Here(address) => Ok(Daemon::At(address)),
        Where::Cluster(daemons) => on_its_node(daemons, client).await,
    }
}

async fn on_its_node(daemons: Daemons, client: &Who) -> anyhow::Result<Daemon> {
    let node = match client {
        Who::Pod { namespace, pod } => Some(daemons.node_of(namespace, pod).await?),
        Who::Imaginary { .. } => None,
    };
    let found = daemons.list(node.as_deref()).await?.into_iter().next().context("no daemon")?;
    Ok(Daemon::Of(daemons, found))
}

/// The daemon's answer, the JSON it wrote.
pub(super) async fn ask(daemon: &Daemon, asked: &Asked) -> anyhow::Result<String> {
    let question = Question::post("/api/v1/explain", serde_json::to_string(asked)?);
    let reply = match daemon {
        Daemon::At(_) => {
            let remedy = "start `meshlet run`, name its address with --admin, or ask about files with -f";
            daemon.ask(&question).await.context(remedy)?
        }
        Daemon::Of(..) => daemon.ask(&question).await?,
    };
    if reply.status == 200 {
        return Ok(reply.body);
    }
    let said: Option<Value> = serde_json::from_str(&reply.body).ok();
    match said.as_ref().and_then(|said| said.get("error")).and_then(Value::as_str) {
        Some(problem) => bail!("the daemon at {}: {problem}", daemon.title()),
        None => bail!("the daemon at {} answers {}: is it a meshlet that can explain?", daemon.title(), reply.status),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use meshlet_routing::explain::{Capture, Written};
    use meshlet_routing::manifest;
    use meshlet_routing::model::World;
    use meshlet_routing::validate::validate;
    use meshlet_sandbox::ApiServer;
    use serde_json::json;

    use super::*;
    use crate::admin::{Status, admin};
    use crate::cluster::connect::ClusterArgs;
    use crate::snapshot::loan::{Wanted, lending};

    const OBJECTS: &str = "
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, labels: {app: web, meshlet.dev/redirect: enabled}}, status: {podIP: 10.1.0.1}}
";

    fn asked(pod: &str) -> Asked {
        let client = Who::Pod { namespace: "shop".into(), pod: pod.into() };
        let headers = vec![("x-user".to_owned(), "alice".to_owned())];
        let request = Written { url: "http://web/x?y=1".into(), method: "PUT".into(), headers, dst: None };
        Asked { client, request: Some(request), capture: Some(Capture::Ports), seed: 3, all_rules: true }
    }

    #[tokio::test]
    async fn given_a_daemon_then_its_answer_is_the_one_from_files_and_its_errors_are_told() {
        let parsed = manifest::parse("m.yaml", OBJECTS);
        let world = World::assemble(
            parsed.manifests.iter().filter_map(|manifest| validate(manifest).valid).collect::<Vec<_>>().iter(),
        );
        let expected = crate::command::print::json(&asked("a").answer(&world).expect("an answer")).expect("JSON");
        let (worlds, mut lender) = lending(Capture::Ruled);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serve = axum::serve(listener, admin(&Arc::new(Status::default()), worlds));
        let daemon = async move {
            tokio::select! {
                outcome = async { serve.await } => drop(outcome),
                () = async { while let Wanted::World(reply) = lender.asked().await {
                    lender.lend(&world, reply);
                } } => {}
            }
        };
        let here = Daemon::At(address);
        let client = async { (ask(&here, &asked("a")).await, ask(&here, &asked("b")).await) };
        tokio::select! {
            () = daemon => panic!("the daemon ended"),
            (answer, nobody) = client => {
                assert_eq!(answer.expect("an answer"), expected);
                let error = nobody.expect_err("there is no such pod").to_string();
                assert!(error.contains("there is no pod shop/b (shop/a)"), "{error}");
            }
        }
    }
    #[tokio::test]
    async fn given_a_cluster_then_the_daemon_on_the_pods_node_is_asked_and_any_for_an_imaginary_client() {
        let server = ApiServer::start().expect("an API server");
        for (namespace, name, node) in
            [("shop", "a", "n2"), ("shop", "b", "n3"), ("meshlet-system", "m1", "n1"), ("meshlet-system", "m2", "n2")]
        {
            let labels = json!({"app.kubernetes.io/name": if name.starts_with('m') { "meshlet" } else { "shop" }});
            let metadata = json!({"namespace": namespace, "name": name, "labels": labels});
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": node, "containers": []}});
            server.apply(pod).expect("a pod");
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), server.kubeconfig()).expect("a kubeconfig");
        let cluster = ClusterArgs::of_kubeconfig(file.path());
        let chosen = async |client: &Who| {
            let place = Where::of(None, &cluster, "meshlet-system", false).await.expect("a cluster");
            of(place, client).await.map(|daemon| daemon.title())
        };
        assert_eq!(chosen(&asked("a").client).await.expect("a daemon"), "meshlet-system/m2");
        let imaginary = Who::Imaginary { namespace: "shop".into(), labels: [].into() };
        assert_eq!(chosen(&imaginary).await.expect("a daemon"), "meshlet-system/m1");
        let error = chosen(&asked("b").client).await.expect_err("none is there").to_string();
        assert!(error.contains("no daemon is on node n3"), "{error}");
    }
}
