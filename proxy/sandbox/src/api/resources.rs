//! The resources that the double knows.

/// One resource; its versions are all served from one store, as the API server converts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// Empty for the core group.
    pub(crate) group: &'static str,
    /// The one that clients should prefer first.
    pub(crate) versions: &'static [&'static str],
    /// Its name in paths; unique among those here.
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
}

impl Resource {
    const fn new(
        group: &'static str,
        versions: &'static [&'static str],
        plural: &'static str,
        kind: &'static str,
        namespaced: bool,
    ) -> Self {
        Self { group, versions, plural, kind, namespaced }
    }

    /// `apiVersion` of its objects in one of its versions.
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }
}

const ISTIO: &str = "networking.istio.io";
const ISTIO_VERSIONS: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const V1: &[&str] = &["v1"];

/// All of them.
pub(crate) static RESOURCES: &[Resource] = &[
    Resource::new("", V1, "namespaces", "Namespace", false),
    Resource::new("", V1, "nodes", "Node", false),
    Resource::new("", V1, "services", "Service", true),
    Resource::new("", V1, "pods", "Pod", true),
    Resource::new("discovery.k8s.io", V1, "endpointslices", "EndpointSlice", true),
    Resource::new("events.k8s.io", V1, "events", "Event", true),
    Resource::new("coordination.k8s.io", V1, "leases", "Lease", true),
    Resource::new(ISTIO, ISTIO_VERSIONS, "virtualservices", "VirtualService", true),
    Resource::new(ISTIO, ISTIO_VERSIONS, "destinationrules", "DestinationRule", true),
    Resource::new(ISTIO, ISTIO_VERSIONS, "serviceentries", "ServiceEntry", true),
    Resource::new(ISTIO, ISTIO_VERSIONS, "sidecars", "Sidecar", true),
    Resource::new(
        "admissionregistration.k8s.io",
        V1,
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        false,
    ),
    Resource::new("rbac.authorization.k8s.io", V1, "clusterroles", "ClusterRole", false),
    Resource::new("gateway.networking.k8s.io", &["v1", "v1beta1"], "httproutes", "HTTPRoute", true),
];

/// By its name in paths.
pub(crate) fn named(plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| resource.plural == plural)
}

/// By the `apiVersion` and `kind` of an object.
pub(crate) fn of_object(api_version: &str, kind: &str) -> Option<&'static Resource> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    RESOURCES.iter().find(|resource| resource.group == group && resource.kind == kind)
}
