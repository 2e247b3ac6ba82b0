//! The roles of the manifest against what the daemon asks for: all of it is allowed, and nothing is allowed that it does not ask
//! for. What `meshlet check` takes it to need is the same.

use std::collections::BTreeSet;

use meshlet_sandbox::ApiServer;
use serde_json::Value;

use super::stated::route;
use super::writes::{Daemon, rule_to, run, subsets};
use super::*;

/// A namespace (empty: all of them), an API group, a resource and a verb.
type Right = (String, String, String, String);

fn granted() -> BTreeSet<Right> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/deploy/meshlet.yaml");
    let text = std::fs::read_to_string(path).expect("the manifest");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let mut rights = BTreeSet::new();
    for role in objects.iter().filter(|object| object["kind"] == "ClusterRole" || object["kind"] == "Role") {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default();
        for rule in role["rules"].as_array().expect("rules") {
            let words = |key: &str| -> Vec<String> {
                let words = rule[key].as_array().expect("a list").iter();
                words.map(|word| word.as_str().expect("a word").to_owned()).collect()
            };
            for group in words("apiGroups") {
                for resource in words("resources") {
                    for verb in words("verbs") {
                        rights.insert((namespace.to_owned(), group.clone(), resource.clone(), verb));
                    }
                }
            }
        }
    }
    rights
}

/// What the code says that the daemon needs.
fn known() -> BTreeSet<Right> {
    let rights = crate::cluster::rights::of_daemon()
        .into_iter()
        .flat_map(|right| right.verbs.iter().map(move |verb| (right, *verb)));
    let known = rights.map(|(right, verb)| {
        let namespace = if right.role == "Role" { "meshlet-system" } else { "" };
        (namespace.to_owned(), right.group.to_owned(), right.resource.to_owned(), verb.to_owned())
    });
    known.collect()
}

/// What a request needs; `None` for discovery, which everybody may.
fn needed(request: &str) -> Option<Right> {
    let (method, place) = request.split_once(' ').expect("a method");
    let (path, query) = place.split_once('?').unwrap_or((place, ""));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (group, rest) = match parts.as_slice() {
        ["api", "v1", rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        ["apis", _] => return None,
        _ => panic!("{request}: whatever that is, no role allows it"),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let (plural, name, part) = match rest {
        [] => return None,
        [plural] => (*plural, None, ""),
        [plural, name] => (*plural, Some(name), ""),
        [plural, name, part] => (*plural, Some(name), *part),
        _ => panic!("{request}: whatever that is, no role allows it"),
    };
    let verb = match (method, name) {
        ("GET", None) if query.contains("watch=true") => "watch",
        ("GET", None) => "list",
        ("GET", Some(_)) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        _ => "delete",
    };
    let resource = if part.is_empty() { plural.to_owned() } else { format!("{plural}/{part}") };
    // A ClusterRole allows it wherever it is; of a Role the namespace counts.
    let namespace = if plural == "leases" { namespace } else { "" };
    Some((namespace.to_owned(), group.to_owned(), resource, verb.to_owned()))
}

#[tokio::test]
async fn given_all_that_the_daemon_does_then_it_needs_what_the_manifest_allows_and_nothing_more() {
    let mut asked: Vec<String> = Vec::new();
    for streaming in [true, false] {
        let server = ApiServer::start().expect("an API server");
        server.stream_lists(streaming);
        shop(&server);
        server.apply_all([subsets(&["v2"]), rule_to("v1")]).expect("a rule that is wrong");
        server.apply(route(&json!([{"group": "", "kind": "Service", "name": "echo"}]))).expect("a route");
        let mut daemon = Daemon::start(&server, "one");
        daemon.mark(Some(true));
        let done =
            |words: &[&str]| server.requests().iter().any(|request| words.iter().all(|word| request.contains(word)));
        run(&mut [&mut daemon], "an event", || done(&["POST", "/events"]) && done(&["PATCH", "/pods/"])).await;
        server.apply(subsets(&["v1"])).expect("the subset");
        let settled = || {
            let rule = server.get("virtualservices", "shop", "first").expect("the rule");
            rule["status"].to_string().contains("AllResolved")
        };
        run(&mut [&mut daemon], "that it is right", settled).await;
        server.apply(subsets(&["v2"])).expect("the subset's end");
        let stated = || done(&["destinationrules", "/status"]) && done(&["httproutes", "/status"]);
        let everything = || done(&["PATCH", "/events/"]) && done(&["PUT", "/leases/"]) && stated();
        run(&mut [&mut daemon], "everything", everything).await;
        asked.extend(server.requests());
    }
    let needed: BTreeSet<Right> = asked.iter().filter_map(|request| needed(request)).collect();
    assert_eq!(needed, granted());
    assert_eq!(needed, known());
    // Both sides of the comparison tell namespaces apart.
    assert!(needed.contains(&(
        "meshlet-system".to_owned(),
        "coordination.k8s.io".to_owned(),
        "leases".to_owned(),
        "get".to_owned()
    )));
    assert_eq!(self::needed("GET /apis/networking.istio.io/v1?"), None);
}
