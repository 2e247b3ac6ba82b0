//! Names that are resolved when they are asked for: `resolution: DYNAMIC_DNS`.

use tempfile::TempDir;

use super::*;
use crate::protocol::tls_client_hello::tests::client_hello;
use crate::snapshot::nameserver_in_process::{Nameserver, Says, write};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A node whose nameserver knows `api.up.test`, which is on this machine, and nothing else; the entry for `*.up.test` leads to
/// the endpoint's port.
fn node(protocol: &str, upstream: &Upstream, more: &str) -> (Node, TempDir) {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let nameserver = Nameserver::start(([127, 0, 0, 1], 0).into()).await;
            nameserver.say("api.up.test.", Says::Addresses(&[[127, 0, 0, 1]]));
            let folder = TempDir::new().expect("a folder");
            write(folder.path(), &nameserver, "", 1);
            tell.send((folder, nameserver.address.port())).expect("the test waits for it");
            std::future::pending::<()>().await;
        });
    });
    let (folder, port) = told.recv().expect("a nameserver");
    let resolv_conf = ResolvConf::at_port(folder.path().join("resolv.conf"), port);
    let dialled = nobody();
    let node = Node::resolving(&resolv_conf, Protocol::Http, dialled, &[]);
    let entry = format!(
        "{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {{name: up, namespace: shop}}, \
         spec: {{hosts: ['*.up.test'], resolution: DYNAMIC_DNS, \
         ports: [{{number: {}, name: p, protocol: {protocol}, targetPort: {}}}]}}}}\n---\n{more}",
        dialled.port(),
        upstream.address.port()
    );
    let table = Table::build(&rules(&entry), &Scope::new("shop".into(), Arc::new(Labels::new())));
    node.client.table.store(Arc::new(table));
    (node, folder)
}

fn get(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn given_a_request_for_a_name_then_it_goes_to_what_the_name_comes_to_and_the_connection_is_kept() {
    let upstream = Upstream::answering(OK);
    let (node, _folder) = node("HTTP", &upstream, "");
    let mut client = node.connect();
    for host in ["api.up.test", "API.up.test:1", "api.up.test"] {
        client.send(&get(host));
        client.expect(OK);
    }
    assert_eq!(upstream.connections(), 1);
    assert!(upstream.received().contains("host: API.up.test:1\r\n"), "{}", upstream.received());
}

#[test]
fn given_a_name_that_comes_to_nothing_then_it_is_503_and_the_connection_goes_on() {
    let upstream = Upstream::answering(OK);
    let (node, _folder) = node("HTTP", &upstream, "");
    let mut client = node.connect();
    for _ in 0..2 {
        client.send(&get("gone.up.test"));
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        client.expect("DNS resolution failure");
    }
    client.send(&get("api.up.test"));
    client.expect(OK);
}

#[test]
fn given_retries_of_a_route_and_limits_of_the_entrys_rule_then_both_are_in_force() {
    let upstream = Upstream::answering("HTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\nno");
    let rules = "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: up, namespace: shop}, \
                 spec: {host: '*.up.test', trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}}}\n---\n\
                 {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: up, namespace: shop}, \
                 spec: {hosts: ['*.up.test'], http: [{retries: {attempts: 2, retryOn: 5xx}, \
                 route: [{destination: {host: '*.up.test'}}]}]}}";
    let (node, _folder) = node("HTTP", &upstream, rules);
    let mut client = node.connect();
    client.send(&get("api.up.test"));
    assert!(client.head().starts_with("HTTP/1.1 503 "));
    client.expect("no");
    assert_eq!(upstream.connections(), 3, "a connection for each try");
}

#[test]
fn given_tls_then_the_server_name_is_resolved_and_one_that_comes_to_nothing_is_reset() {
    let upstream = Upstream::new(|conversation, _| {
        let _ = conversation.bytes(5);
        conversation.send("hello");
    });
    let (node, _folder) = node("TLS", &upstream, "");
    let mut client = node.connect();
    client.stream.write_all(&client_hello("API.up.test", 4096)).expect("room");
    assert_eq!(String::from_utf8_lossy(&client.bytes(5).expect("bytes")), "hello");
    let mut client = node.connect();
    client.stream.write_all(&client_hello("gone.up.test", 4096)).expect("room");
    client.expect_reset();
    assert_eq!(upstream.connections(), 1);
}
