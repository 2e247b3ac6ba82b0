//! Istio's mesh config. What has nothing to do with the route of a request is left alone; what has, and is not honoured, is
//! reported.

use super::duration::whole_millis;
use super::fields::{Fields, Report};
use super::http::retries;
use super::{connection_pool, locality, outlier_detection};
use crate::fault::Fault;
use crate::manifest::Manifest;
use crate::model::{DefaultExport, MeshConfig, OutboundTraffic, PolicyDefaults};

/// Keys that change what happens to a mesh client's request and that are not honoured.
const NOT_HONOURED: [&str; 14] = [
    "caCertificates",
    "defaultConfig",
    "discoverySelectors",
    "enableAutoMtls",
    "h2UpgradePolicy",
    "http2UpgradePolicy",
    "meshMTLS",
    "pathNormalization",
    "protocolDetectionTimeout",
    "proxyHttpPort",
    "serviceSettings",
    "tcpKeepalive",
    "tlsDefaults",
    "trustDomain",
];

/// Keys that are about other things: inbound traffic, gateways, telemetry, certificates, the control plane itself.
const OTHERS: [&str; 31] = [
    "accessLogEncoding",
    "accessLogFile",
    "accessLogFormat",
    "ca",
    "certificates",
    "configSources",
    "defaultProviders",
    "disableEnvoyListenerLog",
    "dnsRefreshRate",
    "enableEnvoyAccessLogService",
    "enablePrometheusMerge",
    "enableTracing",
    "extensionProviders",
    "hboneIdleTimeout",
    "inboundClusterStatName",
    "inboundTrafficPolicy",
    "ingressClass",
    "ingressControllerMode",
    "ingressSelector",
    "ingressService",
    "outboundClusterStatName",
    "proxyInboundListenPort",
    "proxyListenPort",
    "proxyMetadata",
    "serviceScopeConfigs",
    "statNameFormat",
    "thriftConfig",
    "tracing",
    "trustDomainAliases",
    "verifyCertificateAtClient",
    "workloadIdentity",
];

/// The config, unless something in it is refused, and everything that is wrong with it.
#[must_use]
pub fn mesh_config(manifest: &Manifest) -> (Option<MeshConfig>, Vec<Fault>) {
    let report = Report::new(manifest);
    let config = read(&Fields::of(&report));
    let config = (!report.refused()).then_some(config);
    (config, report.into_faults())
}

fn read(fields: &Fields<'_>) -> MeshConfig {
    let fallback = MeshConfig::default();
    let outbound = fields.object("outboundTrafficPolicy").map(|policy| outbound(&policy));
    let root = fields.text("rootNamespace").filter(|name| !name.is_empty());
    let config = MeshConfig {
        root_namespace: root.map_or(fallback.root_namespace, Into::into),
        outbound: outbound.unwrap_or_default(),
        virtual_services: export(fields, "defaultVirtualServiceExportTo"),
        destination_rules: export(fields, "defaultDestinationRuleExportTo"),
        services: export(fields, "defaultServiceExportTo"),
        policy: policy(fields),
        retries: fields.object("defaultHttpRetryPolicy").map(|retries| retries::policy(&retries)).unwrap_or_default(),
    };
    fields.not_honoured(&NOT_HONOURED);
    let others: Vec<&str> = OTHERS.into_iter().filter(|key| fields.has(key)).collect();
    if !others.is_empty() {
        let problem = format!("not read, since no route depends on them: {}", others.join(", "));
        fields.report().warn("", problem, "nothing: they are no business of this proxy");
    }
    fields.finish();
    config
}

/// Beside the mesh's own default an empty policy or an absent mode changes nothing, unlike in a Sidecar.
fn outbound(policy: &Fields<'_>) -> OutboundTraffic {
    let mode = match policy.text("mode") {
        None | Some("ALLOW_ANY") => OutboundTraffic::AllowAny,
        Some("REGISTRY_ONLY") => OutboundTraffic::RegistryOnly,
        Some("ALLOW_ANY_DYNAMIC_DNS") => {
            let remedy = "it counts as ALLOW_ANY: requests go where the client dialled";
            policy.report().warn(&policy.path("mode"), "ALLOW_ANY_DYNAMIC_DNS is not honoured by this version", remedy);
            OutboundTraffic::AllowAny
        }
        Some(other) => {
            let remedy = "write ALLOW_ANY or REGISTRY_ONLY";
            policy.report().error(&policy.path("mode"), format!("{other:?} is no mode"), remedy);
            OutboundTraffic::AllowAny
        }
    };
    policy.finish();
    mode
}

fn export(fields: &Fields<'_>, key: &'static str) -> DefaultExport {
    DefaultExport::new(fields.texts(key).into_iter().map(|(_, word)| word))
}

/// Of `defaultTrafficPolicy` Istio takes two blocks (istio/istio@86c9f01 pilot/pkg/networking/core/cluster_traffic_policy.go,
/// applyDefaultTrafficPolicy).
fn policy(fields: &Fields<'_>) -> PolicyDefaults {
    let mut defaults =
        PolicyDefaults { connect_timeout: whole_millis(fields, "connectTimeout"), ..PolicyDefaults::default() };
    if let Some(policy) = fields.object("defaultTrafficPolicy") {
        defaults.connection_pool = policy.object("connectionPool").map(|pool| connection_pool::read(&pool).into());
        let detection = policy.object("outlierDetection");
        defaults.outlier_detection = detection.map(|detection| outlier_detection::read(&detection).into());
        policy.not_honoured(&["loadBalancer", "tls", "portLevelSettings", "tunnel", "proxyProtocol", "retryBudget"]);
        policy.finish();
    }
    if let Some(setting) = fields.object("localityLbSetting") {
        // Outlier detection is each destination's own affair.
        defaults.locality = locality::read(&setting, true).into();
    }
    defaults
}
