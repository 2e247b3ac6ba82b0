//! Destinations that no rule has an address for: captured with their port, decided by Host and server name, and passed to the
//! address that was dialled where nothing else is said.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Node, Shares, binary, emulated, entries, mesh_rule, wait_for};
use meshlet_sandbox::{Client, ConnectCall, HttpCall, Layout, PodSpec, RawCall, ServiceSpec};

const NAMESPACE: &str = "infra-jinsu-lab";
/// Nobody has it, and nothing answers there (RFC 5737).
const NOWHERE: [u8; 4] = [192, 0, 2, 9];

/// Names below `example.com` are known without an address; of them `a` goes to v2 by its server name, and all of them by Host.
fn names() -> String {
    let to = "route: [{destination: {host: httpping-without-sidecar, subset: v2, port: {number: 8080}}}]";
    format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: out, namespace: {NAMESPACE}}}\n\
         spec:\n  hosts: ['*.example.com']\n  resolution: NONE\n\
         \x20 ports: [{{number: 80, name: http, protocol: HTTP}}, {{number: 443, name: tls, protocol: TLS}}]\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: out, namespace: {NAMESPACE}}}\n\
         spec:\n  hosts: ['*.example.com']\n  http: [{{{to}}}]\n\
         \x20 tls: [{{match: [{{sniHosts: [a.example.com]}}], {to}}}]\n---\n"
    ) + &mesh_rule(
        "  http: [{fault: {abort: {percentage: {value: 100}, httpStatus: 418}}, route: [{destination: {host: httpping-without-sidecar}}]}]",
    )
}

/// A ClientHello for a server of this name: lengths and numbers are all below 128, so that it is text.
fn client_hello(name: &str) -> String {
    let short = |length: usize| u8::try_from(length).expect("a short name");
    let mut extension = vec![0, 0, 0, short(name.len() + 5), 0, short(name.len() + 3), 0, 0, short(name.len())];
    extension.extend(name.bytes());
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 1, 1, 0, 0, short(extension.len())]);
    hello.extend(extension);
    let mut record = vec![0x16, 3, 1, 0, short(hello.len() + 4), 1, 0, 0, short(hello.len())];
    record.extend(hello);
    String::from_utf8(record).expect("text")
}

fn echoed(client: &mut Client, to: SocketAddr, send: &str) -> Option<String> {
    let call = RawCall { half_close: true, ..RawCall::new(to, send) };
    let answer = client.raw(&call).expect("an answer");
    (!answer.received.is_empty()).then_some(answer.received)
}

fn at(address: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(address.into(), port)
}

/// Of what the daemon says of a request: verdict, path, virtual service.
fn explained(node: &Node, call: &HttpCall) -> [String; 3] {
    let (url, dst) = (format!("http://{}:{}/", call.host, call.to.port()), call.to.ip().to_string());
    let mut command = Command::new(binary());
    command.args(["explain", "infra-jinsu-lab/marked", "-o", "json", "--to", &url, "--dst", &dst]);
    let output = command.env("MESHLET_ADMIN", node.daemon.admin().to_string()).output().expect("meshlet explain ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    ["verdict", "path", "virtualService"].map(|field| said[field].as_str().unwrap_or_default().to_owned())
}

/// Packets on the pod's loopback: those of whatever was captured.
fn loopback(client: &mut Client) -> u64 {
    client.netdev().expect("counters").get("lo").map_or(0, |lo| lo.rx_packets)
}

#[test]
fn given_a_rule_for_names_without_address_when_any_address_is_dialled_then_host_decides_and_the_peer_is_what_was_dialled()
 {
    let mut node = Node::new();
    node.apply(&names());
    for mapped in [false, true] {
        let nowhere = HttpCall { count: 10, mapped, ..HttpCall::get((NOWHERE, 80), "www.example.com") };
        let answers = node.ask("marked", &nowhere);
        assert_eq!(Shares::of(&answers).count("v2"), 10, "{answers:?}");
        for answer in &answers {
            let peer: SocketAddr = answer.peer.as_deref().unwrap_or_default().parse().expect("a peer");
            assert_eq!(SocketAddr::new(peer.ip().to_canonical(), peer.port()), at(NOWHERE, 80));
        }
    }
    let said = explained(&node, &HttpCall::get((NOWHERE, 80), "www.example.com"));
    assert_eq!(said, ["route", "proxy", "infra-jinsu-lab/out"]);

    let direct = at(node.ip("v1-a"), 80);
    for host in ["unknown.example.org", "v1-a"] {
        let answers = node.ask("marked", &HttpCall { count: 5, ..HttpCall::get(direct, host) });
        assert_eq!(Shares::of(&answers).pods(), ["v1-a"], "other names go where they were dialled");
        assert_eq!(answers[0].peer, Some(direct.to_string()));
    }
    let mut unmarked = node.client("unmarked");
    let native = unmarked.http(&HttpCall::get(direct, "www.example.com")).expect("an answer");
    assert_eq!((Shares::of(&native).pods(), loopback(&mut unmarked)), (vec!["v1-a"], 0), "unmarked pods are untouched");
}

#[test]
fn given_a_rule_for_server_names_when_any_address_is_dialled_then_they_decide_and_others_pass_to_that_address() {
    let mut node = Node::new();
    node.sandbox.add_pod(PodSpec::new(NAMESPACE, "tls").serving(443)).expect("a server");
    node.apply(&names());
    let mut client = node.client("marked");
    let ruled = client_hello("a.example.com");
    assert_eq!(echoed(&mut client, at(NOWHERE, 443), &ruled), Some(ruled));
    let direct = at(node.ip("tls"), 443);
    for name in ["b.example.com", "a.example.org"] {
        let hello = client_hello(name);
        assert_eq!(echoed(&mut client, direct, &hello), Some(hello), "{name} goes where it was dialled");
    }
    assert_eq!(client.connect(&ConnectCall::to(direct)).expect("an answer").peer, Some(direct.to_string()));
}

#[test]
fn given_ports_are_captured_when_a_pods_own_address_is_dialled_then_host_decides_and_by_default_it_is_native() {
    for (flags, pods) in [(&[][..], "v2-a"), (&["--capture", "ports"], "v1")] {
        let mut node = Node::with(Layout::Systemd, flags);
        let plain = ServiceSpec::new(NAMESPACE, "plain", 80, 80).selecting("app", "httpping");
        node.sandbox.add_service(plain).expect("a service");
        node.apply(
            &mesh_rule("  http: [{route: [{destination: {host: httpping-without-sidecar, subset: v1}}]}]")
                .replace("hosts: [httpping-without-sidecar]", "hosts: [plain, httpping-without-sidecar]")
                .replace("subset: v1}}", "subset: v1, port: {number: 8080}}}"),
        );
        let call = HttpCall { count: 10, ..HttpCall::get((node.ip("v2-a"), 80), "plain") };
        let answers = node.ask("marked", &call);
        assert_eq!(Shares::of(&answers).count(pods), 10, "{flags:?}: {answers:?}");
        assert_eq!(answers[0].peer, Some(call.to.to_string()), "{flags:?}");
        let path = if flags.is_empty() { "native" } else { "proxy" };
        assert_eq!(explained(&node, &call)[1], path, "{flags:?}");
    }
}

#[test]
fn given_registry_only_when_a_pod_connects_then_what_nobody_registered_is_refused_and_everything_else_is_as_usual() {
    let mut node = Node::with(Layout::Systemd, &["--outbound-traffic-policy", "registry-only"]);
    let own = PodSpec::new(NAMESPACE, "self").label("sidecar.istio.io/inject", "true").serving(80);
    let own = node.sandbox.add_pod(own).expect("a pod");
    node.settle();
    node.daemon.wait_captured(&own, true).expect("captured");

    let mut client = node.client("marked");
    let before = loopback(&mut client);
    let answers = node.ask("marked", &HttpCall { count: 5, ..node.get() });
    assert_eq!((answers.len(), loopback(&mut client)), (5, before), "a service without rules stays native");

    assert_eq!(explained(&node, &HttpCall::get(node.service, "httpping-without-sidecar"))[1], "native");
    let refused = HttpCall::get((NOWHERE, 8080), "www.example.com");
    assert_eq!(explained(&node, &refused), ["respond", "proxy", ""]);
    let unknown = client.http(&refused).expect("an answer");
    assert_eq!((unknown[0].status, &*unknown[0].body), (Some(502), ""), "{unknown:?}");
    let known = node.ask("marked", &HttpCall::get((NOWHERE, 8080), "httpping-without-sidecar"));
    assert!(known[0].pod.is_some(), "the name is registered: {known:?}");
    let direct = at(node.ip("v1-a"), 80);
    for send in ["\u{1}bytes", "GET / HTTP/1.1\r\nhost: v1-a\r\n\r\n"] {
        assert_eq!(echoed(&mut client, direct, send), None, "nobody registered {direct}");
    }
    assert_eq!(echoed(&mut node.client("unmarked"), direct, "\u{1}bytes").as_deref(), Some("\u{1}bytes"));

    let mut own = node.client("self");
    for address in [IpAddr::from([127, 0, 0, 1]), node.ip("self")] {
        let answers = own.http(&HttpCall::get((address, 80), "self")).expect("an answer");
        assert_eq!((answers[0].status, answers[0].pod.as_deref()), (Some(200), Some("self")), "to itself by {address}");
    }
}

#[test]
fn given_addresses_that_were_captured_with_their_port_when_nobody_dials_them_any_more_then_they_are_forgotten() {
    // None may be forgotten before the last has been dialled.
    let mut node = Node::with(Layout::Systemd, &["--forget-after", if emulated() { "30" } else { "1" }]);
    node.apply(&names());
    for last in 10..20 {
        let call =
            HttpCall { count: 2, keep_alive: false, ..HttpCall::get(([192, 0, 2, last], 80), "www.example.com") };
        drop(node.ask("marked", &call));
    }
    let known = entries(&node, "meshlet_seenid");
    assert!(known >= 10, "one for each address: {known}");
    let began = Instant::now();
    while entries(&node, "meshlet_seen") + entries(&node, "meshlet_seenid") > 0 {
        assert!(began.elapsed() < Duration::from_secs(120), "addresses that nobody dials stay known");
        std::thread::sleep(Duration::from_millis(100));
    }
    let known_again = || {
        let again = node.ask("marked", &HttpCall::get(([192, 0, 2, 10], 80), "www.example.com"));
        (again[0].peer.as_deref(), entries(&node, "meshlet_seen")) == (Some("192.0.2.10:80"), 1)
    };
    // An emulated machine may keep the workers from their heartbeat for longer than the hooks bear: that connect is native.
    if emulated() {
        wait_for("one of them is captured and known again", known_again);
    } else {
        assert!(known_again(), "one of them is captured and known again");
    }
}
