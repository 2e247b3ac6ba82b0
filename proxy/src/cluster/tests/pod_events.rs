//! Events on pods, by the daemon of their node.

use meshlet_routing::model::{Unused, UnusedAnnotation};

use super::writes::{Daemon, RHYTHM, redirection, run, stir, written};
use super::*;
use crate::cluster::writes::Capture;

fn annotation(value: &str) -> UnusedAnnotation {
    UnusedAnnotation {
        name: "traffic.sidecar.istio.io/excludeOutboundPorts".into(),
        value: value.into(),
        why: Unused::Invalid,
        problem: format!("{value:?} is not a port, so the default holds"),
        remedy: "write port numbers separated by commas".to_owned(),
    }
}

fn marked(pod: &str, capture: Capture, unused: &[UnusedAnnotation]) -> Marked {
    Marked { uid: format!("uid-{pod}").into(), capture, unused: unused.into() }
}

/// Reasons of all Events, in order.
fn reasons(server: &ApiServer) -> Vec<String> {
    let events = server.list("events");
    let mut reasons: Vec<String> =
        events.iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect();
    reasons.sort();
    reasons
}

#[tokio::test]
async fn given_a_bad_annotation_then_its_pod_has_one_event_however_often_daemons_start() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    for name in ["one", "another"] {
        let mut daemon = Daemon::start(&server, name);
        daemon.marked = vec![marked("a", Capture::Done, &[annotation("https")])];
        let posted = |server: &ApiServer| written(server).iter().filter(|request| request.starts_with("POST")).count();
        let before = posted(&server);
        run(&mut [&mut daemon], "an attempt", || posted(&server) > before).await;
        stir(&server, &mut daemon).await;
        assert_eq!((posted(&server), reasons(&server)), (before + 1, vec!["InvalidAnnotation".to_owned()]));
    }
    let event = server.list("events")[0].clone();
    assert_eq!((&event["type"], &event["reportingInstance"]), (&json!("Warning"), &json!("one")), "{event}");
    let note = event["note"].as_str().expect("a note");
    assert!(note.contains("excludeOutboundPorts") && note.contains("write port numbers"), "{note}");
    let regarding = &event["regarding"];
    let of = ["kind", "apiVersion", "namespace", "name", "uid"].map(|key| regarding[key].as_str().unwrap_or_default());
    assert_eq!(of, ["Pod", "v1", "shop", "a", "uid-a"], "{event}");
}

#[tokio::test]
async fn given_no_lease_to_ask_for_then_pods_have_their_events() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut daemon = Daemon::without_lease(&server);
    daemon.marked = vec![marked("a", Capture::Failed("no room".to_owned()), &[])];
    run(&mut [&mut daemon], "an event", || reasons(&server) == ["CaptureFailed"]).await;
    assert!(server.list("events")[0]["note"].as_str().expect("a note").ends_with("not captured yet: no room"));
    assert!(server.list("leases").is_empty());
}

#[tokio::test]
async fn given_a_marked_pod_that_cannot_be_captured_then_its_event_says_why_and_it_is_not_annotated() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut annotated = pod("a", "here", "10.1.0.1", true);
    annotated["metadata"]["annotations"]["meshlet.dev/redirection"] = json!("enabled");
    server.apply(annotated).expect("a pod that was captured once");
    let mut daemon = Daemon::start(&server, "one");
    // Another node's pod is that node's to warn.
    daemon.marked = ["a", "b"].map(|pod| marked(pod, Capture::Refused("HostNetwork"), &[])).into();
    let told = || reasons(&server) == ["HostNetwork"] && redirection(&server).is_null();
    run(&mut [&mut daemon], "an event, and no annotation", told).await;
    stir(&server, &mut daemon).await;
    assert_eq!(reasons(&server), ["HostNetwork"]);
}

#[tokio::test]
async fn given_ever_other_faults_of_one_pod_then_there_are_few_events_an_hour() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut daemon = Daemon::start(&server, "one");
    for round in 1..=8 {
        daemon.marked = vec![marked("a", Capture::Done, &[annotation(&format!("port-{round}"))])];
        if round <= 4 {
            run(&mut [&mut daemon], "an event more", || reasons(&server).len() == round).await;
        } else {
            stir(&server, &mut daemon).await;
        }
    }
    assert_eq!(reasons(&server).len(), 4);
}

#[tokio::test]
async fn given_many_pods_with_faults_then_their_events_come_one_after_the_other() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let names: Vec<String> = (0..12).map(|number| format!("p{number}")).collect();
    server.apply_all(names.iter().map(|name| pod(name, "here", "10.1.0.9", true))).expect("pods");
    let mut daemon = Daemon::start(&server, "one");
    daemon.marked = names.iter().map(|name| marked(name, Capture::Done, &[annotation("https")])).collect();
    run(&mut [&mut daemon], "all of them", || reasons(&server).len() == names.len()).await;
    let moment = |event: &Value| event["eventTime"].as_str().and_then(|text| text.parse().ok()).expect("a time");
    let mut moments: Vec<k8s_openapi::jiff::Timestamp> = server.list("events").iter().map(moment).collect();
    moments.sort();
    let apart = |pair: &[k8s_openapi::jiff::Timestamp]| pair[1].duration_since(pair[0]).unsigned_abs();
    assert!(moments.windows(2).all(|pair| apart(pair) >= RHYTHM.apart / 4), "{moments:?}");
}
