//! An API server that goes away, forgets, or takes rights away.

use meshlet_sandbox::Fault;

use super::*;

#[tokio::test]
async fn given_an_outage_then_the_last_state_stays_in_force_with_its_age_and_what_was_missed_is_made_up_for() {
    for compacted in [false, true] {
        let mut server = ApiServer::start().expect("an API server");
        shop(&server);
        let mut cluster = settled(&server).await;
        server.down();
        until(&mut cluster, "the outage", |cluster| cluster.watches().iter().all(|watch| watch.state == "failing"))
            .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(names(&cluster), ["first"]);
        let lag = state(&cluster.watches(), "pods").lag_seconds;
        assert!(lag >= 0.1, "{lag}");

        server.apply(rule("second", "other")).expect("a rule");
        server.delete(&rule("first", "echo")).expect("the rule deleted");
        if compacted {
            server.compact();
        }
        server.up().expect("the API server's return");
        until(&mut cluster, "its return", |cluster| names(cluster) == ["second"]).await;
        until(&mut cluster, "no lag", |cluster| cluster.watches().iter().all(|watch| watch.lag_seconds == 0.0)).await;
    }
}

#[tokio::test]
async fn given_an_api_server_that_is_not_there_yet_then_it_is_waited_for() {
    let mut server = ApiServer::start().expect("an API server");
    shop(&server);
    server.down();
    let mut cluster = follow(&server);
    until(&mut cluster, "that it is not there", |cluster| state(&cluster.watches(), "pods").state == "failing").await;
    assert!(!cluster.settled());
    let message = state(&cluster.watches(), "pods").message.clone();
    assert!(message.contains("refused"), "{message}");
    server.up().expect("the API server");
    until(&mut cluster, "all is known", Cluster::settled).await;
    assert_eq!(names(&cluster), ["first"]);
}

#[tokio::test]
async fn given_a_compaction_while_a_watch_is_open_then_nothing_is_lost() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut cluster = settled(&server).await;
    for round in 0..20 {
        let name = format!("r{round}");
        server.apply(rule(&name, "echo")).expect("a rule");
        server.compact();
        until(&mut cluster, "the rule", |cluster| names(cluster).contains(&name)).await;
    }
}

#[tokio::test]
async fn given_no_permission_for_one_kind_then_it_is_named_and_the_rest_runs_unless_capture_would_be_wrong() {
    for (plural, vital) in [
        ("sidecars", false),
        ("nodes", false),
        ("pods", true),
        ("namespaces", true),
        ("services", true),
        ("endpointslices", true),
        ("destinationrules", true),
    ] {
        let server = ApiServer::start().expect("an API server");
        shop(&server);
        server.fault(plural, Some(Fault::Forbidden));
        let mut cluster = follow(&server);
        let others = |cluster: &Cluster| {
            cluster.watches().iter().all(|watch| matches!(watch.state, "following" | "forbidden"))
                && (vital || cluster.settled())
        };
        until(&mut cluster, "the others", others).await;
        let watches = cluster.watches();
        let forbidden = state(&watches, plural);
        for part in [&format!("cannot watch resource \"{plural}\""), "verbs [list, watch]", "ClusterRole"] {
            assert!(forbidden.message.contains(part), "{part}: {}", forbidden.message);
        }
        assert_eq!(cluster.settled(), !vital, "{plural}");
        server.fault(plural, None);
        until(&mut cluster, "the permission", |cluster| {
            cluster.settled() && state(&cluster.watches(), plural).state == "following"
        })
        .await;
        assert_eq!(names(&cluster), ["first"]);
    }
}

#[tokio::test]
async fn given_a_permission_is_taken_away_then_what_was_known_stays_in_force() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut cluster = settled(&server).await;
    server.fault("pods", Some(Fault::Forbidden));
    until(&mut cluster, "that it is noted", |cluster| state(&cluster.watches(), "pods").state == "forbidden").await;
    assert!(cluster.settled());
    assert_eq!(endpoints(&cluster).len(), 2);
    assert!(world(&cluster).pods.named("shop", "a").is_some());
}

#[tokio::test]
async fn given_a_list_whose_second_page_is_too_old_then_it_begins_anew_until_it_is_whole() {
    let server = ApiServer::start().expect("an API server");
    server.stream_lists(false);
    server.expire_lists(true);
    server.apply_all((0..300).map(|number| rule(&format!("r{number}"), "echo"))).expect("rules");
    let mut cluster = follow(&server);
    let asked = |server: &ApiServer| server.requests().iter().filter(|request| request.contains("continue=")).count();
    until(&mut cluster, "second pages", |_| asked(&server) > 3).await;
    assert!(!cluster.settled());
    server.expire_lists(false);
    until(&mut cluster, "all is known", Cluster::settled).await;
    assert_eq!(names(&cluster).len(), 300);
}
