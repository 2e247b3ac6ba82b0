//! What rules tell clients apart by. Clients that no rule tells apart share a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{HttpRule, Labels, Locality, LocalitySetting, Pod, TrafficPolicy, VirtualService, World};

/// What rules can tell clients apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// Namespace of the client.
    pub namespace: Arc<str>,
    /// Its labels.
    pub labels: Arc<Labels>,
    /// Where it runs.
    pub locality: Arc<Locality>,
    /// The node it runs on, where known.
    pub node: Option<Arc<str>>,
}

impl Scope {
    /// Clients of a namespace with these labels, wherever they run.
    #[must_use]
    pub fn new(namespace: Arc<str>, labels: Arc<Labels>) -> Self {
        Self { namespace, labels, locality: Arc::default(), node: None }
    }

    /// The scope of a pod of the world.
    #[must_use]
    pub fn of_pod(world: &World, pod: &Pod) -> Self {
        let (locality, node) = (world.nodes.of_pod(pod), pod.node.clone());
        Self { locality, node, ..Self::new(Arc::clone(&pod.namespace), Arc::clone(&pod.labels)) }
    }

    /// Whether a rule for clients with these labels, of this namespace, is for these.
    pub(crate) fn meets(&self, labels: &Labels, namespace: Option<&str>) -> bool {
        labels.iter().all(|(key, value)| self.labels.get(key) == Some(value))
            && namespace.is_none_or(|namespace| namespace == &*self.namespace)
    }
}

/// The labels by which the rules of a world tell clients of one namespace apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distinctions(BTreeSet<Box<str>>);

impl Distinctions {
    /// Whatever some rule asks of its clients: `sourceLabels`, `workloadSelector`, and labels that endpoints should share with them.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let mut keys = BTreeSet::new();
        let mut selects = |labels: &Labels| keys.extend(labels.keys().cloned());
        world.virtual_services.iter().flat_map(asked).for_each(&mut selects);
        world.destination_rules.iter().filter_map(|rule| rule.selector.as_ref()).for_each(&mut selects);
        world.sidecars.iter().filter_map(|sidecar| sidecar.selector.as_ref()).for_each(&mut selects);
        let policies = world.destination_rules.iter().flat_map(|rule| {
            let of_subsets = rule.subsets.iter().map(|subset| &subset.policy);
            rule.policy.iter().chain(of_subsets).flat_map(settings)
        });
        for setting in policies.chain([&*world.mesh.policy.locality]) {
            if let LocalitySetting::Failover { priority, .. } = setting {
                let shared = priority.iter().filter(|label| label.value.is_none());
                keys.extend(shared.map(|label| label.key.clone()));
            }
        }
        Self(keys)
    }

    /// The scope of a pod of the world, without the labels that nobody asks for.
    #[must_use]
    pub fn of_pod(&self, world: &World, pod: &Pod) -> Scope {
        self.narrowed(Scope::of_pod(world, pod))
    }

    /// A scope without the labels that nobody asks for.
    #[must_use]
    pub fn narrowed(&self, scope: Scope) -> Scope {
        if scope.labels.keys().all(|key| self.0.contains(key)) {
            return scope;
        }
        let asked = scope.labels.iter().filter(|(key, _)| self.0.contains(*key));
        let labels = asked.map(|(key, value)| (key.clone(), value.clone())).collect();
        Scope { labels: Arc::new(labels), ..scope }
    }
}

/// What the matches of a rule ask of their clients.
fn asked(rule: &VirtualService) -> impl Iterator<Item = &Labels> {
    let of_requests = rule.http.iter().flat_map(|HttpRule { matches, .. }| matches).map(|entry| &entry.source_labels);
    let of_bytes = rule.tcp.iter().flat_map(|tcp| &tcp.matches).map(|entry| &entry.source_labels);
    let of_names = rule.tls.iter().flat_map(|tls| &tls.matches).map(|entry| &entry.conditions.source_labels);
    of_requests.chain(of_bytes).chain(of_names)
}

fn settings(policy: &TrafficPolicy) -> impl Iterator<Item = &LocalitySetting> {
    let own = [policy].into_iter().chain(policy.ports.iter().map(|(_, policy)| policy));
    own.filter_map(|policy| policy.load_balancer.as_ref()?.locality.as_deref())
}
