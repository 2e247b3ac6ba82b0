//! What is watched: which resources, which of their fields, and what it means when one cannot be.

use meshlet_routing::model::Kind;

use super::keep::Keep;
use super::rights::Right;

/// A resource that the node needs.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) kind: Kind,
    /// Empty for the core group.
    pub(crate) group: &'static str,
    /// Those that can be read, in the order of preference.
    pub(crate) versions: &'static [&'static str],
    /// Its name in paths and roles.
    pub(crate) plural: &'static str,
    /// Whether it comes with the API server; a CRD may be absent.
    pub(crate) built_in: bool,
    /// Whether capture would be wrong without it.
    pub(crate) vital: bool,
    /// What the API server is asked to leave out.
    fields: Option<&'static str>,
    /// Whether the API server is asked for metadata alone.
    pub(crate) metadata_only: bool,
    pub(crate) keep: Keep<'static>,
}

const ISTIO: &str = "networking.istio.io";
/// The same objects in each.
const ISTIO_VERSIONS: &[&str] = &["v1", "v1beta1", "v1alpha3"];

impl Watched {
    const fn built_in(kind: Kind, group: &'static str, plural: &'static str, keep: Keep<'static>) -> Self {
        let versions = &["v1"];
        Self { kind, group, versions, plural, built_in: true, vital: true, fields: None, metadata_only: false, keep }
    }

    const fn custom(kind: Kind, group: &'static str, versions: &'static [&'static str], plural: &'static str) -> Self {
        Self {
            kind,
            group,
            versions,
            plural,
            built_in: false,
            vital: false,
            fields: None,
            metadata_only: false,
            keep: RULE,
        }
    }

    /// Where a version of it is served.
    pub(crate) fn path(&self, version: &str) -> String {
        match self.group {
            "" => format!("/api/{version}/{}", self.plural),
            group => format!("/apis/{group}/{version}/{}", self.plural),
        }
    }

    /// As `kubectl` and roles name it: `pods`, `virtualservices.networking.istio.io`.
    pub(crate) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// What following it needs.
    pub(crate) fn right(&self) -> Right {
        let without = match self.kind {
            _ if self.vital => "no daemon becomes ready, and no pod is captured",
            Kind::Node => "nodes have no localities",
            _ => "rules of this kind are not read",
        };
        Right::to_read(self.group, self.plural, without)
    }

    /// What the API server is asked to leave out.
    pub(crate) fn field_selector(&self) -> Option<String> {
        self.fields.map(str::to_owned)
    }
}

/// All of them. Without DestinationRules every route to a subset would be answered 503, so that capture would be wrong; without
/// another rule, a route is as if nobody had written it.
pub(crate) static WATCHED: [Watched; 10] = [
    Watched { metadata_only: true, ..Watched::built_in(Kind::Namespace, "", "namespaces", META) },
    // A pod that has ended is nobody's endpoint and no client: without it, jobs cost nothing.
    Watched {
        fields: Some("status.phase!=Succeeded,status.phase!=Failed"),
        ..Watched::built_in(Kind::Pod, "", "pods", POD)
    },
    Watched::built_in(Kind::Service, "", "services", RULE),
    Watched::built_in(Kind::EndpointSlice, "discovery.k8s.io", "endpointslices", SLICE),
    // Only their labels say where they are.
    Watched { metadata_only: true, vital: false, ..Watched::built_in(Kind::Node, "", "nodes", META) },
    Watched { keep: STATED, ..Watched::custom(Kind::VirtualService, ISTIO, ISTIO_VERSIONS, "virtualservices") },
    Watched {
        vital: true,
        keep: STATED,
        ..Watched::custom(Kind::DestinationRule, ISTIO, ISTIO_VERSIONS, "destinationrules")
    },
    Watched::custom(Kind::ServiceEntry, ISTIO, ISTIO_VERSIONS, "serviceentries"),
    Watched::custom(Kind::Sidecar, ISTIO, ISTIO_VERSIONS, "sidecars"),
    Watched { keep: ROUTE, ..Watched::custom(Kind::HttpRoute, "gateway.networking.k8s.io", &["v1"], "httproutes") },
];

const METADATA: Keep<'static> = Keep::Only(&[
    ("name", Keep::All),
    ("namespace", Keep::All),
    ("uid", Keep::All),
    ("resourceVersion", Keep::All),
    ("generation", Keep::All),
    ("creationTimestamp", Keep::All),
    ("labels", Keep::All),
    // As long as the object itself.
    ("annotations", Keep::Without(&["kubectl.kubernetes.io/last-applied-configuration"])),
]);

const META: Keep<'static> = Keep::Only(&[("metadata", METADATA)]);

const RULE: Keep<'static> = Keep::Only(&[("metadata", METADATA), ("spec", Keep::All)]);

/// What conditions are written to: those that are there have to be known.
const STATED: Keep<'static> =
    Keep::Only(&[("metadata", METADATA), ("spec", Keep::All), ("status", Keep::Only(&[("conditions", Keep::All)]))]);

/// The same, where they are told for each parent.
const ROUTE: Keep<'static> =
    Keep::Only(&[("metadata", METADATA), ("spec", Keep::All), ("status", Keep::Only(&[("parents", Keep::All)]))]);

const CONTAINERS: Keep<'static> = Keep::Only(&[("ports", Keep::All)]);

const POD: Keep<'static> = Keep::Only(&[
    ("metadata", METADATA),
    (
        "spec",
        Keep::Only(&[
            ("nodeName", Keep::All),
            ("hostNetwork", Keep::All),
            ("containers", CONTAINERS),
            ("initContainers", CONTAINERS),
        ]),
    ),
    (
        "status",
        Keep::Only(&[
            ("phase", Keep::All),
            ("podIP", Keep::All),
            ("podIPs", Keep::All),
            ("conditions", Keep::Only(&[("type", Keep::All), ("status", Keep::All)])),
        ]),
    ),
]);

const SLICE: Keep<'static> = Keep::Only(&[
    ("metadata", METADATA),
    ("ports", Keep::All),
    (
        "endpoints",
        Keep::Only(&[
            ("addresses", Keep::All),
            ("conditions", Keep::All),
            ("targetRef", Keep::Only(&[("kind", Keep::All), ("name", Keep::All)])),
            ("zone", Keep::All),
            ("nodeName", Keep::All),
        ]),
    ),
]);
