//! Full maps: what is new is refused, what was there stays, and the log and the metrics say so.

use std::net::SocketAddr;

use harness::{Node, Shares, wait_for};
use meshlet_sandbox::{HttpCall, Layout, PodSpec, ServiceSpec};

const NAMESPACE: &str = "infra-jinsu-lab";

/// A TCP service over the experiment's pods, by its address.
fn service(node: &mut Node, name: &str) -> SocketAddr {
    let service = ServiceSpec::new(NAMESPACE, name, 9090, 80).port_name("tcp").selecting("app", "httpping");
    (node.sandbox.add_service(service).expect("a service"), 9090).into()
}

/// All that comes for a service goes to its pods of one version.
fn only(name: &str, version: &str, fields: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\n\
         spec: {{host: {name}, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}{fields}}}, subsets: [{{name: only, labels: {{version: {version}}}}}]}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\n\
         spec: {{hosts: [{name}], tcp: [{{route: [{{destination: {{host: {name}, subset: only}}}}]}}]}}\n---\n"
    )
}

fn shares(node: &Node, to: SocketAddr) -> Shares {
    let call = HttpCall { count: 60, keep_alive: false, ..HttpCall::get(to, "whoever") };
    let answers = node.ask("marked", &call);
    for answer in &answers {
        assert_eq!(answer.peer.as_deref(), Some(to.to_string().as_str()), "the app sees what it dialled");
    }
    Shares::of(&answers)
}

fn versions(node: &Node, to: SocketAddr) -> Vec<String> {
    let mut versions: Vec<String> = shares(node, to).pods().iter().map(|pod| pod[..2].to_owned()).collect();
    versions.dedup();
    versions
}

/// The value of a series of a map on the metrics page.
fn metric(node: &Node, name: &str, map: &str) -> u64 {
    let page = node.daemon.scrape().expect("the metrics page");
    let series = format!("{name}{{map=\"{map}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("{series} is not on the page:\n{page}")).parse().expect("a number")
}

#[test]
fn given_a_full_service_map_then_the_new_service_is_native_the_old_ones_are_captured_and_the_log_says_which() {
    let mut node = Node::with(Layout::Systemd, &["--map-size", "services=2"]);
    let [a, b, c] = ["a", "b", "c"].map(|name| service(&mut node, name));
    // An outlier detection keeps them with the proxy.
    let proxied = ", outlierDetection: {}";
    let both = only("a", "v1", "") + &only("b", "v1", proxied);
    node.apply(&both);
    assert_eq!([a, b].map(|to| versions(&node, to)), [["v1"], ["v1"]]);
    assert_eq!(metric(&node, "meshlet_bpf_map_entries", "meshlet_service"), 2);
    assert_eq!(metric(&node, "meshlet_bpf_map_max_entries", "meshlet_service"), 2);
    assert_eq!(metric(&node, "meshlet_bpf_map_refused_total", "meshlet_service"), 0);

    node.apply(&(both + &only("c", "v1", proxied)));
    shares(&node, c).assert_even_over_six();
    assert_eq!([a, b].map(|to| versions(&node, to)), [["v1"], ["v1"]]);
    let log = node.daemon.log();
    let said = format!("Service {NAMESPACE}/c ({c})");
    assert!(log.contains(&said) && log.contains("--map-size services=N (now 2)"), "{said} is not in:\n{log}");
    assert_eq!(metric(&node, "meshlet_bpf_map_refused_total", "meshlet_service"), 1);
    assert_eq!(log.matches("no room").count(), 1, "told once:\n{log}");

    // One goes, and there is room.
    node.apply(&(only("b", "v1", proxied) + &only("c", "v1", proxied)));
    assert_eq!([b, c].map(|to| versions(&node, to)), [["v1"], ["v1"]]);
    shares(&node, a).assert_even_over_six();
}

#[test]
fn given_no_room_for_a_route_in_the_kernel_then_the_proxy_decides_it_and_the_kernel_the_old_ones() {
    for (size, map) in [("routes=2", "meshlet_routes"), ("slots=4", "meshlet_slots"), ("endpoints=3", "meshlet_ends")] {
        let mut node = Node::with(Layout::Systemd, &["--map-size", size]);
        let [a, b] = ["a", "b"].map(|name| service(&mut node, name));
        node.apply(&only("a", "v1", ""));
        let other = if map == "meshlet_routes" {
            // Of two destinations: more routes than there are cells.
            let split = "{route: [{destination: {host: b, subset: only}, weight: 50}, {destination: {host: b, subset: only}, weight: 50}]}";
            only("b", "v2", "").replace("{route: [{destination: {host: b, subset: only}}]}", split)
        } else {
            only("b", "v2", "")
        };
        node.apply(&(only("a", "v1", "") + &other));
        let mut client = node.client("marked");
        let on_loopback = |client: &mut meshlet_sandbox::Client| client.netdev().expect("counters")["lo"].rx_packets;
        let before = on_loopback(&mut client);
        assert_eq!(versions(&node, a), ["v1"], "{size}");
        assert_eq!(on_loopback(&mut client), before, "{size}: decided in the kernel, as before");
        assert_eq!(versions(&node, b), ["v2"], "{size}");
        assert!(on_loopback(&mut client) > before, "{size}: the proxy decides");
        assert_eq!(metric(&node, "meshlet_bpf_map_refused_total", map), 1, "{size}");
        assert!(
            node.daemon.log().contains(&format!("Service {NAMESPACE}/b ({b}) for clients of namespace {NAMESPACE}"))
        );
    }
}

#[test]
fn given_a_full_pod_map_then_the_new_pod_is_native_and_captured_as_soon_as_there_is_room() {
    let mut node = Node::with(Layout::Systemd, &["--map-size", "pods=1"]);
    let to = service(&mut node, "a");
    node.apply(&only("a", "v1", ""));
    let second = PodSpec::new(NAMESPACE, "second").label("sidecar.istio.io/inject", "true");
    node.sandbox.add_pod(second).expect("a pod");
    node.settle();
    wait_for("the second pod is refused", || node.daemon.log().contains("Pod infra-jinsu-lab/second"));
    let call = HttpCall { count: 60, keep_alive: false, ..HttpCall::get(to, "whoever") };
    Shares::of(&node.ask("second", &call)).assert_even_over_six();
    assert_eq!(versions(&node, to), ["v1"], "the first one is captured");
    assert_eq!(metric(&node, "meshlet_bpf_map_entries", "meshlet_pods"), 1);
    node.sandbox.delete_pod(&Node::pod("marked")).expect("gone");
    wait_for("there is room", || node.daemon.log().contains("no longer refused"));
    let pods = Shares::of(&node.ask("second", &call));
    assert!(pods.pods().iter().all(|pod| pod.starts_with("v1")), "{pods:?}");
}
