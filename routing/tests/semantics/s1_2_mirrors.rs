//! Section 1.2: mirrors.

use meshlet_routing::decide::Outcome;

use crate::ask::{decided, errors, faults, get, istio, pod, service, table};

/// A shop with a rule that goes to `web` and has these fields beside it.
fn shop(fields: &str) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &service(
            "shop",
            "copy",
            "clusterIP: 10.96.0.2, ports: [{name: http, port: 80}, {name: http-more, port: 8080}]",
        )
        + &service("shop", "empty", "clusterIP: 10.96.0.3, ports: [{name: http, port: 80}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("shop", "copy", "v1", "10.1.0.2")
        + &istio("DestinationRule", "shop", "copy", "{host: copy, subsets: [{name: v1, labels: {version: v1}}]}")
        + &istio(
            "VirtualService",
            "shop",
            "web",
            &format!("{{hosts: [web], http: [{{{fields}, route: [{{destination: {{host: web}}}}]}}]}}"),
        )
}

/// The clusters that get a copy of the request of one draw.
fn mirrored(text: &str, draw: u32) -> Vec<String> {
    let table = table(text, "shop");
    match decided(&table, "10.96.0.1:80", &get("web", "/"), draw).outcome {
        Outcome::Route(route) => {
            assert_eq!(&*route.cluster.name, "outbound|80||web.shop.svc.cluster.local");
            route.mirrors.iter().map(|cluster| cluster.name.to_string()).collect()
        }
        other => panic!("{other:?}"),
    }
}

const COPY: &str = "outbound|80||copy.shop.svc.cluster.local";

#[test]
fn s1_2_given_a_mirror_then_it_gets_a_copy_of_every_request_without_a_percentage_and_none_with_0() {
    for (fields, copies) in [
        ("mirror: {host: copy}", 1),
        ("mirror: {host: copy}, mirrorPercentage: {value: 100}", 1),
        ("mirror: {host: copy}, mirrorPercentage: {value: 0}", 0),
        ("mirror: {host: copy}, mirrorPercentage: {}", 0),
        ("mirrors: [{destination: {host: copy}}]", 1),
        ("mirrors: [{destination: {host: copy}, percentage: {value: 0}}]", 0),
    ] {
        let text = shop(fields);
        assert!(faults(&text).is_empty(), "{fields} {:?}", faults(&text));
        for draw in [0, 1 << 20, 1 << 31, u32::MAX] {
            assert_eq!(mirrored(&text, draw), vec![COPY; copies], "{fields} {draw}");
        }
    }
}

#[test]
fn s1_2_given_several_mirrors_then_each_draws_for_itself() {
    let fields = "mirrors: [{destination: {host: copy}, percentage: {value: 50}},
        {destination: {host: copy, subset: v1, port: {number: 8080}}, percentage: {value: 20}}]";
    let text = shop(fields);
    let table = table(&text, "shop");
    let mut counts = [0_u32; 3];
    for number in 0..20_000_u32 {
        let draw = number * (u32::MAX / 20_000);
        let Outcome::Route(route) = decided(&table, "10.96.0.1:80", &get("web", "/"), draw).outcome else {
            panic!("routed")
        };
        let has = |name: &str| route.mirrors.iter().any(|cluster| &*cluster.name == name);
        let (first, second) = (has(COPY), has("outbound|8080|v1|copy.shop.svc.cluster.local"));
        for (count, hit) in counts.iter_mut().zip([first, second, first && second]) {
            *count += u32::from(hit);
        }
    }
    let shares = counts.map(|count| f64::from(count) / 200.0);
    for (share, expected) in shares.iter().zip([50.0, 20.0, 10.0]) {
        assert!((share - expected).abs() < 1.5, "{shares:?}");
    }
}

#[test]
fn s1_2_given_the_deprecated_whole_percent_then_it_counts_and_is_warned_of_unless_there_is_a_percentage() {
    for (fields, copies) in [
        ("mirrorPercent: 100", 1),
        ("mirror_percent: 100", 1),
        ("mirrorPercent: 0", 0),
        ("mirrorPercent: 100, mirrorPercentage: {value: 0}", 0),
        ("mirrorPercent: 0, mirrorPercentage: {value: 100}", 1),
    ] {
        let text = shop(&format!("mirror: {{host: copy}}, {fields}"));
        assert_eq!(errors(&text), [""; 0]);
        assert_eq!(mirrored(&text, 5).len(), copies, "{fields}");
        assert!(faults(&text).iter().any(|fault| fault.problem == "is deprecated"), "{fields}");
    }
}

#[test]
fn s1_2_given_a_mirror_that_is_not_there_then_requests_go_their_way_without_it() {
    for destination in
        ["{host: nobody}", "{host: copy, subset: v9}", "{host: copy, port: {number: 81}}", "{host: empty}"]
    {
        assert_eq!(mirrored(&shop(&format!("mirror: {destination}")), 9), [""; 0], "{destination}");
    }
}

#[test]
fn s1_2_given_values_that_istio_refuses_then_they_are_refused() {
    for (fields, field, problem) in [
        ("mirror: {host: copy}, mirrors: [{destination: {host: copy}}]", "mirrors", "is written beside mirror"),
        ("mirror: {host: copy}, mirrorPercentage: {value: 100.5}", "mirrorPercentage.value", "100.5 is not from 0"),
        ("mirror: {host: copy}, mirrorPercentage: {value: -1}", "mirrorPercentage.value", "-1 is not from 0"),
        ("mirror: {host: copy}, mirrorPercent: 101", "mirrorPercent", "101 is above 100"),
        ("mirrors: [{percentage: {value: 1}}]", "mirrors[0].destination", "is missing"),
        ("mirrors: [{destination: {host: '*'}}]", "mirrors[0].destination.host", "\"*\" is a wildcard"),
        (
            "mirrors: [{destination: {host: copy}, percentage: {value: 200}}]",
            "mirrors[0].percentage.value",
            "200 is not",
        ),
    ] {
        let errors = errors(&shop(fields));
        assert!(
            errors.len() == 1 && errors[0].contains(&format!("spec.http[0].{field}: {problem}")),
            "{fields} {errors:?}"
        );
    }
}

#[test]
fn s1_2_given_a_percentage_without_a_mirror_then_it_is_said_to_have_no_effect() {
    let text = shop("mirrorPercentage: {value: 10}");
    let faults = faults(&text);
    assert!(faults.len() == 1 && faults[0].problem == "is written without mirror", "{faults:?}");
    assert!(mirrored(&text, 0).is_empty());
}
