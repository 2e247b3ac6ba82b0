//! What a pod's annotations keep out of capture.

use super::{told, virtual_service};
use crate::explain::{Asked, Capture, Explanation, Who};

fn annotated(annotations: &str) -> String {
    let rule = virtual_service("shop", "web", "{hosts: [web], http: [{route: [{destination: {host: web}}]}]}");
    format!(
        "{rule}---\n{{apiVersion: v1, kind: Pod, metadata: {{name: client, namespace: shop, labels: {{sidecar.istio.io/inject: 'true'}}, annotations: {{{annotations}}}}}, status: {{podIP: 10.1.0.9}}}}\n"
    )
}

fn ask(annotations: &str) -> Explanation {
    told(&annotated(annotations), Some("client"), "http://web/", Capture::Ruled)
}

fn losers(answer: &Explanation) -> Vec<String> {
    answer.not_used.iter().map(|loser| format!("{} {}", loser.object, loser.reason)).collect()
}

#[test]
fn given_a_pods_annotations_then_what_they_exclude_is_bypassed_and_the_rest_is_routed() {
    let istio = "traffic.sidecar.istio.io";
    for (annotations, excluded) in [
        (String::new(), None),
        (format!("{istio}/excludeOutboundPorts: '80'"), Some("ExcludedPort")),
        (format!("{istio}/excludeOutboundPorts: '8080'"), None),
        (format!("{istio}/excludeOutboundIPRanges: 10.96.0.0/12"), Some("ExcludedIpRange")),
        (format!("{istio}/includeOutboundIPRanges: 10.96.0.0/12"), None),
        (format!("{istio}/includeOutboundIPRanges: 10.97.0.0/16"), Some("NotIncluded")),
        (format!("{istio}/includeOutboundIPRanges: ''"), Some("NotIncluded")),
        (format!("{istio}/includeOutboundIPRanges: '', {istio}/includeOutboundPorts: '80'"), None),
    ] {
        let answer = ask(&annotations);
        let shown = (answer.verdict, answer.reason, answer.path);
        let (expected, lost) = match excluded {
            Some(reason) => (("bypass", reason, "native"), vec![format!("VirtualService shop/web {reason}")]),
            None => (("route", "VirtualServiceRule", "proxy"), vec![]),
        };
        assert_eq!((shown, losers(&answer)), (expected, lost), "{annotations}");
        assert!(answer.client.captured, "the pod is");
        let capture = answer.capture.expect("there is something to say");
        assert_eq!(capture.captured, excluded.is_none(), "{annotations}");
        assert_eq!(answer.destinations.is_empty(), excluded.is_some(), "{annotations}");
    }
}

#[test]
fn given_annotations_without_effect_then_they_are_among_what_is_not_used_with_and_without_a_request() {
    let annotations =
        "traffic.sidecar.istio.io/excludeOutboundPorts: http, traffic.sidecar.istio.io/includeInboundPorts: '*'";
    let expected = ["Pod shop/client InvalidAnnotation", "Pod shop/client AnnotationNotHonoured"];
    let answer = ask(annotations);
    assert_eq!((answer.verdict, losers(&answer)), ("route", expected.map(str::to_owned).to_vec()));
    let message = &answer.not_used.first().expect("two").message;
    assert!(message.contains("traffic.sidecar.istio.io/excludeOutboundPorts: \"http\""), "{message}");
    let client = Who::Pod { namespace: "shop".into(), pod: "client".into() };
    let about = Asked { client, request: None, capture: Some(Capture::Ruled), seed: 1, all_rules: false };
    let about = about.answer(&super::world(&format!("{}{}", super::BASE, annotated(annotations)))).expect("an answer");
    assert_eq!(losers(&about), expected);
    let unmarked = ask(&format!("{annotations}, meshlet.dev/redirect: disabled"));
    assert_eq!(losers(&unmarked), ["VirtualService shop/web ClientNotCaptured"]);
}
