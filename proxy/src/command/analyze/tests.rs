//! What is printed, and with which code the process ends.

use std::path::Path;

use clap::Parser as _;
use tempfile::TempDir;

use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    arguments: AnalyzeArgs,
}

const WARNING: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: x, namespace: shop}\nspec:\n  host: web\n";
const ERROR: &str =
    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: bad, namespace: shop}\nspec: {}\n";

fn folder(text: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("rules.yaml"), text).expect("a file");
    folder
}

fn exit(path: &Path, flags: &[&str]) -> String {
    let line = ["analyze"].iter().chain(flags).map(|flag| (*flag).to_owned());
    let line = line.chain([path.display().to_string()]);
    let arguments = Line::try_parse_from(line).expect("good usage").arguments;
    format!("{:?}", run(&arguments).expect("it ran"))
}

fn code(number: u8) -> String {
    format!("{:?}", ExitCode::from(number))
}

#[test]
fn given_findings_then_the_exit_code_follows_the_threshold_and_not_the_output() {
    let (warning, error, broken) = (folder(WARNING), folder(&format!("{WARNING}---\n{ERROR}")), folder("kind: ["));
    for output in ["log", "json", "yaml"] {
        let exit = |folder: &TempDir, flags: &[&str]| exit(folder.path(), &[&["-o", output], flags].concat());
        assert_eq!(exit(&warning, &[]), code(0));
        assert_eq!(exit(&warning, &["--failure-threshold", "warning"]), code(79));
        assert_eq!(exit(&warning, &["--failure-threshold", "info", "-A", "-R"]), code(79));
        assert_eq!(exit(&warning, &["--failure-threshold", "info", "-S", "MSH0174=DestinationRule shop/*"]), code(0));
        assert_eq!(exit(&error, &[]), code(79));
        assert_eq!(exit(&error, &["-S", "IST0106=* shop/bad"]), code(0));
        assert_eq!(exit(&broken, &[]), code(65));
        assert_eq!(exit(&broken, &["-S", "*=*"]), code(65), "what cannot be parsed cannot be suppressed");
        assert_eq!(exit(&folder("# nothing"), &[]), code(0));
        assert_eq!(exit(&folder("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"), &[]), code(0));
    }
}

#[test]
fn given_a_path_that_is_not_there_then_it_is_named() {
    let arguments = Line::try_parse_from(["analyze", "-f", "/nowhere/rules.yaml"]).expect("good usage").arguments;
    let error = run(&arguments).expect_err("no such file").to_string();
    assert!(error.starts_with("/nowhere/rules.yaml: cannot be read"), "{error}");
}

#[test]
fn given_a_file_that_is_no_text_then_the_others_are_analyzed_and_it_does_not_pass() {
    let folder = folder(ERROR);
    std::fs::write(folder.path().join("other.yaml"), [0xff, 0xfe]).expect("a file");
    assert_eq!(exit(folder.path(), &[]), code(65));
    let (texts, unreadable) = texts(&[folder.path().to_owned()]);
    assert_eq!((texts.len(), unreadable.len()), (1, 1));
}

#[test]
fn given_wrong_usage_then_it_is_refused() {
    for line in [
        &["analyze"][..],
        &["analyze", "x", "-o", "table"],
        &["analyze", "x", "-S", "DestinationRule shop/x"],
        &["analyze", "x", "--failure-threshold", "fatal"],
    ] {
        assert!(Line::try_parse_from(line).is_err(), "{line:?}");
    }
}

#[test]
fn given_a_finding_then_the_outputs_have_the_contracts_form() {
    let analysis = meshlet_routing::analyze::analyze([("rules.yaml", WARNING)]);
    let log = render(&analysis, Output::Log).expect("text");
    let message = "spec.host: there is no service web.shop.svc.cluster.local: the rule has no effect; correct the host, or move the \
                   object to the service's namespace (same as IST0174)";
    assert_eq!(log, format!("Warning [MSH0174] (DestinationRule shop/x rules.yaml:5:3) {message}\n"));
    let expected = serde_json::json!([{
        "code": "MSH0174", "level": "warning", "origin": "DestinationRule shop/x", "reference": "rules.yaml:5:3", "message": message,
        "istio": "IST0174", "documentationUrl": "docs/analyze.md#msh0174"
    }]);
    let json = render(&analysis, Output::Json).expect("text");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("JSON"), expected);
    let yaml = render(&analysis, Output::Yaml).expect("text");
    assert_eq!(serde_saphyr::from_str::<serde_json::Value>(&yaml).expect("YAML"), expected);
}

#[test]
fn given_nothing_then_the_list_is_empty_and_the_log_says_so() {
    let analysis = meshlet_routing::analyze::analyze([]);
    assert_eq!(render(&analysis, Output::Json).expect("text"), "[]\n");
    assert_eq!(render(&analysis, Output::Yaml).expect("text").trim(), "[]");
    assert_eq!(render(&analysis, Output::Log).expect("text"), "✔ no findings in 0 objects\n");
}

#[test]
fn given_list_analyzers_then_every_code_is_listed() {
    let listed = analyzers(Output::Log).expect("text");
    assert_eq!(listed.lines().count(), CODES.len());
    assert!(listed.contains("MSH0101  error    IST0101  ReferencedResourceNotFound\n"), "{listed}");
    let json: serde_json::Value = serde_json::from_str(&analyzers(Output::Json).expect("text")).expect("JSON");
    assert_eq!(json.pointer("/0/code").and_then(serde_json::Value::as_str), Some("MSH0101"));
}
