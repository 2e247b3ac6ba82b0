//! `meshlet test` as CI calls it: exit codes and outputs.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const RULES: &str = "
{apiVersion: v1, kind: Service, metadata: {name: echo, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: echo}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: echo, namespace: shop, labels: {app: echo}}, status: {podIP: 10.1.0.1}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: echo, namespace: shop}, spec: {hosts: [echo], http: [
  {name: beta, match: [{headers: {x-beta: {exact: 'yes'}}}], route: [{destination: {host: echo}}]},
  {name: rest, route: [{destination: {host: echo}}]}]}}
";

const HEAD: &str = "manifests: [rules.yaml]\nclient: {namespace: shop}\ncases:\n";
const PASSES: &str = "- {name: rest, request: http://echo/, expect: {rule: rest}}\n";
const FAILS: &str = "- {name: <beta> & co, request: http://echo/, expect: {rule: beta}}\n";

fn test(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshlet"));
    command.current_dir(folder).arg("test").args(arguments).output().expect("meshlet ran")
}

/// A folder with the rules and one test file below it.
fn folder(cases: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("deep/er")).expect("a folder");
    std::fs::write(folder.path().join("deep/er/rules.yaml"), RULES).expect("a file");
    std::fs::write(folder.path().join("deep/er/cases.yaml"), cases).expect("a file");
    folder
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn given_cases_then_the_exit_code_says_what_came_of_them_whatever_the_output() {
    let (good, bad) = (folder(&format!("{HEAD}{PASSES}")), folder(&format!("{HEAD}{PASSES}{FAILS}")));
    let unknown = folder(&format!("{HEAD}{PASSES}- {{name: x, request: http://echo/, expect: {{verdct: route}}}}\n"));
    let lost = folder(&format!("manifests: [nowhere.yaml]\nclient: a/b\ncases:\n{PASSES}"));
    for output in ["table", "wide", "json", "yaml", "junit"] {
        let code = |folder: &tempfile::TempDir| test(folder.path(), &["deep", "-o", output]).status.code();
        assert_eq!((code(&good), code(&bad), code(&unknown), code(&lost)), (Some(0), Some(79), Some(65), Some(65)));
    }
    let place = test(unknown.path(), &["deep/er/cases.yaml"]);
    let text = String::from_utf8_lossy(&place.stderr).into_owned();
    assert!(text.starts_with("deep/er/cases.yaml:5:45: cases[1].expect.verdct: is not a known key"), "{text}");
    let code = |arguments: &[&str]| test(good.path(), arguments).status.code();
    assert_eq!(code(&[]), Some(64));
    assert_eq!(code(&["deep", "-o", "tap"]), Some(64));
    assert_eq!(code(&["nowhere"]), Some(65));
    assert_eq!(code(&["deep/er/rules.yaml"]), Some(65), "that is no test file");
    let empty = tempfile::tempdir().expect("a folder");
    assert_eq!(test(empty.path(), &["."]).status.code(), Some(65), "no cases.yaml is no success");
}

#[test]
fn given_a_failure_then_the_table_has_its_place_what_was_expected_and_found_and_what_decided() {
    let folder = folder(&format!("{HEAD}{PASSES}{FAILS}"));
    assert_eq!(
        stdout(&test(folder.path(), &["deep"])),
        "✘ deep/er/cases.yaml:5:3  <beta> & co
  ✘ GET http://echo/  from an imaginary client of shop
      rule: expected beta, found rest
      decided: route by VirtualService shop/echo http[1] \"rest\" → echo.shop.svc.cluster.local 100.0 %
        http[0] \"beta\" match[0] skipped: header x-beta is absent, wants exact \"yes\"
✘ 2 cases, 2 requests: 1 case failed
"
    );
}

#[test]
fn given_machines_then_json_yaml_and_junit_hold_the_same() {
    let folder = folder(&format!("{HEAD}{PASSES}{FAILS}"));
    let json: Value = serde_json::from_str(&stdout(&test(folder.path(), &["deep", "-o", "json"]))).expect("JSON");
    assert_eq!(json.pointer("/kind"), Some(&json!("TestReport")));
    assert_eq!((json.pointer("/passed"), json.pointer("/failed")), (Some(&json!(1)), Some(&json!(1))));
    let failure = json!({"key": "rule", "expected": "beta", "found": "rest"});
    assert_eq!(json.pointer("/results/1/requests/0/failures/0"), Some(&failure));
    assert_eq!(json.pointer("/results/1/requests/0/explanation/rule/index"), Some(&json!(1)));
    let yaml: Value = serde_saphyr::from_str(&stdout(&test(folder.path(), &["deep", "-o", "yaml"]))).expect("YAML");
    assert_eq!(yaml, json);
    let junit = stdout(&test(folder.path(), &["deep", "-o", "junit"]));
    for part in [
        "<testsuites name=\"meshlet test\" tests=\"2\" failures=\"1\" errors=\"0\">",
        "<testcase classname=\"deep/er/cases.yaml\" name=\"&lt;beta&gt; &amp; co\" file=\"deep/er/cases.yaml\" line=\"5\">",
        "<failure message=\"rule: expected beta, found rest\">",
    ] {
        assert!(junit.contains(part), "{part}: {junit}");
    }
}

#[test]
fn given_further_manifests_by_the_flag_then_they_count_too() {
    let folder = folder(&format!("client: {{namespace: shop}}\ncases:\n{PASSES}"));
    assert_eq!(test(folder.path(), &["deep"]).status.code(), Some(65), "no manifests at all");
    assert_eq!(test(folder.path(), &["deep", "-f", "deep/er/rules.yaml"]).status.code(), Some(0));
}

#[test]
fn given_every_key_of_an_expectation_then_the_page_about_them_has_it() {
    let folder = folder(&format!("{HEAD}- {{name: x, request: http://echo/, expect: {{verdct: route}}}}\n"));
    let stderr = String::from_utf8_lossy(&test(folder.path(), &["deep"]).stderr).into_owned();
    let (_, keys) = stderr.trim().rsplit_once("write one of ").expect("the keys");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/test.md");
    let page = std::fs::read_to_string(page).expect("docs/test.md");
    for key in keys.split(", ") {
        assert!(page.contains(&format!("`{key}`")), "docs/test.md does not name {key}");
    }
}

#[test]
fn given_the_files_that_help_and_the_page_show_then_they_can_be_read() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/test.md");
    let page = std::fs::read_to_string(page).expect("docs/test.md");
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let help = stdout(&test(Path::new("."), &["--help"]));
    let (_, shown) = help.split_once("cases.yaml:\n").expect("an example");
    let (shown, _) = shown.split_once("\nExamples:").expect("its end");
    for text in [block.to_owned(), shown.replace("\n  ", "\n")] {
        let folder = folder(&text);
        std::fs::create_dir_all(folder.path().join("deep/er/rules")).expect("a folder");
        std::fs::write(folder.path().join("deep/er/services.yaml"), RULES).expect("a file");
        let output = test(folder.path(), &["deep"]);
        assert_eq!(output.status.code(), Some(79), "read, and not true of these manifests: {output:?}\n{text}");
    }
}
