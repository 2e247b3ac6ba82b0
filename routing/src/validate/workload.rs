//! Whose pod a pod is, by what its maker wrote on it (istio/istio@0098d99 pkg/kube/util.go, GetWorkloadMetaFromPod).

use std::sync::Arc;

use super::fields::Fields;
use crate::model::{Labels, ObjectRef, Workload};

const APP: [&str; 3] = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"];
const VERSION: [&str; 3] = ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"];

/// The workload of a pod with these labels.
pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>, labels: &Labels) -> Workload {
    let first = |keys: [&str; 3]| keys.iter().find_map(|key| labels.get(*key)).map(|value| Arc::from(&**value));
    let told = labels.get("service.istio.io/workload-name").map(|name| name.to_string());
    let name = told.or_else(|| owner(fields, labels));
    Workload {
        namespace: object.namespace.clone(),
        name: name.map_or_else(|| object.name.clone(), Arc::from),
        app: first(APP),
        version: first(VERSION),
    }
}

/// What the controller is called, or what it belongs to. A pod whose name was not generated is its own.
fn owner(fields: &Fields<'_>, labels: &Labels) -> Option<String> {
    let metadata = fields.object("metadata")?;
    metadata.text("generateName").filter(|prefix| !prefix.is_empty())?;
    let owners = metadata.objects("ownerReferences");
    let controller = owners.iter().find(|owner| owner.boolean("controller") == Some(true))?;
    let name = controller.text("name").filter(|name| !name.is_empty())?;
    let told = match controller.text("kind") {
        Some("ReplicaSet") => ["pod-template-hash", "rollouts-pod-template-hash"]
            .iter()
            .filter_map(|key| labels.get(*key))
            .find_map(|hash| name.strip_suffix(&**hash)?.strip_suffix('-')),
        Some("ReplicationController") => labels.get("deploymentconfig").map(|name| &**name),
        Some("Job") => scheduled(name),
        _ => None,
    };
    Some(told.unwrap_or(name).to_owned())
}

/// The CronJob that made a Job: it appends when the Job was due.
fn scheduled(job: &str) -> Option<&str> {
    let (name, due) = job.rsplit_once('-')?;
    let is_time = (8..=10).contains(&due.len()) && due.bytes().all(|byte| byte.is_ascii_digit());
    (is_time && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use crate::validate::{Object, validate};

    /// Workload, app and version of a pod `web-1` with this metadata.
    fn check(metadata: &str, workload: &str, app: Option<&str>, version: Option<&str>) {
        let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{namespace: shop, name: web-1{metadata}}}\n");
        let parsed = crate::manifest::parse("pod.yaml", &text);
        let validated = validate(&parsed.manifests[0]);
        assert!(validated.faults.is_empty(), "{metadata}: {:?}", validated.faults);
        let Some(Object::Pod(pod)) = validated.valid.map(|valid| valid.object) else { panic!("a pod: {metadata}") };
        let found = &*pod.workload;
        assert_eq!((&*found.namespace, &*found.name), ("shop", workload), "{metadata}");
        assert_eq!((found.app.as_deref(), found.version.as_deref()), (app, version), "{metadata}");
    }

    #[test]
    fn given_owners_then_a_workload_is_called_as_istio_calls_it() {
        let made = |kind: &str, name: &str, labels: &str| {
            format!(
                ", generateName: web-, labels: {{{labels}}}, ownerReferences: [{{kind: Other, name: x}}, {{kind: {kind}, name: {name}, controller: true}}]"
            )
        };
        check("", "web-1", None, None);
        check(", ownerReferences: [{kind: StatefulSet, name: web, controller: true}]", "web-1", None, None);
        check(", generateName: web-", "web-1", None, None);
        check(", generateName: web-, ownerReferences: [{kind: StatefulSet, name: web}]", "web-1", None, None);
        for (kind, name, labels, workload) in [
            ("StatefulSet", "web", "", "web"),
            ("ReplicaSet", "web-5d8f", "pod-template-hash: 5d8f", "web"),
            ("ReplicaSet", "web-5d8f", "pod-template-hash: other", "web-5d8f"),
            ("ReplicaSet", "web-5d8f", "", "web-5d8f"),
            ("ReplicaSet", "web-5d8f", "rollouts-pod-template-hash: 5d8f", "web"),
            ("ReplicationController", "web-2", "deploymentconfig: web", "web"),
            ("ReplicationController", "web-2", "", "web-2"),
            ("Job", "web-28912345", "", "web"),
            ("Job", "web-2891234", "", "web-2891234"),
            ("Job", "web-twice", "", "web-twice"),
            ("StatefulSet", "web", "service.istio.io/workload-name: named", "named"),
        ] {
            check(&made(kind, name, labels), workload, None, None);
        }
    }

    #[test]
    fn given_labels_then_the_canonical_ones_come_first() {
        for (labels, app, version) in [
            ("app: a, version: v1", "a", "v1"),
            ("app: a, app.kubernetes.io/name: k, version: v1, app.kubernetes.io/version: kv", "k", "kv"),
            (
                "app: a, app.kubernetes.io/name: k, service.istio.io/canonical-name: c, version: v1, service.istio.io/canonical-revision: cv",
                "c",
                "cv",
            ),
        ] {
            check(&format!(", labels: {{{labels}}}"), "web-1", Some(app), Some(version));
        }
    }
}
