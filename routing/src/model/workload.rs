//! What pods are counted under.

use std::sync::Arc;

/// The owner of a pod, as metrics name it. Pods of one workload differ in nothing that is told here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Workload {
    /// Namespace of the pod and of its owner.
    pub namespace: Arc<str>,
    /// Name of the Deployment, StatefulSet, CronJob ...; of a pod that was made by hand its own.
    pub name: Arc<str>,
    /// Which service it is part of: `service.istio.io/canonical-name`, `app.kubernetes.io/name` or `app`.
    pub app: Option<Arc<str>>,
    /// Its revision: `service.istio.io/canonical-revision`, `app.kubernetes.io/version` or `version`.
    pub version: Option<Arc<str>>,
}

impl Workload {
    /// A pod that was made by hand, without labels.
    #[must_use]
    pub fn of_itself(namespace: Arc<str>, name: Arc<str>) -> Self {
        Self { namespace, name, app: None, version: None }
    }
}
