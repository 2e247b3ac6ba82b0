//! Section 4.5, and 1.7 as far as it concerns hashing: what is hashed, and what a cookie that is missing looks like.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::places::{address, at, client, cluster, draws, unready};
use crate::shop::{ask, faults, get, pod, route, routed, rule, table};
use meshlet_routing::balance::Balance;
use meshlet_routing::decide::{Outcome, Request};
use meshlet_routing::fault::Severity;
use meshlet_routing::table::{Cluster, Table};

fn hashing(key: &str) -> String {
    rule(&format!("{{host: web, trafficPolicy: {{loadBalancer: {{consistentHash: {{{key}}}}}}}}}"))
}

/// Where 16 requests alike go.
fn pods(table: &Table, request: &Request<'_>) -> BTreeSet<SocketAddr> {
    let pick = |draw: u32| {
        let route = routed(table, request, draw << 28);
        let draw = u64::from(draw).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Balance::new().pick(route.cluster, route.key, draw, &[]).expect("a pod").address
    };
    (0..16).map(pick).collect()
}

#[test]
fn s4_5_given_a_key_that_the_request_has_then_it_sticks_and_others_spread() {
    type Of = fn(u8) -> (String, Vec<(&'static str, Vec<u8>)>, IpAddr);
    let here = IpAddr::from([10, 1, 0, 99]);
    let kinds: [(&str, Of); 4] = [
        ("httpHeaderName: Foo", |n| ("/".into(), vec![("foo", vec![b'a' + n])], [10, 1, 0, 99].into())),
        ("httpQueryParameterName: q", |n| (format!("/x?p=1&q={n}&q=2#q=3"), vec![], [10, 1, 0, 99].into())),
        ("httpCookie: {name: user}", |n| {
            ("/".into(), vec![("cookie", format!("a=b; user={n}").into_bytes())], [10, 1, 0, 99].into())
        }),
        ("useSourceIp: true", |n| ("/".into(), vec![], [10, 1, 0, n].into())),
    ];
    for algorithm in ["", ", ringHash: {minimumRingSize: 64}", ", maglev: {tableSize: 257}"] {
        for (key, of) in &kinds {
            let table = table(&hashing(&format!("{key}{algorithm}")));
            let mut all = BTreeSet::new();
            for number in 0..26 {
                let (path, headers, source) = of(number);
                let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
                let request = Request { source: Some(source), ..get(&path, &headers) };
                let found = pods(&table, &request);
                assert_eq!(found.len(), 1, "{key} {number}");
                all.extend(found);
            }
            assert_eq!(all.len(), 4, "{key}{algorithm}: 26 values spread over all pods");
            if *key != "useSourceIp: true" {
                let without = Request { source: Some(here), ..get("/", &[]) };
                assert!(pods(&table, &without).len() > 1, "{key}: without it any pod is taken");
            }
        }
    }
}

#[test]
fn s4_5_given_a_cookie_in_quotes_or_on_a_second_line_then_its_value_is_the_same() {
    let table = table(&hashing("httpCookie: {name: user, ttl: 60s}"));
    let key = |headers: &[(&str, &[u8])]| {
        let route = routed(&table, &get("/", headers), 7);
        assert!(route.response_lines.is_empty(), "{:?}", route.response_lines);
        route.key
    };
    let plain = key(&[("cookie", b"user=alice")]);
    assert_eq!(key(&[("cookie", b"user=\"alice\"")]), plain);
    assert_eq!(key(&[("cookie", b"x=y"), ("cookie", b"z; user=alice; user=bob")]), plain);
    assert_ne!(key(&[("cookie", b"user=bob")]), plain);
}

#[test]
fn s4_5_given_a_missing_cookie_with_a_ttl_then_one_is_made_as_envoy_writes_it_and_decides_the_first_pod() {
    for (fields, tail) in [
        ("ttl: 60s", "; Max-Age=60; HttpOnly"),
        ("ttl: 1h, path: /shop", "; Max-Age=3600; Path=/shop; HttpOnly"),
        ("ttl: 0s, path: /", "; Path=/; HttpOnly"),
        (
            "ttl: 1m, attributes: [{name: SameSite, value: Strict}, {name: Secure}]",
            "; Max-Age=60; SameSite=Strict; Secure; HttpOnly",
        ),
    ] {
        let table = table(&hashing(&format!("httpCookie: {{name: user, {fields}}}")));
        let mut values = BTreeSet::new();
        for draw in [0, 1, 77, u32::MAX] {
            let first = routed(&table, &get("/", &[("cookie", b"user=")]), draw);
            let [("set-cookie", line)] = first.response_lines.as_slice() else { panic!("{:?}", first.response_lines) };
            let value = line.strip_prefix("user=\"").and_then(|line| line.strip_suffix(tail));
            let value = value.and_then(|line| line.strip_suffix('"')).unwrap_or_else(|| panic!("{line}"));
            assert!(value.len() == 16 && value.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
            let sent = format!("user={value}");
            let next = routed(&table, &get("/", &[("cookie", sent.as_bytes())]), draw ^ 1);
            assert_eq!(
                (next.key, next.response_lines.len()),
                (first.key, 0),
                "the made value is the key from the start"
            );
            values.insert(value.to_owned());
        }
        assert_eq!(values.len(), 4, "each draw has a value of its own");
    }
}

#[test]
fn s4_5_given_a_missing_cookie_without_a_ttl_then_none_is_made() {
    let table = table(&hashing("httpCookie: {name: user}"));
    let route = routed(&table, &get("/", &[]), 3);
    assert_eq!((route.key, route.response_lines.len()), (None, 0));
}

#[test]
fn s4_5_given_several_destinations_then_the_keys_of_all_are_combined_into_one_hash() {
    let rules = rule(
        "{host: web, subsets: [
            {name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: a}}}},
            {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {consistentHash: {httpQueryParameterName: b}}}}]}",
    ) + &route("{weight: 1, destination: {host: web, subset: v1}}, {weight: 1, destination: {host: web, subset: v2}}");
    let table = table(&rules);
    let key = |header: &[u8], path: &str, draw| routed(&table, &get(path, &[("a", header)]), draw).key;
    for draw in [0, u32::MAX] {
        let both = key(b"1", "/?b=1", draw);
        assert_eq!(key(b"1", "/?b=1", !draw), both, "the draw has no part in it");
        assert_ne!(key(b"2", "/?b=1", draw), both);
        assert_ne!(key(b"1", "/?b=2", draw), both);
    }
    let [only_a, only_b] = [get("/", &[("a", b"1")]), get("/?b=1", &[])].map(|request| routed(&table, &request, 0).key);
    let combined = only_a.zip(only_b).map(|(a, b)| a.rotate_left(1) ^ b);
    assert_eq!(key(b"1", "/?b=1", 0), combined);
}

#[test]
fn q4_5_given_precedence_of_keys_then_subset_port_subset_port_and_top_level_follow_each_other() {
    let lb = |name: &str| format!("loadBalancer: {{consistentHash: {{httpHeaderName: {name}}}}}");
    let port = |name: &str| format!("portLevelSettings: [{{port: {{number: 8080}}, {}}}]", lb(name));
    let simple = "loadBalancer: {simple: RANDOM}";
    let rules = |top: &str, subset: &str| {
        let subset = if subset.is_empty() { String::new() } else { format!(", trafficPolicy: {{{subset}}}") };
        rule(&format!("{{host: web, trafficPolicy: {{{top}}}, subsets: [{{name: v1{subset}}}]}}"))
    };
    let all = format!("{}, {}", lb("top"), port("port"));
    for (top, subset, named, expected) in [
        (all.as_str(), format!("{}, {}", lb("subset"), port("subset-port")), true, Some("subset-port")),
        (&all, lb("subset"), true, Some("subset")),
        (&all, String::new(), true, Some("port")),
        (&all, String::new(), false, Some("top")),
        (&lb("top"), String::new(), true, Some("top")),
        (&all, simple.to_owned(), true, None),
    ] {
        let number = if named { ", port: {number: 8080}" } else { "" };
        let table =
            table(&(rules(top, &subset) + &route(&format!("{{destination: {{host: web, subset: v1{number}}}}}"))));
        let names = ["top", "port", "subset", "subset-port"];
        let counts = |name: &&str| routed(&table, &get("/", &[(name, b"x")]), 0).key.is_some();
        let found: Vec<&str> = names.into_iter().filter(counts).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{top} | {subset} | {named}");
    }
}

#[test]
fn s1_7_given_a_hash_that_is_wrong_then_the_fault_says_so() {
    for (key, severity, expected) in [
        ("httpHeaderName: a, maglev: {}", Severity::Error, "maglev.tableSize: is missing; write a prime"),
        ("httpHeaderName: a, maglev: {tableSize: 0}", Severity::Error, "maglev.tableSize: 0 is no prime"),
        ("httpHeaderName: a, maglev: {tableSize: 65536}", Severity::Error, "maglev.tableSize: 65536 is no prime"),
        ("httpHeaderName: a, maglev: {tableSize: 5000011}", Severity::Error, "maglev.tableSize: 5000011 is too large"),
        ("httpHeaderName: a, maglev: {tableSize: 7}, ringHash: {}", Severity::Error, "has both ringHash and maglev"),
        ("httpHeaderName: a, useSourceIp: true", Severity::Error, "has httpHeaderName and useSourceIp; keep one"),
        ("httpCookie: {ttl: 1s}", Severity::Error, "httpCookie.name: is missing"),
        ("httpCookie: {name: a, ttl: tomorrow}", Severity::Error, "httpCookie.ttl: \"tomorrow\" is not a duration"),
        ("httpCookie: {name: a, path: \"/\\r\\nx: y\"}", Severity::Error, "httpCookie.path: "),
        ("httpHeaderName: a, minimumRingSize: 9", Severity::Warning, "minimumRingSize: is the deprecated place"),
    ] {
        let faults = faults(&hashing(key));
        let [fault] = faults.as_slice() else { panic!("{key}: {faults:?}") };
        assert_eq!(fault.severity, severity, "{key}");
        let text = fault.to_string();
        assert!(text.contains("spec.trafficPolicy.loadBalancer.consistentHash") && text.contains(expected), "{text}");
    }
    assert!(faults(&hashing("httpHeaderName: a, maglev: {tableSize: 4999999}")).is_empty(), "a prime");
}

#[test]
fn s1_7_given_a_deprecated_ring_size_then_it_still_counts() {
    let table = table(&hashing("httpHeaderName: a, minimumRingSize: 16"));
    let route = routed(&table, &get("/", &[("a", b"x")]), 0);
    let picked = Balance::new().pick(route.cluster, route.key, 0, &[]).expect("a pod");
    assert!((1..=4).map(pod).any(|pod| pod == picked.address));
    assert_eq!(format!("{:?}", route.cluster.load_balancer), "RingHash { key: Header(\"a\"), minimum_size: 16 }");
}

#[test]
fn s4_5_given_no_virtual_service_then_the_default_route_carries_the_key_and_a_port_beats_the_top_level() {
    let lb = |name: &str| format!("loadBalancer: {{consistentHash: {{httpHeaderName: {name}}}}}");
    let port = format!("portLevelSettings: [{{port: {{number: 8080}}, {}}}]", lb("port"));
    let table = table(&rule(&format!("{{host: web, trafficPolicy: {{{}, {port}}}}}", lb("top"))));
    for (port, expected) in [(8080, "port"), (9090, "top")] {
        for name in ["top", "port"] {
            let Outcome::Route(route) = ask(&table, port, &get("/", &[(name, b"x")]), 0) else { panic!("no route") };
            assert_eq!(route.key.is_some(), name == expected, "{name} on {port}");
        }
    }
}

#[test]
fn s4_5_given_a_header_with_several_values_then_their_order_does_not_matter() {
    let table = table(&hashing("httpHeaderName: a"));
    let key = |headers: &[(&str, &[u8])]| routed(&table, &get("/", headers), 0).key;
    let both = key(&[("a", b"1"), ("a", b"2")]);
    assert_eq!(both, key(&[("a", b"2"), ("x", b"y"), ("a", b"1")]));
    assert_ne!(both, key(&[("a", b"1")]));
    assert_ne!(both, key(&[("a", b"2")]));
}

#[test]
fn s4_5_given_several_clients_then_all_agree_on_every_key() {
    for algorithm in ["ringHash: {minimumRingSize: 64}", "maglev: {tableSize: 257}"] {
        let policy = format!("loadBalancer: {{consistentHash: {{useSourceIp: true, {algorithm}}}}}");
        let places = [at(""), at(""), unready(""), at("")];
        let (one, other) =
            (cluster(&policy, &places, &client("", "")), cluster(&policy, &places, &client("a/b", "x=y")));
        let (mut first, mut second) = (Balance::new(), Balance::new());
        second.pick(&other, None, 99, &[]).expect("an endpoint");
        for key in draws(300) {
            let owner = |balance: &mut Balance, of: &Cluster| {
                balance.pick(of, Some(key), key ^ 7, &[]).map(|picked| picked.address)
            };
            assert_eq!(owner(&mut first, &one), owner(&mut second, &other), "{algorithm}");
        }
    }
}

#[test]
fn s4_5_given_an_endpoint_more_then_about_its_share_of_the_keys_moves_to_it() {
    for (algorithm, needless) in [("ringHash: {minimumRingSize: 1024}", 0), ("maglev: {tableSize: 65537}", 200)] {
        let policy = format!("loadBalancer: {{consistentHash: {{useSourceIp: true, {algorithm}}}}}");
        for count in [1, 2, 5, 9] {
            let of = |count: usize| cluster(&policy, &vec![at(""); count], &client("", ""));
            let (before, after) = (of(count), of(count + 1));
            let mut balance = Balance::new();
            let mut owner = |of: &Cluster, key| balance.pick(of, Some(key), 0, &[]).expect("an endpoint").address;
            let moved: Vec<_> = draws(4000)
                .map(|key| (owner(&before, key), owner(&after, key)))
                .filter(|(old, new)| old != new)
                .collect();
            let to_others = moved.iter().filter(|(_, new)| *new != address(count)).count();
            assert!(to_others <= needless, "{algorithm}: {to_others} of 4000 keys moved without need");
            let ideal = 4000 / (count + 1);
            assert!(
                (moved.len() - to_others).abs_diff(ideal) < 240,
                "{algorithm}, {count}: {} moved, ideal {ideal}",
                moved.len()
            );
        }
    }
}

#[test]
fn s4_5_given_several_destinations_then_one_is_drawn_by_weight_and_the_key_fixes_the_pod_inside_it() {
    let rules = rule(
        "{host: web, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: a}}},
          subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}",
    ) + &route(
        "{weight: 1, destination: {host: web, subset: v1}}, {weight: 3, destination: {host: web, subset: v2}}",
    );
    let table = table(&rules);
    let mut pods = BTreeSet::new();
    let mut in_v1 = 0;
    for draw in (0..1000_u32).map(|share| share * (u32::MAX / 1000)) {
        let route = routed(&table, &get("/", &[("a", b"alice")]), draw);
        in_v1 += usize::from(route.cluster.subset.as_deref() == Some("v1"));
        pods.insert(Balance::new().pick(route.cluster, route.key, u64::from(draw), &[]).expect("a pod").address);
    }
    assert_eq!(pods.len(), 2, "one pod of each subset: {pods:?}");
    assert!(in_v1.abs_diff(250) <= 1, "{in_v1}");
}
