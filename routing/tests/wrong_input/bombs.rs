//! Texts that mean more than they are worth.

use meshlet_routing::manifest;
use serde_json::Value;

use super::engine::everything;

/// Bytes of all scalars and keys, and one for each node.
fn weight(value: &Value) -> usize {
    1 + match value {
        Value::String(text) => text.len(),
        Value::Array(entries) => entries.iter().map(weight).sum(),
        Value::Object(members) => members.iter().map(|(key, member)| key.len() + weight(member)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// What is read of a text is at most some times as large.
fn bounded(text: &str) {
    let parsed = manifest::parse("f.yaml", text);
    let read: usize = parsed.manifests.iter().map(|manifest| weight(&Value::Object(manifest.body.clone()))).sum();
    assert!(read <= 3 * text.len() + (2 << 20), "{read} bytes of {}", text.len());
    let told: usize = parsed.faults.iter().map(|fault| fault.to_string().len()).sum();
    assert!(told <= 200 * (parsed.faults.len() + 1) + text.len(), "{told} bytes of faults of {}", text.len());
}

fn pod(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\nspec:\n  {}\n", spec.trim_end().replace('\n', "\n  "))
}

#[test]
fn given_aliases_that_multiply_then_what_is_read_stays_in_bounds() {
    let laughs = (1..12).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        format!("{text}a{level}: &a{level} [{}]\n", format!("*a{}, ", level - 1).repeat(9))
    });
    let merged = (1..12).fold("a0: &a0 {x: y}\n".to_owned(), |text, level| {
        format!("{text}a{level}: &a{level} {{<<: *a{}, k{level}: *a{}}}\n", level - 1, level - 1)
    });
    let wide = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(1000));
    let own = "a: &a [*a]";
    for spec in [&*laughs, &merged, &wide, own] {
        bounded(&pod(spec));
        everything(&pod(spec));
    }
}

#[test]
fn given_text_nested_beyond_sense_then_it_is_refused_without_a_panic() {
    let flow = format!("a: {}{}", "[".repeat(50_000), "]".repeat(50_000));
    let open = "[".repeat(50_000);
    let maps = "{a: ".repeat(50_000);
    let dashes = "- ".repeat(50_000);
    let questions = "? ".repeat(10_000);
    let block: String = (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for spec in [flow, open, maps, dashes, questions, block] {
        let text = pod(&spec);
        bounded(&text);
        assert_eq!(manifest::parse("f.yaml", &text).manifests.len(), 0);
        assert!(!manifest::parse("f.yaml", &text).faults.is_empty());
    }
}

#[test]
fn given_a_great_many_documents_or_faults_then_each_is_told_once() {
    let empty = "---\n".repeat(20_000);
    bounded(&empty);
    assert_eq!(manifest::parse("f.yaml", &empty).faults.len(), 0);
    let bad = "---\n[\n".repeat(2000);
    assert_eq!(manifest::parse("f.yaml", &bad).faults.len(), 2000);
    bounded(&bad);
}

#[test]
fn given_numbers_beyond_sense_then_they_are_refused_or_bounded() {
    let rule = |policy: &str| {
        format!(
            "{}\n---\n{{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{name: x, namespace: shop}}, spec: {{host: web, trafficPolicy: {policy}}}}}",
            super::corpus::DOCUMENTS[1]
        )
    };
    for policy in [
        "{loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 18446744073709551615}}}}",
        "{loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 4294967295}}}}",
        "{loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: 99999999999h}}}}",
        "{loadBalancer: {consistentHash: {httpCookie: {name: c, ttl: 1e300}}}}",
        "{portLevelSettings: [{port: {number: 1e9}, loadBalancer: {simple: RANDOM}}]}",
        "{portLevelSettings: [{port: {number: .inf}, loadBalancer: {simple: RANDOM}}]}",
    ] {
        everything(&rule(policy));
    }
}
