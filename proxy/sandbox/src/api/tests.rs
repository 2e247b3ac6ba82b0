//! By plain requests; `meshlet` tests the double through its own client.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::{ApiServer, Fault};
use crate::http;

fn send(server: &ApiServer, method: &str, path: &str, content_type: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: api\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut reader = BufReader::new(stream);
    let head = http::read_head(&mut reader).expect("an answer").expect("an answer");
    let framing = head.response_framing(method).expect("a framing");
    let body = http::read_body(&mut reader, framing).expect("a body");
    // What is not served is answered in no JSON.
    (head.status().expect("a status"), serde_json::from_slice(&body).unwrap_or_default())
}

fn get(server: &ApiServer, path: &str) -> (u16, Value) {
    send(server, "GET", path, "", "")
}

fn rule(name: &str) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"namespace": "shop", "name": name}, "spec": {"hosts": ["a"]}})
}

const RULES: &str = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices";
const MERGE: &str = "application/merge-patch+json";

#[test]
fn given_an_object_then_writes_change_what_they_say_and_count_versions() {
    let server = ApiServer::start().expect("a server");
    let (status, created) = send(&server, "POST", RULES, "application/json", &rule("r").to_string());
    assert_eq!((status, &created["metadata"]["resourceVersion"]), (201, &json!("1")), "{created}");
    assert_eq!(created["metadata"]["generation"], 1);
    let (status, again) = send(&server, "POST", RULES, "application/json", &rule("r").to_string());
    assert_eq!((status, &again["reason"]), (409, &json!("AlreadyExists")));

    let path = format!("{RULES}/r");
    let patch = json!({"metadata": {"annotations": {"a": "b"}}, "spec": {"hosts": ["b"]}});
    let (_, patched) = send(&server, "PATCH", &path, MERGE, &patch.to_string());
    assert_eq!(
        (&patched["spec"]["hosts"], &patched["metadata"]["generation"]),
        (&json!(["b"]), &json!(2)),
        "{patched}"
    );
    assert_eq!(patched["metadata"]["uid"], created["metadata"]["uid"]);
    assert_eq!(send(&server, "PATCH", &path, "application/json", &patch.to_string()).0, 415);
    let another = json!({"metadata": {"uid": "another", "annotations": {"a": "c"}}});
    let (status, refused) = send(&server, "PATCH", &path, MERGE, &another.to_string());
    assert_eq!((status, &refused["details"]["causes"][0]["field"]), (422, &json!("metadata.uid")));

    let status_patch = json!({"spec": {"hosts": ["c"]}, "status": {"conditions": [{"type": "Ready"}]}});
    let (_, patched) = send(&server, "PATCH", &format!("{path}/status"), MERGE, &status_patch.to_string());
    assert_eq!(
        (&patched["spec"]["hosts"], &patched["status"]["conditions"][0]["type"]),
        (&json!(["b"]), &json!("Ready"))
    );
    assert_eq!(patched["metadata"]["generation"], 2);

    let mut stale = rule("r");
    stale["metadata"]["resourceVersion"] = json!("1");
    let (status, conflict) = send(&server, "PUT", &path, "application/json", &stale.to_string());
    assert_eq!((status, &conflict["reason"]), (409, &json!("Conflict")));
    assert_eq!(send(&server, "DELETE", &path, "", "").0, 200);
    assert_eq!(get(&server, &path).0, 404);
}

#[test]
fn given_server_side_apply_then_what_is_not_there_is_created() {
    let server = ApiServer::start().expect("a server");
    let path = "/apis/coordination.k8s.io/v1/namespaces/meshlet/leases/leader";
    let lease = |holder: &str| json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": holder}});
    for (holder, status) in [("a", 201), ("b", 200)] {
        let (answered, lease) =
            send(&server, "PATCH", path, "application/apply-patch+yaml", &lease(holder).to_string());
        assert_eq!((answered, &lease["spec"]["holderIdentity"]), (status, &json!(holder)));
    }
}

#[test]
fn given_pages_then_they_hold_all_objects_once() {
    let server = ApiServer::start().expect("a server");
    server.apply_all((0..5).map(|number| rule(&format!("r{number}")))).expect("rules");
    let (mut names, mut path) = (Vec::new(), format!("{RULES}?limit=2"));
    loop {
        let (_, page) = get(&server, &path);
        names.extend(page["items"].as_array().expect("items").iter().map(|item| item["metadata"]["name"].clone()));
        assert_eq!(page["items"][0]["apiVersion"], "networking.istio.io/v1");
        match page["metadata"]["continue"].as_str() {
            Some(token) => path = format!("{RULES}?limit=2&continue={token}"),
            None => break,
        }
    }
    assert_eq!(names, ["r0", "r1", "r2", "r3", "r4"]);
}

#[test]
fn given_what_is_served_then_discovery_says_so_and_the_rest_is_not_found() {
    let server = ApiServer::start().expect("a server");
    server.serve("virtualservices", &["v1beta1"]);
    server.serve("httproutes", &[]);
    let names = |path: &str| {
        let (status, found) = get(&server, path);
        let of = |key: &str| {
            found[key].as_array().map(|entries| entries.iter().map(|entry| entry["name"].clone()).collect::<Vec<_>>())
        };
        (status, of("resources").unwrap_or_default())
    };
    assert_eq!(names("/apis/networking.istio.io/v1beta1").1[0], "virtualservices");
    assert_eq!(names("/apis/networking.istio.io/v1").1[0], "destinationrules");
    assert_eq!(names("/apis/gateway.networking.k8s.io").0, 404);
    assert_eq!(get(&server, "/apis/networking.istio.io/v1/virtualservices").0, 404);
    assert_eq!(get(&server, "/apis/networking.istio.io/v1beta1/virtualservices").0, 200);
}

#[test]
fn given_a_watch_from_a_version_then_what_came_after_is_told_and_what_is_forgotten_is_gone() {
    let server = ApiServer::start().expect("a server");
    server.apply(rule("old")).expect("a rule");
    server.apply(rule("new")).expect("a rule");
    server.delete(&rule("old")).expect("a rule deleted");
    let told = |from: u64| {
        let mut stream = TcpStream::connect(server.address()).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a limit");
        write!(stream, "GET {RULES}?watch=true&resourceVersion={from} HTTP/1.1\r\nhost: api\r\n\r\n").expect("sent");
        let mut text = Vec::new();
        // It ends by the limit: the watch itself goes on.
        drop(stream.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text).into_owned();
        let kinds = ["ADDED", "MODIFIED", "DELETED", "ERROR"];
        let line = |line: &str| {
            kinds.into_iter().find(|kind| line.starts_with(&format!("{{\"type\":\"{kind}\""))).map(str::to_owned)
        };
        text.lines().filter_map(line).collect::<Vec<_>>()
    };
    assert_eq!(told(1), ["ADDED", "DELETED"]);
    assert_eq!(told(2), ["DELETED"]);
    server.compact();
    assert_eq!(told(2), ["ERROR"]);
}

#[test]
fn given_somebody_who_is_faster_then_a_write_at_the_version_that_was_read_is_a_conflict_and_loses_nothing() {
    let server = ApiServer::start().expect("a server");
    server.apply(rule("r")).expect("a rule");
    let read = get(&server, &format!("{RULES}/r")).1["metadata"]["resourceVersion"].clone();
    let mut rival = rule("r");
    rival["status"] = json!({"conditions": [{"type": "Reconciled"}]});
    server.outrun(rival).expect("a rival");
    let ours = |version: &Value| json!({"metadata": {"resourceVersion": version}, "status": {"conditions": [{"type": "Ours"}]}});
    let status = format!("{RULES}/r/status");
    let (answered, conflict) = send(&server, "PATCH", &status, MERGE, &ours(&read).to_string());
    assert_eq!((answered, &conflict["reason"], server.conflicts()), (409, &json!("Conflict"), 1));
    let now = get(&server, &format!("{RULES}/r")).1;
    assert_eq!(now["status"]["conditions"][0]["type"], "Reconciled");
    // Once: the next one is not outrun.
    let version = &now["metadata"]["resourceVersion"];
    let (answered, patched) = send(&server, "PATCH", &status, MERGE, &ours(version).to_string());
    assert_eq!((answered, &patched["status"]["conditions"][0]["type"]), (200, &json!("Ours")));
    assert_eq!(server.conflicts(), 1);
}

#[test]
fn given_a_field_that_is_pruned_then_what_is_written_comes_back_without_it() {
    let server = ApiServer::start().expect("a server");
    server.apply(rule("r")).expect("a rule");
    server.fault("virtualservices", Some(Fault::Prunes("observedGeneration")));
    let patch = json!({"status": {"conditions": [{"type": "Ours", "observedGeneration": 1}]}});
    let (_, patched) = send(&server, "PATCH", &format!("{RULES}/r/status"), MERGE, &patch.to_string());
    assert_eq!(patched["status"]["conditions"], json!([{"type": "Ours"}]));
}
