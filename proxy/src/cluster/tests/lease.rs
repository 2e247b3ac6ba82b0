//! Who holds the lease, when it is given back and when it is taken over.

use super::writes::{Daemon, resolved, run};
use super::*;

pub(super) fn holder(server: &ApiServer) -> String {
    lease(server)["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

fn lease(server: &ApiServer) -> Value {
    server.get("leases", "meshlet-system", "meshlet").unwrap_or_default()
}

/// Held by somebody who is gone without a word.
fn ghost() -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"namespace": "meshlet-system", "name": "meshlet"},
        "spec": {"holderIdentity": "ghost", "leaseDurationSeconds": 1, "leaseTransitions": 6, "renewTime": "2001-01-01T00:00:00.000000Z"}})
}

fn asked(server: &ApiServer, method: &str) -> usize {
    let of_lease = |request: &&String| request.starts_with(method) && request.contains("/leases");
    server.requests().iter().filter(of_lease).count()
}

#[tokio::test]
async fn given_the_daemon_that_holds_the_lease_when_it_stops_then_nobody_holds_it_and_the_next_takes_it() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut first = Daemon::start(&server, "first");
    run(&mut [&mut first], "a condition", || resolved(&server, "AllResolved")).await;
    assert_eq!(holder(&server), "first");
    first.cluster.end().join().expect("an end");
    let spec = lease(&server)["spec"].clone();
    assert_eq!((&spec["holderIdentity"], &spec["leaseDurationSeconds"]), (&json!(""), &json!(1)), "{spec}");
    assert_eq!(spec["leaseTransitions"], 0, "it counts who takes it");

    let mut second = Daemon::start(&server, "second");
    run(&mut [&mut second], "the next holder", || holder(&server) == "second").await;
    assert_eq!(lease(&server)["spec"]["leaseTransitions"], 1);
}

#[tokio::test]
async fn given_a_daemon_that_does_not_hold_the_lease_when_it_stops_then_the_lease_stays_as_it_is() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    server.apply(ghost()).expect("somebody's lease");
    let before = lease(&server);
    let mut daemon = Daemon::start(&server, "one");
    run(&mut [&mut daemon], "a look at the lease", || asked(&server, "GET") > 0).await;
    daemon.cluster.end().join().expect("an end");
    assert_eq!((lease(&server), asked(&server, "PUT")), (before, 0));
}

#[tokio::test]
async fn given_a_holder_that_is_gone_without_a_word_then_its_lease_is_taken_over() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    server.apply(ghost()).expect("somebody's lease");
    let mut daemon = Daemon::start(&server, "one");
    run(&mut [&mut daemon], "another holder", || holder(&server) == "one").await;
    assert_eq!(lease(&server)["spec"]["leaseTransitions"], 7);
}

#[tokio::test]
async fn given_an_api_server_that_does_not_answer_when_the_holder_stops_then_it_does_not_wait_for_long() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut daemon = Daemon::start(&server, "one");
    run(&mut [&mut daemon], "a holder", || holder(&server) == "one").await;
    server.fault("leases", Some(meshlet_sandbox::Fault::Slow(Duration::from_secs(30))));
    let begun = std::time::Instant::now();
    daemon.cluster.end().join().expect("an end");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(holder(&server), "one", "it runs out");
}
