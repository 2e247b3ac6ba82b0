//! What is stated on objects that others write to as well: HTTPRoutes, and conflicts.

use meshlet_sandbox::Fault;

use super::writes::{Daemon, condition, resolved, rule_to, run, stir, subsets, written};
use super::*;

pub(super) fn route(parents: &Value) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"namespace": "shop", "name": "route"},
        "spec": {"parentRefs": parents, "rules": [{"backendRefs": [{"name": "echo", "port": 8080}]}]},
    })
}

fn service(name: &str) -> Value {
    json!({"group": "", "kind": "Service", "name": name})
}

fn gateway() -> Value {
    json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"})
}

/// What another controller says.
fn foreign(parent: &Value, controller: &str) -> Value {
    json!({"parentRef": parent, "controllerName": controller, "conditions": [{"type": "Accepted", "status": "True"}]})
}

fn parents(server: &ApiServer) -> Vec<Value> {
    let route = server.get("httproutes", "shop", "route").expect("the route");
    route["status"]["parents"].as_array().cloned().unwrap_or_default()
}

/// Our entries: parent, and each condition as type, status and reason.
fn said(server: &ApiServer) -> Vec<String> {
    let ours = parents(server).into_iter().filter(|entry| entry["controllerName"] == "meshlet.dev/meshlet");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ours.map(|entry| {
        let conditions = entry["conditions"].as_array().expect("conditions").iter();
        let words = conditions.map(|found| ["type", "status", "reason"].map(|key| text(&found[key])).join("="));
        format!("{}: {}", text(&entry["parentRef"]["name"]), words.collect::<Vec<_>>().join(" "))
    })
    .collect()
}

/// Writes an object as its owner does: what is stated on it stays.
fn edit(server: &ApiServer, plural: &str, mut object: Value) {
    let known = server.get(plural, "shop", object["metadata"]["name"].as_str().expect("a name"));
    object["status"] = known.map(|known| known["status"].clone()).unwrap_or_default();
    server.apply(object).expect("an object");
}

fn count(server: &ApiServer, part: &str) -> usize {
    written(server).iter().filter(|request| request.contains(part)).count()
}

const FINE: &str =
    "Accepted=True=Accepted ResolvedRefs=True=ResolvedRefs meshlet.dev/FullySupported=True=AllFieldsHonoured";

#[tokio::test]
async fn given_an_http_route_of_a_service_then_its_status_has_our_entry_as_long_as_it_is_ours() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    let both = json!([gateway(), service("echo")]);
    let others = [foreign(&gateway(), "example.com/gateway"), foreign(&service("echo"), "example.com/mesh")];
    let mut fresh = route(&both);
    fresh["status"] = json!({"parents": others});
    server.apply(fresh).expect("a route");
    let mut daemon = Daemon::start(&server, "one");
    run(&mut [&mut daemon], "our entry", || said(&server) == [format!("echo: {FINE}")]).await;
    let entry = parents(&server).pop().expect("our entry");
    assert_eq!((&entry["parentRef"], &entry["conditions"][0]["observedGeneration"]), (&service("echo"), &json!(1)));
    stir(&server, &mut daemon).await;
    assert_eq!((count(&server, "httproutes"), &parents(&server)[..2]), (1, &others[..]), "{:#?}", written(&server));

    let mut wrong = route(&both);
    wrong["spec"]["rules"][0]["backendRefs"][0]["name"] = json!("nobody");
    edit(&server, "httproutes", wrong);
    let broken = || said(&server).first().is_some_and(|said| said.contains("ResolvedRefs=False=BackendNotFound"));
    run(&mut [&mut daemon], "what is wrong", broken).await;
    let events = || server.list("events").iter().filter(|event| event["reason"] == "BackendNotFound").count();
    run(&mut [&mut daemon], "an event", || events() == 1).await;
    assert_eq!(server.list("events")[0]["regarding"]["kind"], "HTTPRoute");

    edit(&server, "httproutes", route(&json!([service("echo"), service("nobody"), gateway()])));
    let nobody = "nobody: Accepted=False=NoMatchingParent ResolvedRefs=True=ResolvedRefs meshlet.dev/FullySupported=True=AllFieldsHonoured";
    run(&mut [&mut daemon], "both", || said(&server) == [format!("echo: {FINE}"), nobody.to_owned()]).await;
    edit(&server, "httproutes", route(&json!([gateway()])));
    run(&mut [&mut daemon], "the end of ours", || said(&server).is_empty()).await;
    stir(&server, &mut daemon).await;
    assert_eq!((count(&server, "httproutes"), parents(&server)), (4, others.to_vec()), "others' stay");
}

#[tokio::test]
async fn given_an_http_route_of_a_gateway_then_nothing_is_written_to_it() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    server.apply(route(&json!([gateway()]))).expect("a route");
    let mut daemon = Daemon::start(&server, "one");
    run(&mut [&mut daemon], "a condition of another", || resolved(&server, "AllResolved")).await;
    stir(&server, &mut daemon).await;
    assert_eq!(count(&server, "httproutes"), 0, "{:#?}", written(&server));
}

#[tokio::test]
async fn given_others_who_write_at_the_same_time_then_no_condition_of_theirs_is_lost_nor_one_of_ours() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    server.apply_all([subsets(&["v1"]), rule_to("v1"), route(&json!([service("echo")]))]).expect("rules");
    let mut daemon = Daemon::start(&server, "one");
    let fine = || resolved(&server, "AllResolved") && said(&server) == [format!("echo: {FINE}")];
    run(&mut [&mut daemon], "all is right", fine).await;
    stir(&server, &mut daemon).await;
    let before = (count(&server, "virtualservices"), count(&server, "httproutes"));
    assert_eq!(server.conflicts(), 0);

    // Each of three is faster once.
    let names = ["a.example.com/One", "b.example.com/Two", "c.example.com/Three"];
    for taken in 1..=names.len() {
        let mut rule = rule_to("v1");
        let ours = condition(&server, "virtualservices", "first", "AppliesToMesh");
        let theirs = names[..taken].iter().map(|name| json!({"type": name, "status": "True"}));
        rule["status"] = json!({"conditions": theirs.chain([ours]).collect::<Vec<_>>()});
        server.outrun(rule).expect("a rival");
        let mut route = route(&json!([service("echo")]));
        route["status"] =
            json!({"parents": names[..taken].iter().map(|name| foreign(&service("echo"), name)).collect::<Vec<_>>()});
        server.outrun(route).expect("a rival");
    }
    server.apply(subsets(&[])).expect("no subset any more");
    edit(&server, "httproutes", {
        let mut wrong = route(&json!([service("echo")]));
        wrong["spec"]["rules"][0]["backendRefs"][0]["name"] = json!("nobody");
        wrong
    });
    let told = || resolved(&server, "SubsetNotFound") && server.conflicts() == 2 * names.len();
    run(&mut [&mut daemon], "what is wrong with the rule", told).await;
    run(&mut [&mut daemon], "our entry", || said(&server).len() == 1).await;
    stir(&server, &mut daemon).await;

    let rule = server.get("virtualservices", "shop", "first").expect("the rule");
    let kinds = |list: &Value, key: &str| -> Vec<String> {
        let entries = list.as_array().expect("a list").iter();
        entries.map(|entry| entry[key].as_str().unwrap_or_default().to_owned()).collect()
    };
    let conditions = kinds(&rule["status"]["conditions"], "type");
    let controllers = kinds(&json!(parents(&server)), "controllerName");
    for name in names {
        assert_eq!(conditions.iter().filter(|kind| *kind == name).count(), 1, "{conditions:?}");
        assert_eq!(controllers.iter().filter(|kind| *kind == name).count(), 1, "{controllers:?}");
    }
    // As many in vain as there were rivals, and then one.
    let after = (count(&server, "virtualservices"), count(&server, "httproutes"));
    assert_eq!((after.0 - before.0, after.1 - before.1), (names.len() + 1, names.len() + 1), "{:#?}", written(&server));
}

#[tokio::test]
async fn given_an_api_server_that_drops_fields_then_it_is_written_to_once() {
    let server = ApiServer::start().expect("an API server");
    shop(&server);
    server.apply(route(&json!([service("echo")]))).expect("a route");
    for plural in ["virtualservices", "httproutes"] {
        server.fault(plural, Some(Fault::Prunes("observedGeneration")));
    }
    let mut daemon = Daemon::start(&server, "one");
    let told = || resolved(&server, "AllResolved") && said(&server).len() == 1;
    run(&mut [&mut daemon], "what there is to say", told).await;
    stir(&server, &mut daemon).await;
    assert_eq!((count(&server, "virtualservices"), count(&server, "httproutes")), (1, 1), "{:#?}", written(&server));
}
