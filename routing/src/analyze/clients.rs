//! Whom a VirtualService applies to: mesh clients, gateways, pods that are not captured.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::destinations::{List, of_entry};
use super::input::Input;
use super::sight::Sight;
use super::{Findings, Level, SHOWN, code, list, list_of};
use crate::enrol::enrol;
use crate::model::{HostPattern, Hostname, ObjectRef, VirtualService};

pub(super) fn find(sight: &Sight<'_>, findings: &mut Findings) {
    let input = sight.input();
    let outside = Outside::new(input);
    let at_gateways = AtGateways::new(input);
    for rule in &input.world.virtual_services {
        if rule.mesh {
            unmeshed(sight, rule, &outside, findings);
            at_gateways.find(input, rule, findings);
        } else {
            gateway_only(input, rule, findings);
        }
    }
    routes_of_gateway_api(sight, findings);
}

/// Pods that are not captured and might be clients all the same, by namespace and name.
struct Outside(BTreeMap<Arc<str>, BTreeSet<Arc<str>>>);

impl Outside {
    fn new(input: &Input<'_>) -> Self {
        let mut pods: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
        for pod in &input.world.pods {
            let verdict = enrol(pod, input.namespace(&pod.namespace));
            // A pod with another proxy obeys that one; one of a system namespace or that is done is no client.
            let elsewhere = ["Sidecar", "Ambient", "Gateway", "Completed", "SystemNamespace"].contains(&verdict.reason);
            if !verdict.captured && !elsewhere {
                pods.entry(Arc::clone(&pod.namespace)).or_default().insert(Arc::clone(&pod.name));
            }
        }
        Self(pods)
    }

    /// Those that see a rule and are not among `servers`: a few of them, and how many there are.
    fn clients(&self, rule: &VirtualService, servers: &BTreeSet<&str>) -> (Vec<String>, usize) {
        let seeing = self.0.iter().filter(|(namespace, _)| rule.export_to.reaches(namespace));
        let count: usize = seeing.clone().map(|(_, pods)| pods.len()).sum();
        let known = servers.iter().filter(|server| {
            let (namespace, pod) = server.split_once('/').unwrap_or_default();
            rule.export_to.reaches(namespace) && self.0.get(namespace).is_some_and(|pods| pods.contains(pod))
        });
        let names = seeing.flat_map(|(namespace, pods)| pods.iter().map(move |pod| format!("{namespace}/{pod}")));
        let few = names.filter(|name| !servers.contains(&**name)).take(SHOWN).collect();
        (few, count - known.count())
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
fn unmeshed(sight: &Sight<'_>, rule: &VirtualService, outside: &Outside, findings: &mut Findings) {
    let input = sight.input();
    let covered = rule.hosts.iter().flat_map(|host| sight.covered(host));
    let ports: Vec<_> = covered.flat_map(|service| &service.ports).collect();
    if ports.is_empty() {
        return;
    }
    let servers: BTreeSet<&str> =
        ports.iter().flat_map(|port| port.endpoints.iter()).filter_map(|endpoint| endpoint.pod.as_deref()).collect();
    let (few, count) = outside.clients(rule, &servers);
    if count > 0 {
        let place = input.place(&rule.object, "spec.hosts");
        let problem = format!(
            "pods that are not captured see this host, and the rule does not apply to them: {}",
            list_of(few, count)
        );
        findings.add(&code::UNMESHED_CLIENT, place, problem, "mark those that are its clients");
    }
}

fn routes_of_gateway_api(sight: &Sight<'_>, findings: &mut Findings) {
    let input = sight.input();
    for route in &input.world.http_routes {
        for parent in route.parents.iter().map(|parent| &parent.host) {
            for rule in sight.rules_for(parent) {
                for (index, _) in rule.hosts.iter().enumerate().filter(|(_, host)| host.covers(parent)) {
                    let path = format!("spec.hosts[{index}]");
                    let problem = format!(
                        "{parent} also has {}, which goes first here: Istio does not define which applies",
                        route.object
                    );
                    findings.add(&code::TWO_KINDS, input.place(&rule.object, &path), problem, "keep one of them");
                }
            }
        }
    }
}

/// Rules that are bound to a gateway and route to the whole of a host, by that host.
struct AtGateways<'i>(HashMap<&'i Hostname, Vec<&'i VirtualService>>);

impl<'i> AtGateways<'i> {
    fn new(input: &'i Input<'_>) -> Self {
        let mut whole: HashMap<&Hostname, Vec<&VirtualService>> = HashMap::new();
        for rule in input.world.virtual_services.iter().filter(|rule| at_a_gateway(rule)) {
            let routes = (0..rule.http.len()).flat_map(|index| of_entry(input, rule, List::Http, index));
            let hosts = routes.filter(|(_, destination)| destination.subset.is_none());
            let hosts: BTreeSet<&Hostname> = hosts.map(|(_, destination)| &destination.host).collect();
            hosts.into_iter().for_each(|host| whole.entry(host).or_default().push(rule));
        }
        Self(whole)
    }

    /// Subsets that an object picks for mesh clients alone, of a host that another object routes to from a gateway.
    fn find(&self, input: &Input<'_>, rule: &VirtualService, findings: &mut Findings) {
        if at_a_gateway(rule) || self.0.is_empty() {
            return;
        }
        let picked = (0..rule.http.len()).find_map(|index| {
            let routes = of_entry(input, rule, List::Http, index);
            let (route, _) = routes.into_iter().find(|(_, destination)| {
                let own = rule.hosts.iter().any(|host| *host == HostPattern::Exact(destination.host.clone()));
                own && destination.subset.is_some()
            })?;
            Some(format!("spec.http[{index}].route[{route}].destination.subset"))
        });
        let Some(path) = picked else { return };
        let hosts = rule.hosts.iter().filter_map(|host| match host {
            HostPattern::Exact(host) => self.0.get(host),
            HostPattern::Suffix(_) | HostPattern::Any => None,
        });
        let others: BTreeSet<&ObjectRef> = hosts.flatten().map(|other| &other.object).collect();
        for other in others {
            let problem =
                format!("has no effect on requests through the gateways of {other}, which routes to the whole host");
            let remedy = "add the gateway to this object's gateways, or the subset to the other's routes";
            findings.add(&code::NO_EFFECT_AT_GATEWAY, input.place(&rule.object, &path), problem, remedy);
        }
    }
}

fn at_a_gateway(rule: &VirtualService) -> bool {
    rule.gateways.iter().any(|name| &**name != "mesh")
}
