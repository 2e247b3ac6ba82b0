//! Against the API double, which has no port-forward: what leads there, and what is said when it is refused.

use kube::Config;
use meshlet_sandbox::{ApiServer, Fault};
use serde_json::{Value, json};

use super::*;

fn pod(namespace: &str, name: &str, node: Option<&str>, phase: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app.kubernetes.io/name": "meshlet"}},
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": phase},
    })
}

fn daemons(server: &ApiServer) -> Daemons {
    let address = format!("http://{}", server.address()).parse().expect("an address");
    let client = connect::client(Config::new(address)).expect("a client");
    Daemons { client, namespace: "meshlet-system".to_owned() }
}

fn found(daemons: &[DaemonPod]) -> Vec<(&str, Option<&str>)> {
    daemons.iter().map(|daemon| (&*daemon.name, daemon.node.as_deref())).collect()
}

fn said<T>(outcome: anyhow::Result<T>, words: &[&str]) {
    let error = format!("{:#}", outcome.err().expect("an error"));
    for word in words {
        assert!(error.contains(word), "{word} is not in: {error}");
    }
}

#[tokio::test]
async fn given_pods_then_the_daemons_among_them_are_found_by_node() {
    let server = ApiServer::start().expect("an API server");
    let mut stranger = pod("meshlet-system", "stranger", Some("a"), "Running");
    stranger["metadata"]["labels"] = json!({"app": "other"});
    let objects = [
        pod("meshlet-system", "meshlet-2", Some("b"), "Running"),
        pod("meshlet-system", "meshlet-1", Some("a"), "Running"),
        pod("meshlet-system", "meshlet-0", Some("a"), "Failed"),
        pod("elsewhere", "meshlet-3", Some("c"), "Running"),
        stranger,
    ];
    server.apply_all(objects).expect("pods");
    let daemons = daemons(&server);
    let all = daemons.list(None).await.expect("daemons");
    assert_eq!(found(&all), [("meshlet-1", Some("a")), ("meshlet-2", Some("b"))]);
    assert_eq!(found(&daemons.list(Some("b")).await.expect("a daemon")), [("meshlet-2", Some("b"))]);
    said(daemons.list(Some("c")).await, &["no daemon is on node c", "they are on a, b"]);
}

#[tokio::test]
async fn given_a_pod_then_its_node_is_told_and_else_what_is_wrong_with_it() {
    let server = ApiServer::start().expect("an API server");
    server.apply(pod("shop", "placed", Some("b"), "Running")).expect("a pod");
    server.apply(pod("shop", "waiting", None, "Pending")).expect("a pod");
    let daemons = daemons(&server);
    assert_eq!(daemons.node_of("shop", "placed").await.expect("a node"), "b");
    said(daemons.node_of("shop", "waiting").await, &["pod shop/waiting is on no node yet"]);
    said(daemons.node_of("shop", "ghost").await, &["there is no pod shop/ghost", "-n"]);
}

#[tokio::test]
async fn given_what_is_refused_then_it_says_which_permission_is_needed_or_what_to_look_at() {
    let server = ApiServer::start().expect("an API server");
    let daemons = daemons(&server);
    said(daemons.list(None).await, &["namespace meshlet-system", "app.kubernetes.io/name=meshlet", "install"]);
    server.fault("pods", Some(Fault::Forbidden));
    said(daemons.list(None).await, &["the verb list on pods in namespace meshlet-system must be granted", "Role"]);
    said(daemons.node_of("shop", "a").await, &["the verb get on pods in namespace shop must be granted"]);
    let forbidden = UpgradeConnectionError::ProtocolSwitch(http::StatusCode::FORBIDDEN);
    let refused =
        Daemons::explained(Error::UpgradeConnection(forbidden), "the verb x on pods/portforward", "meshlet-system");
    said::<()>(Err(refused), &["the verb x on pods/portforward in namespace meshlet-system must be granted"]);
    server.fault("pods", Some(Fault::Fails(500)));
    said(daemons.list(None).await, &["the verb list on pods", "reachable"]);
}
