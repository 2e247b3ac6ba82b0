//! Marks and annotations: what captures pods, and what looks as if it did.

mod annotations;

use std::sync::Arc;

use serde_json::Value;

use self::annotations::{Annotation, known};
use super::input::{Input, plain_pod};
use super::{Findings, code};
use crate::enrol::{Verdict, enrol};
use crate::manifest::Manifest;
use crate::model::{Kind, ObjectRef, Pod, Unused};

pub(super) fn find(input: &Input<'_>, findings: &mut Findings) {
    for kind in [Kind::Namespace, Kind::Pod, Kind::Service, Kind::VirtualService, Kind::DestinationRule] {
        for manifest in input.objects(kind) {
            for_annotations(input, manifest, findings);
            for_labels(input, manifest, findings);
        }
    }
    for manifest in input.objects(Kind::Namespace) {
        of_namespace(input, &manifest.object, findings);
    }
    for pod in &input.world.pods {
        of_pod(input, pod, findings);
    }
}

/// What the namespace's marks do to a pod without marks.
fn of_plain(input: &Input<'_>, name: &Arc<str>) -> Verdict {
    enrol(&plain_pod(name), input.namespace(name))
}

fn of_namespace(input: &Input<'_>, object: &ObjectRef, findings: &mut Findings) {
    let name = &object.name;
    let unmarked = of_plain(input, name).reason == "NotMarked";
    if unmarked && !input.captured.contains(name) {
        let place = input.place(object, "metadata.labels");
        let remedy = format!(
            "kubectl label namespace {name} istio.io/dataplane-mode=meshlet to capture them, =none to say that it is meant so"
        );
        findings.add(
            &code::NAMESPACE_NOT_ENROLLED,
            place,
            "no mark says whether the namespace's pods are captured, so they are not",
            remedy,
        );
    }
    let labels = input.namespace(name).map(|namespace| &namespace.labels);
    if labels.is_some_and(|labels| labels.contains_key("istio-injection") && labels.contains_key("istio.io/rev")) {
        let place = input.place(object, "metadata.labels.istio.io/rev");
        let problem = "stands beside istio-injection, which decides: the revision is ignored";
        findings.add(&code::SEVERAL_MARKS, place, problem, "keep one of the two");
    }
}

/// A namespace's mark promises capture; what nobody opted out of and is not captured all the same is reported.
fn of_pod(input: &Input<'_>, pod: &Pod, findings: &mut Findings) {
    let marked = |pod: &Pod| {
        // What the pod's and its namespace's marks ask for, were it an ordinary pod of an ordinary namespace.
        let ordinary = Pod { host_network: false, namespace: "ordinary".into(), ..pod.clone() };
        enrol(&ordinary, input.namespace(&pod.namespace)).captured
    };
    let verdict = enrol(pod, input.namespace(&pod.namespace));
    let object = ObjectRef { kind: Kind::Pod, namespace: pod.namespace.clone(), name: pod.name.clone() };
    for_capture(input, &object, pod, verdict, findings);
    let (path, why) = match verdict.reason {
        "HostNetwork" => ("spec.hostNetwork", "it uses the node's network"),
        "SystemNamespace" => ("metadata.namespace", "its namespace is a system namespace"),
        _ => return,
    };
    if marked(pod) {
        let problem = format!("the pod is marked and yet not captured: {why}");
        let remedy = "no rule applies to it as a client; mark it sidecar.istio.io/inject: \"false\" if that is meant";
        findings.add(&code::POD_NOT_CAPTURED, input.place(&object, path), problem, remedy);
    }
}

/// Annotations about capture that count as absent. What only a sidecar does is missed by nobody whose pods have one.
fn for_capture(input: &Input<'_>, object: &ObjectRef, pod: &Pod, verdict: Verdict, findings: &mut Findings) {
    for annotation in pod.unused.iter() {
        let path = format!("metadata.annotations.{}", annotation.name);
        let code = match annotation.why {
            Unused::Invalid => &code::INVALID_ANNOTATION,
            Unused::NotHonoured if verdict.captured => &code::NOT_HONOURED,
            Unused::NotHonoured => continue,
        };
        findings.add(code, input.place(object, &path), &annotation.problem, &annotation.remedy);
    }
}

/// `metadata.annotations` or `metadata.labels` as written.
fn members<'m>(manifest: &'m Manifest, key: &str) -> impl Iterator<Item = (&'m str, &'m str)> + use<'m> {
    let members = manifest.body.get("metadata").and_then(|metadata| metadata.get(key)).and_then(Value::as_object);
    members.into_iter().flatten().filter_map(|(key, value)| Some((&**key, value.as_str()?)))
}

fn for_annotations(input: &Input<'_>, manifest: &Manifest, findings: &mut Findings) {
    let object = &manifest.object;
    for (name, value) in members(manifest, "annotations") {
        let path = format!("metadata.annotations.{name}");
        let place = || input.place(object, &path);
        match known(name) {
            Annotation::Foreign => {}
            Annotation::Unknown => {
                let problem = "is not an annotation of Istio or meshlet";
                findings.add(&code::UNKNOWN_ANNOTATION, place(), problem, "check its spelling, or remove it");
            }
            Annotation::Known { kinds, .. } if !kinds.is_empty() && !kinds.contains(&object.kind) => {
                let kinds = super::list(kinds.iter().map(|kind| kind.as_str()));
                let problem = format!("means nothing on a {}: it applies to {kinds}", object.kind.as_str());
                findings.add(&code::MISPLACED_ANNOTATION, place(), problem, "move it there, or remove it");
            }
            Annotation::Known { replaced_by, values, .. } => {
                if !values.is_empty() && !values.contains(&value) {
                    invalid(place(), value, values, findings);
                }
                if let Some(better) = replaced_by {
                    findings.add(&code::DEPRECATED_ANNOTATION, place(), "is deprecated", format!("use {better}"));
                }
            }
        }
    }
}

/// Marks that are labels; the annotations are judged above.
fn for_labels(input: &Input<'_>, manifest: &Manifest, findings: &mut Findings) {
    for (name, value) in members(manifest, "labels") {
        let values: &[&str] = match (name, manifest.object.kind) {
            ("istio-injection", Kind::Namespace) | ("meshlet.dev/redirect", Kind::Namespace | Kind::Pod) => {
                &["enabled", "disabled"]
            }
            ("istio.io/dataplane-mode", Kind::Namespace | Kind::Pod) => &["meshlet", "none", "ambient"],
            ("sidecar.istio.io/inject", Kind::Pod) => &["true", "false"],
            _ => continue,
        };
        if !values.contains(&value) {
            let path = format!("metadata.labels.{name}");
            invalid(input.place(&manifest.object, &path), value, values, findings);
        }
    }
}

fn invalid(place: super::Place<'_>, value: &str, values: &[&str], findings: &mut Findings) {
    let problem = format!("{value:?} means nothing, as if it were not there");
    findings.add(&code::INVALID_ANNOTATION, place, problem, format!("write {}", values.join(" or ")));
}
