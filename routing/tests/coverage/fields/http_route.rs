//! Fields of HTTPRoutes whose parent is a Service.

use super::{Field, Honoured, Ignored, L, Reported, S};

fields! {
    "gamma" S "HTTPRoute: spec.parentRefs" BARE "[{group: '', kind: Service, name: b}]" Honoured(&["gamma_given_a_route_beside_its_service_then_clients_everywhere_meet_it", "gamma_given_several_parents_then_the_route_is_for_each"]);
    "gamma" S "HTTPRoute: spec.parentRefs[].namespace" ROUTE "other" Honoured(&["gamma_given_a_route_of_another_namespace_then_only_its_own_clients_meet_it"]);
    "gamma" S "HTTPRoute: spec.parentRefs[].port" ROUTE "80" Honoured(&["gamma_given_a_port_or_a_section_then_the_route_is_for_that_port_alone"]);
    "gamma" S "HTTPRoute: spec.parentRefs[].sectionName" ROUTE "http" Honoured(&["gamma_given_a_port_or_a_section_then_the_route_is_for_that_port_alone"]);
    "gamma" S "HTTPRoute: spec.hostnames" ROUTE "[a.example.com]" Ignored;
    "gamma" S "HTTPRoute: spec.rules[].name" ROUTE "b" Honoured(&["gamma_given_a_name_then_its_requests_are_told_by_it"]);
    "gamma" S "HTTPRoute: spec.rules[].matches[].path" ROUTE "{type: Exact, value: /b}" Honoured(&["gamma_given_a_path_then_it_is_compared_by_its_kind"]);
    "gamma" S "HTTPRoute: spec.rules[].matches[].headers" ROUTE "[{name: x, value: z}]" Honoured(&["gamma_given_headers_query_params_and_method_then_all_have_to_hold"]);
    "gamma" S "HTTPRoute: spec.rules[].matches[].queryParams" ROUTE "[{name: x, value: z}]" Honoured(&["gamma_given_headers_query_params_and_method_then_all_have_to_hold"]);
    "gamma" S "HTTPRoute: spec.rules[].matches[].method" ROUTE "GET" Honoured(&["gamma_given_headers_query_params_and_method_then_all_have_to_hold"]);
    "gamma" S "HTTPRoute: spec.rules[].filters" ROUTE "[{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x, value: z}]}}]" Honoured(&["gamma_given_header_modifiers_then_requests_and_answers_are_edited_with_literal_values"]);
    "gamma" S "HTTPRoute: spec.rules[].filters" ROUTE "[{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x, value: z}]}}]" Honoured(&["gamma_given_header_modifiers_then_requests_and_answers_are_edited_with_literal_values"]);
    "gamma" S "HTTPRoute: spec.rules[].filters" BARE "[{type: RequestRedirect, requestRedirect: {hostname: b.example.com}}]" Honoured(&["gamma_given_a_redirect_then_its_parts_make_the_location"]);
    "gamma" S "HTTPRoute: spec.rules[].filters" ROUTE "[{type: URLRewrite, urlRewrite: {hostname: b.example.com}}]" Honoured(&["gamma_given_a_url_rewrite_then_host_and_whole_path_can_be_replaced"]);
    "gamma" S "HTTPRoute: spec.rules[].filters" ROUTE "[{type: RequestMirror, requestMirror: {backendRef: {name: b, port: 80}}}]" Honoured(&["gamma_given_mirrors_then_each_gets_its_share"]);
    "gamma" S "HTTPRoute: spec.rules[].timeouts.request" ROUTE "2s" Honoured(&["gamma_given_timeouts_then_the_whole_and_each_try_are_limited"]);
    "gamma" S "HTTPRoute: spec.rules[].timeouts.backendRequest" ROUTE "1s" Honoured(&["gamma_given_timeouts_then_the_whole_and_each_try_are_limited"]);
    "gamma" S "HTTPRoute: spec.rules[].retry" ROUTE "{attempts: 3}" Honoured(&["gamma_given_retry_then_connection_errors_and_the_listed_codes_are_tried_again"]);
    "gamma" S "HTTPRoute: spec.rules[].backendRefs" ROUTE "[{name: b, port: 80}]" Honoured(&["gamma_given_a_backends_port_then_it_is_the_services"]);
    "gamma" S "HTTPRoute: spec.rules[].backendRefs[].namespace" ROUTE "other" Honoured(&["gamma_given_a_backend_of_another_namespace_then_it_is_used_without_a_grant"]);
    "gamma" S "HTTPRoute: spec.rules[].backendRefs[].weight" ROUTE2 "5" Honoured(&["gamma_given_weights_then_shares_are_their_parts_of_the_sum_and_1_is_the_default"]);
    "gamma" S "HTTPRoute: spec.rules[].backendRefs[].filters" ROUTE "[{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x, value: z}]}}]" Honoured(&["gamma_given_a_header_modifier_of_a_backend_then_it_is_for_that_backend_alone"]);
    "gamma" L "HTTPRoute: spec.rules[].sessionPersistence" ROUTE "{sessionName: x}" Reported;
}

const ROUTE: &str = "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: x, namespace: shop}, spec: {parentRefs: [{group: '', kind: Service, name: a}], rules: [{backendRefs: [{name: a, port: 80}]}]}}";
const ROUTE2: &str = "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: x, namespace: shop}, spec: {parentRefs: [{group: '', kind: Service, name: a}], rules: [{backendRefs: [{name: a, port: 80}, {name: b, port: 80}]}]}}";
const BARE: &str = "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: x, namespace: shop}, spec: {parentRefs: [{group: '', kind: Service, name: a}], rules: [{matches: [{method: PUT}]}]}}";
