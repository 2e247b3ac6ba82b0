//! The table of codes. A number below 900 is that of the Istio code with the same meaning; those from 901 are meshlet's own.

use std::fmt::Write as _;

use super::Level;

/// A kind of finding; the code never changes its meaning.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `MSH0101`.
    pub id: &'static str,
    /// One word for it.
    pub name: &'static str,
    /// How bad it is; some findings of it may be less so.
    pub level: Level,
    /// The Istio code of the same meaning.
    pub istio: Option<&'static str>,
    /// What it means.
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $id:literal $name:literal $level:ident $istio:expr, $what:literal, $remedy:literal;)*) => {
        $(pub(super) static $constant: Code =
            Code { id: $id, name: $name, level: Level::$level, istio: $istio, what: $what, remedy: $remedy };)*
        /// Every code, in order.
        pub static CODES: &[&Code] = &[$(&$constant),*];
    };
}

codes! {
    UNKNOWN_REFERENCE = "MSH0101" "ReferencedResourceNotFound" Error Some("IST0101"),
        "A route names a host, port or subset that the clients who see the rule do not know: such requests are answered 503 with flag NC (500 where an HTTPRoute leads there), such connections are closed. A gateway that is not among the given Gateways is a warning, since mesh clients never meet it; without any Gateway nothing is said.",
        "Name a service in full (name.namespace.svc.cluster.local), or add the subset to the DestinationRule that those clients use.";
    NAMESPACE_NOT_ENROLLED = "MSH0102" "NamespaceNotEnrolled" Info Some("IST0102"),
        "No mark says whether the namespace's pods are captured, so they are not, unless they are marked themselves.",
        "Label the namespace istio.io/dataplane-mode=meshlet (or istio-injection=enabled) to capture its pods, =none (or =disabled) to say that it is meant so.";
    POD_NOT_CAPTURED = "MSH0103" "PodNotCaptured" Warning Some("IST0103"),
        "The pod's namespace is marked, and yet the pod cannot be captured: it uses the node's network, or its namespace is a system namespace. No rule applies to it as a client.",
        "Take the pod off the host's network, or mark it as opted out so that nobody expects otherwise.";
    REFUSED = "MSH0106" "SchemaValidationError" Error Some("IST0106"),
        "The text is not YAML, or the object is refused: none of it has any effect (a running daemon keeps the last good version).",
        "Correct the field that is named.";
    MISPLACED_ANNOTATION = "MSH0107" "MisplacedAnnotation" Warning Some("IST0107"),
        "The annotation means something on other kinds only.",
        "Move it to an object of a kind that it applies to.";
    UNKNOWN_ANNOTATION = "MSH0108" "UnknownAnnotation" Warning Some("IST0108"),
        "An annotation of Istio's or meshlet's domain that neither knows.",
        "Check its spelling, or remove it.";
    CONFLICT = "MSH0109" "ConflictingMeshVirtualServiceHosts" Error Some("IST0109"),
        "Two VirtualServices for mesh clients claim one host. Nothing is merged: the stronger one (exported more narrowly, then older, then by name) takes the host with all its routes, and requests that it does not match are answered 404. A warning where the weaker one keeps the host for some clients or ports.",
        "Merge the rules into one object, or narrow exportTo or hosts.";
    PORT_REQUIRED = "MSH0112" "VirtualServiceDestinationPortSelectorRequired" Error Some("IST0112"),
        "A destination without a port is taken at the port that the client dialled, and the destination has no such port: 503 with flag NC. A connection goes to the only port of a service that has one, and is closed where there are others. Istio reports every service with several ports; here it is those where a request fails.",
        "Add destination.port.number.";
    PORT_NAME = "MSH0118" "PortNameIsNotUnderNamingConvention" Info Some("IST0118"),
        "The port declares no protocol: it is detected from the first bytes, the address alone selects the service, and the request's Host is ignored.",
        "Set appProtocol, or begin the port's name with a protocol: http, http2, grpc, tls, tcp.";
    SEVERAL_MARKS = "MSH0123" "NamespaceMultipleInjectionLabels" Warning Some("IST0123"),
        "The namespace carries both istio-injection and istio.io/rev: istio-injection decides, and the revision is ignored.",
        "Keep one of the labels.";
    INVALID_ANNOTATION = "MSH0125" "InvalidAnnotation" Warning Some("IST0125"),
        "A mark or annotation has a value that means nothing, as if it were not there.",
        "Write one of the values that are named.";
    UNREACHABLE_RULE = "MSH0130" "VirtualServiceUnreachableRule" Warning Some("IST0130"),
        "Whatever the rule matches, earlier rules of the object take: they are tried in written order; of TLS rules the first for a server name and subnet counts.",
        "Move the rule before the other one, narrow the other's match, or remove it.";
    INEFFECTIVE_MATCH = "MSH0131" "VirtualServiceIneffectiveMatch" Info Some("IST0131"),
        "Whatever this entry of the match takes, earlier entries or rules take.",
        "Remove it, or move it before the other one.";
    SCHEMA_WARNING = "MSH0133" "SchemaWarning" Warning Some("IST0133"),
        "The object is accepted, and validation has something to say.",
        "Follow the message.";
    DEPRECATED_ANNOTATION = "MSH0135" "DeprecatedAnnotation" Info Some("IST0135"),
        "The annotation has been replaced by something else.",
        "Use what replaces it.";
    NO_EFFECT_AT_GATEWAY = "MSH0140" "IngressRouteRulesNotAffected" Warning Some("IST0140"),
        "A VirtualService for mesh clients alone picks subsets of a host that another one, bound to a gateway, routes to without a subset: requests through the gateway go to all endpoints.",
        "Add the gateway to this object's gateways, or the subset to the gateway's routes.";
    EMPTY_SUBSET = "MSH0173" "DestinationRuleSubsetNotSelectPods" Error Some("IST0173"),
        "No endpoint of the service has the subset's labels: a request routed there is answered 503 with flag UH. A warning while no route leads there.",
        "Correct the labels, or deploy pods that carry them.";
    RULE_HOST_UNKNOWN = "MSH0174" "DestinationRuleHostNotFound" Warning Some("IST0174"),
        "The DestinationRule's host is no known service, so it has no effect. A name with a dot is taken literally: name.namespace is no service.",
        "Write the service's name alone (in its own namespace) or in full: name.namespace.svc.cluster.local.";
    NOT_HONOURED = "MSH0901" "NotHonoured" Warning None,
        "A field or kind that Istio has and this version of meshlet does not honour: it has no effect, the rest applies.",
        "Do not rely on it; see README.md, Limits of this version.";
    UNKNOWN_FIELD = "MSH0902" "UnknownField" Warning None,
        "A field that the kind does not have: it has no effect.",
        "Check its spelling and indentation.";
    REPEATED = "MSH0903" "DefinedMoreThanOnce" Warning None,
        "Several objects have the same kind, namespace and name: the first one is used, the others are not looked at.",
        "Delete the others.";
    GATEWAY_ONLY = "MSH0904" "GatewayOnly" Info None,
        "The VirtualService's gateways do not include mesh: pods in the mesh ignore it.",
        "Add mesh to spec.gateways if it is meant for them too.";
    NEVER_APPLIES = "MSH0905" "NeverApplies" Warning None,
        "The rule can never apply to a mesh client: it is exported to nobody, or what it asks of port, gateway, source namespace and source labels is never met. Where only a gateway is asked for, this is an info.",
        "Correct exportTo or the conditions, or remove the rule.";
    UNMESHED_CLIENT = "MSH0906" "UnmeshedClient" Info None,
        "Pods that see the VirtualService's host are not captured: to them its matches and weights do not apply, kube-proxy decides.",
        "Mark the pods or their namespace if they are clients of the host.";
    NAMESPACE_NOT_CONSULTED = "MSH0907" "NamespaceNotConsulted" Warning None,
        "A DestinationRule is looked for in the client's namespace, the service's and istio-system. This one is in none of them as far as captured pods are known, so nobody uses it.",
        "Move it to the service's namespace.";
    NEVER_ROUTED = "MSH0908" "SubsetNeverRoutedTo" Warning None,
        "No VirtualService routes to the subset, so its policy never applies. An info for a subset without a policy.",
        "Route to the subset, move its policy to spec.trafficPolicy, or remove it.";
    HOST_UNKNOWN = "MSH0909" "HostIsNoService" Warning None,
        "The VirtualService's host is no known service. As a name it lives on port 80 alone. An info where the name cannot be meant for a service of the cluster.",
        "Correct the name, or add the service.";
    DOTTED_NAME = "MSH0910" "DottedNameIsNoService" Warning None,
        "A name with a dot is taken literally: reviews.default is not the service reviews of the namespace default. The routes apply to requests with exactly this Host on port 80.",
        "Write the full name: reviews.default.svc.cluster.local.";
    TWO_KINDS = "MSH0911" "VirtualServiceAndHTTPRoute" Warning None,
        "The host has both a VirtualService and an HTTPRoute; which one applies is undefined in Istio. meshlet follows the HTTPRoute.",
        "Keep one of them.";
    RULES_MERGED = "MSH0912" "SeveralDestinationRules" Warning None,
        "Another DestinationRule of the namespace is for the same host. Subsets are put together, the first definition of a name wins, and the first trafficPolicy is taken whole; rules that are exported differently are not put together at all. Kiali calls it KIA0201.",
        "Merge them into one object.";
    WEIGHT_ZERO = "MSH0913" "WeightZero" Warning None,
        "A weight of 0 removes a destination that stands beside others, and has no effect on one that stands alone: that one gets everything.",
        "Remove the destination, or give it a weight above 0.";
    PORT_POLICY_UNUSED = "MSH0914" "PortLevelSettingsUnused" Warning None,
        "portLevelSettings name a port that the service does not have.",
        "Name a port of the service, not of its pods.";
    DEPRECATED_FIELD = "MSH0915" "DeprecatedField" Info None,
        "The field still has its effect, and another has taken its place.",
        "Write what replaces it.";
    FAULT_NEVER = "MSH0916" "FaultNeverHappens" Warning None,
        "A fault without a percentage concerns no request: absent means 0 here, where it means 100 for a mirror.",
        "Write percentage: {value: 100}, or what is meant.";
    NOT_AT_HOME = "MSH0917" "NotUsableAtHome" Warning None,
        "The DestinationRule is exported to other namespaces alone, and clients of its own do not use it.",
        "Add \".\" to spec.exportTo.";
    SOURCE_IGNORED = "MSH0918" "SourceConditionIgnored" Warning None,
        "An entry of an http match has gateways beside sourceLabels or sourceNamespace: Istio then ignores the conditions on the source, and the entry holds for every client.",
        "Remove gateways from the entry: without it the object's own gateways count.";
    WILDCARD_HIDES = "MSH0919" "WildcardHidesRules" Warning None,
        "A DestinationRule of the client's namespace is looked for first, and a wildcard there is found before any rule of the service's namespace, however exact: subsets and policies of the service's owner do not apply to these clients.",
        "Narrow the host, or repeat what the hidden rules say.";
    DELEGATE_UNUSED = "MSH0920" "DelegateUnused" Warning None,
        "A VirtualService without hosts is a delegate: it has an effect only where a rule of another one names it, and none does.",
        "Name it in spec.http[].delegate of a VirtualService with hosts, or give it hosts.";
}

impl Code {
    /// Where it is explained, in this repository.
    #[must_use]
    pub fn documentation(&self) -> String {
        format!("docs/analyze.md#{}", self.id.to_ascii_lowercase())
    }
}

/// The document about all codes; `docs/analyze.md` is its copy.
#[must_use]
pub fn markdown() -> String {
    let mut text = "# What `meshlet analyze` finds\n\nMade from `routing/src/analyze/code.rs`; a test keeps it in step. Numbers below 0900 are \
                    those of the Istio code with the same meaning.\n`error`: Istio would refuse the object, or a request would fail; `warning`: \
                    accepted, but not what was meant; `info`: good to know.\n\n| code | name | level | Istio |\n|---|---|---|---|\n"
        .to_owned();
    for code in CODES {
        let (id, anchor, name, level) = (code.id, code.id.to_ascii_lowercase(), code.name, code.level.as_str());
        let _infallible = writeln!(text, "| [{id}](#{anchor}) | {name} | {level} | {} |", code.istio.unwrap_or("–"));
    }
    for code in CODES {
        let same = code.istio.map(|istio| format!("same as {istio}, ")).unwrap_or_default();
        let _infallible = write!(
            text,
            "\n## {}\n\n{} ({same}{}): {}\n\nRemedy: {}\n",
            code.id,
            code.name,
            code.level.as_str(),
            code.what,
            code.remedy
        );
    }
    text
}
