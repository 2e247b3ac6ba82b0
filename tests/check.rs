//! `meshlet check` on this node and of a cluster, and the daemon with no more than the DaemonSet gives it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use harness::{Node, binary, mesh_rule, sandbox};
use meshlet_sandbox::{ApiServer, Daemon, Fault, HttpCall, Layout, PodSpec, Sandbox, ServiceSpec};
use serde_json::{Value, json};

/// What config/deploy adds to no capabilities at all.
const GIVEN: &str = "+bpf,+net_admin,+sys_admin,+sys_ptrace";

fn check(sandbox: &Sandbox, program: &mut Command, flags: &[&str]) -> (Option<i32>, String) {
    program.arg("check").arg("--cgroup-root").arg(sandbox.cgroup_root()).arg("--bpffs").arg(sandbox.bpffs());
    said(program.args(flags))
}

/// Without the cluster that this machine may belong to.
fn said(program: &mut Command) -> (Option<i32>, String) {
    program.env("HOME", "/nonexistent").env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST");
    let output: Output = program.output().expect("it ran");
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
    assert!(page.contains("– no cluster was looked at"), "{page}");
}

fn pod(namespace: &str, name: &str, node: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "meshlet", "image": "meshlet:1"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// The node `sandbox`, and the pod that a daemon on it would be.
fn stand_for_the_kubelet(api: &ApiServer) {
    let info = json!({"kernelVersion": "6.12.1", "operatingSystem": "linux"});
    let node =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "sandbox"}, "status": {"nodeInfo": info}});
    let daemon = pod("meshlet-system", "meshlet-1", "sandbox", &json!({"app.kubernetes.io/name": "meshlet"}));
    api.apply_all([node, daemon]).expect("objects");
}

#[test]
fn given_a_node_of_a_good_cluster_then_both_are_looked_at_and_every_check_passes() {
    let node = Node::in_cluster();
    stand_for_the_kubelet(node.api());
    let kubeconfig = kubeconfig(&node.sandbox, node.api(), "admin");
    let (admin, health) = (node.daemon.admin().to_string(), node.daemon.health().to_string());
    let flags = ["--admin", &admin, "--health", &health, "--wait", "20s", "--kubeconfig", &kubeconfig];
    let (code, page) = check(&node.sandbox, &mut Command::new(binary()), &flags);
    assert_eq!(code, Some(0), "{page}");
    for expected in [
        "√ 1 pods are captured",
        "√ virtualservices.networking.istio.io is served in v1\n",
        "√ system:serviceaccount:meshlet-system:meshlet may do all that the daemon does\n",
        "√ the kernels of all 1 Linux nodes are new enough\n",
        "√ no other mesh is here\n",
        "√ 1 daemons are ready, one on every node with marked pods (1 pods)\n",
    ] {
        assert!(page.contains(expected), "{expected} is not in:\n{page}");
    }
    let (_, report) = check(&node.sandbox, &mut Command::new(binary()), &[&flags[..], &["-o", "json"]].concat());
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let sections = report["sections"].as_array().expect("sections");
    let permissions = sections.iter().find(|section| section["title"] == "permissions").expect("a section");
    let check = &permissions["checks"][0];
    assert_eq!((&check["result"], &check["details"][1]), (&json!("pass"), &json!("list, watch pods")), "{report:#}");
}

#[test]
fn given_a_workstation_then_the_cluster_alone_is_looked_at_and_what_is_wrong_with_it_is_named() {
    let node = Node::in_cluster();
    let api = node.api();
    stand_for_the_kubelet(api);
    let kubeconfig = kubeconfig(&node.sandbox, api, "admin");
    let from_workstation = |flags: &[&str]| {
        let mut program = Command::new("setpriv");
        program.args(["--bounding-set", "-all", "--inh-caps=-all"]).arg(binary());
        said(program.args(["check", "--kubeconfig", &kubeconfig]).args(flags))
    };
    let expect = |words: &str, code: i32| {
        let (exit, page) = from_workstation(&[]);
        assert!(page.contains(words), "{words} is not in:\n{page}");
        assert_eq!(exit, Some(code), "{page}");
    };
    expect("– capabilities, cgroup v2, the programs on the hooks and what its daemon captures were not looked at", 0);
    expect("    kubectl -n meshlet-system exec daemonset/meshlet -- /meshlet check --cgroup-root /host/cgroup\n", 0);

    api.serve("sidecars", &[]);
    expect("‼ sidecars.networking.istio.io is not served: rules of this kind are not read\n", 0);
    api.fault("serviceentries", Some(Fault::Forbidden));
    expect(
        "may not list, watch serviceentries.networking.istio.io: rules of this kind are not read\n    grant it:",
        79,
    );
    api.fault("serviceentries", None);
    api.apply(pod("istio-system", "istiod-1", "sandbox", &json!({"app": "istiod"}))).expect("a pod");
    expect("√ Istio is here, in namespace istio-system: pods with its sidecar are left to it\n", 0);
    let marked = json!({"sidecar.istio.io/inject": "true"});
    api.apply(pod("infra-jinsu-lab", "far", "elsewhere", &marked)).expect("a pod");
    expect("× node elsewhere has 1 marked pods and no daemon: they are native\n", 79);
    let (code, page) = from_workstation(&["--pre"]);
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("√ admin may create what the manifest holds") && !page.contains("no daemon"), "{page}");
}

fn kubeconfig(sandbox: &Sandbox, api: &ApiServer, account: &str) -> String {
    let path = sandbox.folder().join("kubeconfig-of-who-checks");
    fs::write(&path, api.kubeconfig_of(account)).expect("a kubeconfig");
    path.to_str().expect("UTF-8").to_owned()
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
