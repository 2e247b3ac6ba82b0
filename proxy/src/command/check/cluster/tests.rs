//! Against the API double, through the real client: what is asked, and what is said of the answers.

use std::collections::BTreeSet;

use meshlet_sandbox::{ApiServer, Fault};
use serde_json::{Value, json};

use super::super::page;
use super::super::report::Report;
use super::facts::INSTALLED;
use super::*;
use crate::cluster::connect::ClusterArgs;

const NAMESPACE: &str = "meshlet-system";
const DAEMON: &str = "system:serviceaccount:meshlet-system:meshlet";

fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn node(name: &str, kernel: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"nodeInfo": {"kernelVersion": kernel, "operatingSystem": "linux"}}})
}

fn pod(namespace: &str, name: &str, node: &str, labels: &Value, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": labels, "annotations": annotations},
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "meshlet:1"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn daemon(name: &str, node: &str) -> Value {
    pod(NAMESPACE, name, node, &json!({"app.kubernetes.io/name": "meshlet"}), &json!({}))
}

/// Two nodes, a daemon on each, a marked pod on one.
fn good() -> ApiServer {
    let server = ApiServer::start().expect("an API server");
    let objects = [
        node("a", "6.12.1"),
        node("b", "5.15.0-generic"),
        namespace("shop", &json!({"istio.io/dataplane-mode": "meshlet"})),
        namespace(NAMESPACE, &json!({})),
        daemon("meshlet-a", "a"),
        daemon("meshlet-b", "b"),
        pod("shop", "cart", "a", &json!({}), &json!({})),
    ];
    server.apply_all(objects).expect("objects");
    server
}

async fn report_of(server: &ApiServer, account: &str, pre: bool) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, server.kubeconfig_of(account)).expect("a kubeconfig");
    let cluster = look(&ClusterArgs::of_kubeconfig(&path), NAMESPACE, pre).await.expect("a cluster");
    Report { sections: judge(&cluster, false) }
}

/// Asked by an administrator.
async fn check(server: &ApiServer, pre: bool, holds: bool, expected: &[&str]) {
    said(&report_of(server, "admin", pre).await, holds, expected);
}

fn said(report: &Report, holds: bool, expected: &[&str]) {
    let page = page::page(report, true, false);
    for words in expected {
        assert!(page.contains(words), "{words} is not in:\n{page}");
    }
    assert_eq!(report.holds(), holds, "{page}");
}

#[tokio::test]
async fn given_a_good_cluster_then_every_line_passes() {
    let server = good();
    let report = report_of(&server, "admin", false).await;
    let expected = format!(
        "\
kubernetes API
--------------
√ the API server at http://{} answers: Kubernetes v1.34.0

kinds of rules
--------------
√ virtualservices.networking.istio.io is served in v1
√ destinationrules.networking.istio.io is served in v1
√ serviceentries.networking.istio.io is served in v1
√ sidecars.networking.istio.io is served in v1
√ httproutes.gateway.networking.k8s.io is served in v1

permissions
-----------
√ {DAEMON} may do all that the daemon does

nodes
-----
√ the kernels of all 2 Linux nodes are new enough

other meshes
------------
√ no other mesh is here

daemons
-------
√ 2 daemons are ready, one on every node with marked pods (1 pods)

Status check results are √
",
        server.address()
    );
    assert_eq!(page::page(&report, false, false), expected);
    let wide = page::page(&report, true, false);
    for detail in [
        "      list, watch pods\n",
        "      a: meshlet-a runs meshlet:1, 1 marked pods\n",
        "      b: Linux 5.15.0-generic\n",
    ] {
        assert!(wide.contains(detail), "{detail} is not in:\n{wide}");
    }
}

#[tokio::test]
async fn given_kinds_that_are_not_served_then_they_are_not_read_and_without_any_nothing_can_hold() {
    let server = good();
    server.serve("sidecars", &[]);
    server.serve("virtualservices", &["v1beta1"]);
    let absent = "‼ sidecars.networking.istio.io is not served: rules of this kind are not read\n    if they are wanted, apply Istio's";
    check(&server, false, true, &[absent, "√ virtualservices.networking.istio.io is served in v1beta1"]).await;
    for plural in ["virtualservices", "destinationrules", "serviceentries", "httproutes"] {
        server.serve(plural, &[]);
    }
    check(&server, true, false, &["× no kind of rule is served"]).await;
}

#[tokio::test]
async fn given_permissions_that_the_daemon_lacks_then_each_is_named_with_what_comes_of_it_and_what_to_do() {
    let server = good();
    for (plural, fault) in [
        ("virtualservices", Fault::Forbidden),
        ("endpointslices", Fault::Forbidden),
        ("leases", Fault::Forbidden),
        ("destinationrules", Fault::ReadOnly),
    ] {
        server.fault(plural, Some(fault));
    }
    let expected = [
        "× system:serviceaccount:meshlet-system:meshlet may not list, watch virtualservices.networking.istio.io: rules of this kind \
         are not read\n    grant it: apply the ClusterRole meshlet",
        "may not list, watch endpointslices.discovery.k8s.io: no daemon becomes ready, and no pod is captured",
        "‼ system:serviceaccount:meshlet-system:meshlet may not get, create, update leases.coordination.k8s.io in namespace meshlet-system: \
         no daemon can be",
        "may not patch destinationrules.networking.istio.io/status: rules of this kind get no conditions",
        "with statusWrites: false it is as it should be",
    ];
    check(&server, false, false, &expected).await;
    // The daemon asks for itself, which needs no permission.
    let before = server.requests().len();
    said(&report_of(&server, DAEMON, false).await, false, &expected);
    let asked = &server.requests()[before..];
    assert!(asked.iter().any(|request| request.ends_with("/selfsubjectaccessreviews")), "{asked:#?}");
    assert!(!asked.iter().any(|request| request.ends_with("/subjectaccessreviews")), "{asked:#?}");
    server.fault("leases", None);
    server.fault("destinationrules", None);
    server.fault("virtualservices", None);
    server.fault("endpointslices", None);
    check(&server, false, true, &["may do all that the daemon does"]).await;
}

#[tokio::test]
async fn given_somebody_who_may_not_look_then_that_is_said_with_how_to_and_is_no_failure() {
    let server = good();
    for plural in ["nodes", "pods", "mutatingwebhookconfigurations"] {
        server.fault(plural, Some(Fault::Forbidden));
    }
    let report = report_of(&server, "system:serviceaccount:ci:runner", false).await;
    said(
        &report,
        true,
        &[
            "– the permissions of system:serviceaccount:meshlet-system:meshlet were not looked at: subjectaccessreviews.authorization.k8s.io is forbidden",
            "or the daemon ask for itself: kubectl -n meshlet-system exec daemonset/meshlet -- /meshlet check",
            "– the nodes' kernels were not looked at: nodes is forbidden",
            "– namespaces and pods were not looked at: pods is forbidden",
            "– the daemons were not looked at: pods is forbidden",
        ],
    );
    server.fault("nodes", Some(Fault::Fails(500)));
    check(&server, false, false, &["× the nodes' kernels were not looked at: as the test wants it"]).await;
}

#[tokio::test]
async fn given_an_api_server_that_is_away_then_that_alone_is_said() {
    let mut server = good();
    server.down();
    let report = report_of(&server, "admin", false).await;
    assert_eq!(report.sections.len(), 1, "{report:?}");
    said(&report, false, &[&format!("× the API server at http://{} cannot be asked: ", server.address())]);
}

#[tokio::test]
async fn given_nobody_has_installed_yet_then_it_is_told_whether_who_asks_may() {
    let server = ApiServer::start().expect("an API server");
    server.apply_all([node("a", "6.12.1"), node("old", "5.10.0-30-amd64")]).expect("nodes");
    let old = "× node old: kernel 5.10.0-30-amd64 is too old\n    meshlet needs Linux 5.15";
    let report = report_of(&server, "admin", true).await;
    said(&report, false, &["√ admin may create what the manifest holds", old]);
    assert!(report.sections.iter().all(|section| section.title != "daemons"), "{report:?}");
    server.delete(&node("old", "")).expect("the node's end");
    check(&server, true, true, &["√ the kernels of all 1 Linux nodes"]).await;

    // Neither to create roles nor to grant by them what one does not hold.
    server.fault("clusterroles", Some(Fault::ReadOnly));
    let create = "× admin may not create clusterroles.rbac.authorization.k8s.io: config/deploy/meshlet.yaml cannot be applied\n    let somebody";
    check(&server, true, false, &[create, "√ admin may grant what the daemon needs"]).await;
    server.fault("sidecars", Some(Fault::Forbidden));
    let grant =
        "× admin may not grant what the daemon needs without holding it: 1 rights are missing\n    hold them, or";
    check(&server, true, false, &[create, grant, "\n      list, watch sidecars.networking.istio.io\n"]).await;
    server.delete(&node("a", "")).expect("the node's end");
    check(&server, true, false, &["‼ the cluster has no Linux node"]).await;
}

#[test]
fn given_the_manifest_then_what_it_holds_is_what_is_asked_for_before_it_is_applied() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/deploy/meshlet.yaml");
    let text = std::fs::read_to_string(path).expect("the manifest");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let held = objects.iter().map(|object| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let api_version = text(&object["apiVersion"]);
        let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let namespaced = !object["metadata"]["namespace"].is_null();
        (group, format!("{}s", text(&object["kind"]).to_lowercase()), namespaced)
    });
    let asked = INSTALLED.iter().map(|right| (right.group.to_owned(), right.resource.to_owned(), right.role == "Role"));
    assert_eq!(held.collect::<BTreeSet<_>>(), asked.collect());
}

#[tokio::test]
async fn given_daemons_that_are_missing_unready_or_not_alike_then_each_is_named() {
    let server = good();
    server.delete(&daemon("meshlet-a", "a")).expect("a daemon's end");
    let missing = "× node a has 1 marked pods and no daemon: they are native\n    see kubectl -n meshlet-system describe daemonset meshlet";
    check(&server, false, false, &[missing]).await;

    let mut unready = daemon("meshlet-a", "a");
    unready["status"] = json!({"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]});
    server.apply(unready).expect("a daemon");
    check(&server, false, false, &["× daemon meshlet-a on node a is not ready: ImagePullBackOff"]).await;

    let mut newer = daemon("meshlet-a", "a");
    newer["spec"]["containers"][0]["image"] = json!("meshlet:2");
    server.apply(newer).expect("a daemon");
    let unlike = "‼ the daemons are not alike: meshlet:1 (1), meshlet:2 (1)\n    is an upgrade under way?";
    check(&server, false, true, &["√ 2 daemons are ready", unlike, "      meshlet:2: meshlet-a\n"]).await;

    for (name, on) in [("meshlet-a", "a"), ("meshlet-b", "b")] {
        server.delete(&daemon(name, on)).expect("a daemon's end");
    }
    check(&server, false, false, &["× no daemon is a pod of namespace meshlet-system\n    install meshlet"]).await;
}

#[tokio::test]
async fn given_other_meshes_then_they_are_named_and_so_are_pods_that_two_want() {
    let server = good();
    let (none, sidecar) = (json!({}), json!({"sidecar.istio.io/status": "{}"}));
    let objects = [
        pod("kube-system", "cilium-1", "a", &json!({"k8s-app": "cilium"}), &none),
        pod("istio-system", "istiod-1", "a", &json!({"app": "istiod"}), &none),
        namespace("istio", &json!({"istio-injection": "enabled"})),
        pod("istio", "sidecar", "a", &none, &sidecar),
        pod("istio", "early", "a", &none, &none),
        pod("istio", "out", "a", &json!({"sidecar.istio.io/inject": "false"}), &none),
        pod("shop", "lost", "a", &none, &json!({"ambient.istio.io/redirection": "enabled"})),
        pod("shop", "linked", "a", &json!({"linkerd.io/control-plane-ns": "linkerd"}), &none),
    ];
    server.apply_all(objects).expect("objects");
    let injected_next =
        "its injector istiod-tag gives their successors a sidecar, which leaves them to Istio: istio/early\n";
    let expected = [
        "√ Cilium is here, in namespace kube-system: where it replaces kube-proxy",
        "√ Istio is here, in namespace istio-system: pods with its sidecar are left to it",
        "√ 1 pods with Istio's mark have its sidecar and are left to it\n      istio/sidecar\n",
        "‼ marked for meshlet, and Istio's sidecar or ztunnel has them: shop/lost\n    take istio-injection",
        "‼ marked for meshlet, and Linkerd's proxy redirects them by itself: shop/linked\n    take one of the two marks away",
    ];
    check(&server, false, true, &expected).await;
    let page = page::page(&report_of(&server, "admin", false).await, true, false);
    assert!(!page.contains("successors"), "without an injector the mark is meshlet's alone:\n{page}");

    let webhook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istiod-tag", "labels": {"app": "sidecar-injector"}}});
    server.apply(webhook).expect("a webhook");
    check(&server, false, true, &[injected_next]).await;
    server.fault("mutatingwebhookconfigurations", Some(Fault::Forbidden));
    let guessed = injected_next.replace("istiod-tag", "istiod-1");
    check(&server, false, true, &["– the webhooks that put sidecars into pods were not looked at", &guessed]).await;
}
