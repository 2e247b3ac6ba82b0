//! Backends of HTTPRoutes.

use super::{check, object};

fn route_in(namespace: &str, rule: &str) -> String {
    let parent = "{kind: Service, group: '', name: web, namespace: shop, port: 8080}";
    object("HTTPRoute", "r", namespace, &format!("{{parentRefs: [{parent}], rules: [{rule}]}}"))
}

fn route(rule: &str) -> String {
    route_in("shop", rule)
}

#[test]
fn given_a_backend_that_is_not_there_then_it_is_an_error() {
    let path = "HTTPRoute shop/r: spec.rules[0].backendRefs";
    let error = |rest: &str| vec![format!("error MSH0101 {path}{rest}")];
    for (backends, expected) in [
        ("{name: web, port: 8080}", vec![]),
        ("{name: wep, port: 8080}", error("[0].name")),
        ("{name: web, port: 80}", error("[0].port")),
        ("{name: web, namespace: pay, port: 8080}", error("[0].name")),
        // One that gets nothing does not shift the places of the others.
        ("{name: web, port: 8080, weight: 0}, {name: wep, port: 8080}, {name: web, port: 8080}", error("[1].name")),
        ("{name: wep, port: 8080, weight: 0}, {name: web, port: 8080}", vec![]),
        // Validation says so.
        (
            "{kind: Bucket, name: b}, {name: wep, port: 1}",
            vec![
                format!("error MSH0101 {path}[1].name"),
                "warning MSH0133 HTTPRoute shop/r: spec.rules[0].backendRefs[0]".to_owned(),
            ],
        ),
    ] {
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        let mut found = super::found(&route(&format!("{{backendRefs: [{backends}]}}")));
        found.sort();
        assert_eq!(found, expected, "{backends}");
    }
}

#[test]
fn given_a_mirror_that_is_not_there_then_it_is_a_warning() {
    let mirror = |name: &str| {
        let filter = format!("{{type: RequestMirror, requestMirror: {{backendRef: {{name: {name}, port: 8080}}}}}}");
        let other = "{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [x]}}";
        route(&format!("{{filters: [{other}, {filter}], backendRefs: [{{name: web, port: 8080}}]}}"))
    };
    check(&mirror("web"), &[]);
    let place = "HTTPRoute shop/r: spec.rules[0].filters[1].requestMirror.backendRef.name";
    check(&mirror("wep"), &[&format!("warning MSH0101 {place}")]);
}

#[test]
fn given_a_backend_that_some_clients_do_not_know_then_their_namespace_is_named() {
    let hidden = "
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: pay, labels: {istio.io/dataplane-mode: meshlet}}}
---
{apiVersion: v1, kind: Service, metadata: {name: own, namespace: shop, annotations: {networking.istio.io/exportTo: '.'}}, spec: {clusterIP: 10.96.0.7, ports: [{name: http, port: 80}]}}
";
    let to = "{backendRefs: [{name: own, namespace: shop, port: 80}]}";
    let messages = |route: &str| -> Vec<String> {
        let text = format!("{}{hidden}{route}", super::SHOP);
        super::analyze([("f.yaml", &*text)]).findings.into_iter().map(|finding| finding.message).collect()
    };
    let producer = messages(&route(to));
    assert_eq!(producer.len(), 1, "{producer:?}");
    assert!(producer[0].contains("own.shop.svc.cluster.local is not known for clients in pay"), "{producer:?}");
    let consumer = messages(&route_in("pay", to));
    assert!(consumer.len() == 1 && consumer[0].contains("is not known; correct"), "{consumer:?}");
    check(&route_in("third", "{backendRefs: [{name: web, namespace: shop, port: 8080}]}"), &[]);
}
