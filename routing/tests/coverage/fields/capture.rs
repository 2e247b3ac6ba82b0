//! Annotations of pods.

use super::{Field, Honoured, S};

fields! {
    "capture" S "Pod: metadata.annotations.(traffic.sidecar.istio.io/includeOutboundIPRanges)" POD "10.0.0.0/8" Honoured(&["given_included_ranges_then_nothing_else_is_captured_but_included_ports", "given_a_pods_annotations_then_what_they_exclude_is_bypassed_and_the_rest_is_routed"]);
    "capture" S "Pod: metadata.annotations.(traffic.sidecar.istio.io/excludeOutboundIPRanges)" POD "10.0.0.0/8" Honoured(&["given_exclusions_then_they_win_over_every_inclusion", "given_a_pods_annotations_then_what_they_exclude_is_bypassed_and_the_rest_is_routed"]);
    "capture" S "Pod: metadata.annotations.(traffic.sidecar.istio.io/includeOutboundPorts)" POD "'8080'" Honoured(&["given_included_ranges_then_nothing_else_is_captured_but_included_ports", "given_a_pods_annotations_then_what_they_exclude_is_bypassed_and_the_rest_is_routed"]);
    "capture" S "Pod: metadata.annotations.(traffic.sidecar.istio.io/excludeOutboundPorts)" POD "'8080'" Honoured(&["given_exclusions_then_they_win_over_every_inclusion", "given_a_pods_annotations_then_what_they_exclude_is_bypassed_and_the_rest_is_routed"]);
}

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: shop}}";
