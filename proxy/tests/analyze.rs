//! `meshlet analyze` as CI calls it: findings, exit codes that do not depend on the output, suppressions.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const RULE: &str = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo, namespace: shop}
spec:
  hosts: [echo]
  http:
  - route:
    - destination:
        host: echo
        subset: v9
";
const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: echo, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: echo}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: echo, namespace: shop, labels: {app: echo}}, status: {podIP: 10.1.0.1}}
";

fn analyze(folder: &Path, arguments: &[&str]) -> Output {
    let mut meshlet = Command::new(env!("CARGO_BIN_EXE_meshlet"));
    meshlet.current_dir(folder).arg("analyze").args(arguments).output().expect("meshlet ran")
}

#[test]
fn given_a_rule_for_an_unknown_subset_then_it_is_found_at_its_field_and_the_exit_code_is_79_for_every_output() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("rules.yaml"), RULE).expect("a file");
    std::fs::write(folder.path().join("service.yaml"), SERVICE).expect("a file");
    let log = analyze(folder.path(), &["."]);
    assert_eq!(log.status.code(), Some(79));
    let shown = String::from_utf8_lossy(&log.stdout).into_owned();
    assert!(shown.contains("Error [MSH0101] (VirtualService shop/echo ./rules.yaml:10:9) "), "{shown}");
    let json = analyze(folder.path(), &["-o", "json", "-f", "."]);
    assert_eq!(json.status.code(), Some(79));
    let findings: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let found =
        findings.as_array().into_iter().flatten().find(|finding| finding["code"] == "MSH0101").expect("the finding");
    assert_eq!((&found["level"], &found["istio"]), (&"error".into(), &"IST0101".into()));
    assert_eq!(found["reference"], "./rules.yaml:10:9");
    assert_eq!(analyze(folder.path(), &["-o", "yaml", "."]).status.code(), Some(79));
    assert_eq!(found["documentationUrl"], "docs/analyze.md#msh0101");
    let suppressed = analyze(folder.path(), &[".", "-S", "MSH0101=VirtualService shop/*"]);
    assert_eq!(suppressed.status.code(), Some(0), "{}", String::from_utf8_lossy(&suppressed.stdout));
}

#[test]
fn given_good_bad_and_no_input_then_the_exit_code_tells_them_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("service.yaml"), SERVICE).expect("a file");
    let good = analyze(folder.path(), &["service.yaml", "-o", "json"]);
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stdout));
    std::fs::write(folder.path().join("broken.yaml"), "kind: [").expect("a file");
    assert_eq!(analyze(folder.path(), &["broken.yaml"]).status.code(), Some(65));
    assert_eq!(analyze(folder.path(), &[]).status.code(), Some(64));
    assert_eq!(analyze(folder.path(), &["nowhere"]).status.code(), Some(1));
    assert_eq!(analyze(folder.path(), &["--list-analyzers"]).status.code(), Some(0));
}
