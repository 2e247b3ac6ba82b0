//! DestinationRules.

use super::fields::Fields;
use super::{metadata, traffic_policy};
use crate::model::{DestinationRule, ExportTo, HostPattern, ObjectRef, Subset};

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<DestinationRule> {
    let report = fields.report();
    let metadata = metadata::read(fields);
    let Some(spec) = fields.object("spec") else {
        report.error("spec", "is missing", "add host");
        return None;
    };
    let host = spec.text("host").unwrap_or_default();
    if host.is_empty() {
        report.error("spec.host", "is missing", "name the service it is for");
    }
    let selector = spec.object("workloadSelector").map(|selector| {
        let labels = selector.labels("matchLabels");
        selector.finish();
        if labels.is_empty() {
            let remedy = "add matchLabels; without any it selects every client of the namespace";
            report.warn(selector.here(), "selects by no label", remedy);
        }
        labels
    });
    let policy = spec.object("trafficPolicy").map(|policy| traffic_policy::read(&policy));
    let mut subsets: Vec<Subset> = Vec::new();
    for entry in spec.objects("subsets") {
        let Some(subset) = subset(&entry) else { continue };
        if subsets.iter().any(|known| known.name == subset.name) {
            report.error(&entry.path("name"), format!("{:?} is defined twice", subset.name), "rename one of them");
        }
        subsets.push(subset);
    }
    let export_to = metadata::export_to(&spec, &object.namespace);
    let private = ExportTo::Namespaces([object.namespace.clone()].into());
    spec.finish();
    metadata::finish(fields);
    Some(DestinationRule {
        object: object.clone(),
        created: metadata.created,
        host: HostPattern::resolve(host, &object.namespace),
        // As `exportTo: [.]`, whatever is written (istio/istio@86c9f01 pilot/pkg/model/push_context.go, setDestinationRules).
        export_to: if selector.is_some() { private } else { export_to },
        selector,
        policy,
        subsets,
    })
}

fn subset(fields: &Fields<'_>) -> Option<Subset> {
    let name = fields.text("name").unwrap_or_default();
    let labels = fields.labels("labels");
    let policy = fields.object("trafficPolicy").map(|policy| traffic_policy::read(&policy)).unwrap_or_default();
    fields.finish();
    for (key, value) in &labels {
        check_label(fields, key, value);
    }
    if name.is_empty() {
        fields.report().error(&fields.path("name"), "is missing", "name the subset");
        return None;
    }
    if !is_word(name, "-") {
        let remedy = "use letters, digits and dashes, 63 at most, with a letter or digit at both ends";
        fields.report().error(&fields.path("name"), format!("{name:?} is not a DNS label"), remedy);
    }
    Some(Subset { name: name.into(), labels, policy })
}

/// As Kubernetes has it: no pod could carry another (istio/istio@86c9f01 pkg/config/labels/collection.go, Validate).
fn check_label(fields: &Fields<'_>, key: &str, value: &str) {
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("", key));
    let known = is_word(name, "-_.") && prefix.split('.').all(|part| key == name || is_word(part, "-"));
    if !known || !value.is_empty() && !is_word(value, "-_.") {
        let problem = format!("{key}: {value} cannot be a label");
        fields.report().error(&fields.path("labels"), problem, "write it as it stands on the pods");
    }
}

/// Up to 63 letters and digits, with these between them as well.
fn is_word(text: &str, between: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || between.contains(c);
    let ends =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    text.len() <= 63 && ends && text.chars().all(inner)
}
