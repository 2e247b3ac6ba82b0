//! The watches against the API double, through the real client.

mod lease;
mod pod_events;
mod real;
mod rights;
mod stated;
mod troubles;
mod writes;
mod wrong;

use std::time::Duration;

use meshlet_routing::model::{Hostname, World};
use meshlet_sandbox::ApiServer;
use serde_json::{Value, json};

use super::*;

/// As the daemon does it, but impatient.
const QUICK: Pace = Pace {
    least: Duration::from_millis(5),
    most: Duration::from_millis(40),
    missing: Duration::from_millis(40),
    apart: Duration::from_millis(20),
};

/// How long anything that is waited for may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn follow(server: &ApiServer) -> Cluster {
    let address = format!("http://{}", server.address()).parse().expect("an address");
    Cluster::follow_at(QUICK, Config::new(address), MeshConfig::default(), "here", None).expect("watches")
}

/// Takes over news until something holds.
async fn until(cluster: &mut Cluster, what: &str, holds: impl Fn(&Cluster) -> bool) {
    let waiting = async {
        loop {
            cluster.settle();
            if holds(cluster) {
                return;
            }
            // How a watch stands is told to nobody: it is looked at again.
            drop(tokio::time::timeout(Duration::from_millis(5), cluster.news()).await);
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("{what}: not within {PATIENCE:?}; {:#?}", cluster.watches());
    }
}

async fn settled(server: &ApiServer) -> Cluster {
    let mut cluster = follow(server);
    until(&mut cluster, "all is known", Cluster::settled).await;
    cluster
}

fn world(cluster: &Cluster) -> &World {
    cluster.inventory().world()
}

/// Names of VirtualServices with their hosts, in order.
fn rules(cluster: &Cluster) -> Vec<String> {
    let mut rules: Vec<String> =
        world(cluster).virtual_services.iter().map(|rule| format!("{} {:?}", rule.object.name, rule.hosts)).collect();
    rules.sort();
    rules
}

fn names(cluster: &Cluster) -> Vec<String> {
    rules(cluster).iter().filter_map(|rule| Some(rule.split_once(' ')?.0.to_owned())).collect()
}

fn state<'w>(watches: &'w [WatchStatus], resource: &str) -> &'w WatchStatus {
    watches.iter().find(|watch| watch.resource.starts_with(resource)).expect("a watch")
}

fn rule(name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"hosts": [host], "http": [{"route": [{"destination": {"host": "echo"}}]}]},
    })
}

fn pod(name: &str, node: &str, address: &str, ready: bool) -> Value {
    let ready = if ready { "True" } else { "False" };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"), "labels": {"app": "echo"},
            "annotations": {"sidecar.istio.io/inject": "true"}, "managedFields": [{"manager": "kubelet"}]},
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "i", "ports": [{"name": "web", "containerPort": 80}]}]},
        "status": {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": ready}]},
    })
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"istio-injection": "enabled"}}})
}

fn service(name: &str, address: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": name},
        "spec": {"clusterIP": address, "clusterIPs": [address], "selector": {"app": name},
            "ports": [{"name": "http", "port": 8080, "targetPort": "web"}]},
    })
}

/// Endpoints of the service `echo`: each an address, the pod behind it and whether it is ready.
fn slice(endpoints: &[(&str, &str, bool)]) -> Value {
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|(address, pod, ready)| {
            json!({"addresses": [address], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}})
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"namespace": "shop", "name": "echo-1", "labels": {"kubernetes.io/service-name": "echo"}},
        "ports": [{"name": "http", "port": 80}], "endpoints": endpoints,
    })
}

/// Endpoints of `echo`: address, whether it is ready, and its pod's label `app`.
fn endpoints(cluster: &Cluster) -> Vec<String> {
    let host = Hostname::service("echo", "shop");
    let services = world(cluster).services.of_host(&host);
    let endpoints = services.flat_map(|service| service.ports.iter().flat_map(|port| port.endpoints.iter()));
    endpoints
        .map(|endpoint| format!("{} {} {:?}", endpoint.address, endpoint.ready, endpoint.labels.get("app")))
        .collect()
}

fn shop(server: &ApiServer) {
    let objects = [
        namespace("shop"),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "there", "labels": {"topology.kubernetes.io/zone": "z1"}},
            "status": {"images": [{"names": ["a"]}]}}),
        service("echo", "10.96.0.10"),
        pod("a", "here", "10.1.0.1", true),
        pod("b", "there", "10.1.0.2", true),
        slice(&[("10.1.0.1", "a", true), ("10.1.0.2", "b", true)]),
        rule("first", "echo"),
    ];
    server.apply_all(objects).expect("the shop");
}

#[tokio::test]
async fn given_a_cluster_then_its_objects_are_in_force_all_at_once_and_follow_it() {
    for streaming in [true, false] {
        let server = ApiServer::start().expect("an API server");
        server.stream_lists(streaming);
        shop(&server);
        let mut cluster = settled(&server).await;
        assert_eq!(names(&cluster), ["first"], "streaming {streaming}");
        assert_eq!(endpoints(&cluster), ["10.1.0.1:80 true Some(\"echo\")", "10.1.0.2:80 true Some(\"echo\")"]);

        server.apply(slice(&[("10.1.0.1", "a", false), ("10.1.0.2", "b", true)])).expect("a slice");
        until(&mut cluster, "readiness", |cluster| endpoints(cluster)[0].contains("false")).await;
        server.apply(rule("second", "other")).expect("a rule");
        until(&mut cluster, "a rule more", |cluster| names(cluster) == ["first", "second"]).await;
        server.delete(&rule("first", "echo")).expect("the rule deleted");
        until(&mut cluster, "a rule less", |cluster| names(cluster) == ["second"]).await;
    }
}

#[tokio::test]
async fn given_a_cluster_without_objects_then_that_is_known() {
    for streaming in [true, false] {
        let server = ApiServer::start().expect("an API server");
        server.stream_lists(streaming);
        let cluster = settled(&server).await;
        assert!(world(&cluster).namespaces.is_empty(), "streaming {streaming}");
    }
}

#[tokio::test]
async fn given_pods_then_this_nodes_are_whole_and_of_others_what_endpoints_need_is_kept() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut cluster = settled(&server).await;
    let pods = &world(&cluster).pods;
    let (here, there) = (pods.named("shop", "a").expect("a"), pods.named("shop", "b").expect("b"));
    assert!(here.uid.is_some() && !here.annotations.is_empty() && !here.ports.is_empty(), "{here:?}");
    assert!(there.uid.is_none() && there.annotations.len() == 1 && there.ports.is_empty(), "{there:?}");
    assert_eq!((there.labels.len(), there.addresses.len(), there.ready), (1, 1, true));
    assert_eq!(&*world(&cluster).nodes.of_pod(there).zone, "z1");

    let mut ended = pod("a", "here", "10.1.0.1", false);
    ended["status"]["phase"] = json!("Succeeded");
    server.apply(ended).expect("the pod's end");
    until(&mut cluster, "the end", |cluster| world(cluster).pods.named("shop", "a").is_none()).await;
}

#[tokio::test]
async fn given_the_requests_then_only_what_is_needed_is_asked_for_and_once() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut cluster = settled(&server).await;
    server.apply(rule("second", "other")).expect("a rule");
    until(&mut cluster, "a rule more", |cluster| names(cluster).len() == 2).await;
    let requests = server.requests();
    let asked = |path: &str| requests.iter().filter(|request| request.starts_with(&format!("GET {path}?"))).count();
    for path in ["/api/v1/pods", "/api/v1/namespaces", "/apis/networking.istio.io/v1/virtualservices"] {
        assert_eq!(asked(path), 1, "{path}: the list is the watch's begin; {requests:#?}");
    }
    let pods = requests.iter().find(|request| request.contains("/pods?")).expect("a request for pods");
    assert!(pods.contains("fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"), "{pods}");
    assert!(pods.contains("allowWatchBookmarks=true"), "{pods}");
}

#[tokio::test]
async fn given_many_objects_when_lists_are_not_streamed_then_all_pages_are_read() {
    let server = ApiServer::start().expect("an API server");
    server.stream_lists(false);
    shop(&server);
    server.apply_all((0..700).map(|number| rule(&format!("r{number:03}"), "echo"))).expect("rules");
    let cluster = settled(&server).await;
    assert_eq!(names(&cluster).len(), 701);
    let lists = server.requests().iter().filter(|request| request.contains("virtualservices?&limit=")).count();
    assert_eq!(lists, 3, "pages of 250: {:#?}", server.requests());
}

#[tokio::test]
async fn given_bookmarks_then_the_version_advances_without_events() {
    let server = ApiServer::start().expect("an API server");
    server.bookmark_every(Duration::from_millis(10));
    shop(&server);
    let mut cluster = settled(&server).await;
    server.apply(namespace("other")).expect("a namespace");
    let version = server.version_of("namespaces").to_string();
    let told = |cluster: &Cluster| *state(&cluster.watches(), "virtualservices").version == *version;
    until(&mut cluster, "a bookmark", told).await;
}

#[tokio::test]
async fn given_the_cluster_serves_an_older_version_of_istios_group_then_that_is_read() {
    for version in ["v1beta1", "v1alpha3"] {
        let server = ApiServer::start().expect("an API server");
        for plural in ["virtualservices", "destinationrules", "serviceentries", "sidecars"] {
            server.serve(plural, &[version]);
        }
        shop(&server);
        let cluster = settled(&server).await;
        assert_eq!(names(&cluster), ["first"], "{version}");
    }
}

#[tokio::test]
async fn given_an_absent_crd_then_it_is_waited_for_and_its_end_is_seen() {
    let server = ApiServer::start().expect("an API server");
    for plural in ["virtualservices", "destinationrules", "serviceentries", "sidecars", "httproutes"] {
        server.serve(plural, &[]);
    }
    shop(&server);
    let mut cluster = settled(&server).await;
    assert_eq!(names(&cluster), Vec::<String>::new());
    assert_eq!(state(&cluster.watches(), "virtualservices").state, "absent");
    server.serve("virtualservices", &["v1"]);
    until(&mut cluster, "its CRD", |cluster| names(cluster) == ["first"]).await;
    server.serve("virtualservices", &[]);
    until(&mut cluster, "its CRD's end", |cluster| names(cluster).is_empty()).await;
}

#[tokio::test]
async fn given_a_cluster_that_is_too_old_for_what_is_needed_then_it_is_said_and_waited_for() {
    let server = ApiServer::start().expect("an API server");
    server.serve("endpointslices", &[]);
    shop(&server);
    let mut cluster = follow(&server);
    let said = |cluster: &Cluster| state(&cluster.watches(), "endpointslices").message.contains("1.21");
    until(&mut cluster, "that it is too old", said).await;
    assert!(!cluster.settled());
    server.serve("endpointslices", &["v1"]);
    until(&mut cluster, "all is known", Cluster::settled).await;
    assert_eq!(endpoints(&cluster).len(), 2);
}
