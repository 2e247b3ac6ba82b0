//! Who else is in the cluster, and which pods are wanted by two.

use std::collections::BTreeMap;

use meshlet_routing::enrol::enrol;
use meshlet_routing::model::{Labels, Namespace, Pod, World};

use super::super::report::Check;
use super::facts::Facts;
use super::verdicts::unseen;

/// By a label of their pods (any value where none is given), and how they get on with meshlet.
const OTHERS: [(&str, &str, &str, &str); 5] = [
    ("app", "istiod", "Istio", "pods with its sidecar are left to it"),
    ("app", "ztunnel", "Istio's ambient mode", "ambient pods are left to it"),
    ("linkerd.io/control-plane-component", "", "Linkerd", "a pod is either its or meshlet's"),
    ("app", "kmesh", "Kmesh", "a pod is either its or meshlet's"),
    (
        "k8s-app",
        "cilium",
        "Cilium",
        "where it replaces kube-proxy, its programs at the cgroup root run after ours at kubepods, so that rules see the Service's \
         address; \"programs on the hooks\" of a node shows the order",
    ),
];

const SIDECAR: &str = "sidecar.istio.io/status";
const AMBIENT: &str = "ambient.istio.io/redirection";
const TO_MESHLET: &str = "take istio-injection and istio.io/rev from the namespace, label it istio.io/dataplane-mode=meshlet, and restart its \
                          pods (docs/migration.md); or take meshlet's mark from what stays Istio's";

/// Judges.
pub(super) fn checks(facts: &Facts) -> Vec<Check> {
    let world = match &facts.inventory {
        Ok(inventory) => inventory.world(),
        Err(problem) => {
            let remedy = format!("let who asks list namespaces and pods, or ask as the daemon: {}", facts.by_exec());
            return vec![unseen("namespaces and pods were not looked at", problem, &remedy)];
        }
    };
    let mut checks: Vec<Check> = OTHERS.iter().filter_map(|other| present(world, other)).collect();
    let injector = match &facts.injectors {
        Ok(injectors) => injectors.first().cloned(),
        Err(problem) => {
            let remedy = "let who asks list mutatingwebhookconfigurations.admissionregistration.k8s.io; without, Istio is taken to inject where \
                          istiod runs";
            checks.push(unseen("the webhooks that put sidecars into pods were not looked at", problem, remedy));
            world.pods.iter().find(|pod| has(&pod.labels, "app", "istiod")).map(|pod| pod.name.to_string())
        }
    };
    checks.extend(Both::of(world, injector.is_some()).checks(injector.as_deref().unwrap_or_default()));
    if checks.is_empty() {
        checks.push(Check::pass("no other mesh is here"));
    }
    checks
}

fn present(world: &World, (key, value, whose, relation): &(&str, &str, &str, &str)) -> Option<Check> {
    let is_one = |pod: &&Pod| pod.labels.get(*key).is_some_and(|found| value.is_empty() || **found == **value);
    let pods: Vec<&Pod> = world.pods.iter().filter(is_one).collect();
    let namespace = &pods.first()?.namespace;
    let details = pods.iter().map(|pod| title(pod)).collect();
    Some(Check::pass(format!("{whose} is here, in namespace {namespace}: {relation}")).with(details))
}

/// Pods that two want, by why.
#[derive(Default)]
struct Both {
    /// Captured now; Istio's injector will want their successors.
    injected_next: Vec<String>,
    /// A mark that Istio knows as well, and its sidecar.
    shared: Vec<String>,
    /// A mark of meshlet's alone, and Istio's sidecar or ztunnel.
    lost: Vec<String>,
    /// Captured, with a proxy that redirects by itself.
    twice: BTreeMap<&'static str, Vec<String>>,
}

impl Both {
    fn of(world: &World, injector: bool) -> Self {
        let namespaces: BTreeMap<&str, &Namespace> =
            world.namespaces.iter().map(|namespace| (&*namespace.name, namespace)).collect();
        let mut both = Self::default();
        for pod in world.pods.iter() {
            both.take(pod, namespaces.get(&*pod.namespace).copied(), injector);
        }
        both
    }

    fn take(&mut self, pod: &Pod, namespace: Option<&Namespace>, injector: bool) {
        let verdict = enrol(pod, namespace);
        if verdict.captured {
            if let Some(whose) = proxy_of_others(pod) {
                self.twice.entry(whose).or_default().push(title(pod));
            } else if injector && is_injected(pod, namespace) {
                self.injected_next.push(title(pod));
            }
            return;
        }
        if !pod.annotations.contains_key(SIDECAR) && !pod.annotations.contains_key(AMBIENT) {
            return;
        }
        let mut bare = pod.clone();
        bare.annotations.retain(|key, _| ![SIDECAR, AMBIENT].contains(&&**key));
        match enrol(&bare, namespace) {
            wanted if !wanted.captured => {}
            wanted if wanted.reason.ends_with("Injection") => self.shared.push(title(pod)),
            _ => self.lost.push(title(pod)),
        }
    }

    fn checks(self, injector: &str) -> Vec<Check> {
        let mut checks = Vec::new();
        if !self.shared.is_empty() {
            let count = self.shared.len();
            let message = format!("{count} pods with Istio's mark have its sidecar and are left to it");
            checks.push(Check::pass(message).with(self.shared));
        }
        if !self.lost.is_empty() {
            let message =
                format!("marked for meshlet, and Istio's sidecar or ztunnel has them: {}", listed(&self.lost));
            checks.push(Check::warning(message, TO_MESHLET).with(self.lost));
        }
        if !self.injected_next.is_empty() {
            let message = format!(
                "captured, and with Istio's mark as well: its injector {injector} gives their successors a sidecar, which leaves them to \
                 Istio: {}",
                listed(&self.injected_next)
            );
            checks.push(Check::warning(message, TO_MESHLET).with(self.injected_next));
        }
        for (whose, pods) in self.twice {
            let message = format!("marked for meshlet, and {whose} redirects them by itself: {}", listed(&pods));
            let remedy = "take one of the two marks away: connections would go through both, which nobody has tried";
            checks.push(Check::warning(message, remedy).with(pods));
        }
        checks
    }
}

/// Of those that the marks do not know.
fn proxy_of_others(pod: &Pod) -> Option<&'static str> {
    if pod.labels.contains_key("linkerd.io/control-plane-ns") {
        return Some("Linkerd's proxy");
    }
    has(&pod.annotations, "kmesh.net/redirection", "enabled").then_some("Kmesh")
}

/// Whether Istio's webhooks, where they are, put a sidecar into a new pod of this shape.
/// By the labels that their selectors name; whether a revision is one that is installed is not asked.
fn is_injected(pod: &Pod, namespace: Option<&Namespace>) -> bool {
    let none = Labels::new();
    let namespace = namespace.map_or(&none, |namespace| &namespace.labels);
    let inject = pod.labels.get("sidecar.istio.io/inject").map(|word| &**word);
    let marked = |labels: &Labels| labels.contains_key("istio.io/rev");
    inject != Some("false")
        && !has(namespace, "istio-injection", "disabled")
        && (inject == Some("true")
            || has(namespace, "istio-injection", "enabled")
            || marked(namespace)
            || marked(&pod.labels))
}

fn has(marks: &Labels, key: &str, value: &str) -> bool {
    marks.get(key).is_some_and(|found| **found == *value)
}

fn title(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

/// The first few of many.
fn listed(pods: &[String]) -> String {
    const FEW: usize = 3;
    let few = pods.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", ");
    if pods.len() > FEW { format!("{few} and {} more", pods.len() - FEW) } else { few }
}
