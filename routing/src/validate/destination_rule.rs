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
    if name.is_empty() {
        fields.report().error(&fields.path("name"), "is missing", "name the subset");
        return None;
    }
    Some(Subset { name: name.into(), labels, policy })
}
