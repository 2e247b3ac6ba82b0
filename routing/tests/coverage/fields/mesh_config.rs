//! Keys of the mesh config that touch routing.

use super::{Field, Honoured, L, Reported, S};

fields! {
    "mesh" S "MeshConfig: rootNamespace" MESH "config" Honoured(&["s1_10_given_a_root_sidecar_then_its_own_namespace_is_each_clients"]);
    "mesh" S "MeshConfig: outboundTrafficPolicy.mode" MESH "REGISTRY_ONLY" Honoured(&["s2_5_given_an_unknown_host_then_it_goes_where_it_was_dialled_or_is_answered_502_without_a_body"]);
    "mesh" L "MeshConfig: outboundTrafficPolicy.mode" MESH "ALLOW_ANY_DYNAMIC_DNS" Reported;
    "mesh" L "MeshConfig: defaultVirtualServiceExportTo" MESH "[.]" Honoured(&["s1_1_given_a_mesh_default_then_it_is_for_rules_that_do_not_say_it_themselves"]);
    "mesh" L "MeshConfig: defaultDestinationRuleExportTo" MESH "[.]" Honoured(&["s1_10_given_a_mesh_default_for_destination_rules_then_it_is_for_those_that_do_not_say_it"]);
    "mesh" L "MeshConfig: defaultServiceExportTo" MESH "[.]" Honoured(&["s1_10_given_a_mesh_default_for_services_then_it_is_for_those_without_an_annotation"]);
    "mesh" L "MeshConfig: defaultTrafficPolicy.connectionPool" MESH "{tcp: {maxConnections: 1}}" Honoured(&["s4_3_given_a_default_traffic_policy_of_the_mesh_then_it_fills_what_is_missing_in_the_end"]);
    "mesh" L "MeshConfig: defaultTrafficPolicy.outlierDetection" MESH "{consecutive5xxErrors: 3}" Honoured(&["s4_3_given_a_default_traffic_policy_of_the_mesh_then_it_fills_what_is_missing_in_the_end"]);
    "mesh" L "MeshConfig: defaultTrafficPolicy.loadBalancer" MESH "{simple: RANDOM}" Reported;
    "mesh" L "MeshConfig: localityLbSetting" MESH "{enabled: false}" Honoured(&["s1_10_given_a_locality_setting_of_the_mesh_then_it_is_for_destinations_without_one"]);
    "mesh" L "MeshConfig: defaultHttpRetryPolicy" MESH "{attempts: 5}" Honoured(&["s1_10_given_a_retry_policy_of_the_mesh_then_it_is_for_routes_that_have_none_and_for_services_without_rules"]);
    "mesh" L "MeshConfig: connectTimeout" MESH "3s" Honoured(&["s1_10_given_a_connect_timeout_of_the_mesh_then_it_is_for_destinations_whose_rule_has_none"]);
    "mesh" L "MeshConfig: tcpKeepalive" MESH "{probes: 3}" Reported;
    "mesh" L "MeshConfig: protocolDetectionTimeout" MESH "1s" Reported;
    "mesh" L "MeshConfig: proxyHttpPort" MESH "8080" Reported;
    "mesh" L "MeshConfig: pathNormalization" MESH "{normalization: NONE}" Reported;
    "mesh" L "MeshConfig: discoverySelectors" MESH "[{matchLabels: {a: b}}]" Reported;
    "mesh" L "MeshConfig: serviceSettings" MESH "[{settings: {clusterLocal: true}}]" Reported;
    "mesh" L "MeshConfig: h2UpgradePolicy" MESH "UPGRADE" Reported;
    "mesh" L "MeshConfig: enableAutoMtls" MESH "true" Reported;
    "mesh" L "MeshConfig: trustDomain" MESH "x" Reported;
}

const MESH: &str = "{}";
