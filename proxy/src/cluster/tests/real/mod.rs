//! The watches and the writes against a real kube-apiserver with its etcd, where the environment names them: what the double is
//! taken to be like, shown by what it stands for. The daemon has the account and the rights of the manifest.

mod server;

use std::path::PathBuf;
use std::time::Instant;

use meshlet_routing::enrol::enrol;
use meshlet_sandbox::real::{definitions, programs};

use super::writes::{Daemon, rule_to, subsets};
use super::*;
use crate::cluster::writes::{Candidate, Capture, Marked};
use server::{Real, Server};

const RULES: &str = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices";
const PODS: &str = "/api/v1/namespaces/shop/pods";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";

async fn start(programs: [PathBuf; 2]) -> Real {
    let real = Real::start(programs).await.expect("an API server");
    // From Kubernetes 1.21 on.
    served(&real.server, "/apis/discovery.k8s.io/v1/endpointslices").await;
    real
}

/// Waits until a path is served.
async fn served(server: &Server, path: &str) {
    let begun = Instant::now();
    while server.get(path).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "{path} is not served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The CRDs of rules.
async fn define(server: &Server) {
    for definition in definitions().expect("CRDs") {
        server.create(&definition).await.expect("a CRD");
    }
    for plural in ["virtualservices", "destinationrules", "serviceentries", "sidecars"] {
        served(server, &format!("/apis/networking.istio.io/v1/{plural}")).await;
    }
    served(server, "/apis/gateway.networking.k8s.io/v1/httproutes").await;
}

/// A pod as its controller creates it: the API server gives it its UID.
fn fresh(name: &str, node: &str, address: &str) -> Value {
    let mut pod = pod(name, node, address, true);
    for given in ["uid", "managedFields"] {
        pod["metadata"].as_object_mut().expect("metadata").remove(given);
    }
    pod
}

async fn fill(server: &Server) {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "there", "labels": {"topology.kubernetes.io/zone": "z1"}}});
    let objects = [
        namespace("shop"),
        node,
        service("echo", "10.96.0.10"),
        fresh("a", "here", "10.1.0.1"),
        fresh("b", "there", "10.1.0.2"),
        slice(&[("10.1.0.1", "a", true), ("10.1.0.2", "b", true)]),
    ];
    for object in &objects {
        server.create(object).await.expect("an object of the shop");
    }
}

fn follow_real(real: &Real) -> Cluster {
    Cluster::follow_at(QUICK, real.config.clone(), MeshConfig::default(), "here", None).expect("watches")
}

fn following(cluster: &Cluster) -> bool {
    cluster.watches().iter().all(|watch| watch.state == "following")
}

/// Whether the pod `a` is marked.
fn marked(cluster: &Cluster) -> bool {
    let namespace = world(cluster).namespaces.iter().find(|namespace| &*namespace.name == "shop");
    world(cluster).pods.named("shop", "a").is_some_and(|pod| enrol(pod, namespace).captured)
}

#[tokio::test]
async fn given_a_real_api_server_then_its_objects_are_in_force_and_follow_it() {
    let Some(programs) = programs("the watches and writes") else { return };
    let real = start(programs).await;
    let server = &real.server;
    let mut cluster = follow_real(&real);
    until(&mut cluster, "all is known, without a CRD", Cluster::settled).await;
    assert_eq!(state(&cluster.watches(), "virtualservices").state, "absent");
    define(server).await;
    until(&mut cluster, "CRDs", following).await;
    fill(server).await;
    server.create(&rule("first", "echo")).await.expect("a rule");
    until(&mut cluster, "the objects", |cluster| names(cluster) == ["first"] && endpoints(cluster).len() == 2).await;
    let there = world(&cluster).pods.named("shop", "b").expect("b");
    assert_eq!(&*world(&cluster).nodes.of_pod(there).zone, "z1");
    let streamed = real
        .requests()
        .expect("the audit")
        .iter()
        .any(|request| request.contains("sendInitialEvents=true") && request.ends_with(" 200"));
    eprintln!("lists are streamed: {streamed}");

    let mut taken = Vec::new();
    for round in 0..10 {
        let begun = Instant::now();
        server
            .patch(&format!("{RULES}/first"), &json!({"spec": {"hosts": [format!("h{round}")]}}))
            .await
            .expect("a rule");
        until(&mut cluster, "the rule", |cluster| rules(cluster)[0].contains(&format!("h{round}"))).await;
        taken.push(begun.elapsed());
    }
    taken.sort();
    eprintln!("from the write of a rule to the world with it: median {:?}, longest {:?}", taken[5], taken[9]);

    server
        .patch(&format!("{SLICES}/echo-1"), &slice(&[("10.1.0.1", "a", false), ("10.1.0.2", "b", true)]))
        .await
        .expect("readiness");
    until(&mut cluster, "readiness", |cluster| endpoints(cluster)[0].contains("false")).await;
    assert!(marked(&cluster));
    for (mark, wanted) in [("false", false), ("true", true)] {
        let mark = json!({"metadata": {"labels": {"sidecar.istio.io/inject": mark, "app": mark}}});
        server.patch(&format!("{PODS}/a"), &mark).await.expect("a mark");
        until(&mut cluster, "the mark", |cluster| marked(cluster) == wanted).await;
        assert!(endpoints(&cluster)[0].contains(&wanted.to_string()), "{:?}", endpoints(&cluster));
    }
    server.patch(&format!("{PODS}/a/status"), &json!({"status": {"phase": "Succeeded"}})).await.expect("the pod's end");
    until(&mut cluster, "the end", |cluster| world(cluster).pods.named("shop", "a").is_none()).await;

    server.delete(&rule("first", "echo")).await.expect("the rule deleted");
    until(&mut cluster, "the deletion", |cluster| names(cluster).is_empty()).await;
    server.create(&rule("second", "echo")).await.expect("a rule");
    until(&mut cluster, "another rule", |cluster| names(cluster) == ["second"]).await;
    let definition =
        definitions().expect("CRDs").into_iter().find(|found| found["spec"]["names"]["plural"] == "virtualservices");
    server.delete(&definition.expect("a CRD")).await.expect("the CRD deleted");
    let absent = |cluster: &Cluster| state(&cluster.watches(), "virtualservices").state == "absent";
    until(&mut cluster, "its CRD's end", |cluster| names(cluster).is_empty() && absent(cluster)).await;
}

#[tokio::test]
async fn given_a_real_api_server_that_crashes_or_forgets_then_rules_hold_and_what_was_missed_is_made_up_for() {
    let Some(programs) = programs("the watches and writes") else { return };
    let mut real = start(programs).await;
    define(&real.server).await;
    fill(&real.server).await;
    // More than a page.
    for number in 0..300 {
        real.server.create(&rule(&format!("r{number:03}"), "echo")).await.expect("a rule");
    }
    // It starts with forbidding all, or with no CRDs: that is not to be believed at once.
    let pace = Pace { least: Duration::from_millis(100), missing: Duration::from_secs(1), ..QUICK };
    let mut cluster =
        Cluster::follow_at(pace, real.config.clone(), MeshConfig::default(), "here", None).expect("watches");
    until(&mut cluster, "all is known", |cluster| names(cluster).len() == 300 && following(cluster)).await;

    for compacted in [false, true] {
        real.end();
        until(&mut cluster, "the outage", |cluster| cluster.watches().iter().all(|watch| watch.state == "failing"))
            .await;
        assert_eq!((names(&cluster).len(), endpoints(&cluster).len()), (300, 2));
        let beside = real.beside().await.expect("another API server");
        let (first, second) = (rule(&format!("first-{compacted}"), "a"), rule(&format!("second-{compacted}"), "b"));
        beside.create(&first).await.expect("a rule");
        beside.create(&second).await.expect("a rule");
        beside.delete(&first).await.expect("the rule deleted");
        beside.delete(&rule(if compacted { "second-false" } else { "r000" }, "a")).await.expect("a known rule deleted");
        if compacted {
            real.compact().await.expect("a compaction");
        }
        drop(beside);
        let listed = lists(&real);
        real.restart().await.expect("the API server again");
        let wanted = |cluster: &Cluster| {
            let names = names(cluster);
            assert!(names.len() >= 299, "known rules are gone");
            names.len() == 300 && names.contains(&format!("second-{compacted}")) && following(cluster)
        };
        until(&mut cluster, "what was missed", wanted).await;
        let again = lists(&real) - listed;
        eprintln!("compacted {compacted}: listed {again} times");
        assert!(!compacted || again > 0, "nobody can tell what was missed");
    }
    // While it is watched.
    real.server.create(&rule("last-but-one", "a")).await.expect("a rule");
    real.compact().await.expect("a compaction");
    real.server.create(&rule("last", "a")).await.expect("a rule");
    until(&mut cluster, "a rule more", |cluster| names(cluster).contains(&"last".to_owned())).await;
}

/// How often the daemon has begun to list rules.
fn lists(real: &Real) -> usize {
    let requests = real.requests().expect("the audit").into_iter();
    let begins = |request: &String| {
        request.contains("/virtualservices?") && (request.contains("limit=") || request.contains("sendInitialEvents="))
    };
    requests.filter(begins).count()
}

/// Lets a daemon run until something holds of what the API server has at a path.
async fn shows(daemon: &mut Daemon, server: &Server, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        daemon.round().await;
        let found = server.get(path).await.unwrap_or_default();
        if holds(&found) {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}: {found:#}");
    }
}

fn reason(rule: &Value, kind: &str) -> Value {
    let conditions = rule["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let kind = format!("meshlet.dev/{kind}");
    conditions.into_iter().find(|condition| condition["type"] == *kind).unwrap_or_default()["reason"].clone()
}

fn writes(real: &Real) -> Vec<String> {
    let requests = real.requests().expect("the audit").into_iter();
    requests.filter(|request| ["create", "patch", "update"].iter().any(|verb| request.starts_with(verb))).collect()
}

/// Lets a daemon see changes that are no reason to write.
async fn stir(server: &Server, daemon: &mut Daemon) {
    for round in 0..20 {
        let name = format!("stir-{round}");
        server.create(&namespace(&name)).await.expect("a namespace");
        while !world(&daemon.cluster).namespaces.iter().any(|known| *known.name == *name) {
            daemon.round().await;
        }
        for _ in 0..5 {
            daemon.round().await;
        }
    }
}

#[tokio::test]
async fn given_a_real_api_server_then_what_is_written_back_is_accepted_and_written_once() {
    let Some(programs) = programs("the watches and writes") else { return };
    let real = start(programs).await;
    let server = &real.server;
    define(server).await;
    fill(server).await;
    server.create(&subsets(&["v2"])).await.expect("a rule");
    server.create(&rule_to("v1")).await.expect("a rule");
    let others = json!({"conditions": [{"type": "Reconciled", "status": "True"}], "observedGeneration": 1});
    server.patch(&format!("{RULES}/first/status"), &json!({"status": others})).await.expect("istiod's condition");

    let candidate = Candidate { namespace: "meshlet-system".to_owned(), name: "one".to_owned() };
    let mut daemon = Daemon::of(real.config.clone(), Some(("one", Some(candidate))));
    let pod = server.get(&format!("{PODS}/a")).await.expect("the pod");
    let uid = pod["metadata"]["uid"].as_str().expect("a UID").into();
    daemon.marked = vec![Marked { uid, capture: Capture::Done, unused: Arc::default() }];
    let captured = |pod: &Value| pod["metadata"]["annotations"]["meshlet.dev/redirection"] == "enabled";
    shows(&mut daemon, server, &format!("{PODS}/a"), "the annotation", captured).await;
    let first = format!("{RULES}/first");
    let second = first.replace("virtualservices/first", "destinationrules/echo");
    let wrong = |rule: &Value| reason(rule, "ResolvedRefs") == "SubsetNotFound";
    let rule = shows(&mut daemon, server, &first, "what is wrong", wrong).await;
    assert_eq!(rule["status"]["conditions"][0], others["conditions"][0], "others' stay");
    assert_eq!(reason(&rule, "AppliesToMesh"), "GatewaysOmitted");
    let effective = |rule: &Value| reason(rule, "Effective") == "InServiceNamespace";
    shows(&mut daemon, server, &second, "the other rule's", effective).await;
    let events = "/apis/events.k8s.io/v1/namespaces/shop/events";
    let counts = |events: &Value| -> Vec<u64> {
        let events = events["items"].as_array().cloned().unwrap_or_default();
        events.iter().map(|event| event["series"]["count"].as_u64().unwrap_or(1)).collect()
    };
    let told = shows(&mut daemon, server, events, "an Event", |events| counts(events) == [1]).await;
    assert_eq!(told["items"][0]["regarding"]["uid"], rule["metadata"]["uid"], "{told:#}");
    let lease =
        server.get("/apis/coordination.k8s.io/v1/namespaces/meshlet-system/leases/meshlet").await.expect("the lease");
    assert_eq!(lease["spec"]["holderIdentity"], "one");

    let but_the_lease = || writes(&real).into_iter().filter(|request| !request.contains("/leases")).collect::<Vec<_>>();
    let before = but_the_lease();
    stir(server, &mut daemon).await;
    assert_eq!(but_the_lease(), before);

    server.patch(&second, &json!({"spec": subsets(&["v1", "v2"])["spec"]})).await.expect("the subset");
    let right = |rule: &Value| reason(rule, "ResolvedRefs") == "AllResolved";
    shows(&mut daemon, server, &first, "that it is right", right).await;
    server.patch(&second, &json!({"spec": subsets(&["v2"])["spec"]})).await.expect("the subset's end");
    shows(&mut daemon, server, events, "the count", |events| counts(events) == [2]).await;
    daemon.marked.clear();
    shows(&mut daemon, server, &format!("{PODS}/a"), "its end", |pod| !captured(pod)).await;
    // What somebody else has written meanwhile is written anew.
    let accepted = |request: &String| [" 200", " 201", " 409"].iter().any(|code| request.ends_with(code));
    let refused: Vec<String> = writes(&real).into_iter().filter(|request| !accepted(request)).collect();
    assert_eq!(refused, Vec::<String>::new());
}

/// Rules of the examples, by the folder that they are in.
fn examples() -> Vec<(PathBuf, Vec<Value>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/examples");
    let folders = std::fs::read_dir(folder).expect("examples").map(|entry| entry.expect("an example").path());
    let manifests = folders.map(|folder| folder.join("manifests.yaml")).filter(|path| path.exists());
    let rules = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("manifests");
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
        let is_rule = |object: &Value| object["apiVersion"].as_str().is_some_and(|version| version.contains(".io/"));
        (path, objects.into_iter().filter(is_rule).collect())
    };
    manifests.map(rules).collect()
}

#[tokio::test]
async fn given_a_real_api_server_with_the_schemas_then_it_takes_every_example_and_refuses_wrong_types() {
    let Some(programs) = programs("the watches and writes") else { return };
    let real = start(programs).await;
    let server = &real.server;
    define(server).await;
    let mut cluster = follow_real(&real);
    let known = |cluster: &Cluster| -> usize {
        let watches = cluster.watches();
        watches
            .iter()
            .filter(|watch| watch.resource.contains(".istio.io") || watch.resource.contains("gateway."))
            .map(|watch| watch.objects)
            .sum()
    };
    until(&mut cluster, "all is known", |cluster| cluster.settled() && following(cluster)).await;
    let examples = examples();
    assert!(examples.len() > 10, "{}", examples.len());
    for (path, rules) in &examples {
        for rule in rules {
            let namespace = namespace(rule["metadata"]["namespace"].as_str().expect("a namespace"));
            // It may be there already; if not, the rule is refused.
            drop(server.create(&namespace).await);
            server.create(rule).await.unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        }
        until(&mut cluster, &path.display().to_string(), |cluster| known(cluster) == rules.len()).await;
        for rule in rules {
            server.delete(rule).await.expect("a rule deleted");
        }
        until(&mut cluster, "their end", |cluster| known(cluster) == 0).await;
    }
    server.create(&namespace("shop")).await.unwrap_or_default();
    let mut wrong = rule("wrong", "echo");
    wrong["spec"]["hosts"] = json!(5);
    let refused = server.create(&wrong).await.expect_err("a type that is wrong");
    assert!(format!("{refused:#}").contains("spec.hosts"), "{refused:#}");
}
