//! What a large cluster costs a node: Services, endpoints and Pods as a double of the API server has them, read by the daemon
//! with its captured pods. `cargo xtask bench cluster` runs this.
//!
//! Prints how long the first complete sync takes, the daemon's memory then and at its most, also while everything is listed
//! again, and how long a rule takes to be in force.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use harness::{Node, mesh_rule};
use meshlet_sandbox::{ApiServer, HttpCall};
use serde_json::{Value, json};

const ENDPOINTS_PER_SERVICE: usize = 10;
const NAMESPACES: usize = 200;

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [services, pods] = &arguments[..] else {
        bail!("usage: SERVICES PODS; `cargo xtask bench cluster` calls this as it should be")
    };
    let services: usize = services.parse().context("reading the number of Services")?;
    let pods: usize = pods.parse().context("reading the number of Pods")?;

    let mut node = Node::in_cluster();
    node.apply(&rule("v1"));
    println!("small cluster: {} MiB resident", mib(node.memory("VmRSS")));
    fill(node.api(), services, pods)?;
    node.daemon.kill()?;
    let begun = Instant::now();
    node.restart(&[]);
    println!(
        "{services} Services, {} endpoints, {pods} Pods: in force {:.1} s after the start, {} MiB resident, {} MiB at most",
        services * ENDPOINTS_PER_SERVICE,
        begun.elapsed().as_secs_f64(),
        mib(node.memory("VmRSS")),
        mib(node.memory("VmHWM")),
    );
    println!("processor time up to then: {:.1} s", processor_time(&node)?);

    node.api().compact();
    node.api().disconnect();
    node.api().apply(namespace(0))?;
    node.settle();
    println!("all listed again: {} MiB resident, {} MiB at most", mib(node.memory("VmRSS")), mib(node.memory("VmHWM")));

    let before = processor_time(&node)?;
    let mut taken = Vec::new();
    for round in 0..11 {
        taken.push(follow(&node, if round % 2 == 0 { "v2" } else { "v1" })?);
    }
    taken.sort();
    println!("a rule, from the write to the first answer by it: median {:?}, longest {:?}", taken[5], taken[10]);
    println!("processor time for each: {:.0} ms", (processor_time(&node)? - before) * 1000.0 / 11.0);
    Ok(())
}

fn rule(subset: &str) -> String {
    mesh_rule(&format!("  http:\n  - route: [{{destination: {{host: httpping-without-sidecar, subset: {subset}}}}}]"))
}

/// How long until a marked pod's requests go to a subset.
fn follow(node: &Node, subset: &str) -> anyhow::Result<Duration> {
    let mut client = node.client("marked");
    let call: HttpCall = node.get();
    let begun = Instant::now();
    node.sandbox.apply("rule.yaml", &rule(subset))?;
    loop {
        let answers = client.http(&call)?;
        let pod = answers.first().and_then(|answer| answer.pod.as_deref()).context("no answer")?;
        if pod.starts_with(subset) {
            return Ok(begun.elapsed());
        }
    }
}

fn fill(api: &ApiServer, services: usize, pods: usize) -> anyhow::Result<()> {
    api.apply_all((0..NAMESPACES).map(namespace))?;
    api.apply_all((0..pods).map(|number| pod(number, services)))?;
    api.apply_all((0..services).map(service))?;
    api.apply_all((0..services).map(|number| slice(number, services, pods)))
}

fn namespace(number: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("team-{number}")}})
}

/// The namespace of the service that a number belongs to.
fn home(service: usize) -> String {
    format!("team-{}", service % NAMESPACES)
}

fn address(pod: usize) -> String {
    format!("10.{}.{}.{}", 128 + pod / 62_500, pod / 250 % 250, 1 + pod % 250)
}

/// As long as a small real one.
fn pod(number: usize, services: usize) -> Value {
    let service = number % services;
    let app = format!("service-{service}");
    let variables: Vec<Value> =
        (0..10).map(|number| json!({"name": format!("VARIABLE_{number}"), "value": "of some length"})).collect();
    let container = json!({
        "name": "app", "image": "registry.example/team/app:1.2.3", "env": variables,
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
    });
    let fields = json!({"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {"f:image": {}}}}});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": home(service), "name": format!("{app}-7d4b9c6f5-{number:05}"),
            "labels": {"app": app, "version": format!("v{}", number % 2 + 1), "pod-template-hash": "7d4b9c6f5", "team": home(service)},
            "annotations": {"prometheus.io/scrape": "true"},
            "managedFields": [{"manager": "kube-controller-manager", "fieldsV1": fields}],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{app}-7d4b9c6f5"), "uid": "0"}],
        },
        "spec": {"nodeName": format!("node-{}", number % 1000), "containers": [container], "serviceAccountName": "default"},
        "status": {"phase": "Running", "podIP": address(number), "podIPs": [{"ip": address(number)}],
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]},
    })
}

fn service(number: usize) -> Value {
    let name = format!("service-{number}");
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": home(number), "name": name},
        "spec": {"clusterIP": format!("10.{}.{}.{}", 200 + number / 60_000, number / 250, 1 + number % 250),
            "selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    })
}

/// A service's own pods, and for as many endpoints as it is to have, other pods of its namespace.
fn slice(number: usize, services: usize, pods: usize) -> Value {
    let members = (0..ENDPOINTS_PER_SERVICE).map(|place| (number + place * services) % pods);
    let endpoints: Vec<Value> = members
        .map(|pod| {
            let name = format!("service-{}-7d4b9c6f5-{pod:05}", pod % services);
            let target = json!({"kind": "Pod", "namespace": home(pod % services), "name": name, "uid": "0"});
            json!({"addresses": [address(pod)], "conditions": {"ready": true, "serving": true, "terminating": false},
                "nodeName": format!("node-{}", pod % 1000), "targetRef": target, "zone": format!("z{}", pod % 3)})
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"namespace": home(number), "name": format!("service-{number}-abcde"),
            "labels": {"kubernetes.io/service-name": format!("service-{number}")}},
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints,
    })
}

fn mib(kib: u64) -> u64 {
    kib / 1024
}

/// User and system time of the daemon, in seconds.
fn processor_time(node: &Node) -> anyhow::Result<f64> {
    let stat =
        std::fs::read_to_string(format!("/proc/{}/stat", node.daemon.pid())).context("reading the daemon's stat")?;
    let after = stat.rsplit_once(')').context("a name in brackets")?.1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks: u32 = [11, 12].iter().filter_map(|place| fields.get(*place)?.parse::<u32>().ok()).sum();
    Ok(f64::from(ticks) / 100.0)
}
