//! Is a pod captured, and why.

use std::collections::BTreeMap;

use crate::model::{Labels, Namespace, Pod};

/// Whether a pod is captured, with one stable word for the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether its outbound connections obey the rules.
    pub captured: bool,
    /// The same word in logs, metrics, `explain` and on the live page.
    pub reason: &'static str,
}

const fn captured(reason: &'static str) -> Verdict {
    Verdict { captured: true, reason }
}

const fn native(reason: &'static str) -> Verdict {
    Verdict { captured: false, reason }
}

const COMPLETED: &str = "Completed";
const REDIRECT_ENABLED: &str = "RedirectEnabled";
const DATAPLANE_MODE: &str = "DataplaneMode";

/// Namespaces that Istio's webhook never injects into (istio/istio@86c9f01 pkg/kube/inject/inject.go, IgnoredNamespaces).
const SYSTEM: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// Reads the marks of a pod and its namespace, strongest first: what makes capture impossible, a proxy that is already
/// there, our own mark, `dataplane-mode`, the injection label, the namespace's. Unmarked is native.
#[must_use]
pub fn enrol(pod: &Pod, namespace: Option<&Namespace>) -> Verdict {
    impossible(pod).or_else(|| already_proxied(pod)).or_else(|| marked(pod, namespace)).unwrap_or(native("NotMarked"))
}

/// Why a pod is native although its marks ask for capture; `None` where nobody expects otherwise. Istio's own marks ask for
/// whatever proxy is there.
#[must_use]
pub fn refusal(pod: &Pod, namespace: Option<&Namespace>) -> Option<&'static str> {
    let mark = marked(pod, namespace).filter(|verdict| verdict.captured)?;
    if let Some(verdict) = impossible(pod) {
        return (verdict.reason != COMPLETED).then_some(verdict.reason);
    }
    let ours = matches!(mark.reason, REDIRECT_ENABLED | DATAPLANE_MODE);
    already_proxied(pod).filter(|_| ours).map(|verdict| verdict.reason)
}

/// What the marks say, were nothing in their way.
fn marked(pod: &Pod, namespace: Option<&Namespace>) -> Option<Verdict> {
    let none = Labels::new();
    let namespace_labels = namespace.map_or(&none, |namespace| &namespace.labels);
    let namespace_annotations = namespace.map_or(&none, |namespace| &namespace.annotations);
    own_mark(&pod.labels, &pod.annotations)
        .or_else(|| own_mark(namespace_labels, namespace_annotations))
        .or_else(|| dataplane_mode(&pod.labels).or_else(|| dataplane_mode(namespace_labels)))
        .or_else(|| injection(pod, namespace_labels))
}

fn impossible(pod: &Pod) -> Option<Verdict> {
    if pod.host_network {
        return Some(native("HostNetwork"));
    }
    if pod.completed {
        return Some(native(COMPLETED));
    }
    SYSTEM.contains(&&*pod.namespace).then_some(native("SystemNamespace"))
}

fn already_proxied(pod: &Pod) -> Option<Verdict> {
    if pod.annotations.contains_key("sidecar.istio.io/status") {
        return Some(native("Sidecar"));
    }
    if is(&pod.annotations, "ambient.istio.io/redirection", "enabled") {
        return Some(native("Ambient"));
    }
    pod.labels.contains_key("gateway.istio.io/managed").then_some(native("Gateway"))
}

fn own_mark(labels: &Labels, annotations: &BTreeMap<Box<str>, Box<str>>) -> Option<Verdict> {
    let written = annotations.get("meshlet.dev/redirect").or_else(|| labels.get("meshlet.dev/redirect"))?;
    match &**written {
        "enabled" => Some(captured(REDIRECT_ENABLED)),
        "disabled" => Some(native("RedirectDisabled")),
        _ => None,
    }
}

fn dataplane_mode(labels: &Labels) -> Option<Verdict> {
    match &**labels.get("istio.io/dataplane-mode")? {
        "meshlet" => Some(captured(DATAPLANE_MODE)),
        "none" => Some(native("DataplaneModeNone")),
        "ambient" => Some(native("Ambient")),
        _ => None,
    }
}

/// Istio's own marks. A namespace's `disabled` beats a pod's `true`; of the pod's two spellings the label wins; other words
/// than `true` and `false` count as nothing (istio/istio@86c9f01 pkg/kube/inject/inject.go, injectRequired).
fn injection(pod: &Pod, namespace: &Labels) -> Option<Verdict> {
    if is(namespace, "istio-injection", "disabled") {
        return Some(native("NamespaceOptOut"));
    }
    let inject = "sidecar.istio.io/inject";
    match pod.labels.get(inject).or_else(|| pod.annotations.get(inject)).map(|word| &**word) {
        Some("true") => return Some(captured("PodInjection")),
        Some("false") => return Some(native("PodOptOut")),
        _ => {}
    }
    if is(namespace, "istio-injection", "enabled") {
        return Some(captured("NamespaceInjection"));
    }
    // A revision names a control plane, and meshlet is none of them.
    let revision = pod.labels.contains_key("istio.io/rev") || namespace.contains_key("istio.io/rev");
    revision.then_some(native("OtherRevision"))
}

fn is(marks: &BTreeMap<Box<str>, Box<str>>, key: &str, value: &str) -> bool {
    marks.get(key).is_some_and(|found| &**found == value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::Workload;

    fn marks(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    fn pod(pod_labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Pod {
        Pod {
            namespace: "shop".into(),
            name: "client".into(),
            uid: None,
            labels: Arc::new(marks(pod_labels)),
            annotations: marks(annotations),
            outbound: Arc::default(),
            unused: Arc::default(),
            workload: Workload::of_itself("shop".into(), "client".into()).into(),
            ports: BTreeMap::new(),
            node: None,
            locality: Arc::default(),
            addresses: Vec::new(),
            host_network: false,
            completed: false,
            ready: true,
        }
    }

    fn namespace(marked: &[(&str, &str)]) -> Namespace {
        Namespace { name: "shop".into(), labels: marks(marked), annotations: Labels::new() }
    }

    fn check(
        pod_labels: &[(&str, &str)],
        annotations: &[(&str, &str)],
        namespace: &[(&str, &str)],
        expected: (bool, &str),
    ) {
        let (pod, namespace) = (pod(pod_labels, annotations), self::namespace(namespace));
        let verdict = enrol(&pod, Some(&namespace));
        assert_eq!((verdict.captured, verdict.reason), expected, "{pod_labels:?} {annotations:?} {namespace:?}");
        assert!(!verdict.captured || refusal(&pod, Some(&namespace)).is_none(), "{pod_labels:?} {annotations:?}");
        for hosted in [Pod { host_network: true, ..pod.clone() }, Pod { completed: true, ..pod.clone() }] {
            assert!(!enrol(&hosted, Some(&namespace)).captured, "host network and completed pods never are");
        }
    }

    #[test]
    fn given_marks_then_the_strongest_one_decides() {
        let (inject, own, mode) = ("sidecar.istio.io/inject", "meshlet.dev/redirect", "istio.io/dataplane-mode");
        check(&[], &[], &[], (false, "NotMarked"));
        check(&[(inject, "true")], &[], &[], (true, "PodInjection"));
        check(&[], &[(inject, "true")], &[], (true, "PodInjection"));
        check(&[(inject, "false")], &[(inject, "true")], &[], (false, "PodOptOut"));
        check(&[(inject, "yes")], &[], &[], (false, "NotMarked"));
        check(&[], &[], &[("istio-injection", "enabled")], (true, "NamespaceInjection"));
        check(&[(inject, "false")], &[], &[("istio-injection", "enabled")], (false, "PodOptOut"));
        check(&[(inject, "true")], &[], &[("istio-injection", "disabled")], (false, "NamespaceOptOut"));
        check(&[(mode, "meshlet")], &[], &[("istio-injection", "disabled")], (true, "DataplaneMode"));
        check(&[(mode, "none")], &[], &[(mode, "meshlet")], (false, "DataplaneModeNone"));
        check(&[], &[], &[(mode, "ambient")], (false, "Ambient"));
        check(&[(mode, "none")], &[(own, "enabled")], &[], (true, "RedirectEnabled"));
        check(&[(inject, "true")], &[(own, "disabled")], &[], (false, "RedirectDisabled"));
        check(&[], &[], &[(own, "enabled")], (true, "RedirectEnabled"));
        check(&[], &[(own, "disabled")], &[(own, "enabled")], (false, "RedirectDisabled"));
        check(&[(inject, "true")], &[("sidecar.istio.io/status", "{}"), (own, "enabled")], &[], (false, "Sidecar"));
        check(&[(inject, "true")], &[("ambient.istio.io/redirection", "enabled")], &[], (false, "Ambient"));
        check(&[("gateway.istio.io/managed", "x"), (inject, "true")], &[], &[], (false, "Gateway"));
        check(&[("istio.io/rev", "canary")], &[], &[], (false, "OtherRevision"));
    }
    #[test]
    fn given_a_mark_that_cannot_be_followed_then_there_is_a_refusal_and_none_where_nobody_asked() {
        let (inject, own, mode) = ("sidecar.istio.io/inject", "meshlet.dev/redirect", "istio.io/dataplane-mode");
        let sidecar = ("sidecar.istio.io/status", "{}");
        let hosted = |pod: Pod| Pod { host_network: true, ..pod };
        let system = |pod: Pod| Pod { namespace: "kube-system".into(), ..pod };
        let completed = |pod: Pod| Pod { completed: true, ..pod };
        for (pod, marked, expected) in [
            (hosted(pod(&[], &[])), &[][..], None),
            (hosted(pod(&[], &[])), &[("istio-injection", "enabled")], Some("HostNetwork")),
            (hosted(pod(&[(own, "disabled")], &[])), &[("istio-injection", "enabled")], None),
            (system(pod(&[(inject, "true")], &[])), &[], Some("SystemNamespace")),
            (completed(pod(&[(mode, "meshlet")], &[])), &[], None),
            (pod(&[(mode, "meshlet")], &[sidecar]), &[], Some("Sidecar")),
            (pod(&[(own, "enabled")], &[("ambient.istio.io/redirection", "enabled")]), &[], Some("Ambient")),
            // Istio's mark is why the sidecar is there.
            (pod(&[(inject, "true")], &[sidecar]), &[("istio-injection", "enabled")], None),
            (pod(&[], &[]), &[(mode, "meshlet")], None),
            (pod(&[], &[]), &[], None),
        ] {
            assert_eq!(refusal(&pod, Some(&namespace(marked))), expected, "{pod:?} {marked:?}");
        }
    }
}
