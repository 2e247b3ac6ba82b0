//! Hosts, ports, subsets and gateways that rules name and nobody knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::destinations::{self, List, Written};
use super::input::Input;
use super::sight::{Clients, Sight};
use super::{Findings, Level, code, list};
use crate::model::{Destination, HostPattern, Service, VirtualService};
use crate::table::{Lens, RuleKind, Target};

/// What is wrong with the destinations of VirtualServices, by path, for clients of which namespaces.
#[derive(Default)]
pub(super) struct Broken(BTreeMap<(usize, String, Cause), BTreeSet<Arc<str>>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Host,
    /// The service has no such port; whether the destination names it.
    Port(u16, bool),
    /// The DestinationRules that the client uses, and the subsets they define.
    Subset(Vec<String>, Vec<String>),
}

impl Broken {
    /// Follows the destinations of the rule at a place, for a client.
    pub(super) fn look(&mut self, sight: &Sight<'_>, place: usize, lens: &mut Lens<'_, '_>, clients: &Clients<'_>) {
        let input = sight.input();
        let rule = &input.world.virtual_services[place];
        if !lens.sees(rule) {
            return;
        }
        let followed = sight.followed(place);
        for list in List::ALL {
            for port in sight.ports(place, list) {
                let live = match list {
                    List::Http => lens.live(rule, *port),
                    List::Tls => lens.live_connections(rule, RuleKind::Tls, *port),
                    List::Tcp => lens.live_connections(rule, RuleKind::Tcp, *port),
                };
                let of_list = followed.iter().filter(|followed| followed.written.list == list);
                for followed in of_list.filter(|followed| live.contains(&followed.index)) {
                    if let Some(cause) = broken(list, followed.written.destination, *port, lens) {
                        let path = followed.written.path.clone();
                        let namespaces = self.0.entry((followed.owner, path, cause)).or_default();
                        let seeing = |name: &&Arc<str>| rule.export_to.reaches(name);
                        namespaces.extend(clients.namespaces().filter(seeing).cloned());
                    }
                }
            }
        }
    }

    /// What was found, and what there is to say about hosts and gateways.
    pub(super) fn find(self, sight: &Sight<'_>, findings: &mut Findings) {
        let input = sight.input();
        for ((place, path, cause), namespaces) in &self.0 {
            let rule = &input.world.virtual_services[*place];
            let written = destinations::of_rule(input, rule);
            let Some(written) = written.iter().find(|written| written.path == *path) else { continue };
            let seen = sight.namespaces().iter().filter(|namespace| rule.export_to.reaches(namespace)).count();
            let all = namespaces.len() == seen;
            let who = if all { String::new() } else { format!(" for clients in {}", list(namespaces)) };
            report(input, rule, written, cause, &who, findings);
        }
        for rule in &input.world.virtual_services {
            hosts(input, rule, findings);
        }
        gateways(input, findings);
    }
}

/// Why what comes in at a port does not get through to a destination.
fn broken(list: List, destination: &Destination, port: u16, lens: &mut Lens<'_, '_>) -> Option<Cause> {
    // Connections go to the only port of a service that has one.
    let sole = || match lens.destination(&destination.host).map(|service| &*service.ports) {
        Some([only]) if list != List::Http => only.number,
        Some(_) | None => port,
    };
    let number = destination.port.unwrap_or_else(sole);
    match lens.target(&destination.host, number, destination.subset.as_deref()) {
        Target::Cluster(_) => None,
        Target::UnknownHost if lens.destination(&destination.host).is_none() => Some(Cause::Host),
        Target::UnknownHost => Some(Cause::Port(number, destination.port.is_some())),
        Target::UnknownSubset => {
            let known = lens.destination(&destination.host).map(|service| lens.subsets(service));
            let (rules, subsets) = known.unwrap_or_default();
            let rules = rules.into_iter().map(ToString::to_string).collect();
            Some(Cause::Subset(rules, subsets.into_iter().map(str::to_owned).collect()))
        }
    }
}

fn report(
    input: &Input<'_>,
    rule: &VirtualService,
    written: &Written<'_>,
    cause: &Cause,
    who: &str,
    findings: &mut Findings,
) {
    let (host, path) = (&written.destination.host, &written.path);
    let (level, effect) = match written.list {
        _ if written.mirror => (Level::Warning, "no copies are sent"),
        List::Http => (Level::Error, "such requests are answered 503 NC"),
        List::Tls | List::Tcp => (Level::Error, "such connections are closed"),
    };
    let mut add = |code, path: &str, problem: String, remedy: String| {
        findings.add_as(code, level, input.place(&rule.object, path), problem, remedy);
    };
    match cause {
        Cause::Host => {
            let path = format!("{path}.host");
            if let Some(service) = input.service(host) {
                let problem = format!("{host} is not exported to{}", who.trim_start_matches(" for"));
                let remedy =
                    format!("correct networking.istio.io/exportTo of Service {}/{}", service.namespace, service.name);
                return add(&code::UNKNOWN_REFERENCE, &path, problem, remedy);
            }
            let remedy = match input.meant(host) {
                Some(service) => format!("a name with a dot is taken literally: write {}", service.host),
                None => format!("correct the name, or add the service: {effect}"),
            };
            add(&code::UNKNOWN_REFERENCE, &path, format!("there is no service {host}"), remedy);
        }
        Cause::Port(number, true) => {
            let problem = format!("{host} has no port {number}{who}, it has {}", numbers(input.service(host)));
            let remedy = format!("name a port that clients dial, not the pods' own: {effect}");
            add(&code::UNKNOWN_REFERENCE, &format!("{path}.port.number"), problem, remedy);
        }
        Cause::Port(number, false) => {
            let problem = format!(
                "names no port, so clients of port {number} are sent to port {number} of {host}, which has {}",
                numbers(input.service(host))
            );
            add(&code::PORT_REQUIRED, path, problem, format!("add port.number: {effect}"));
        }
        Cause::Subset(owners, known) => {
            let subset = written.destination.subset.as_deref().unwrap_or_default();
            let owners = list(owners);
            let problem = match (owners.is_empty(), known.is_empty()) {
                (true, _) => format!("{subset:?} is defined nowhere{who}: no DestinationRule is in force for {host}"),
                (false, true) => format!("{subset:?} is not in {owners}{who}, which defines no subset"),
                (false, false) => format!("{subset:?} is not in {owners} ({}){who}", list(known)),
            };
            add(&code::UNKNOWN_REFERENCE, &format!("{path}.subset"), problem, format!("add or correct it: {effect}"));
        }
    }
}

fn numbers(service: Option<&Service>) -> String {
    match service.map(|service| list(service.ports.iter().map(|port| port.number))) {
        Some(ports) if !ports.is_empty() => ports,
        _ => "none".to_owned(),
    }
}

/// Hosts of a mesh rule that are no service's.
fn hosts(input: &Input<'_>, rule: &VirtualService, findings: &mut Findings) {
    for (index, host) in rule.hosts.iter().enumerate() {
        let HostPattern::Exact(name) = host else { continue };
        if !rule.mesh || input.service(name).is_some() || name.as_str().parse::<std::net::IpAddr>().is_ok() {
            continue;
        }
        let path = format!("spec.hosts[{index}]");
        let place = input.place(&rule.object, &path);
        if let Some(service) = input.meant(name) {
            let problem = format!(
                "{:?} has a dot and is taken literally: it is not Service {}/{}",
                name.as_str(),
                service.namespace,
                service.name
            );
            findings.add(&code::DOTTED_NAME, place, problem, format!("write {}", service.host));
        } else if name.as_str().ends_with(".svc.cluster.local") {
            let remedy = "correct the name, or move the object to the service's namespace";
            findings.add(&code::HOST_UNKNOWN, place, format!("there is no service {name}"), remedy);
        } else {
            let problem =
                format!("{name} is no service of the cluster: the routes apply to requests with this Host on port 80");
            findings.add_as(&code::HOST_UNKNOWN, Level::Info, place, problem, "nothing, if that is what is meant");
        }
    }
}

/// Gateways that are not among those given; without any, nothing is known about them.
fn gateways(input: &Input<'_>, findings: &mut Findings) {
    let known: BTreeSet<String> = input
        .unread
        .iter()
        .filter(|unread| unread.kind == "Gateway")
        .map(|unread| format!("{}/{}", unread.namespace, unread.name))
        .collect();
    if known.is_empty() {
        return;
    }
    for rule in &input.world.virtual_services {
        let object = &rule.object;
        for (index, name) in rule.gateways.iter().map(|name| &**name).enumerate() {
            let full = if name.contains('/') { name.to_owned() } else { format!("{}/{name}", object.namespace) };
            if name != "mesh" && !known.contains(&full) {
                let path = format!("spec.gateways[{index}]");
                let place = input.place(object, &path);
                let remedy = "write NAMESPACE/NAME of a Gateway";
                findings.add_as(
                    &code::UNKNOWN_REFERENCE,
                    Level::Warning,
                    place,
                    format!("there is no Gateway {full}"),
                    remedy,
                );
            }
        }
    }
}
