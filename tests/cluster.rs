//! The objects come from a cluster's API: what is written there takes effect as files do, and nothing that becomes of the API
//! server takes it away.

use std::time::{Duration, Instant};

use harness::{Node, Shares, cluster, daemon_command, mesh_rule, wait_for};
use meshlet_sandbox::{Fault, HttpCall};
use serde_json::{Value, json};

const HASHED: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
    metadata: {name: rule, namespace: infra-jinsu-lab}\nspec:\n  host: httpping-without-sidecar\n  \
    trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: foo}}}\n";

fn weighted(gateways: &str) -> String {
    mesh_rule(&format!(
        "{gateways}  http:\n  - route:\n    - {{destination: {{host: httpping-without-sidecar, subset: v1}}, weight: 10}}\n    \
         - {{destination: {{host: httpping-without-sidecar, subset: v2}}, weight: 90}}"
    ))
}

fn all_to(subset: &str) -> String {
    mesh_rule(&format!("  http:\n  - route: [{{destination: {{host: httpping-without-sidecar, subset: {subset}}}}}]"))
}

fn shares(node: &Node, pod: &str, count: usize, keep_alive: bool) -> Shares {
    Shares::of(&node.ask(pod, &HttpCall { count, keep_alive, ..node.get() }))
}

#[test]
fn given_the_founding_experiment_in_a_cluster_then_all_its_cells_hold() {
    founding_experiment(&mut Node::in_cluster());
}

#[test]
fn given_a_real_api_server_then_all_cells_hold_and_changing_pods_are_followed() {
    let Some(mut node) = Node::in_real_cluster("the founding experiment") else { return };
    founding_experiment(&mut node);
    changing_pods(&mut node);
}

fn founding_experiment(node: &mut Node) {
    shares(node, "marked", 600, false).assert_even_over_six();
    for gateways in ["", "  gateways: [mesh]\n"] {
        node.apply(&weighted(gateways));
        for keep_alive in [true, false] {
            let marked = shares(node, "marked", 1000, keep_alive);
            marked.assert("v1", 0.1);
            marked.assert("v2", 0.9);
        }
        shares(node, "unmarked", 600, false).assert_even_over_six();
    }
    node.apply(&weighted("  gateways: [edge/public]\n"));
    shares(node, "marked", 600, false).assert_even_over_six();

    node.apply(HASHED);
    let mut owners = Vec::new();
    for value in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let headers = vec![("foo".to_owned(), value.to_owned())];
        let shares = Shares::of(&node.ask("marked", &HttpCall { count: 20, headers, ..node.get() }));
        assert_eq!(shares.pods().len(), 1, "foo: {value} stays with one pod: {shares:?}");
        owners.extend(shares.pods().first().map(|pod| (*pod).to_owned()));
    }
    owners.sort();
    owners.dedup();
    assert!(owners.len() > 1, "not all values are one pod's: {owners:?}");
}

#[test]
fn given_a_rule_that_is_written_then_it_takes_effect_within_100_ms() {
    let mut node = Node::in_cluster();
    node.apply(&all_to("v1"));
    let mut client = node.client("marked");
    let call = node.get();
    let mut taken: Vec<Duration> = Vec::new();
    for round in 0..21 {
        let subset = if round % 2 == 0 { "v2" } else { "v1" };
        let begun = Instant::now();
        node.sandbox.apply("rule.yaml", &all_to(subset)).expect("the rule written");
        loop {
            let answers = client.http(&call).expect("an answer");
            let pod = answers.first().and_then(|answer| answer.pod.clone()).expect("answered by a pod");
            if pod.starts_with(subset) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{subset} does not take effect");
        }
        taken.push(begun.elapsed());
    }
    taken.sort();
    eprintln!("from the write to the first answer by it: median {:?}, longest {:?}", taken[10], taken[20]);
    assert!(taken[10] < Duration::from_millis(100), "{taken:?}");
}

#[test]
fn given_readiness_and_labels_that_change_then_endpoints_and_marks_follow() {
    changing_pods(&mut Node::in_cluster());
}

fn changing_pods(node: &mut Node) {
    node.apply(&all_to("v1"));
    node.sandbox.set_ready(&Node::pod("v1-a"), false).expect("readiness");
    node.settle();
    assert_eq!(shares(node, "marked", 60, true).pods(), ["v1-b", "v1-c"]);
    node.sandbox.set_ready(&Node::pod("v1-a"), true).expect("readiness");
    node.sandbox.add_pod(Node::server("v1-d", "v1")).expect("a server");
    node.settle();
    assert_eq!(shares(node, "marked", 80, true).pods(), ["v1-a", "v1-b", "v1-c", "v1-d"]);
    // The subset is left, the Service is not.
    let labels = [("app", "httpping"), ("version", "v2")];
    node.sandbox.relabel_pod(&Node::pod("v1-d"), &labels, &[]).expect("labels");
    node.settle();
    assert_eq!(shares(node, "marked", 60, true).pods(), ["v1-a", "v1-b", "v1-c"]);
    node.sandbox.delete_pod(&Node::pod("v1-c")).expect("a server deleted");
    node.settle();
    assert_eq!(shares(node, "marked", 60, true).pods(), ["v1-a", "v1-b"]);

    for (mark, captured) in [("false", false), ("true", true)] {
        for pod in ["marked", "unmarked"] {
            node.sandbox.relabel_pod(&Node::pod(pod), &[("sidecar.istio.io/inject", mark)], &[]).expect("a mark");
            node.daemon.wait_captured(&Node::pod(pod), captured).expect("the mark followed");
        }
    }
    assert_eq!(shares(node, "unmarked", 60, true).count("v1"), 60, "it is marked now");
}

#[test]
fn given_an_outage_of_the_api_then_rules_hold_and_what_was_written_meanwhile_takes_effect_after_it() {
    let mut node = Node::in_cluster();
    for compacted in [false, true] {
        node.apply(&all_to("v1"));
        node.api_mut().down();
        assert_eq!(shares(&node, "marked", 60, true).count("v1"), 60);
        node.sandbox.apply("rule.yaml", &all_to("v2")).expect("the rule written");
        assert!(node.daemon.ready(), "an outage is no reason to stop");
        assert_eq!(shares(&node, "marked", 60, false).count("v1"), 60, "nobody can know of it");
        if compacted {
            node.api().compact();
        }
        node.api_mut().up().expect("the API server's return");
        node.settle();
        assert_eq!(shares(&node, "marked", 60, true).count("v2"), 60);
    }
}

#[test]
fn given_captured_pods_and_rules_then_what_became_of_them_is_written_on_them() {
    let mut node = Node::in_cluster();
    let found = |node: &Node, plural: &str, name: &str| {
        node.api().get(plural, "infra-jinsu-lab", name).expect("an object that was written")
    };
    let redirection =
        |node: &Node, pod: &str| found(node, "pods", pod)["metadata"]["annotations"]["meshlet.dev/redirection"].clone();
    wait_for("the annotation is there", || redirection(&node, "marked") == "enabled");
    assert!(redirection(&node, "unmarked").is_null());
    // The pod is written anew, without it.
    node.sandbox.set_ready(&Node::pod("marked"), false).expect("readiness");
    wait_for("the annotation is there again", || redirection(&node, "marked") == "enabled");

    let says =
        |node: &Node, reason: &str| found(node, "virtualservices", "rule")["status"].to_string().contains(reason);
    node.apply(&all_to("v3"));
    wait_for("the rule says what is wrong", || says(&node, "SubsetNotFound"));
    wait_for("an Event says so", || node.api().list("events").len() == 1);
    node.apply(&all_to("v1"));
    wait_for("the rule says that it is right", || says(&node, "AllResolved"));
}

#[test]
fn given_an_http_route_of_a_service_then_its_status_says_what_becomes_of_it() {
    let mut node = Node::in_cluster();
    let to = |backend: &str| {
        let parent = json!({"group": "", "kind": "Service", "name": "httpping-without-sidecar"});
        let rules = json!([{"backendRefs": [{"name": backend, "port": 8080}]}]);
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"namespace": "infra-jinsu-lab", "name": "route"}, "spec": {"parentRefs": [parent], "rules": rules}})
    };
    let conditions = |node: &Node| -> Vec<String> {
        let route = node.api().get("httproutes", "infra-jinsu-lab", "route").expect("the route");
        let entry = &route["status"]["parents"][0];
        assert!(entry.is_null() || entry["controllerName"] == "meshlet.dev/meshlet", "{entry}");
        let conditions = entry["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().map(|found| format!("{}={}", found["type"], found["reason"]).replace('"', "")).collect()
    };
    for (backend, reason) in [("httpping-without-sidecar", "ResolvedRefs"), ("nobody", "BackendNotFound")] {
        node.api().apply(to(backend)).expect("a route");
        node.settle();
        let expected = ["Accepted=Accepted".to_owned(), format!("ResolvedRefs={reason}")];
        wait_for(&format!("the route says {reason}"), || conditions(&node).starts_with(&expected));
    }
    // As it says.
    let answers = node.client("marked").http(&node.get()).expect("answers");
    assert_eq!(answers.first().and_then(|answer| answer.status), Some(500));
}

#[test]
fn given_marked_pods_with_which_something_is_wrong_then_each_has_an_event_with_the_reason() {
    let mut node = Node::in_cluster();
    let mut pod = node.api().get("pods", "infra-jinsu-lab", "marked").expect("the pod");
    (pod["apiVersion"], pod["kind"]) = (json!("v1"), json!("Pod"));
    let mut hosted = pod.clone();
    pod["metadata"]["annotations"]["traffic.sidecar.istio.io/excludeOutboundPorts"] = json!("https");
    (hosted["metadata"]["name"], hosted["metadata"]["uid"]) = (json!("hosted"), json!("uid-hosted"));
    (hosted["spec"]["hostNetwork"], hosted["status"]) = (json!(true), json!({"phase": "Running"}));
    node.api().apply_all([pod, hosted]).expect("pods");
    node.settle();
    let told = |node: &Node| -> Vec<String> {
        let text = |event: &Value| format!("{} {}", event["regarding"]["name"], event["reason"]).replace('"', "");
        let mut told: Vec<String> = node.api().list("events").iter().map(text).collect();
        told.sort();
        told
    };
    let expected = ["hosted HostNetwork", "marked InvalidAnnotation"];
    wait_for("an Event for each", || told(&node) == expected);
    assert!(node.daemon.is_captured(&Node::pod("marked")).expect("an answer"), "a bad annotation fails no pod");
    // Another daemon has nothing to add.
    node.daemon.stop().expect("the daemon stopped");
    let posts =
        |node: &Node| node.api().requests().iter().filter(|request| request.starts_with("POST /apis/events")).count();
    let before = posts(&node);
    node.restart(&[]);
    wait_for("it has tried both", || posts(&node) == before + 2);
    assert_eq!(told(&node), expected);
}

#[test]
fn given_the_daemon_is_stopped_then_the_lease_is_given_back_and_annotations_wait_for_the_next_daemon() {
    let mut node = Node::in_cluster();
    let holder = |node: &Node| {
        let lease = node.api().get("leases", "meshlet-system", "meshlet").unwrap_or_default();
        lease["spec"]["holderIdentity"].as_str().map(str::to_owned)
    };
    let redirection = |node: &Node| {
        let pod = node.api().get("pods", "infra-jinsu-lab", "marked").expect("the pod");
        pod["metadata"]["annotations"]["meshlet.dev/redirection"].clone()
    };
    let written = |node: &Node| redirection(node) == "enabled" && holder(node).as_deref() == Some("meshlet-sandbox");
    wait_for("the annotation and a holder", || written(&node));
    assert!(node.daemon.stop().expect("the daemon stopped").success());
    assert_eq!((holder(&node).as_deref(), redirection(&node)), (Some(""), json!("enabled")));
    let version = node.api().version_of("pods");
    node.restart(&[]);
    wait_for("the next holder", || written(&node));
    assert_eq!(node.api().version_of("pods"), version, "what is right is not written again");

    // An API server that is gone keeps nobody from stopping.
    node.api_mut().down();
    let begun = Instant::now();
    assert!(node.daemon.stop().expect("the daemon stopped").success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn given_no_permission_for_pods_then_the_daemon_is_not_ready_and_says_which_is_missing() {
    let sandbox = cluster();
    let api = sandbox.api().expect("an API server");
    api.fault("pods", Some(Fault::Forbidden));
    let mut daemon = daemon_command(&sandbox, &[]).stderr(std::process::Stdio::piped()).spawn().expect("a daemon");
    let stderr = daemon.stderr.take().expect("its log");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr)).map_while(Result::ok);
    let said = lines.find(|line| line.contains("ClusterRole"));
    daemon.kill().expect("killed");
    daemon.wait().expect("reaped");
    let said = said.expect("a line of the log");
    for part in ["cannot watch resource \"pods\"", "ClusterRole", "[list, watch]"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Another node's pod.
fn pod(number: usize, generation: usize) -> Value {
    let address = format!("10.{}.{}.{}", 128 + generation % 64, number / 250, 1 + number % 250);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "churn", "name": format!("p{number}"), "labels": {"app": "churn", "generation": generation.to_string()}},
        "spec": {"nodeName": "another", "containers": [{"name": "app", "image": "i"}]},
        "status": {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn slice(generation: usize, pods: usize) -> Value {
    let endpoints: Vec<Value> = (0..pods)
        .map(|number| {
            let address = pod(number, generation)["status"]["podIP"].clone();
            json!({"addresses": [address], "conditions": {"ready": number % 7 != generation % 7},
                "targetRef": {"kind": "Pod", "name": format!("p{number}")}})
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"namespace": "churn", "name": "churn-1", "labels": {"kubernetes.io/service-name": "churn"}},
        "ports": [{"name": "http", "port": 80}], "endpoints": endpoints,
    })
}

/// One event a second, 24 hours long, is 86 400 events: pods that are replaced, slices, rules, Services. Each hour the API server
/// restarts, and has forgotten what was before.
#[test]
fn given_24_simulated_hours_of_churn_then_memory_is_flat_and_the_rules_hold() {
    let mut node = Node::in_cluster();
    node.sandbox.namespace("churn", &[]).expect("a namespace");
    node.apply(&all_to("v1"));
    let mut memory = Vec::new();
    let begun = Instant::now();
    for hour in 0..24 {
        for minute in 0..60 {
            let generation = hour * 60 + minute;
            let api = node.api();
            for number in 0..56 {
                api.apply(pod(number, generation)).expect("a pod");
            }
            api.apply(slice(generation, 56)).expect("a slice");
            let service = json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "churn", "name": "churn"},
                "spec": {"clusterIP": "10.111.0.1", "selector": {"app": "churn"}, "ports": [{"name": "http", "port": 80 + minute}]},
            });
            api.apply(service).expect("a Service");
            let rule = json!({
                "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                "metadata": {"namespace": "churn", "name": format!("r{minute}")},
                "spec": {"hosts": ["churn"], "http": [{"name": generation.to_string(), "route": [{"destination": {"host": "churn"}}]}]},
            });
            api.apply(rule.clone()).expect("a rule");
            api.delete(&rule).expect("the rule deleted");
            if minute % 10 == 9 {
                node.settle();
            }
        }
        node.api_mut().down();
        node.api().compact();
        node.api_mut().up().expect("the API server's return");
        node.settle();
        memory.push(node.memory("VmRSS"));
        assert_eq!(shares(&node, "marked", 20, true).count("v1"), 20, "hour {hour}");
    }
    eprintln!("24 hours in {:?}; KiB resident after each: {memory:?}", begun.elapsed());
    let (early, late) = (memory[3], memory[23]);
    assert!(late <= early + early / 20, "memory grows: {memory:?}");
}
