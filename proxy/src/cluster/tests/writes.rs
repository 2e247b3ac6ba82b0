//! What is written back, through the real client, by daemons that share one API server.

use meshlet_sandbox::Fault;

use super::lease::holder;
use super::*;
use crate::cluster::writes::{Candidate, Capture, LeaseTerms, Marked, Rhythm};
use crate::snapshot::loan::{Lender, Wanted, lending};

pub(super) const RHYTHM: Rhythm = Rhythm {
    pace: QUICK,
    forbidden: Duration::from_secs(3600),
    apart: Duration::from_millis(40),
    lease: LeaseTerms { lasts: Duration::from_secs(3), renewed: Duration::from_millis(500) },
};

/// A daemon without a node: it says which pods are captured.
pub(super) struct Daemon {
    pub(super) cluster: Cluster,
    lender: Lender,
    generation: u64,
    pub(super) marked: Vec<Marked>,
}

impl Daemon {
    pub(super) fn start(server: &ApiServer, name: &str) -> Self {
        let candidate = Candidate { namespace: "meshlet-system".to_owned(), name: name.to_owned() };
        Self::begin(server, Some((name, Some(candidate))))
    }

    /// One that does not know where the lease is.
    pub(super) fn without_lease(server: &ApiServer) -> Self {
        Self::begin(server, Some(("one", None)))
    }

    fn begin(server: &ApiServer, writer: Option<(&str, Option<Candidate>)>) -> Self {
        Self::of(Config::new(format!("http://{}", server.address()).parse().expect("an address")), writer)
    }

    /// Of whichever API server; it writes where it has a name, about rules where it knows where the lease is.
    pub(super) fn of(config: Config, writer: Option<(&str, Option<Candidate>)>) -> Self {
        let (worlds, lender) = lending(meshlet_routing::explain::Capture::Ruled);
        let writes =
            writer.map(|(name, candidate)| Writes { rhythm: RHYTHM, worlds, instance: name.to_owned(), candidate });
        let mesh = MeshConfig::default();
        let cluster = Cluster::follow_at(QUICK, config, mesh, "here", writes).expect("watches");
        Self { cluster, lender, generation: 0, marked: Vec::new() }
    }

    /// Says of the pod `a` whether it is marked, and captured.
    pub(super) fn mark(&mut self, captured: Option<bool>) {
        let capture = captured.map(|captured| if captured { Capture::Done } else { Capture::Pending });
        let marked = |capture| Marked { uid: "uid-a".into(), capture, unused: Arc::default() };
        self.marked = capture.map(marked).into_iter().collect();
    }

    /// As the node loop does it.
    pub(super) async fn round(&mut self) {
        if self.cluster.settle().is_some() {
            self.generation += 1;
            self.lender.renew();
        }
        if self.cluster.settled() {
            self.cluster.write_back(self.generation, self.marked.clone());
        }
        let pause = tokio::time::sleep(Duration::from_millis(5));
        tokio::select! {
            asked = self.lender.asked() => match asked {
                Wanted::World(reply) => self.lender.lend(self.cluster.inventory().world(), reply),
                Wanted::Bpf(_) => panic!("who writes back asks for the world alone"),
            },
            _ = self.cluster.news() => {}
            () = pause => {}
        }
    }
}

/// Lets daemons run until something holds.
pub(super) async fn run(daemons: &mut [&mut Daemon], what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        for daemon in daemons.iter_mut() {
            daemon.round().await;
        }
    }
}

/// Requests that change something, but for the lease's.
pub(super) fn written(server: &ApiServer) -> Vec<String> {
    let written = |request: &String| !request.starts_with("GET ") && !request.contains("/leases");
    server.requests().into_iter().filter(written).collect()
}

/// Lets a daemon see changes that are no reason to write.
pub(super) async fn stir(server: &ApiServer, daemon: &mut Daemon) {
    for round in 0..20 {
        let name = format!("stir-{round}");
        server.apply(namespace(&name)).expect("a namespace");
        while !world(&daemon.cluster).namespaces.iter().any(|namespace| *namespace.name == *name) {
            daemon.round().await;
        }
        for _ in 0..5 {
            daemon.round().await;
        }
    }
}

pub(super) fn redirection(server: &ApiServer) -> Value {
    server.get("pods", "shop", "a").expect("the pod")["metadata"]["annotations"]["meshlet.dev/redirection"].clone()
}

/// A condition of an object.
pub(super) fn condition(server: &ApiServer, plural: &str, name: &str, kind: &str) -> Value {
    let object = server.get(plural, "shop", name).unwrap_or_default();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let kind = format!("meshlet.dev/{kind}");
    conditions.into_iter().find(|condition| condition["type"] == *kind).unwrap_or_default()
}

pub(super) fn resolved(server: &ApiServer, reason: &str) -> bool {
    condition(server, "virtualservices", "first", "ResolvedRefs")["reason"] == *reason
}

pub(super) fn rule_to(subset: &str) -> Value {
    let mut rule = rule("first", "echo");
    rule["spec"]["http"][0]["route"][0]["destination"]["subset"] = json!(subset);
    rule
}

pub(super) fn subsets(names: &[&str]) -> Value {
    let subset = |name: &&str| json!({"name": name, "labels": {"app": "echo"}});
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"namespace": "shop", "name": "echo"},
        "spec": {"host": "echo", "subsets": names.iter().map(subset).collect::<Vec<_>>()},
    })
}

#[tokio::test]
async fn given_a_captured_pod_then_it_says_so_until_it_is_released_and_nothing_else_is_written_to_it() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut daemon = Daemon::start(&server, "one");
    daemon.mark(Some(true));
    run(&mut [&mut daemon], "the annotation", || redirection(&server) == "enabled").await;
    let pod = server.get("pods", "shop", "a").expect("the pod");
    assert_eq!(pod["metadata"]["annotations"]["sidecar.istio.io/inject"], "true", "others' stay");

    let pods = |server: &ApiServer| written(server).iter().filter(|request| request.contains("/pods/")).count();
    stir(&server, &mut daemon).await;
    assert_eq!(pods(&server), 1, "{:#?}", written(&server));
    // About to be captured, as after a restart: what is there is right.
    daemon.mark(Some(false));
    stir(&server, &mut daemon).await;
    assert_eq!((redirection(&server), pods(&server)), (json!("enabled"), 1));

    server.apply(self::pod("a", "here", "10.1.0.1", true)).expect("somebody takes it away");
    daemon.mark(Some(true));
    run(&mut [&mut daemon], "the annotation again", || redirection(&server) == "enabled").await;
    daemon.mark(None);
    run(&mut [&mut daemon], "its end", || redirection(&server).is_null()).await;
    assert_eq!(pods(&server), 3, "{:#?}", written(&server));
    let there = server.get("pods", "shop", "b").expect("another node's pod");
    assert!(there["metadata"]["annotations"]["meshlet.dev/redirection"].is_null());
}

#[tokio::test]
async fn given_writes_are_off_then_nothing_is_written_and_no_lease_asked_for() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    server.apply(rule_to("nowhere")).expect("a rule");
    let mut daemon = Daemon::begin(&server, None);
    daemon.mark(Some(true));
    run(&mut [&mut daemon], "all is known", || !server.requests().is_empty()).await;
    stir(&server, &mut daemon).await;
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.starts_with("GET ") && !request.contains("leases")), "{requests:#?}");
}

#[tokio::test]
async fn given_no_permission_to_write_then_that_is_believed_soon_and_rules_hold() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    server.fault("pods", Some(Fault::ReadOnly));
    server.fault("virtualservices", Some(Fault::ReadOnly));
    let mut daemon = Daemon::start(&server, "one");
    daemon.mark(Some(true));
    let tried = |part: &str| written(&server).iter().filter(|request| request.contains(part)).count();
    run(&mut [&mut daemon], "both", || tried("/pods/") > 3 && tried("/virtualservices/") > 3).await;
    server.apply(rule("second", "echo")).expect("another rule");
    stir(&server, &mut daemon).await;
    assert_eq!((tried("/pods/"), tried("/virtualservices/")), (4, 4), "{:#?}", written(&server));
    assert_eq!(names(&daemon.cluster), ["first", "second"]);
}

#[tokio::test]
async fn given_rules_then_their_conditions_follow_them_and_are_not_written_twice() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let others = json!([{"type": "Reconciled", "status": "True"}]);
    let mut first = rule_to("v1");
    first["status"] = json!({"conditions": others, "observedGeneration": 1});
    server.apply_all([first, subsets(&["v2"])]).expect("rules");
    let mut daemon = Daemon::start(&server, "one");
    run(&mut [&mut daemon], "what is wrong", || resolved(&server, "SubsetNotFound")).await;
    let found = condition(&server, "virtualservices", "first", "ResolvedRefs");
    assert_eq!((&found["status"], &found["observedGeneration"]), (&json!("False"), &json!(2)), "{found}");
    assert!(found["message"].as_str().expect("a message").contains("\"v1\" is not in"), "{found}");
    let applies = |server: &ApiServer| condition(server, "virtualservices", "first", "AppliesToMesh");
    let supported = condition(&server, "virtualservices", "first", "FullySupported");
    assert_eq!(
        (&applies(&server)["reason"], &supported["reason"]),
        (&json!("GatewaysOmitted"), &json!("AllFieldsHonoured"))
    );
    let effective = || condition(&server, "destinationrules", "echo", "Effective")["reason"] == "InServiceNamespace";
    run(&mut [&mut daemon], "the other rule's", effective).await;
    run(&mut [&mut daemon], "the event that comes with it", || !server.list("events").is_empty()).await;

    let before = written(&server);
    stir(&server, &mut daemon).await;
    assert_eq!(written(&server), before);

    let since = applies(&server)["lastTransitionTime"].clone();
    server.apply(subsets(&["v1", "v2"])).expect("the subset");
    run(&mut [&mut daemon], "that it is right", || resolved(&server, "AllResolved")).await;
    assert_eq!(applies(&server)["lastTransitionTime"], since, "its status is the same");
    let status = server.get("virtualservices", "shop", "first").expect("the rule")["status"].clone();
    assert_eq!((&status["conditions"][0], &status["observedGeneration"]), (&others[0], &json!(1)), "others' stay");
}

#[tokio::test]
async fn given_several_daemons_then_one_writes_about_rules_and_when_it_is_gone_another_does() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let (mut one, mut other) = (Daemon::start(&server, "one"), Daemon::start(&server, "other"));
    run(&mut [&mut one, &mut other], "a condition", || resolved(&server, "AllResolved")).await;
    let first = holder(&server);
    let (mut gone, mut left) = if first == "one" { (one, other) } else { (other, one) };
    // All that there was to write was written once.
    run(&mut [&mut gone, &mut left], "the rule is written about", || !written(&server).is_empty()).await;
    let statuses = |server: &ApiServer| written(server).iter().filter(|request| request.contains("/status")).count();
    stir(&server, &mut left).await;
    assert_eq!((statuses(&server), holder(&server)), (1, first.clone()), "{:#?}", written(&server));

    drop(gone);
    server.apply(rule_to("nowhere")).expect("a rule that is wrong");
    run(&mut [&mut left], "the other's word", || resolved(&server, "SubsetNotFound")).await;
    assert_ne!(holder(&server), first);
    let lease = server.get("leases", "meshlet-system", "meshlet").expect("the lease");
    assert_eq!(lease["spec"]["leaseTransitions"], 1, "{lease}");
}

#[tokio::test]
async fn given_something_wrong_then_there_is_one_event_that_counts_and_few_an_hour() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    server.apply(subsets(&["v2"])).expect("a rule");
    server.apply(rule_to("v1")).expect("a rule");
    let mut daemon = Daemon::start(&server, "one");
    let counts = |server: &ApiServer| {
        let events = server.list("events");
        events.iter().map(|event| event["series"]["count"].as_u64().unwrap_or(1)).collect::<Vec<_>>()
    };
    run(&mut [&mut daemon], "an event", || counts(&server) == [1]).await;
    let event = server.list("events")[0].clone();
    let rule = server.get("virtualservices", "shop", "first").expect("the rule");
    let regarding = &event["regarding"];
    assert_eq!((&event["type"], &event["reason"]), (&json!("Warning"), &json!("SubsetNotFound")), "{event}");
    assert_eq!(
        (&regarding["kind"], &regarding["apiVersion"], &regarding["uid"]),
        (&json!("VirtualService"), &json!("networking.istio.io/v1"), &rule["metadata"]["uid"])
    );
    stir(&server, &mut daemon).await;
    assert_eq!(counts(&server), [1]);

    for round in 2..10 {
        server.apply(subsets(&["v1", "v2"])).expect("the subset");
        run(&mut [&mut daemon], "that it is right", || resolved(&server, "AllResolved")).await;
        server.apply(subsets(&["v2"])).expect("the subset's end");
        run(&mut [&mut daemon], "that it is wrong", || resolved(&server, "SubsetNotFound")).await;
        if round <= 4 {
            run(&mut [&mut daemon], "the count", || counts(&server) == [round]).await;
        }
    }
    stir(&server, &mut daemon).await;
    assert_eq!(counts(&server), [4], "no more in an hour");
}
