//! What cannot run says so and touches nothing; what is malformed is refused.

use std::net::TcpListener;
use std::process::Command;

use harness::{Node, binary, daemon_command, mesh_rule, sandbox};
use meshlet_sandbox::{HttpCall, Layout, RawCall};

fn refusal(command: &mut Command) -> String {
    let output = command.output().expect("it ran");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    message
}

#[test]
fn given_a_node_that_lacks_something_when_the_daemon_starts_then_it_says_what_and_touches_nothing() {
    let sandbox = sandbox(Layout::Systemd);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").to_string();
    let message = refusal(&mut daemon_command(&sandbox, &["--health", &port]));
    assert!(message.contains("--health") && message.contains(&port) && message.contains("free it"), "{message}");

    let message = refusal(&mut daemon_command(&sandbox, &["--cgroup-root", "/proc"]));
    assert!(message.contains("not in a cgroup v2 file system"), "{message}");

    let message = refusal(&mut daemon_command(&sandbox, &["-f", "/no/such/folder"]));
    assert!(message.contains("-f /no/such/folder: name a file or a folder that exists"), "{message}");

    let mut without = Command::new("setpriv");
    without
        .args(["--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-all"])
        .arg(binary())
        .arg("run")
        .arg("-f")
        .arg(sandbox.manifests());
    let message = refusal(&mut without);
    assert!(
        message.contains("CAP_BPF") && message.contains("CAP_SYS_ADMIN") && message.contains("run as root"),
        "{message}"
    );

    assert!(!sandbox.bpffs().join("meshlet").exists(), "nothing was pinned");
}

#[test]
fn given_wrong_usage_then_the_exit_code_is_64() {
    for arguments in
        [&["run", "--no-such-flag"][..], &["run", "-f", "/tmp", "--workers", "0"], &["no-such-command"], &[]]
    {
        let status = Command::new(binary()).args(arguments).env_clear().output().expect("it ran").status;
        assert_eq!(status.code(), Some(64), "{arguments:?}");
    }
}

#[test]
fn given_a_malformed_request_when_a_marked_pod_sends_it_then_it_is_answered_400_and_closed() {
    let mut node = Node::new();
    node.apply(&mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v1}}]"));
    let mut client = node.client("marked");
    for (head, body) in [
        ("Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        ("Host: a\r\nContent-Length: 1\r\nContent-Length: 2", "xx"),
        ("Host: a\r\nContent-Length: +1", "x"),
        ("Host: a\r\nTransfer-Encoding: chunked, gzip", ""),
        ("Host: a\r\nX: y\r\n folded", ""),
        ("Host: a\r\nX : y", ""),
        ("Host: a\r\nHost: b", ""),
        ("X: no host", ""),
    ] {
        let send = format!("POST / HTTP/1.1\r\n{head}\r\n\r\n{body}");
        let answer = client.raw(&RawCall::new(node.service, send)).expect("an answer");
        assert!(answer.received.starts_with("HTTP/1.1 400 "), "{head}: {answer:?}");
        assert!(answer.closed, "{head}: {answer:?}");
    }
}

#[test]
fn given_an_upstream_that_refuses_when_a_marked_pod_asks_then_the_answer_is_503_uf() {
    let mut node = Node::new();
    // The subset's only pods do not listen.
    let dead = meshlet_sandbox::PodSpec::new("infra-jinsu-lab", "dead").label("app", "httpping").label("version", "v3");
    node.sandbox.add_pod(dead).expect("a pod");
    let rule = mesh_rule("  http:\n  - route: [{destination: {host: httpping-without-sidecar, subset: v3}}]");
    node.apply(&rule.replace("  - {name: v1,", "  - {name: v3, labels: {version: v3}}\n  - {name: v1,"));
    let answers = node.client("marked").http(&HttpCall { count: 3, ..node.get() }).expect("answers");
    for answer in answers {
        assert_eq!((answer.status, answer.pod), (Some(503), None));
        assert!(answer.body.starts_with("upstream connect error"), "{}", answer.body);
    }
}
