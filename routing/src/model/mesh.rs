//! Istio's mesh config, as far as it touches routing.

use std::sync::Arc;

use super::{ExportTo, PolicyDefaults, RetryPolicy};

/// What holds for the whole mesh.
#[derive(Debug, Clone)]
pub struct MeshConfig {
    /// `rootNamespace`: where rules of last resort and the mesh's own Sidecar live.
    pub root_namespace: Arc<str>,
    /// `outboundTrafficPolicy.mode`.
    pub outbound: OutboundTraffic,
    /// `defaultVirtualServiceExportTo`.
    pub virtual_services: DefaultExport,
    /// `defaultDestinationRuleExportTo`.
    pub destination_rules: DefaultExport,
    /// `defaultServiceExportTo`, for Services and ServiceEntries.
    pub services: DefaultExport,
    /// `defaultTrafficPolicy`, `localityLbSetting` and `connectTimeout`.
    pub policy: PolicyDefaults,
    /// `defaultHttpRetryPolicy`: of routes that have none, and of services without any rule.
    pub retries: RetryPolicy,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".into(),
            outbound: OutboundTraffic::AllowAny,
            virtual_services: DefaultExport::default(),
            destination_rules: DefaultExport::default(),
            services: DefaultExport::default(),
            policy: PolicyDefaults::default(),
            retries: RetryPolicy::default(),
        }
    }
}

/// What becomes of connections and requests to what nobody registered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutboundTraffic {
    /// They go where the client dialled.
    #[default]
    AllowAny,
    /// They are refused.
    RegistryOnly,
}

/// Who sees an object that does not say it itself: everybody, unless the mesh config says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultExport {
    /// `.`: its own namespace.
    own: bool,
    others: ExportTo,
}

impl Default for DefaultExport {
    fn default() -> Self {
        Self { own: false, others: ExportTo::All }
    }
}

impl DefaultExport {
    /// From the words of a `default…ExportTo`; without any, everybody.
    pub(crate) fn new<'n>(words: impl IntoIterator<Item = &'n str>) -> Self {
        let words: Vec<&str> = words.into_iter().collect();
        if words.is_empty() || words.contains(&"*") {
            return Self::default();
        }
        let named = words.iter().filter(|word| !matches!(**word, "." | "~")).map(|word| Arc::from(*word));
        Self { own: words.contains(&"."), others: ExportTo::Namespaces(named.collect()) }
    }

    /// For an object of a namespace.
    #[must_use]
    pub fn of(&self, namespace: &Arc<str>) -> ExportTo {
        match &self.others {
            ExportTo::All => ExportTo::All,
            ExportTo::Namespaces(named) => {
                let own = self.own.then(|| Arc::clone(namespace));
                ExportTo::Namespaces(own.into_iter().chain(named.iter().cloned()).collect())
            }
        }
    }
}
