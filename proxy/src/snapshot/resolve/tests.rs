//! A resolver against nameservers on loopback. Tests wait for questions and answers, never for a time.

use hickory_resolver::proto::op::ResponseCode;
use meshlet_routing::inventory::Change;
use meshlet_routing::model::{Hostname, MeshConfig};
use tempfile::TempDir;

use super::*;
use crate::snapshot::nameserver_in_process::{Nameserver, Says, write};
use crate::snapshot::read::Files;

const HASTE: Pace = Pace {
    least: Duration::from_millis(1),
    most: Duration::from_millis(2),
    retry: Duration::from_millis(1),
    retry_most: Duration::from_millis(2),
};

/// A resolver that asks one nameserver.
async fn asking(more: &str) -> (Nameserver, TempDir, Resolver) {
    let nameserver = Nameserver::start(([127, 0, 0, 1], 0).into()).await;
    let folder = TempDir::new().expect("a folder");
    write(folder.path(), &nameserver, more, 1);
    let path = folder.path().join("resolv.conf");
    let resolver = Resolver::with(Nameservers::new(path, nameserver.address.port()), HASTE);
    (nameserver, folder, resolver)
}

/// The next that is told, in a word.
async fn next(resolver: &mut Resolver) -> String {
    resolver.ready().await;
    let told = resolver.told();
    told.iter().map(|resolved| format!("{} {:?}", resolved.name, resolved.addresses)).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn given_a_name_then_it_is_asked_for_again_and_only_another_answer_is_told() {
    let (mut nameserver, _folder, mut resolver) = asking("").await;
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 2], [10, 0, 0, 1]]));
    resolver.want(["a.test"].into_iter());
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.2, 10.0.0.1]");
    nameserver.asked("a.test.", 3).await;
    assert_eq!(resolver.told(), []);
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 1], [10, 0, 0, 2]]));
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.1, 10.0.0.2]", "the order may be of meaning");
}

#[tokio::test]
async fn given_nobody_who_knows_then_the_last_answer_stays_until_there_is_another() {
    let (mut nameserver, _folder, mut resolver) = asking("search b.test c.test").await;
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    resolver.want(["a.test"].into_iter());
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.1]");
    for code in [ResponseCode::ServFail, ResponseCode::Refused] {
        nameserver.say("a.test.", Says::Code(code));
        // The search list is asked as well, and says that there is no such name: that is no answer to the question.
        nameserver.asked("a.test.c.test.", 2).await;
        assert_eq!(resolver.told(), [], "{code}");
    }
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 2]]));
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.2]");
}

#[tokio::test]
async fn given_that_there_is_no_such_name_any_more_then_it_comes_to_nothing() {
    let (nameserver, _folder, mut resolver) = asking("").await;
    for gone in [Says::Code(ResponseCode::NXDomain), Says::Addresses(&[])] {
        nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 1]]));
        resolver.want(["a.test"].into_iter());
        assert_eq!(next(&mut resolver).await, "a.test [10.0.0.1]");
        nameserver.say("a.test.", gone);
        assert_eq!(next(&mut resolver).await, "a.test []");
    }
}

#[tokio::test]
async fn given_a_search_list_then_a_short_name_is_found_by_it_and_one_that_ends_with_a_dot_is_not() {
    let (mut nameserver, _folder, mut resolver) = asking("search b.test\noptions ndots:3").await;
    nameserver.say("a.shop.b.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    resolver.want(["a.shop", "a.shop."].into_iter());
    assert_eq!(next(&mut resolver).await, "a.shop [10.0.0.1]");
    nameserver.asked("a.shop.", 3).await;
    assert_eq!(resolver.told(), []);
}

#[tokio::test]
async fn given_a_name_that_is_no_longer_wanted_then_nobody_asks_for_it_and_the_others_go_on() {
    let (nameserver, _folder, mut resolver) = asking("").await;
    resolver.want(["a.test", "b.test"].into_iter());
    let tasks = ["a.test", "b.test"].map(|name| resolver.followed[name].0.abort_handle());
    resolver.want(["b.test"].into_iter());
    while !tasks[0].is_finished() {
        tokio::task::yield_now().await;
    }
    nameserver.say("b.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    assert_eq!(next(&mut resolver).await, "b.test [10.0.0.1]");
    assert!(!tasks[1].is_finished());
    drop(resolver);
    while !tasks[1].is_finished() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn given_another_resolv_conf_then_its_nameserver_is_asked() {
    let (first, folder, mut resolver) = asking("").await;
    let port = first.address.port();
    let second = Nameserver::start(([127, 0, 0, 2], port).into()).await;
    first.say("a.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    second.say("a.test.", Says::Addresses(&[[10, 0, 0, 2]]));
    resolver.want(["a.test"].into_iter());
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.1]");
    write(folder.path(), &second, "", 2);
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.2]");
    std::fs::remove_file(folder.path().join("resolv.conf")).expect("it is there");
    second.say("a.test.", Says::Addresses(&[[10, 0, 0, 3]]));
    write(folder.path(), &second, "", 3);
    assert_eq!(next(&mut resolver).await, "a.test [10.0.0.3]");
}

#[tokio::test]
async fn given_an_entry_in_a_file_then_its_names_are_wanted_and_what_they_come_to_are_endpoints() {
    let (nameserver, folder, mut resolver) = asking("").await;
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 2], [10, 0, 0, 1]]));
    let path = folder.path().join("entry.yaml");
    let text = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: a, namespace: shop}, \
                spec: {hosts: [A.test], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}}";
    std::fs::write(&path, text).expect("a file");
    let mut files = Files::new(MeshConfig::default(), vec![path.clone()]);
    files.read().expect("something new");
    resolver.want(files.names());
    resolver.ready().await;
    let change = files.resolved(&resolver.told());
    assert_eq!(change, Change { endpoints: [Hostname::new("a.test")].into(), ..Change::default() });
    let found: Vec<String> =
        files.world().services[0].ports[0].endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
    assert_eq!(found, ["10.0.0.1:80", "10.0.0.2:80"]);
    std::fs::write(&path, "").expect("a file");
    files.read().expect("something new");
    assert_eq!(files.names().count(), 0);
}

#[test]
fn given_a_ttl_then_it_has_bounds_and_failures_are_retried_ever_later_and_not_in_step() {
    let seconds = Duration::from_secs;
    for (ttl, expected) in [(0, 5), (4, 5), (30, 30), (86_400, 300)] {
        assert_eq!(Pace::PATIENT.refresh(seconds(ttl)), seconds(expected));
    }
    for (failures, expected) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (100, 60)] {
        assert_eq!(Pace::PATIENT.retry(failures, 0), seconds(expected), "{failures}");
        assert_eq!(Pace::PATIENT.retry(failures, u32::MAX), seconds(expected) / 2, "{failures}");
    }
}
