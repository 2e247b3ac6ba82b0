//! Fields of other objects.

use super::{Field, Honoured, Ignored, L, M, NotRead, Reported, S};

fields! {
    "1.10" S "Service: metadata.annotations.(networking.istio.io/exportTo)" SERVICE "." Honoured(&["s2_7_given_a_broken_destination_of_a_tcp_route_then_the_connection_is_closed", "s2_7_given_a_broken_destination_of_a_tls_route_then_the_connection_is_closed", "s2_7_given_a_destination_that_is_not_there_then_its_cause_is_the_answer"]);
    "1.10" M "Service: spec.ports[].name" SERVICE "http" Honoured(&["s1_2_given_names_of_a_rule_and_a_match_then_the_route_has_both"]);
    "1.10" M "Service: spec.ports[].appProtocol" SERVICE "http2" Honoured(&["s5_1_given_a_name_then_it_counts_up_to_its_first_dash", "s5_1_given_a_service_entry_then_its_protocol_field_declares_and_the_ports_name_says_nothing", "s5_1_given_an_app_protocol_and_a_name_then_the_former_counts"]);
    "1.10" S "Service: spec.clusterIP" SERVICE "None" Honoured(&["s5_1_given_a_name_then_it_counts_up_to_its_first_dash", "s5_1_given_a_service_entry_then_its_protocol_field_declares_and_the_ports_name_says_nothing", "s5_1_given_an_app_protocol_and_a_name_then_the_former_counts"]);
    "1.10" S "Service: spec.type" EXTERNAL "ExternalName" Honoured(&["s5_1_given_a_name_then_it_counts_up_to_its_first_dash", "s5_1_given_a_service_entry_then_its_protocol_field_declares_and_the_ports_name_says_nothing", "s5_1_given_an_app_protocol_and_a_name_then_the_former_counts"]);
    "1.10" S "Service: spec.internalTrafficPolicy" SERVICE "Local" Honoured(&["s1_10_given_internal_traffic_policy_local_then_only_the_clients_node_is_used"]);
    "1.10" S "Service: spec.trafficDistribution" SERVICE "PreferClose" Honoured(&["s1_10_given_traffic_distribution_then_the_near_endpoint_gets_everything_without_outlier_detection"]);
    "1.10" S "Service: metadata.annotations.(networking.istio.io/traffic-distribution)" SERVICE "PreferClose" Honoured(&["s1_10_given_traffic_distribution_then_the_near_endpoint_gets_everything_without_outlier_detection"]);
    "1.10" M "Service: spec.publishNotReadyAddresses" SERVICE "true" Honoured(&["given_a_pod_that_becomes_unready_then_only_its_services_have_other_endpoints", "given_an_unready_pod_or_a_named_target_port_then_endpoints_are_the_ready_ones_at_the_resolved_port"]);
    "1.10" S "Service: spec.sessionAffinity" SERVICE "ClientIP" Ignored;
    "1.10" M "EndpointSlice: endpoints[].conditions.ready" SLICE "false" Honoured(&["given_a_pod_that_becomes_unready_then_only_its_services_have_other_endpoints", "given_an_unready_pod_or_a_named_target_port_then_endpoints_are_the_ready_ones_at_the_resolved_port"]);
    "1.10" M "EndpointSlice: endpoints[].conditions.serving" SLICE_UNREADY "true" Ignored;
    "1.10" M "EndpointSlice: endpoints[].conditions.terminating" SLICE_UNREADY "true" Honoured(&["given_a_pod_that_becomes_unready_then_only_its_services_have_other_endpoints", "given_an_unready_pod_or_a_named_target_port_then_endpoints_are_the_ready_ones_at_the_resolved_port"]);
    "1.10" L "Sidecar: spec.egress[].hosts" SIDECAR "[./*]" Honoured(&["s1_10_given_egress_hosts_then_they_restrict_the_services_that_are_known", "s1_10_given_egress_hosts_then_rules_are_imported_by_their_namespace_and_hosts"]);
    "1.10" L "Sidecar: spec.egress[].port" SIDECAR "{number: 80, protocol: HTTP, name: http}" Reported;
    "1.10" L "Sidecar: spec.egress[].bind" SIDECAR "127.0.0.1" Reported;
    "1.10" L "Sidecar: spec.egress[].captureMode" SIDECAR "NONE" Reported;
    "1.10" L "Sidecar: spec.workloadSelector.labels" SIDECAR "{app: b}" Honoured(&["s1_10_given_several_sidecars_then_the_selecting_one_then_the_namespaces_then_the_roots_is_in_force"]);
    "1.10" S "Sidecar: spec.outboundTrafficPolicy.mode" SIDECAR "REGISTRY_ONLY" Honoured(&["s2_5_given_a_sidecar_then_its_mode_beats_the_meshs_and_an_absent_one_is_registry_only"]);
    "1.10" S "ServiceEntry: spec.hosts" ENTRY "[b.example.com]" Honoured(&["s1_10_given_a_static_entry_then_its_endpoints_have_their_own_ports_labels_places_and_weights"]);
    "1.10" S "ServiceEntry: spec.addresses" ENTRY "[240.0.0.1]" Honoured(&["s1_10_given_addresses_of_an_entry_then_they_are_its_listeners_and_names_and_a_range_is_reported"]);
    "1.10" S "ServiceEntry: spec.ports" ENTRY "[{number: 81, name: http, protocol: HTTP}]" Honoured(&["s1_10_given_a_static_entry_then_its_endpoints_have_their_own_ports_labels_places_and_weights"]);
    "1.10" S "ServiceEntry: spec.resolution" ENTRY_PLAIN "NONE" Honoured(&["s1_10_given_an_entry_without_resolution_then_connections_go_where_they_were_dialled"]);
    "1.10" S "ServiceEntry: spec.resolution" ENTRY_DNS "STATIC" Honoured(&["s1_10_given_a_static_entry_then_its_endpoints_have_their_own_ports_labels_places_and_weights"]);
    "1.10" S "ServiceEntry: spec.resolution" ENTRY_PLAIN "DNS" Honoured(&["s1_10_given_a_dns_entry_then_every_address_of_its_names_is_an_endpoint_of_their_place_and_weight", "s1_10_given_a_dns_entry_without_endpoints_then_each_host_is_resolved_by_itself"]);
    "1.10" S "ServiceEntry: spec.resolution" ENTRY_PLAIN "DNS_ROUND_ROBIN" Honoured(&["s1_10_given_a_dns_round_robin_entry_then_the_first_address_alone_is_the_endpoint"]);
    "1.10" S "ServiceEntry: spec.resolution" ENTRY_WILD "DYNAMIC_DNS" Honoured(&["s1_10_given_a_dynamic_dns_entry_then_the_host_that_is_asked_for_is_resolved_at_the_ports_target", "s1_10_given_a_dynamic_dns_entry_of_tls_then_the_server_name_is_resolved"]);
    "1.10" S "ServiceEntry: spec.endpoints" ENTRY "[{address: 10.9.0.2, labels: {version: v1}}]" Honoured(&["s1_10_given_a_static_entry_then_its_endpoints_have_their_own_ports_labels_places_and_weights"]);
    "1.10" S "ServiceEntry: spec.workloadSelector.labels" ENTRY_PLAIN "{app: b}" Honoured(&["s1_10_given_an_entry_that_selects_pods_then_those_of_its_namespace_are_its_endpoints"]);
    "1.10" S "ServiceEntry: spec.location" ENTRY "MESH_EXTERNAL" Ignored;
    "1.10" S "ServiceEntry: spec.exportTo" ENTRY "[.]" Honoured(&["s1_10_given_export_to_of_an_entry_then_only_those_namespaces_know_it"]);
    "1.10" L "WorkloadEntry: spec" WORKLOAD "{address: 10.9.0.1, labels: {app: b}}" NotRead;
}

const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: x, namespace: shop}, spec: {clusterIP: 10.96.0.1, selector: {app: x}, ports: [{port: 80}]}}";
const EXTERNAL: &str = "{apiVersion: v1, kind: Service, metadata: {name: x, namespace: shop}, spec: {externalName: a.example.com, ports: [{port: 80}]}}";
const SLICE: &str = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: x, namespace: shop, labels: {kubernetes.io/service-name: x}}, addressType: IPv4, ports: [{port: 80}], endpoints: [{addresses: [10.1.0.1]}]}";
const SLICE_UNREADY: &str = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: x, namespace: shop, labels: {kubernetes.io/service-name: x}}, addressType: IPv4, ports: [{port: 80}], endpoints: [{addresses: [10.1.0.1], conditions: {ready: false}}]}";
const SIDECAR: &str = "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: x, namespace: shop}, spec: {egress: [{hosts: [shop/*]}]}}";
const ENTRY: &str = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: x, namespace: shop}, spec: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 10.9.0.1}]}}";
const ENTRY_PLAIN: &str = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: x, namespace: shop}, spec: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC}}";
const ENTRY_WILD: &str = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: x, namespace: shop}, spec: {hosts: ['*.example.com'], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}}";
const ENTRY_DNS: &str = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: x, namespace: shop}, spec: {hosts: [a.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}}";
const WORKLOAD: &str =
    "{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: x, namespace: shop}}";
