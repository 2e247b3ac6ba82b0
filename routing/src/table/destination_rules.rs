//! Which DestinationRules a scope uses for a host.

use super::Scope;
use super::by_host::ByHost;
use crate::map::HashMap;
use crate::model::{DestinationRule, ExportTo, Hostname, Labels, ObjectRef, Subset, TrafficPolicy};

/// The destination rules that apply to one host, merged.
#[derive(Default)]
pub(crate) struct Policy<'w> {
    /// Those that were merged, oldest first.
    pub(crate) rules: Vec<&'w ObjectRef>,
    /// The first `trafficPolicy`, whole.
    pub(crate) traffic: Option<&'w TrafficPolicy>,
    /// Of a name the first definition.
    pub(crate) subsets: Vec<&'w Subset>,
}

/// Rules for the same host in one namespace that were merged.
struct Entry<'w> {
    export_to: &'w ExportTo,
    selector: Option<&'w Labels>,
    policy: Policy<'w>,
}

/// All destination rules by namespace and host.
pub(super) struct PolicyIndex<'w>(HashMap<&'w str, ByHost<'w, &'w DestinationRule>>);

impl<'w> PolicyIndex<'w> {
    pub(super) fn new(rules: &'w [DestinationRule]) -> Self {
        let mut namespaces: HashMap<&str, ByHost<'w, &DestinationRule>> = HashMap::default();
        for rule in rules {
            namespaces.entry(&rule.object.namespace).or_default().insert(&rule.host, rule);
        }
        Self(namespaces)
    }

    /// The rules of a namespace that cover `host` with the narrowest pattern: those with a selector first, then by age.
    fn most_specific(
        &self,
        namespace: &str,
        host: &Hostname,
        usable: impl Fn(&DestinationRule) -> bool,
    ) -> Vec<&'w DestinationRule> {
        let Some(rules) = self.0.get(namespace) else { return Vec::new() };
        let usable = |rules: &[&'w DestinationRule]| -> Vec<&'w DestinationRule> {
            rules.iter().filter(|rule| usable(rule)).copied().collect()
        };
        let mut found = rules.covering(host).map(usable).find(|found| !found.is_empty()).unwrap_or_default();
        found.sort_by_key(|rule| (rule.selector.is_none(), &rule.created, &rule.object.name));
        found
    }
}

/// The rules in force for a client of `scope` and `host`: those of the client's namespace, else of the service's, else of
/// the root namespace; the first place that has any ends the search, even if none of them is for this client
/// (istio/istio@86c9f01 pilot/pkg/model/push_context.go, destinationRule).
pub(super) fn policy<'w>(
    rules: &PolicyIndex<'w>,
    scope: &Scope,
    host: &Hostname,
    [service_namespace, root_namespace]: [&str; 2],
) -> Policy<'w> {
    let client = &*scope.namespace;
    let usable_at_home = |rule: &DestinationRule| {
        // A client of the root namespace finds only private rules here: the others are meant for everybody.
        if client == root_namespace { is_private(rule) } else { rule.export_to.reaches(client) }
    };
    let at_home = merge(rules.most_specific(client, host, usable_at_home));
    if !at_home.is_empty() {
        return chosen(at_home, scope);
    }
    for namespace in [service_namespace, root_namespace] {
        // The narrowest host is chosen first and tested for export afterwards.
        let mut exported = merge(rules.most_specific(namespace, host, |rule| !is_private(rule)));
        exported.retain(|entry| entry.export_to.reaches(client));
        if !exported.is_empty() {
            return chosen(exported, scope);
        }
    }
    Policy::default()
}

/// Of no use to any other namespace.
fn is_private(rule: &DestinationRule) -> bool {
    matches!(&rule.export_to, ExportTo::Namespaces(names) if names.len() == 1 && names[0] == rule.object.namespace)
}

/// Concatenates the subsets and takes the first policy, of rules that are exported alike and select the same clients; one
/// that differs stays an entry of its own (istio/istio@86c9f01 pilot/pkg/model/destination_rule.go, mergeDestinationRule).
fn merge(rules: Vec<&DestinationRule>) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for rule in rules {
        let selector = rule.selector.as_ref();
        let fits = |entry: &&mut Entry<'_>| entry.selector == selector && mergeable(entry.export_to, &rule.export_to);
        let entry = match entries.iter_mut().find(fits) {
            Some(entry) => entry,
            None => entries.push_mut(Entry { export_to: &rule.export_to, selector, policy: Policy::default() }),
        };
        let policy = &mut entry.policy;
        policy.rules.push(&rule.object);
        policy.traffic = policy.traffic.or(rule.policy.as_ref());
        for subset in &rule.subsets {
            if !policy.subsets.iter().any(|known| known.name == subset.name) {
                policy.subsets.push(subset);
            }
        }
    }
    entries
}

/// A later rule joins an earlier one if both are exported alike or it reaches further.
fn mergeable(old: &ExportTo, new: &ExportTo) -> bool {
    match (old, new) {
        (ExportTo::All, ExportTo::All) => true,
        (ExportTo::Namespaces(old), ExportTo::Namespaces(new)) => {
            !old.is_empty() && old.iter().all(|name| new.contains(name)) || old == new
        }
        (ExportTo::All, ExportTo::Namespaces(_)) | (ExportTo::Namespaces(_), ExportTo::All) => false,
    }
}

/// The first entry whose selector takes the client, else the last without one
/// (istio/istio@86c9f01 pilot/pkg/model/sidecar.go, SidecarScope.DestinationRule).
fn chosen<'w>(entries: Vec<Entry<'w>>, scope: &Scope) -> Policy<'w> {
    let takes = |selector: &Labels| selector.iter().all(|(key, value)| scope.labels.get(key) == Some(value));
    let mut general = None;
    for entry in entries {
        match entry.selector {
            Some(selector) if takes(selector) => return entry.policy,
            Some(_) => {}
            None => general = Some(entry.policy),
        }
    }
    general.unwrap_or_default()
}
