//! `meshlet check` on this node, and the daemon with no more than the DaemonSet gives it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use harness::{Node, binary, mesh_rule, sandbox};
use meshlet_sandbox::{Daemon, HttpCall, Layout, PodSpec, Sandbox, ServiceSpec};

/// What config/deploy adds to no capabilities at all.
const GIVEN: &str = "+bpf,+net_admin,+sys_admin,+sys_ptrace";

fn check(sandbox: &Sandbox, program: &mut Command, flags: &[&str]) -> (Option<i32>, String) {
    program.arg("check").arg("--cgroup-root").arg(sandbox.cgroup_root());
    let output: Output = program.arg("--bpffs").arg(sandbox.bpffs()).args(flags).output().expect("it ran");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn given_a_node_whose_daemon_runs_then_every_check_passes_and_without_it_one_fails() {
    let mut node = Node::new();
    let (admin, health) = (node.daemon.admin().to_string(), node.daemon.health().to_string());
    let flags = ["--admin", &admin, "--health", &health, "--wait", "20s"];
    let (code, page) = check(&node.sandbox, &mut Command::new(binary()), &flags);
    assert_eq!(code, Some(0), "{page}");
    for expected in [
        "√ the kernel takes the programs and maps",
        "√ connect4, in this order: meshlet_conn4",
        "√ 1 pods are captured",
    ] {
        assert!(page.contains(expected), "{expected} is not in:\n{page}");
    }
    node.daemon.stop().expect("stopped");
    let (code, page) = check(&node.sandbox, &mut Command::new(binary()), &flags[..4]);
    assert_eq!(code, Some(79), "{page}");
    assert!(page.contains(&format!("× no daemon answers at {health}")), "{page}");
    let (code, page) = check(&node.sandbox, &mut Command::new(binary()), &["--pre"]);
    assert_eq!(code, Some(0), "{page}");
}

#[test]
fn given_a_capability_too_few_then_the_check_names_it() {
    let sandbox = sandbox(Layout::Systemd);
    let few = GIVEN.replace(",+sys_ptrace", "");
    let mut program = Command::new("setpriv");
    program.args(["--bounding-set", &format!("-all,{few}"), "--inh-caps=-all"]).arg(binary());
    let (code, page) = check(&sandbox, &mut program, &["--pre"]);
    assert_eq!(code, Some(79), "{page}");
    assert!(page.contains("× missing capabilities: CAP_SYS_PTRACE (to find"), "{page}");
}

#[test]
fn given_only_what_the_daemonset_gives_then_the_rule_holds() {
    let mut sandbox = sandbox(Layout::Systemd);
    sandbox.namespace("infra-jinsu-lab", &[]).expect("a namespace");
    for (name, version) in [("v1-a", "v1"), ("v2-a", "v2")] {
        sandbox.add_pod(Node::server(name, version)).expect("a server");
    }
    let marked = PodSpec::new("infra-jinsu-lab", "marked").label("sidecar.istio.io/inject", "true");
    let marked = sandbox.add_pod(marked).expect("a pod");
    let service =
        ServiceSpec::new("infra-jinsu-lab", "httpping-without-sidecar", 8080, 80).selecting("app", "httpping");
    let address = sandbox.add_service(service).expect("a service");
    let rule = mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]");
    sandbox.apply("rule.yaml", &rule).expect("a rule");
    let mut daemon = Daemon::start(&sandbox, &confined(&sandbox), &[]).expect("a daemon");
    daemon.wait_in_force(&sandbox).expect("in force");
    daemon.wait_captured(&marked, true).expect("captured");
    let call = HttpCall { count: 20, ..HttpCall::get((address, 8080), "httpping-without-sidecar") };
    let answers = sandbox.client(&marked).expect("a client").http(&call).expect("answers");
    let pods: Vec<_> = answers.iter().map(|answer| answer.pod.as_deref()).collect();
    assert_eq!(pods, [Some("v1-a"); 20]);
    assert!(!daemon.log().contains("WARN"), "{}", daemon.log());
}

/// The program under test behind what takes all other capabilities from it.
fn confined(sandbox: &Sandbox) -> PathBuf {
    let script = sandbox.folder().join("confined");
    let (binary, given) = (binary(), format!("-all,{GIVEN}"));
    // By its path: a shell may have one of its own, which can do less.
    let path = std::env::var_os("PATH").expect("a PATH");
    let setpriv = std::env::split_paths(&path).map(|folder| folder.join("setpriv")).find(|file| file.is_file());
    let setpriv = setpriv.expect("setpriv of util-linux");
    let words =
        format!("{} --bounding-set {given} --inh-caps=-all --no-new-privs {}", setpriv.display(), binary.display());
    fs::write(&script, format!("#!/bin/sh\nexec {words} \"$@\"\n")).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("executable");
    script
}
