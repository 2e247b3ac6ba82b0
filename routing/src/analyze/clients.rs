//! Whom a VirtualService applies to: mesh clients, gateways, pods that are not captured.

use std::collections::BTreeSet;

use serde_json::Value;

use super::input::{Input, namespace};
use super::routes::destinations;
use super::{Findings, Level, code, list};
use crate::enrol::enrol;
use crate::manifest::Unread;
use crate::model::{HostPattern, Hostname, Pod, VirtualService};

pub(super) fn find(input: &Input<'_>, findings: &mut Findings) {
    for rule in &input.world.virtual_services {
        if rule.mesh {
            unmeshed(input, rule, findings);
            routes_of_gateway_api(input, rule, findings);
            at_gateways(input, rule, findings);
        } else {
            gateway_only(input, rule, findings);
        }
    }
}

fn gateway_only(input: &Input<'_>, rule: &VirtualService, findings: &mut Findings) {
    let place = input.place(&rule.object, "spec.gateways");
    let problem = format!("[{}] does not include mesh: pods in the mesh ignore the object", list(&rule.gateways));
    let entries = rule.http.iter().flat_map(|http| &http.matches);
    if entries.clone().any(|entry| entry.gateways_list_mesh == Some(true)) {
        let problem = format!("{problem}, and gateways in a match cannot add it");
        findings.add_as(&code::GATEWAY_ONLY, Level::Warning, place, problem, "add mesh here");
    } else {
        findings.add(&code::GATEWAY_ONLY, place, problem, "add mesh if it is meant for them too");
    }
}

/// Pods that see the hosts and decide by kube-proxy; the hosts' own endpoints are no clients of theirs.
fn unmeshed(input: &Input<'_>, rule: &VirtualService, findings: &mut Findings) {
    let covered =
        input.world.services.iter().filter(|service| rule.hosts.iter().any(|host| host.covers(&service.host)));
    let ports: Vec<_> = covered.flat_map(|service| &service.ports).collect();
    if ports.is_empty() {
        return;
    }
    let servers: BTreeSet<&str> =
        ports.iter().flat_map(|port| port.endpoints.iter()).filter_map(|endpoint| endpoint.pod.as_deref()).collect();
    let outside = |pod: &&Pod| {
        let verdict = enrol(pod, namespace(&input.world, &pod.namespace));
        // A pod with another proxy obeys that one; one of a system namespace or that is done is no client.
        let elsewhere = ["Sidecar", "Ambient", "Gateway", "Completed", "SystemNamespace"].contains(&verdict.reason);
        !verdict.captured && !elsewhere && rule.export_to.reaches(&pod.namespace)
    };
    let pods = input.world.pods.iter().filter(outside).map(|pod| format!("{}/{}", pod.namespace, pod.name));
    let pods: BTreeSet<String> = pods.filter(|name| !servers.contains(&**name)).collect();
    if !pods.is_empty() {
        let place = input.place(&rule.object, "spec.hosts");
        let problem =
            format!("pods that are not captured see this host, and the rule does not apply to them: {}", list(&pods));
        findings.add(&code::UNMESHED_CLIENT, place, problem, "mark those that are its clients");
    }
}

fn routes_of_gateway_api(input: &Input<'_>, rule: &VirtualService, findings: &mut Findings) {
    for route in input.unread.iter().filter(|unread| unread.kind == "HTTPRoute") {
        for parent in parents(route) {
            for (index, _) in rule.hosts.iter().enumerate().filter(|(_, host)| host.covers(&parent)) {
                let path = format!("spec.hosts[{index}]");
                let problem = format!(
                    "{parent} also has HTTPRoute {}/{}: Istio does not define which applies",
                    route.namespace, route.name
                );
                findings.add(&code::TWO_KINDS, input.place(&rule.object, &path), problem, "keep one of them");
            }
        }
    }
}

/// The services that an HTTPRoute is attached to.
fn parents(route: &Unread) -> Vec<Hostname> {
    let refs = route.body.get("spec").and_then(|spec| spec.get("parentRefs")).and_then(Value::as_array);
    let text = |parent: &Value, key: &str| parent.get(key).and_then(Value::as_str).map(str::to_owned);
    let services = refs.into_iter().flatten().filter(|parent| text(parent, "kind").as_deref() == Some("Service"));
    services
        .filter_map(|parent| {
            let namespace = text(parent, "namespace").unwrap_or_else(|| route.namespace.clone());
            Some(Hostname::service(&text(parent, "name")?, &namespace))
        })
        .collect()
}

/// Subsets that this object picks for mesh clients alone, of a host that another object routes to from a gateway.
fn at_gateways(input: &Input<'_>, rule: &VirtualService, findings: &mut Findings) {
    if at_a_gateway(rule) {
        return;
    }
    let picked = (0..rule.http.len()).find_map(|index| {
        let routes = destinations(input, rule, index);
        let (route, _) = routes.into_iter().find(|(_, destination)| {
            let own = rule.hosts.iter().any(|host| *host == HostPattern::Exact(destination.host.clone()));
            own && destination.subset.is_some()
        })?;
        Some(format!("spec.http[{index}].route[{route}].destination.subset"))
    });
    let Some(path) = picked else { return };
    for other in input.world.virtual_services.iter().filter(|other| at_a_gateway(other)) {
        let whole =
            (0..other.http.len()).flat_map(|index| destinations(input, other, index)).any(|(_, destination)| {
                destination.subset.is_none() && rule.hosts.contains(&HostPattern::Exact(destination.host.clone()))
            });
        if whole {
            let problem = format!(
                "has no effect on requests through the gateways of {}, which routes to the whole host",
                other.object
            );
            let remedy = "add the gateway to this object's gateways, or the subset to the other's routes";
            findings.add(&code::NO_EFFECT_AT_GATEWAY, input.place(&rule.object, &path), problem, remedy);
        }
    }
}

fn at_a_gateway(rule: &VirtualService) -> bool {
    rule.gateways.iter().any(|name| &**name != "mesh")
}
