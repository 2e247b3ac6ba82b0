//! Texts that are no YAML, or YAML of the odd kind.

use meshlet_routing::fault::Severity;
use meshlet_routing::manifest;
use proptest::prelude::*;
use proptest::sample::Index;

use super::engine::everything;
use super::mutate::names;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: n}\n";

/// A text between two good documents is refused with a place in it, and the two are read.
fn refused(text: &str) {
    let whole = format!("{POD}---\n{text}\n---\n{}", POD.replace("name: a", "name: b"));
    assert_eq!(names(&whole), ["Pod n/a", "Pod n/b"], "{text:?}");
    let faults = manifest::parse("f.yaml", &whole).faults;
    let fault = faults.first().unwrap_or_else(|| panic!("{text:?} is not refused"));
    let last = 4 + u64::try_from(text.lines().count()).expect("few lines");
    assert_eq!(fault.severity, Severity::Error);
    assert!((4..=last + 1).contains(&fault.source.line) && fault.source.column >= 1, "{text:?}: {fault:?}");
    everything(&whole);
}

#[test]
fn given_a_document_that_is_no_object_then_it_is_refused_with_its_place_and_the_others_are_read() {
    for text in [
        "kind: [",
        "\tkind: Pod",
        "kind: Pod\n\tmetadata: {}",
        "a: 1\na: 2",
        "{a: 1, a: 2}",
        "a: b: c",
        "'unclosed",
        "\"\\q\"",
        "*nobody",
        "- &a [*a",
        "? [a, b]\n: c",
        "{~: nothing}",
        "{[]: 1}",
        "\u{0}",
        "a: \u{7}",
        "text",
        "42",
        ".nan",
        "kind: Pod\nspec: {x: .inf}",
        "kind: Pod\nspec: {x: 1e999}",
        "[1, 2]",
        "!!binary x: y",
        "kind: Pod",
        "apiVersion: v1",
        "apiVersion: v1\nkind: Pod",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: ''}",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: [x]}",
        "apiVersion: [v1]\nkind: {Pod: x}\nmetadata: {name: x}",
    ] {
        refused(text);
    }
}

#[test]
fn given_odd_text_that_is_yaml_then_it_is_read_as_yaml() {
    let crlf = POD.replace('\n', "\r\n");
    let second = POD.replace("name: a", "name: b");
    for (text, expected) in [
        (format!("\u{feff}{POD}"), vec!["Pod n/a"]),
        (crlf.clone(), vec!["Pod n/a"]),
        (format!("{crlf}---\r\n{}", second.replace('\n', "\r\n")), vec!["Pod n/a", "Pod n/b"]),
        (format!("---\n---\n...\n---\n{POD}...\n"), vec!["Pod n/a"]),
        (format!("--- # first\n{POD}--- # second\n{second}"), vec!["Pod n/a", "Pod n/b"]),
        (format!("%YAML 1.2\n---\n{POD}"), vec!["Pod n/a"]),
        (format!("# only a comment\n\n{POD}"), vec!["Pod n/a"]),
        (format!("{POD}---"), vec!["Pod n/a"]),
        (POD.trim_end().to_owned(), vec!["Pod n/a"]),
        (format!("{POD}spec: {{y: 1e300, 1: one, true: yes}}\n"), vec!["Pod n/a"]),
        (String::new(), vec![]),
        ("---".to_owned(), vec![]),
        ("\u{feff}".to_owned(), vec![]),
        ("~".to_owned(), vec![]),
    ] {
        let parsed = manifest::parse("f.yaml", &text);
        assert_eq!(parsed.faults, [], "{text:?}");
        assert_eq!(names(&text), expected, "{text:?}");
        everything(&text);
    }
}

/// What text editors, templates and half-written files do to YAML.
fn splice() -> impl Strategy<Value = String> {
    let parts = [
        "\t",
        "\r\n",
        "\r",
        "\u{feff}",
        "\0",
        "\n---\n",
        "\n...\n",
        "&a ",
        "*a ",
        "<<: *a",
        "!!map ",
        "? ",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "|",
        ">",
        "'",
        "\"",
        "#",
        "%",
        "@",
        "`",
        "{{ .Values.x }}",
        "\u{2028}",
        "\u{1F980}",
        "0x",
        "1e999",
        ".nan",
        "kind: Pod\nspec: {x: .inf}",
        "kind: Pod\nspec: {x: 1e999}",
        "~",
        "\n  ",
        "\n",
    ];
    prop_oneof![proptest::sample::select(parts.to_vec()).prop_map(str::to_owned), "\\PC{0,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn given_any_bytes_then_everything_has_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn given_good_text_with_anything_put_in_then_everything_has_an_answer(
        splices in proptest::collection::vec((any::<Index>(), splice(), 0..3_usize), 1..6)
    ) {
        let mut text: Vec<char> = super::corpus::text().chars().collect();
        for (place, put, lost) in &splices {
            let at = place.index(text.len());
            let end = (at + lost).min(text.len());
            text.splice(at..end, put.chars());
        }
        everything(&text.into_iter().collect::<String>());
    }

    #[test]
    fn given_good_text_that_ends_early_then_everything_has_an_answer(end in any::<Index>()) {
        let text: Vec<char> = super::corpus::text().chars().collect();
        everything(&text[..end.index(text.len())].iter().collect::<String>());
    }
}

/// A test file is read, or every fault of it has a place in the text.
fn cases_are_read_or_refused(text: &str) {
    if let Err(faults) = meshlet_routing::cases::parse("cases.yaml", text) {
        assert!(!faults.is_empty());
        let last = u64::try_from(text.lines().count()).expect("few lines") + 1;
        for fault in faults {
            let line = fault.source.line;
            assert!((1..=last.max(1)).contains(&line) && fault.source.column >= 1, "{text:?}: {fault:?}");
        }
    }
}

const CASES: &str = "
manifests: [a.yaml]
client: {namespace: shop, labels: {app: web}}
cases:
- name: x
  requests: [{url: 'http://a:80/b?c', method: [GET, PUT], headers: {x-a: [b, c]}, dst: 10.0.0.1}]
  seed: 3
  expect: {rule: {index: 1, name: y}, destinations: [{subset: v1, share: 10%, endpoints: 2}], timeout: 2s, notUsed: [X]}
  not: {fault: {delay: 5s}, response: {headers: {location: null}}}
";

#[test]
fn given_a_test_file_with_a_part_cut_out_or_doubled_then_it_is_read_or_refused_with_a_place() {
    let ends: Vec<usize> = CASES.char_indices().map(|(at, _)| at).collect();
    for (number, from) in ends.iter().enumerate() {
        for to in ends.iter().skip(number).step_by(7) {
            cases_are_read_or_refused(&format!("{}{}", &CASES[..*from], &CASES[*to..]));
        }
        cases_are_read_or_refused(&format!("{}{}", &CASES[..*from], &CASES[from.saturating_sub(9)..]));
    }
}

proptest! {
    #[test]
    fn given_any_text_as_a_test_file_then_it_is_read_or_refused_with_a_place(text in any::<String>(), at in any::<Index>()) {
        cases_are_read_or_refused(&text);
        let at = at.index(CASES.len());
        cases_are_read_or_refused(&format!("{}{text}{}", &CASES[..at], &CASES[at..]));
    }
}
