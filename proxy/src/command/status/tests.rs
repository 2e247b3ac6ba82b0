//! What is made of what daemons say.

use serde_json::{Value, json};

use super::*;

fn pod(name: &str, marked: bool, running: bool, captured: bool) -> Value {
    json!({"namespace": "shop", "name": name, "marked": marked, "running": running, "captured": captured, "reason": "R"})
}

fn config(ready: bool, pods: &[Value], watches: &[(&str, f64)]) -> Value {
    let watch = |(state, lag): &(&str, f64)| json!({"resource": format!("kind-{state}"), "state": state, "message": "", "objects": 3, "version": "7", "lagSeconds": lag});
    json!({
        "version": "0.1.0", "node": "told", "ready": ready, "dryRun": false, "generation": 4, "services": 2,
        "pods": pods, "watches": watches.iter().map(watch).collect::<Vec<_>>(), "inputs": [], "unknown": {},
    })
}

fn node(name: &str, told: Value) -> NodeReport {
    NodeReport::new(format!("mesh/{name}"), Some(name), Ok(serde_json::from_value(told).expect("a daemon's words")))
}

fn silent(name: &str) -> NodeReport {
    NodeReport::new(format!("mesh/{name}"), Some(name), Err("no daemon answers: refused".to_owned()))
}

fn check(nodes: Vec<NodeReport>, wide: bool, expected: &str) {
    assert_eq!(page::page(&Report::new(nodes), wide), expected);
}

#[test]
fn given_nodes_then_each_has_a_line_in_order_and_troubles_follow() {
    let waiting = pod("waiting", true, false, false);
    check(
        vec![
            node("b", config(true, &[pod("x", true, true, true), waiting], &[("following", 0.0), ("absent", 0.0)])),
            node("a", config(true, &[], &[])),
        ],
        false,
        "NODE   READY   PODS   ADDRESSES   RULES   WATCHES   VERSION\n\
         a      yes     0/0    2           4       files     0.1.0\n\
         b      yes     1/2    2           4       ok        0.1.0\n",
    );
    check(
        vec![
            node("c", config(false, &[pod("y", true, true, false)], &[("following", 1.0), ("failing", 12.34)])),
            silent("d"),
        ],
        false,
        "NODE   READY     PODS   ADDRESSES   RULES   WATCHES              VERSION\n\
         c      no        0/1    2           4       12.3s kind-failing   0.1.0\n\
         d      unknown\n\
         \n\
         c: the daemon is not ready: kind-failing is failing\n\
         c: pod shop/y is marked, runs and is not captured: the daemon's log says why\n\
         d: no daemon answers: refused\n",
    );
}

#[test]
fn given_it_is_to_be_wide_then_pods_that_are_missed_come_first_and_watches_last() {
    let pods = [
        pod("a-native", false, false, false),
        pod("b-captured", true, true, true),
        pod("c-missed", true, true, false),
        pod("d-waiting", true, false, false),
    ];
    check(
        vec![node("a", config(true, &pods, &[("forbidden", 3.0)]))],
        true,
        "NODE   READY   PODS   ADDRESSES   RULES   WATCHES               VERSION\n\
         a      yes     1/3    2           4       3.0s kind-forbidden   0.1.0\n\
         \n\
         NODE   POD               MARKED   CAPTURED         REASON\n\
         a      shop/c-missed     yes      no               R\n\
         a      shop/d-waiting    yes      no process yet   R\n\
         a      shop/b-captured   yes      yes              R\n\
         a      shop/a-native     no       no               R\n\
         \n\
         NODE   RESOURCE         STATE       OBJECTS   LAG    MESSAGE\n\
         a      kind-forbidden   forbidden   3         3.0s\n\
         \n\
         a: pod shop/c-missed is marked, runs and is not captured: the daemon's log says why\n",
    );
}

#[test]
fn given_a_report_then_its_json_keeps_its_shape_whether_daemons_answer_or_not() {
    let report = Report::new(vec![node("a", config(true, &[pod("x", true, true, true)], &[])), silent("b")]);
    let shown = serde_json::to_value(&report).expect("JSON");
    assert_eq!((&shown["apiVersion"], &shown["kind"]), (&json!("meshlet.dev/v1"), &json!("Status")));
    let [told, silent] = shown["nodes"].as_array().expect("nodes").as_slice() else { panic!("two nodes: {shown:#}") };
    let keys = |node: &Value| node.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(told), keys(silent));
    for (key, value) in [
        ("node", json!("a")),
        ("daemon", json!("mesh/a")),
        ("problem", Value::Null),
        ("ready", json!(true)),
        ("capturedPods", json!(1)),
        ("markedPods", json!(1)),
        ("addresses", json!(2)),
        ("generation", json!(4)),
    ] {
        assert_eq!(told[key], value, "{key}");
    }
    assert!(report.answered() && !Report::new(vec![NodeReport::new("x".into(), None, Err(String::new()))]).answered());
}

#[test]
fn given_a_dry_run_or_a_pod_without_processes_then_that_is_no_trouble() {
    let mut rehearsing = config(true, &[pod("x", true, true, false)], &[]);
    rehearsing["dryRun"] = json!(true);
    let waiting = config(true, &[pod("x", true, false, false)], &[]);
    assert_eq!(Report::new(vec![node("a", rehearsing), node("b", waiting)]).troubles(), Vec::<String>::new());
}
