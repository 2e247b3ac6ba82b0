//! `meshlet explain` as users and their CI call it: on the examples, and on what it must refuse.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/founding").join(file)
}

fn explain(rules: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshlet"));
    command.arg("explain").args(["-f".as_ref(), example("pods.yaml").as_os_str()]);
    command.args(["-f".as_ref(), example(rules).as_os_str()]).args(arguments);
    command.output().expect("meshlet ran")
}

/// What the answer says at each JSON pointer.
fn check(rules: &str, client: &str, request: &[&str], expected: &[(&str, Value)]) {
    let output = explain(rules, &[&[client, "-o", "json", "--seed", "7", "--to"], request].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for (pointer, value) in expected {
        assert_eq!(answer.pointer(pointer), Some(value), "{rules} {client} {request:?} {pointer}: {answer:#}");
    }
}

const URL: &str = "http://httpping-without-sidecar:8080/";
const MARKED: &str = "infra-jinsu-lab/marked";

#[test]
fn given_weights_then_each_destination_has_its_share_and_the_rule_is_named() {
    let expected = [
        ("/verdict", json!("route")),
        ("/reason", json!("VirtualServiceRule")),
        ("/path", json!("proxy")),
        ("/virtualService", json!("infra-jinsu-lab/httpping")),
        ("/rule/index", json!(0)),
        ("/destinations/0/subset", json!("v1")),
        ("/destinations/0/weight", json!(10)),
        ("/destinations/0/share", json!(0.1)),
        ("/destinations/1/share", json!(0.9)),
        (
            "/destinations/1/cluster",
            json!("outbound|8080|v2|httpping-without-sidecar.infra-jinsu-lab.svc.cluster.local"),
        ),
        ("/destinations/1/endpoints", json!(["10.1.0.4:80", "10.1.0.5:80", "10.1.0.6:80"])),
        ("/destinations/0/destinationRule", json!("infra-jinsu-lab/httpping")),
        ("/destinations/0/loadBalancer/policy", json!("least_request")),
        ("/pick/sticky", json!(false)),
        ("/notUsed", json!([])),
    ];
    check("weights.yaml", MARKED, &[URL], &expected);
}

#[test]
fn given_any_spelling_of_the_host_then_the_rule_applies() {
    for host in ["", ".infra-jinsu-lab", ".infra-jinsu-lab.svc", ".infra-jinsu-lab.svc.cluster.local"] {
        let url = format!("http://httpping-without-sidecar{host}:8080/");
        check("weights.yaml", MARKED, &[&url], &[("/reason", json!("VirtualServiceRule"))]);
        let header = format!("host: HTTPPING-without-sidecar{host}");
        check("weights.yaml", MARKED, &[URL, "-H", &header], &[("/reason", json!("VirtualServiceRule"))]);
    }
}

#[test]
fn given_a_rule_for_a_gateway_only_then_it_is_not_used_and_the_request_is_native() {
    let expected = [
        ("/verdict", json!("passthrough")),
        ("/path", json!("native")),
        ("/client/captured", json!(true)),
        ("/notUsed/0/object", json!("VirtualService infra-jinsu-lab/httpping")),
        ("/notUsed/0/reason", json!("GatewayOnly")),
        ("/notUsed/0/message", json!("gateways [istio-ingress/public] does not include mesh")),
    ];
    check("gateway-only.yaml", MARKED, &[URL], &expected);
}

#[test]
fn given_a_destination_rule_alone_then_its_hash_decides() {
    let expected = [
        ("/verdict", json!("route")),
        ("/reason", json!("DestinationRuleOnly")),
        ("/virtualService", Value::Null),
        ("/destinations/0/loadBalancer", json!({"policy": "ring_hash", "key": {"header": "foo"}})),
        ("/pick/sticky", json!(true)),
    ];
    check("hash.yaml", MARKED, &[URL, "-H", "Foo: bar"], &expected);
    check("hash.yaml", MARKED, &[URL], &[("/pick/sticky", json!(false))]);
}

#[test]
fn given_an_unmarked_client_then_nothing_applies() {
    let expected = [
        ("/verdict", json!("bypass")),
        ("/reason", json!("NotMarked")),
        ("/path", json!("native")),
        ("/client/captured", json!(false)),
        ("/notUsed/0/reason", json!("ClientNotCaptured")),
    ];
    check("weights.yaml", "infra-jinsu-lab/unmarked", &[URL], &expected);
}

#[test]
fn given_bytes_that_are_not_http_1_1_or_a_host_that_is_nobodys_then_it_passes_through() {
    for (scheme, reason) in
        [("grpc", "Http2NotHonoured"), ("h2c", "Http2NotHonoured"), ("https", "NotHttp"), ("tcp", "NotHttp")]
    {
        let url = format!("{scheme}://httpping-without-sidecar:8080");
        check("weights.yaml", MARKED, &[&url], &[("/verdict", json!("passthrough")), ("/reason", json!(reason))]);
    }
    let unknown = [("/verdict", json!("passthrough")), ("/reason", json!("UnknownHost"))];
    check("weights.yaml", MARKED, &["http://www.example.com/"], &unknown);
    check("weights.yaml", MARKED, &[URL, "-H", "host: www.example.com"], &unknown);
}

#[test]
fn given_an_imaginary_client_then_it_is_captured_and_its_namespace_counts() {
    let ask = |url: &str| {
        let arguments = ["--from-namespace", "elsewhere", "--to", url, "--expect", "reason=VirtualServiceRule"];
        explain("weights.yaml", &arguments).status.code()
    };
    assert_eq!(ask("http://httpping-without-sidecar.infra-jinsu-lab:8080/"), Some(0));
    assert_eq!(ask(URL), Some(79), "the short name is nobody's there");
}

#[test]
fn given_what_cannot_be_answered_then_the_exit_code_says_why() {
    let code = |arguments: &[&str]| explain("weights.yaml", arguments).status.code();
    assert_eq!(code(&[MARKED, "--to", URL, "--expect", "verdict=route", "--expect", "status="]), Some(0));
    assert_eq!(code(&[MARKED, "--to", URL, "--expect", "verdict=bypass"]), Some(79));
    assert_eq!(code(&["infra-jinsu-lab/nobody", "--to", URL]), Some(1));
    assert_eq!(code(&[MARKED, "--to", "httpping"]), Some(64));
    assert_eq!(code(&[MARKED, "--to", URL, "--expect", "colour=blue"]), Some(64));
    assert_eq!(code(&["--to", URL]), Some(64), "no client");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("broken.yaml");
    std::fs::write(&file, "kind: [").expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshlet"));
    let output = command.args(["explain", "a/b", "-f"]).arg(&file).output().expect("meshlet ran");
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken.yaml:1: is not YAML"), "{output:?}");
}

#[test]
fn given_no_files_and_no_daemon_then_the_message_says_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshlet"));
    let output = command.args(["explain", MARKED, "--to", URL]).env("MESHLET_ADMIN", free.to_string()).output();
    let output = output.expect("meshlet ran");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&format!("no daemon answers at {free}")) && message.contains("-f"), "{message}");
}

#[test]
fn given_outputs_then_json_and_yaml_say_the_same_and_wide_says_more_than_the_table() {
    let text = |flags: &[&str]| {
        let arguments = [&[MARKED, "--to", URL, "--seed", "7"], flags].concat();
        String::from_utf8_lossy(&explain("weights.yaml", &arguments).stdout).into_owned()
    };
    let json: Value = serde_json::from_str(&text(&["-o", "json"])).expect("JSON");
    let yaml: Value = serde_saphyr::from_str(&text(&["-o", "yaml"])).expect("YAML");
    assert_eq!(json, yaml);
    let (table, wide) = (text(&[]), text(&["-o", "wide"]));
    assert!(!table.contains("10.1.0.1:80 10.1.0.2:80") && wide.contains("10.1.0.1:80 10.1.0.2:80"), "{wide}");
    assert!(!table.contains('\x1b') && text(&["--color", "always"]).contains('\x1b'));
    assert!(text(&["--all-rules"]).contains("http[0] taken: takes the request"));
}

#[test]
fn given_expectations_of_any_key_then_they_are_held_against_the_answer() {
    let code = |expected: &str| explain("weights.yaml", &[MARKED, "--to", URL, "--expect", expected]).status.code();
    for met in
        ["rule.index=0", "rule.name=", "service=httpping-without-sidecar", "captured=true", "skipped=", "timeout="]
    {
        assert_eq!(code(met), Some(0), "{met}");
    }
    assert_eq!(code("rule.index=1"), Some(79));
    assert_eq!(code("rule.colour=blue"), Some(64));
}

/// Words of a command line with single quotes.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let of = |(index, part): (usize, &str)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    };
    parts.flat_map(of).collect()
}

#[test]
fn given_the_readmes_questions_then_the_answers_it_shows_are_the_real_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let shown: Vec<&str> = readme.split("```console\n$ meshlet ").skip(1).collect();
    assert_eq!(shown.len(), 4, "the four founding questions");
    for block in shown {
        let (command, rest) = block.split_once('\n').expect("a command and its output");
        let (expected, _) = rest.split_once("```").expect("the end of the block");
        let mut meshlet = Command::new(env!("CARGO_BIN_EXE_meshlet"));
        let output = meshlet.args(words(command)).current_dir(example("")).output().expect("meshlet ran");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{command}");
    }
}
