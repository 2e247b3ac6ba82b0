//! The annotations of Istio's and meshlet's domains (istio/api annotation/annotations.pb.go).

use crate::model::Kind;

/// What an annotation is to us.
pub(super) enum Annotation {
    /// Of a domain that is not ours to judge.
    Foreign,
    /// Of our domains, and none of theirs.
    Unknown,
    /// One that exists.
    Known {
        /// Kinds it applies to; empty: any, or not known here.
        kinds: &'static [Kind],
        /// Values that mean something; empty: any.
        values: &'static [&'static str],
        /// What to use instead.
        replaced_by: Option<&'static str>,
    },
}

const fn on(kinds: &'static [Kind]) -> Annotation {
    Annotation::Known { kinds, values: &[], replaced_by: None }
}

/// Suffixes under a domain that exist on pods.
const OF_PODS: &[(&str, &[&str])] = &[
    (
        "sidecar.istio.io",
        &[
            "agentLogLevel",
            "bootstrapOverride",
            "componentLogLevel",
            "controlPlaneAuthPolicy",
            "discoveryAddress",
            "enableCoreDump",
            "extraStatTags",
            "interceptionMode",
            "logLevel",
            "nativeSidecar",
            "proxyCPU",
            "proxyCPULimit",
            "proxyImage",
            "proxyImageType",
            "proxyMemory",
            "proxyMemoryLimit",
            "rewriteAppHTTPProbers",
            "statsCompression",
            "statsHistogramBuckets",
            "statsInclusionPrefixes",
            "statsInclusionRegexps",
            "statsInclusionSuffixes",
            "status",
            "userVolume",
            "userVolumeMount",
        ],
    ),
    (
        "traffic.sidecar.istio.io",
        &[
            "excludeInboundPorts",
            "excludeInterfaces",
            "excludeOutboundIPRanges",
            "excludeOutboundPorts",
            "includeInboundPorts",
            "includeOutboundIPRanges",
            "includeOutboundPorts",
            "kubevirtInterfaces",
        ],
    ),
    (
        "readiness.status.sidecar.istio.io",
        &["applicationPorts", "failureThreshold", "initialDelaySeconds", "periodSeconds"],
    ),
    ("status.sidecar.istio.io", &["port"]),
    ("inject.istio.io", &["templates"]),
    ("proxy.istio.io", &["config", "overrides"]),
    ("prometheus.istio.io", &["merge-metrics"]),
    ("ambient.istio.io", &["redirection"]),
];

/// Suffixes under a domain that exist on kinds of which most are not read here.
const OF_OTHERS: &[(&str, &[&str])] = &[
    ("ambient.istio.io", &["bypass-inbound-capture", "dns-capture", "waypoint-inbound-binding"]),
    ("galley.istio.io", &["analyze-suppress"]),
    (
        "istio.io",
        &[
            "dry-run",
            "rev",
            "autoRegistrationGroup",
            "workloadController",
            "connect-strategy",
            "reroute-virtual-interfaces",
        ],
    ),
    ("networking.istio.io", &["address-type", "service-type", "traffic-distribution", "tunnel"]),
    ("security.istio.io", &["autoMTLS", "tlsMode"]),
    ("topology.istio.io", &["controlPlaneClusters"]),
    ("traffic.istio.io", &["nodeSelector"]),
];

/// Domains whose annotations are written by programs, not people.
const MACHINES: [&str; 5] =
    ["internal.istio.io", "install.operator.istio.io", "operator.istio.io", "gateway.istio.io", "alpha.istio.io"];

pub(super) fn known(name: &str) -> Annotation {
    let Some((domain, suffix)) = name.split_once('/') else { return Annotation::Foreign };
    let ours = domain == "meshlet.dev" || domain == "istio.io" || domain.ends_with(".istio.io");
    if !ours || MACHINES.contains(&domain) {
        return Annotation::Foreign;
    }
    let listed = |list: &[(&str, &[&str])]| list.iter().any(|(of, names)| *of == domain && names.contains(&suffix));
    match name {
        "meshlet.dev/redirect" => Annotation::Known {
            kinds: &[Kind::Pod, Kind::Namespace],
            values: &["enabled", "disabled"],
            replaced_by: None,
        },
        "sidecar.istio.io/inject" => Annotation::Known {
            kinds: &[Kind::Pod],
            values: &["true", "false"],
            replaced_by: Some("the label of the same name"),
        },
        "networking.istio.io/exportTo" => on(&[Kind::Service]),
        _ if listed(OF_PODS) => on(&[Kind::Pod]),
        _ if listed(OF_OTHERS) => on(&[]),
        _ => Annotation::Unknown,
    }
}
