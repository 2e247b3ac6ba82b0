//! What bpftool shows, and that nothing is left behind.

use std::path::Path;
use std::process::Command;

use harness::{Node, binary, bpftool, daemon_command, maps, mesh_rule, sandbox};
use meshlet_sandbox::{Daemon, Layout, PodSpec, ServiceSpec};

fn text(path: &Path) -> &str {
    path.to_str().expect("an ASCII path")
}

#[test]
fn given_a_running_daemon_then_bpftool_shows_programs_and_maps_by_name_and_uninstall_leaves_nothing() {
    let mut node = Node::new();
    node.apply(&mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]"));
    let kubepods = node.sandbox.kubepods();
    let tree = bpftool(&["cgroup", "tree", text(&kubepods)]);
    for program in ["meshlet_conn4", "meshlet_conn6", "meshlet_peer4", "meshlet_peer6"] {
        assert_eq!(tree.matches(program).count(), 1, "attached once, at kubepods:\n{tree}");
    }
    let maps = maps(&node);
    for map in ["meshlet_service", "meshlet_ids", "meshlet_pods", "meshlet_listen", "meshlet_beat", "meshlet_set"] {
        assert!(maps.contains_key(map), "{map} is not among {maps:?}");
    }
    let [a, b, c, d] = match node.service.ip() {
        std::net::IpAddr::V4(address) => address.octets(),
        std::net::IpAddr::V6(address) => panic!("{address}"),
    };
    let dump = bpftool(&["map", "dump", "name", "meshlet_service"]).to_lowercase();
    let key = format!("{a:02x} {b:02x} {c:02x} {d:02x} 1f 90");
    let plain = dump.split_whitespace().collect::<Vec<_>>().join(" ");
    let listed = format!("{a},{b},{c},{d}");
    let decoded = dump.split_whitespace().collect::<String>();
    assert!(plain.contains(&key) || decoded.contains(&listed), "10.x:8080 is captured: {dump}");

    let refused =
        Command::new(binary()).args(["uninstall", "--bpffs", text(&node.sandbox.bpffs())]).output().expect("it ran");
    assert_eq!(refused.status.code(), Some(1), "a running daemon is not pulled out from under itself");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop it first"));

    assert!(node.daemon.stop().expect("stopped").success());
    assert!(bpftool(&["cgroup", "tree", text(&kubepods)]).contains("meshlet_conn4"), "pinned, and inert");
    let removed =
        Command::new(binary()).args(["uninstall", "--bpffs", text(&node.sandbox.bpffs())]).output().expect("it ran");
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    assert!(!bpftool(&["cgroup", "tree", text(&kubepods)]).contains("meshlet"), "no program is attached");
    assert!(!node.sandbox.bpffs().join("meshlet").exists(), "no pin is left");
}

#[test]
fn given_a_dry_run_then_it_says_what_it_would_capture_and_nothing_is_attached_or_opened() {
    let mut sandbox = sandbox(Layout::Systemd);
    sandbox.add_pod(Node::server("v1-a", "v1")).expect("a server");
    let marked = PodSpec::new("infra-jinsu-lab", "marked").label("sidecar.istio.io/inject", "true");
    let marked = sandbox.add_pod(marked).expect("a pod");
    let service =
        ServiceSpec::new("infra-jinsu-lab", "httpping-without-sidecar", 8080, 80).selecting("app", "httpping");
    let address = sandbox.add_service(service).expect("a service");
    let rule = mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]");
    sandbox.apply("rule.yaml", &rule).expect("a rule");
    let mut daemon = Daemon::start(&sandbox, &binary(), &["--dry-run"]).expect("a daemon");
    daemon.wait_in_force(&sandbox).expect("in force");
    let log = daemon.log();
    let said = format!("would capture pod=infra-jinsu-lab/marked reason=\"PodInjection\" services={address}:8080");
    assert!(log.contains(&said), "{said} is not in:\n{log}");
    assert!(!bpftool(&["cgroup", "tree", text(&sandbox.kubepods())]).contains("meshlet"), "nothing is attached");
    let listening = sandbox.client(&marked).expect("a client").listening().expect("ports");
    assert_eq!(listening, Vec::<u16>::new(), "no listener in the pod");
}

#[test]
fn given_a_foreign_program_that_ours_would_displace_when_the_daemon_starts_then_it_refuses_and_names_it() {
    // Any connect4 program will do for a foreign one: that of another node.
    let other = Node::new();
    let attached = bpftool(&["-j", "cgroup", "show", text(&other.sandbox.kubepods())]);
    let attached: serde_json::Value = serde_json::from_str(&attached).expect("JSON");
    let is_connect4 = |program: &&serde_json::Value| program.get("name").is_some_and(|name| name == "meshlet_conn4");
    let program = attached.as_array().into_iter().flatten().find(is_connect4).expect("a connect4 program");
    let id = program.get("id").map(ToString::to_string).expect("its id");
    let sandbox = sandbox(Layout::Systemd);
    let root = sandbox.cgroup_root();
    bpftool(&["cgroup", "attach", text(&root), "connect4", "id", &id, "override"]);
    let output = daemon_command(&sandbox, &[]).output().expect("it ran");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    bpftool(&["cgroup", "detach", text(&root), "connect4", "id", &id]);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(text(&root)) && message.contains("foreign connect4 program"), "{message}");
    assert!(!bpftool(&["cgroup", "tree", text(&sandbox.kubepods())]).contains("meshlet"), "nothing was attached");
    assert!(!sandbox.bpffs().join("meshlet").exists(), "nothing was touched");
}
