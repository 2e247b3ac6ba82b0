//! What the word behind "meshed" means, in a sentence.

/// ` (…)`, or nothing for a word that is not known.
pub(super) fn sentence(reason: &str) -> &'static str {
    match reason {
        "NotMarked" => " (neither the pod nor its namespace is marked)",
        "HostNetwork" => " (the pod uses the node's network)",
        "Completed" => " (the pod has ended)",
        "SystemNamespace" => " (pods of system namespaces never are)",
        "Sidecar" => " (the pod has a sidecar)",
        "Ambient" => " (the pod belongs to Istio's ambient mode)",
        "Gateway" => " (the pod is a gateway)",
        "RedirectEnabled" => " (meshlet.dev/redirect is enabled)",
        "RedirectDisabled" => " (meshlet.dev/redirect is disabled)",
        "DataplaneMode" => " (istio.io/dataplane-mode is meshlet)",
        "DataplaneModeNone" => " (istio.io/dataplane-mode is none)",
        "NamespaceOptOut" => " (the namespace's istio-injection is disabled)",
        "PodInjection" => " (the pod's sidecar.istio.io/inject is true)",
        "PodOptOut" => " (the pod's sidecar.istio.io/inject is false)",
        "NamespaceInjection" => " (the namespace's istio-injection is enabled, the pod has no override)",
        "OtherRevision" => " (istio.io/rev names a control plane)",
        _ => "",
    }
}
