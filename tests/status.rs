//! `meshlet status` of a live daemon: what it says is what is there.

use harness::{Node, named, open, report, status, wait_for};
use meshlet_sandbox::{FloodCall, ServiceSpec};
use serde_json::{Value, json};

#[test]
fn given_a_live_daemon_then_its_line_its_pods_and_its_exit_code_say_how_it_is() {
    let node = Node::new();
    let told = report(&node, &[]);
    for (key, expected) in [
        ("problem", Value::Null),
        ("ready", json!(true)),
        ("dryRun", json!(false)),
        ("capturedPods", json!(1)),
        ("markedPods", json!(1)),
        ("watches", json!([])),
        ("bpf", Value::Null),
    ] {
        assert_eq!(told[key], expected, "{key}: {told:#}");
    }
    let marked = named(&told["pods"], "name", "marked");
    assert_eq!((&marked["captured"], &marked["running"]), (&json!(true), &json!(true)), "{marked:#}");
    assert_eq!(named(&told["pods"], "name", "unmarked")["captured"], json!(false));
    let (_, page, _) = status(&node, &["-o", "wide"]);
    for expected in ["1/1", "files", "infra-jinsu-lab/marked", "PodInjection", "infra-jinsu-lab/unmarked", "PodOptOut"]
    {
        assert!(page.contains(expected), "{expected} is not in:\n{page}");
    }
}

#[test]
fn given_a_daemon_in_a_cluster_then_its_watches_are_shown() {
    let node = Node::in_cluster();
    let told = report(&node, &[]);
    assert_eq!(named(&told["watches"], "resource", "pods")["state"], json!("following"), "{told:#}");
    let (code, page, _) = status(&node, &[]);
    assert_eq!(code, Some(0), "{page}");
    assert!(page.lines().nth(1).is_some_and(|line| line.contains(" ok ")), "{page}");
}

#[test]
fn given_a_route_that_the_kernel_decides_then_it_is_shown_with_its_client_its_service_and_its_shares() {
    let mut node = Node::new();
    let service = ServiceSpec::new("infra-jinsu-lab", "opaque", 9090, 80).port_name("tcp").selecting("app", "httpping");
    let address = node.sandbox.add_service(service).expect("a service");
    let legs =
        "{weight: 25, destination: {host: opaque, subset: v1}}, {weight: 75, destination: {host: opaque, subset: v2}}";
    node.apply(&format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: opaque, namespace: infra-jinsu-lab}}\n\
         spec: {{hosts: [opaque], tcp: [{{route: [{legs}]}}]}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: opaque, namespace: infra-jinsu-lab}}\n\
         spec: {{host: opaque, subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]}}\n"
    ));
    let to = (address, 9090).into();
    let mut client = node.client("marked");
    let held = FloodCall { to, host: "whoever".to_owned(), connections: 4, keep_alive: true, pause_ms: 10 };
    client.flood(&held).expect("connections");

    let (dialled, host) = (format!("{address}:9090"), "opaque.infra-jinsu-lab.svc.cluster.local");
    let mut bpf = Value::Null;
    wait_for("the connections are counted", || {
        bpf = report(&node, &["--bpf"])["bpf"].clone();
        open(named(&bpf["routes"], "address", &dialled)) == 4
    });
    let route = named(&bpf["routes"], "address", &dialled);
    assert_eq!(route["host"], json!(host), "{route:#}");
    assert_eq!(route["clients"], json!(["infra-jinsu-lab/marked"]), "{route:#}");
    for (leg, subset, share) in [(0, "v1", 0.25), (1, "v2", 0.75)] {
        let leg = &route["destinations"][leg];
        assert_eq!(
            (&leg["subset"], &leg["share"], &leg["host"]),
            (&json!(subset), &json!(share), &json!(host)),
            "{leg:#}"
        );
        let endpoint = named(&leg["endpoints"], "address", &format!("{}:80", node.ip(&format!("{subset}-a"))));
        assert!(endpoint["share"].as_f64().is_some_and(|share| (share - 1.0 / 3.0).abs() < 0.01), "{leg:#}");
    }
    let captured = named(&bpf["addresses"], "address", &dialled);
    assert_eq!(captured["host"], json!(host));
    assert!(captured["id"].as_u64().is_some_and(|id| id > 0), "{captured:#}");
    let pod = named(&bpf["pods"], "pod", "infra-jinsu-lab/marked");
    assert_eq!(pod["addresses"], json!([node.ip("marked").to_string()]));
    assert!(pod["netnsCookie"].as_u64().is_some_and(|cookie| cookie > 0), "{pod:#}");
    let program = named(&bpf["programs"], "name", "meshlet_conn4");
    assert!(program["id"].as_u64().is_some_and(|id| id > 0), "{program:#}");
    assert_eq!(named(&bpf["maps"], "name", "meshlet_pods")["entries"], json!(1));

    let (code, page, stderr) = status(&node, &["--bpf"]);
    assert_eq!(code, Some(0), "{stderr}");
    let line = format!("{host} ({dialled})   infra-jinsu-lab/marked   subset v1");
    assert!(page.contains(&line), "{line:?} is not in:\n{page}");
}
