//! `localityLbSetting` (istio/istio@86c9f01 pkg/config/validation/agent/validation.go, ValidateLocalityLbSetting).

use super::fields::Fields;
use crate::model::{Distribute, FailoverLabel, LocalityPattern, LocalitySetting};

/// Labels that say where something runs.
const TOPOLOGY: [&str; 3] =
    ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];

/// Reads a setting; `detects` is whether outlier detection stands beside it.
pub(super) fn read(fields: &Fields<'_>, detects: bool) -> LocalitySetting {
    let enabled = fields.boolean("enabled").unwrap_or(true);
    let distribute: Box<[Distribute]> = fields.objects("distribute").iter().filter_map(self::distribute).collect();
    let regions: Box<[_]> = fields.objects("failover").iter().filter_map(failover).collect();
    let labels = fields.texts("failoverPriority");
    if fields.has("distribute") && fields.has("failover") {
        fields.report().error(fields.here(), "has both distribute and failover", "keep one");
    }
    for (path, label) in labels.iter().filter(|(_, label)| !regions.is_empty() && TOPOLOGY.contains(label)) {
        let problem = format!("{label} says by label what failover says by region");
        fields.report().error(path, problem, "remove it, or failover");
    }
    overlap(fields, &distribute);
    if !detects && (!regions.is_empty() || !labels.is_empty()) {
        let remedy = "add outlierDetection; until then no endpoint counts as failed";
        fields.report().warn(fields.here(), "fails over only with outlierDetection", remedy);
    }
    fields.finish();
    let priority: Box<[FailoverLabel]> = labels.iter().map(|(_, label)| failover_label(label)).collect();
    match (enabled, distribute.is_empty(), regions.is_empty() && priority.is_empty()) {
        (false, ..) => LocalitySetting::Off,
        (true, false, _) => LocalitySetting::Distribute(distribute),
        (true, true, false) => LocalitySetting::Failover { regions, priority },
        (true, true, true) => LocalitySetting::Nearest,
    }
}

fn failover_label(text: &str) -> FailoverLabel {
    match text.split_once('=') {
        Some((key, value)) => FailoverLabel { key: key.into(), value: Some(value.into()) },
        None => FailoverLabel { key: text.into(), value: None },
    }
}

fn failover(entry: &Fields<'_>) -> Option<(Box<str>, Box<str>)> {
    let (from, to) = (entry.text("from").unwrap_or_default(), entry.text("to").unwrap_or_default());
    entry.finish();
    let report = entry.report();
    for (key, region) in [("from", from), ("to", to)] {
        if region.contains('/') || region.contains('*') {
            report.error(&entry.path(key), format!("{region:?} is no region"), "name a region alone");
        }
    }
    if from == to {
        report.error(entry.here(), "fails over to the region itself", "name another region in to");
    }
    (!report.refused()).then(|| (from.into(), to.into()))
}

fn distribute(entry: &Fields<'_>) -> Option<Distribute> {
    let report = entry.report();
    let from = pattern(&entry.path("from"), entry.text("from").unwrap_or_default(), entry);
    let mut to = Vec::new();
    for (path, place, weight) in entry.members("to") {
        let weight = weight.as_u64().and_then(|weight| u32::try_from(weight).ok());
        match weight.filter(|weight| (1..=100).contains(weight)) {
            Some(weight) => to.extend(pattern(&path, place, entry).map(|place| (place, weight))),
            None => report.error(&path, "is no share", "write 1 to 100"),
        }
    }
    entry.finish();
    let sum: u32 = to.iter().map(|(_, weight)| weight).sum();
    if sum != 100 && !report.refused() {
        report.error(&entry.path("to"), format!("the shares sum to {sum}"), "make them sum to 100");
    }
    Some(Distribute { from: from?, to: to.into() })
}

/// `region`, `region/zone`, `region/zone/sub-zone`, where the last part may be `*`.
fn pattern(path: &str, text: &str, fields: &Fields<'_>) -> Option<LocalityPattern> {
    let stars = text.matches('*').count();
    let whole = text.splitn(3, '/').all(|part| !part.is_empty());
    if whole && (stars == 0 || stars == 1 && text.ends_with('*')) {
        return Some(LocalityPattern::new(text));
    }
    let remedy = "write region, region/zone or region/zone/sub-zone; * may stand at the end alone";
    fields.report().error(path, format!("{text:?} is no locality"), remedy);
    None
}

/// Two entries must not be for the same place.
fn overlap(fields: &Fields<'_>, distribute: &[Distribute]) {
    let from: Vec<&LocalityPattern> = distribute.iter().map(|entry| &entry.from).collect();
    let lists = distribute.iter().map(|entry| entry.to.iter().map(|(place, _)| place).collect()).chain([from]);
    for list in lists {
        for (number, place) in list.iter().enumerate() {
            if let Some(other) = list.iter().take(number).find(|other| other.overlaps(place)) {
                let problem = format!("{place} and {other} overlap");
                fields.report().error(&fields.path("distribute"), problem, "name each place once");
            }
        }
    }
}
