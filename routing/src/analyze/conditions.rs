//! What there is to say on the objects of a world that is in force: conditions in the sense of Kubernetes, with stable words for
//! types and reasons. The findings behind them are those of [`super::analyze`].

mod http_routes;

use std::collections::HashMap;

use super::input::Input;
use super::sight::Sight;
use super::{
    Code, Finding, Findings, Level, SHOWN, code, destination_rules, destinations, fields, seen_by_clients, subsets,
};
use crate::fault::{Fault, Severity};
use crate::model::{DestinationRule, HostPattern, ObjectRef, VirtualService, World};

pub use http_routes::not_accepted;

/// Whether clients in the mesh follow a VirtualService.
pub const APPLIES_TO_MESH: &str = "meshlet.dev/AppliesToMesh";
/// Whether whatever a VirtualService sends somewhere gets there.
pub const RESOLVED_REFS: &str = "meshlet.dev/ResolvedRefs";
/// Whether clients in the mesh use a DestinationRule.
pub const EFFECTIVE: &str = "meshlet.dev/Effective";
/// Whether all that an object says has its effect.
pub const FULLY_SUPPORTED: &str = "meshlet.dev/FullySupported";

/// The reason of an object none of whose fields has an effect.
const REFUSED: &str = "Refused";

/// One condition of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Of which object.
    pub object: ObjectRef,
    /// Of an HTTPRoute: with respect to which of `spec.parentRefs` alone.
    pub parent: Option<usize>,
    /// `meshlet.dev/ResolvedRefs`; an HTTPRoute's are those of the Gateway API.
    pub kind: &'static str,
    /// Its status.
    pub holds: bool,
    /// One stable word.
    pub reason: &'static str,
    /// Sentences.
    pub message: String,
    /// Whether its owner is to be warned: it does not hold, and nobody means that.
    pub warns: bool,
}

/// The conditions of all rules of a world, in the order of the world.
#[must_use]
pub fn conditions(world: &World) -> Vec<Condition> {
    let input = Input::of_world(world);
    let sight = Sight::new(&input);
    let mut findings = Findings::default();
    seen_by_clients(&sight, &mut findings);
    let mut found = Found(HashMap::new());
    for finding in &findings.0 {
        finding.object.iter().for_each(|object| found.0.entry(object).or_default().push(finding));
    }
    let empty = Empty::new(&sight);
    let mut conditions = Vec::new();
    for rule in &world.virtual_services {
        conditions.push(applies_to_mesh(rule, &found));
        // Where a rule that is a gateway's alone leads is not looked at.
        if rule.mesh {
            conditions.push(resolved_refs(&input, rule, &found, &empty));
        }
    }
    let shadowed = destination_rules::shadowed(&input);
    for rule in &world.destination_rules {
        conditions.push(effective(&sight, rule, &found, shadowed.contains(&&rule.object)));
    }
    for route in &world.http_routes {
        http_routes::state(&input, route, &found, &mut conditions);
    }
    conditions
}

/// What became of an object's fields when it was read.
#[must_use]
pub fn fully_supported(object: &ObjectRef, faults: &[Fault]) -> Condition {
    let refused: Vec<&Fault> = faults.iter().filter(|fault| fault.severity == Severity::Error).collect();
    let text = |fault: &&Fault| match (&*fault.field, &*fault.remedy) {
        ("", "") => fault.problem.clone(),
        ("", remedy) => format!("{}; {remedy}", fault.problem),
        (field, "") => format!("{field}: {}", fault.problem),
        (field, remedy) => format!("{field}: {}; {remedy}", fault.problem),
    };
    if !refused.is_empty() {
        let message = format!(
            "The object is refused, and what was in force before stays in force. {}",
            sentences(refused.iter().map(text))
        );
        return Condition::fails(object, FULLY_SUPPORTED, REFUSED, message);
    }
    let without_effect = [code::NOT_HONOURED.id, code::UNKNOWN_FIELD.id];
    let unsupported = |fault: &&Fault| without_effect.contains(&fields::code_of(fault).id);
    let unsupported: Vec<&Fault> = faults.iter().filter(unsupported).collect();
    if unsupported.is_empty() {
        return Condition::holds(object, FULLY_SUPPORTED, "AllFieldsHonoured", "Every field has its effect.");
    }
    Condition::fails(object, FULLY_SUPPORTED, "UnsupportedField", sentences(unsupported.iter().map(text)))
}

impl Condition {
    fn holds(object: &ObjectRef, kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        let (object, message) = (object.clone(), message.into());
        Self { object, parent: None, kind, holds: true, reason, message, warns: false }
    }

    fn fails(object: &ObjectRef, kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        let (object, message) = (object.clone(), message.into());
        Self { object, parent: None, kind, holds: false, reason, message, warns: true }
    }
}

/// Findings by object.
struct Found<'f>(HashMap<&'f ObjectRef, Vec<&'f Finding>>);

impl<'f> Found<'f> {
    fn of(&self, object: &ObjectRef) -> &[&'f Finding] {
        self.0.get(object).map_or(&[], Vec::as_slice)
    }

    fn first(&self, object: &ObjectRef, code: &Code, path: &str) -> Option<&'f Finding> {
        let it = |finding: &&&Finding| finding.code.id == code.id && (path.is_empty() || finding.path == path);
        self.of(object).iter().find(it).copied()
    }
}

fn applies_to_mesh(rule: &VirtualService, found: &Found<'_>) -> Condition {
    let object = &rule.object;
    let said = |code: &Code, path: &str| found.first(object, code, path).map(|finding| sentence(&finding.message));
    if let Some(message) = said(&code::GATEWAY_ONLY, "") {
        // Most often that is what is meant.
        let warns = false;
        return Condition { warns, ..Condition::fails(object, APPLIES_TO_MESH, "GatewayOnly", message) };
    }
    if rule.hosts.is_empty() {
        return match said(&code::DELEGATE_UNUSED, "") {
            Some(message) => Condition::fails(object, APPLIES_TO_MESH, "DelegateUnused", message),
            None => Condition::holds(object, APPLIES_TO_MESH, "Delegated", "Another object delegates to this one."),
        };
    }
    if let Some(message) = said(&code::NEVER_APPLIES, "spec.exportTo") {
        return Condition::fails(object, APPLIES_TO_MESH, "NotExported", message);
    }
    let lost = |finding: &&&Finding| {
        let conflict = finding.code.id == code::CONFLICT.id && finding.level == Level::Error;
        let unknown = finding.code.id == code::HOST_UNKNOWN.id && finding.level > Level::Info;
        conflict || unknown || finding.code.id == code::DOTTED_NAME.id
    };
    let lost: Vec<&Finding> = found.of(object).iter().filter(lost).copied().collect();
    let of_host = |index: usize| {
        let path = format!("spec.hosts[{index}]");
        lost.iter().find(|finding| finding.path == path).copied()
    };
    let hosts: Vec<&Finding> = (0..rule.hosts.len()).filter_map(of_host).collect();
    let exceptions = sentences(hosts.iter().map(|finding| finding.message.clone()));
    if hosts.len() == rule.hosts.len() {
        let conflict = hosts.iter().any(|finding| finding.code.id == code::CONFLICT.id);
        let reason = if conflict { "Conflicted" } else { "HostUnknown" };
        return Condition::fails(object, APPLIES_TO_MESH, reason, exceptions);
    }
    let (reason, why) = match rule.gateways.is_empty() {
        true => ("GatewaysOmitted", "spec.gateways is absent"),
        false => ("MeshListed", "spec.gateways lists mesh"),
    };
    let but = if exceptions.is_empty() { String::new() } else { format!(" But {exceptions}") };
    Condition::holds(object, APPLIES_TO_MESH, reason, format!("Clients in the mesh follow the object: {why}.{but}"))
}

fn resolved_refs(input: &Input<'_>, rule: &VirtualService, found: &Found<'_>, empty: &Empty<'_>) -> Condition {
    let object = &rule.object;
    let reason = |finding: &Finding| match finding.code.id {
        id if id == code::PORT_REQUIRED.id => Some("PortNotFound"),
        id if id != code::UNKNOWN_REFERENCE.id => None,
        _ if finding.path.ends_with(".host") => Some("HostNotFound"),
        _ if finding.path.ends_with(".subset") => Some("SubsetNotFound"),
        _ if finding.path.ends_with(".port.number") => Some("PortNotFound"),
        _ => None,
    };
    let mut broken: Vec<(&'static str, String)> = Vec::new();
    for finding in found.of(object) {
        broken.extend(reason(finding).map(|reason| (reason, finding.message.clone())));
    }
    for written in destinations::of_rule(input, rule) {
        if let Some(subset) = written.destination.subset.as_deref()
            && let Some(by) = empty.subset(&written.destination.host, subset)
        {
            let problem = format!("{}.subset: no endpoint has the labels of subset {subset:?} of {by}", written.path);
            broken.push(("EmptySubset", format!("{problem}; correct them, or deploy such pods")));
        }
    }
    let Some((reason, _)) = broken.first() else {
        let message = "Every host, port and subset that the object sends something to is there.";
        return Condition::holds(object, RESOLVED_REFS, "AllResolved", message);
    };
    Condition::fails(object, RESOLVED_REFS, reason, sentences(broken.iter().map(|(_, message)| message.clone())))
}

fn effective(sight: &Sight<'_>, rule: &DestinationRule, found: &Found<'_>, shadowed: bool) -> Condition {
    let object = &rule.object;
    for (code, reason) in [
        (&code::RULE_HOST_UNKNOWN, "HostUnknown"),
        (&code::NAMESPACE_NOT_CONSULTED, "NamespaceNotConsulted"),
        (&code::NEVER_APPLIES, "NotExported"),
        (&code::RULES_MERGED, "Shadowed"),
    ] {
        if let Some(finding) = found.first(object, code, "")
            && (reason != "Shadowed" || shadowed)
        {
            return Condition::fails(object, EFFECTIVE, reason, sentence(&finding.message));
        }
    }
    let services = sight.covered(&rule.host);
    let (reason, where_to) = if services.iter().any(|service| service.namespace == object.namespace) {
        ("InServiceNamespace", "the service's namespace")
    } else if object.namespace == sight.input().world.mesh.root_namespace {
        ("InRootNamespace", "the root namespace")
    } else {
        ("InClientNamespace", "a namespace of its clients")
    };
    Condition::holds(object, EFFECTIVE, reason, format!("Clients use the object, which is in {where_to}."))
}

/// Subsets that select no endpoint, by name, each with the hosts and the object that it belongs to.
struct Empty<'i>(HashMap<&'i str, Vec<(&'i HostPattern, &'i ObjectRef)>>);

impl<'i> Empty<'i> {
    fn new(sight: &Sight<'i>) -> Self {
        let mut empty: HashMap<&str, Vec<_>> = HashMap::new();
        for rule in &sight.input().world.destination_rules {
            let services = sight.covered(&rule.host);
            for subset in rule.subsets.iter().filter(|subset| subsets::is_empty(subset, &services)) {
                empty.entry(&subset.name).or_default().push((&rule.host, &rule.object));
            }
        }
        Self(empty)
    }

    fn subset(&self, host: &crate::model::Hostname, name: &str) -> Option<&'i ObjectRef> {
        let of_name = self.0.get(name)?;
        of_name.iter().find(|(hosts, _)| hosts.covers(host)).map(|(_, object)| *object)
    }
}

/// A finding's text as a sentence.
fn sentence(text: &str) -> String {
    format!("{text}.")
}

/// The first few of them, one after the other.
fn sentences(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = texts.collect();
    let few: Vec<String> = texts.iter().take(SHOWN).map(|text| sentence(text)).collect();
    let more = texts.len().saturating_sub(SHOWN);
    if more == 0 { few.join(" ") } else { format!("{} And {more} more.", few.join(" ")) }
}
