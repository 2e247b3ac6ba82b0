//! Any text parses or fails; objects and fields know their places.

use proptest::prelude::*;

use super::parse;
use crate::manifest::Manifest;
use crate::model::Kind;

#[test]
fn given_several_documents_then_each_object_knows_its_line() {
    let text = "# a comment\n---\n\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\n# empty\n---\napiVersion: v1\n\
                kind: ConfigMap\nmetadata: {name: b}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: c, namespace: n}\n";
    let parsed = parse("f.yaml", text);
    let found: Vec<String> =
        parsed.manifests.iter().map(|manifest| format!("{} {}", manifest.source, manifest.object)).collect();
    assert_eq!(found, ["f.yaml:4 Service default/a", "f.yaml:14 Pod n/c"]);
    assert_eq!((parsed.skipped, parsed.faults.len()), (1, 0));
}

#[test]
fn given_a_broken_document_then_its_line_is_named_and_the_others_are_read() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\nkind: [\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: c}\n";
    let parsed = parse("f.yaml", text);
    assert_eq!(parsed.manifests.len(), 2);
    let fault = parsed.faults.first().expect("a fault");
    assert!((5..=6).contains(&fault.source.line), "{fault}");
    assert!(fault.to_string().starts_with("f.yaml:"), "{fault}");
}

#[test]
fn given_json_and_a_list_then_the_items_are_read() {
    let text =
        r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}}]}"#;
    let parsed = parse("f.json", text);
    assert_eq!(parsed.manifests.first().map(|manifest| manifest.object.to_string()), Some("Namespace n".to_owned()));
}

proptest! {
    #[test]
    fn given_any_text_then_it_parses_or_fails(text in "[ -~\n]{0,200}") {
        let _ = parse("f", &text);
    }
}

/// One VirtualService in block style, after another document.
const PLACES: &str = "kind: [broken
---
# the rule
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: x
  labels:
    app.kubernetes.io/name: x
    app: {a: b}
    ü: 1
spec:
  hosts: [a, 'b']
  http:
  - match:
    - uri:
        prefix: /
    - {headers: {x: {exact: y}}}
    route:
    - destination: {host: a}
  \"quoted\": >
    text
  1: number
";

#[test]
fn given_a_path_then_the_place_is_that_of_the_key_or_entry_or_of_the_closest_around_it() {
    let parsed = parse("f.yaml", PLACES);
    let manifest = parsed.manifests.first().expect("an object");
    for (path, line, column) in [
        ("", 4, 1),
        ("kind", 5, 1),
        ("metadata", 6, 1),
        ("metadata.labels.app.kubernetes.io/name", 9, 5),
        ("metadata.labels.app.a", 10, 11),
        ("metadata.labels.ü", 11, 5),
        ("metadata.annotations.none", 6, 1),
        ("spec.hosts", 13, 3),
        ("spec.hosts[1]", 13, 14),
        ("spec.hosts[2]", 13, 3),
        ("spec.http[0]", 15, 5),
        ("spec.http[0].match[0].uri.prefix", 17, 9),
        ("spec.http[0].match[1].headers.x.exact", 18, 22),
        ("spec.http[0].route[0].destination.subset", 20, 7),
        ("spec.http[x].route", 14, 3),
        ("spec.quoted", 21, 3),
        ("spec.1", 23, 3),
        ("nonsense.[", 4, 1),
    ] {
        let place = manifest.place(path);
        assert_eq!((place.line, place.column), (line, column), "{path}");
    }
}

#[test]
fn given_json_or_a_list_or_an_alias_then_places_are_found_as_well() {
    let json = "{\"apiVersion\": \"v1\",\n \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}}";
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: a\n";
    let alias =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: &l {x: y}}\nspec:\n  merged:\n    <<: *l\n  same: *l\n";
    for (text, path, line, column) in [
        (json, "metadata.name", 2, 30),
        (list, "", 4, 3),
        (list, "metadata.name", 7, 5),
        (alias, "spec.same", 7, 3),
        (alias, "spec.same.x", 7, 9),
    ] {
        let parsed = parse("f", text);
        let manifest = parsed.manifests.first().unwrap_or_else(|| panic!("{:?}", parsed.faults));
        let place = manifest.place(path);
        assert_eq!((place.line, place.column), (line, column), "{path} in {text}");
    }
}

#[test]
fn given_text_that_is_not_yaml_then_the_fault_has_line_and_column() {
    for (text, line, column) in [("a: b\n---\nkind: v\n  x: [\n", 4, 4), ("a: 'b", 1, 4), ("{a: 1, a: 2}", 1, 8)] {
        let parsed = parse("f", text);
        let fault = parsed.faults.last().expect("a fault");
        assert!(fault.problem.starts_with("is not YAML"), "{fault}");
        assert_eq!((fault.source.line, fault.source.column), (line, column), "{fault}");
        assert!(!fault.problem.contains("line"), "the place is told once: {fault}");
    }
}

/// What a text was expanded to, in bytes of scalars.
fn size(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::String(text) => text.len(),
        Value::Array(entries) => entries.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|(key, member)| key.len() + size(member)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

#[test]
fn given_a_bomb_then_it_is_refused_or_stays_small() {
    let laughs = (1..12).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let below = format!("*a{}, ", level - 1).repeat(9);
        format!("{text}a{level}: &a{level} [{below}]\n")
    });
    let wide = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(50_000));
    let anchors: String = (0..2000).map(|number| format!("- &a{number} x\n")).collect();
    let ratio = format!("a: &a {}\nb:\n{anchors}\nc: [{}]\n", "x".repeat(1 << 19), "*a, ".repeat(19_000));
    let nested = format!(
        "a: &a {}\nb: &b [{}]\nc: &c [{}]\nd: [{}]\n",
        "x".repeat(10_000),
        "*a, ".repeat(99),
        "*b, ".repeat(99),
        "*c, ".repeat(99)
    );
    let deep = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let maps = "{a: ".repeat(100_000);
    let block: String = (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for text in [laughs, wide, ratio, nested, deep, maps, block] {
        let indented = text.trim_end().replace('\n', "\n  ");
        let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\nspec:\n  {indented}");
        let parsed = parse("f", &text);
        let expanded: usize = parsed.manifests.iter().map(|manifest| size(&manifest.body.clone().into())).sum();
        assert!(expanded <= text.len() + (128 << 20), "{expanded} of {}", text.len());
        assert!(
            parsed.faults.iter().any(|fault| fault.problem.starts_with("is not YAML")) || expanded <= 2 * text.len(),
            "{expanded} of {}",
            text.len()
        );
    }
}

proptest! {
    #[test]
    fn given_any_bytes_as_text_then_every_fault_has_a_place(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        for fault in parse("f", &text).faults {
            prop_assert!(fault.source.line >= 1 && fault.source.column >= 1, "{}", fault);
        }
    }

    #[test]
    fn given_text_made_of_yaml_then_every_fault_has_a_place(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("apiVersion: v1\n"), Just("kind: Pod\n"), Just("metadata:\n"), Just("  name: x\n"), Just("- "), Just("&a "),
                Just("*a "), Just("<<: "), Just("? "), Just(": "), Just("{"), Just("}"), Just("["), Just("]"), Just("---\n"), Just("!!map "),
                Just("|\n"), Just("'"), Just("\""), Just("\t"), Just("#"), Just("\n"), Just("  "), Just("1"), Just("~"), Just(","),
            ],
            0..60,
        )
    ) {
        for fault in parse("f", &parts.concat()).faults {
            prop_assert!(fault.source.line >= 1 && fault.source.column >= 1, "{}", fault);
        }
    }
}

#[test]
fn given_an_object_that_was_not_read_from_a_text_then_its_faults_name_where_it_came_from_and_no_line() {
    let body = serde_json::json!({"metadata": {"namespace": "shop", "name": "a"}, "spec": {"hosts": 5}});
    let serde_json::Value::Object(body) = body else { panic!("a mapping") };
    let manifest = Manifest::of_object(Kind::VirtualService, "cluster".into(), body).expect("a name");
    let faults = crate::validate::validate(&manifest).faults;
    let said = faults[0].to_string();
    assert!(said.starts_with("cluster: VirtualService shop/a: spec.hosts: "), "{said}");
    assert!(Manifest::of_object(Kind::Pod, "cluster".into(), serde_json::Map::new()).is_none());
}
