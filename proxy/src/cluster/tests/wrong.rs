//! An API server that answers wrongly, and objects that are wrong.

use meshlet_sandbox::Fault;

use super::*;

/// What becomes of a watch that was followed, or of one that never was, while the server answers so.
async fn endure(fault: Fault, message: &str) {
    for (plural, known) in [("virtualservices", true), ("virtualservices", false)] {
        let server = ApiServer::start().expect("an API server");
        shop(&server);
        let mut cluster = if known { settled(&server).await } else { follow(&server) };
        server.fault(plural, Some(fault));
        let noted = |cluster: &Cluster| state(&cluster.watches(), plural).message.contains(message);
        until(&mut cluster, &format!("{fault:?} is noted"), noted).await;
        if known {
            assert_eq!(names(&cluster), ["first"], "{fault:?}: what was known stays");
        }
        server.apply(rule("second", "other")).expect("a rule");
        server.fault(plural, None);
        until(&mut cluster, &format!("the end of {fault:?}"), |cluster| names(cluster) == ["first", "second"]).await;
    }
}

#[tokio::test]
async fn given_garbage_then_it_is_named_and_no_state_is_lost() {
    endure(Fault::Garbage, "not the Kubernetes API's").await;
}

#[tokio::test]
async fn given_an_answer_without_end_then_it_is_cut_off_and_no_state_is_lost() {
    endure(Fault::Endless, "more than 32 MiB").await;
}

#[tokio::test]
async fn given_errors_then_they_are_named_and_no_state_is_lost() {
    endure(Fault::Fails(500), "as the test wants it").await;
    endure(Fault::Fails(503), "as the test wants it").await;
}

#[tokio::test]
async fn given_a_server_that_closes_at_once_and_again_then_it_is_not_asked_without_pause_and_nothing_is_lost() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    server.fault("virtualservices", Some(Fault::Closes(Duration::ZERO)));
    let mut cluster = settled(&server).await;
    let asked =
        |server: &ApiServer| server.requests().iter().filter(|asked| asked.contains("virtualservices?")).count();
    let (begun, before) = (std::time::Instant::now(), asked(&server));
    for round in 0..5 {
        let name = format!("r{round}");
        server.apply(rule(&name, "echo")).expect("a rule");
        until(&mut cluster, "the rule", |cluster| names(cluster).contains(&name)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (requests, elapsed) = (asked(&server) - before, begun.elapsed());
    let most = elapsed.as_millis() / QUICK.apart.as_millis() + 2;
    assert!(requests as u128 <= most, "{requests} requests in {elapsed:?}, at most {most}");
}

#[tokio::test]
async fn given_an_answer_that_is_slow_then_it_is_waited_for() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    server.fault("virtualservices", Some(Fault::Slow(Duration::from_millis(300))));
    let cluster = settled(&server).await;
    assert_eq!(names(&cluster), ["first"]);
}

#[tokio::test]
async fn given_objects_that_are_refused_then_each_is_alone_and_its_last_good_version_stays() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let mut wrong = rule("wrong", "x");
    wrong["spec"]["http"] = json!(5);
    server.apply(wrong).expect("a wrong rule");
    let mut cluster = settled(&server).await;
    assert_eq!(names(&cluster), ["first"]);

    let before = rules(&cluster);
    let mut worse = rule("first", "other");
    worse["spec"]["http"] = json!("text");
    server.apply(worse).expect("a rule that becomes wrong");
    server.apply(rule("second", "echo")).expect("a good rule");
    until(&mut cluster, "the good one", |cluster| names(cluster) == ["first", "second"]).await;
    assert_eq!(rules(&cluster)[0], before[0], "the last good version");
    server.apply(rule("first", "other")).expect("a rule that is good again");
    until(&mut cluster, "the one that is good again", |cluster| rules(cluster)[0] != before[0]).await;
}
