//! What `meshlet explain` says.

use std::process::Command;

use meshlet_sandbox::HttpCall;
use serde_json::Value;

use super::{Node, SERVICE_PORT, binary};

/// The explanation of a call from a pod, by the manifests that the daemon runs on.
#[must_use]
pub fn explain(node: &Node, pod: &str, call: &HttpCall) -> Value {
    let mut command = Command::new(binary());
    command.args(["explain", &format!("infra-jinsu-lab/{pod}"), "-o", "json", "-f"]).arg(node.sandbox.manifests());
    command.args([
        "--to",
        &format!("http://httpping-without-sidecar:{SERVICE_PORT}{}", call.path),
        "-X",
        &call.method,
        "-H",
        &format!("host: {}", call.host),
    ]);
    for (name, value) in &call.headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output = command.output().expect("meshlet explain ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}
