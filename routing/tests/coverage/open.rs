//! What is not done. These lists only ever get shorter: a test fails when an entry of them is done.

/// Fields of priority M and S that have no effect, each with its value.
pub(crate) const NOT_HONOURED: &[(&str, &str)] = &[
    ("spec.trafficPolicy.tls.mode", "SIMPLE"),
    ("ServiceEntry: spec.resolution", "DNS"),
    ("ServiceEntry: spec.resolution", "DNS_ROUND_ROBIN"),
    ("ServiceEntry: spec.resolution", "DYNAMIC_DNS"),
];

/// Fields that have their effect without a test that proves it, each with its value.
pub(crate) const NOT_PROVED: &[(&str, &str)] = &[
    ("spec.trafficPolicy.loadBalancer.simple", "PASSTHROUGH"),
    ("Service: spec.internalTrafficPolicy", "Local"),
    ("Service: spec.trafficDistribution", "PreferClose"),
    ("Service: metadata.annotations.(networking.istio.io/traffic-distribution)", "PreferClose"),
    ("Sidecar: spec.egress[].hosts", "[./*]"),
    ("Sidecar: spec.workloadSelector.labels", "{app: b}"),
    ("ServiceEntry: spec.hosts", "[b.example.com]"),
    ("ServiceEntry: spec.addresses", "[240.0.0.1]"),
    ("ServiceEntry: spec.ports", "[{number: 81, name: http, protocol: HTTP}]"),
    ("ServiceEntry: spec.resolution", "NONE"),
    ("ServiceEntry: spec.resolution", "STATIC"),
    ("ServiceEntry: spec.endpoints", "[{address: 10.9.0.2, labels: {version: v1}}]"),
    ("ServiceEntry: spec.workloadSelector.labels", "{app: b}"),
    ("ServiceEntry: spec.exportTo", "[.]"),
];

/// Statements that no test is named after.
pub(crate) const NOT_HELD: &[&str] = &[];
