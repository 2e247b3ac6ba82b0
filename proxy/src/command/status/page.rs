//! The report for eyes: a line per node, then what is not as it should be.

use super::bpf;
use super::report::{NodeReport, Report};
use super::told::{Pod, Watch};
use crate::command::columns::columns;

/// The page; `wide` has pods and watches too.
pub(super) fn page(report: &Report, wide: bool) -> String {
    let rows: Vec<_> = report.nodes.iter().map(row).collect();
    let mut sections = vec![columns(["NODE", "READY", "PODS", "ADDRESSES", "RULES", "WATCHES", "VERSION"], &rows)];
    if wide {
        let pods: Vec<_> = report.nodes.iter().flat_map(pods).collect();
        sections.push(columns(["NODE", "POD", "MARKED", "CAPTURED", "REASON"], &pods));
        let watches: Vec<_> = report.nodes.iter().flat_map(watches).collect();
        if !watches.is_empty() {
            sections.push(columns(["NODE", "RESOURCE", "STATE", "OBJECTS", "LAG", "MESSAGE"], &watches));
        }
    }
    let troubles: String = report.troubles().iter().map(|trouble| format!("{trouble}\n")).collect();
    sections.push(troubles);
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

/// What the kernels hold, node by node.
pub(super) fn kernel(report: &Report) -> String {
    let held = report.nodes.iter().filter_map(|node| Some(bpf::page(&node.node, node.told.bpf.as_ref()?)));
    let troubles: String = report.troubles().iter().map(|trouble| format!("{trouble}\n")).collect();
    held.chain((!troubles.is_empty()).then_some(troubles)).collect::<Vec<_>>().join("\n")
}

fn row(node: &NodeReport) -> [String; 7] {
    let (name, told) = (node.node.clone(), &node.told);
    if node.problem.is_some() {
        return [&*name, "unknown", "", "", "", "", ""].map(str::to_owned);
    }
    let ready = match (told.ready, told.dry_run) {
        (true, false) => "yes",
        (true, true) => "dry run",
        (false, _) => "no",
    };
    let pods = format!("{}/{}", told.captured(), told.marked());
    let watches = match told.worst() {
        None if told.watches.is_empty() => "files".to_owned(),
        None => "ok".to_owned(),
        Some(worst) => format!("{} {}", lag(worst), worst.resource),
    };
    let (addresses, rules) = (told.services.to_string(), told.generation.to_string());
    [name, ready.to_owned(), pods, addresses, rules, watches, told.version.clone()]
}

/// What is missed comes first.
fn pods(node: &NodeReport) -> Vec<[String; 5]> {
    let mut pods: Vec<&Pod> = node.told.pods.iter().collect();
    let order = |pod: &Pod| (!pod.marked || pod.captured, !pod.captured);
    pods.sort_by(|one, other| {
        (order(one), &one.namespace, &one.name).cmp(&(order(other), &other.namespace, &other.name))
    });
    let row = |pod: &Pod| {
        let captured = match (pod.captured, pod.marked, pod.running) {
            (true, ..) => "yes",
            (false, true, false) => "no process yet",
            (false, ..) => "no",
        };
        let marked = if pod.marked { "yes" } else { "no" };
        let name = format!("{}/{}", pod.namespace, pod.name);
        [node.node.clone(), name, marked.to_owned(), captured.to_owned(), pod.reason.clone()]
    };
    pods.into_iter().map(row).collect()
}

fn watches(node: &NodeReport) -> Vec<[String; 6]> {
    let row = |watch: &Watch| {
        let (resource, state) = (watch.resource.clone(), watch.state.clone());
        [node.node.clone(), resource, state, watch.objects.to_string(), lag(watch), watch.message.clone()]
    };
    node.told.watches.iter().map(row).collect()
}

fn lag(watch: &Watch) -> String {
    format!("{:.1}s", watch.lag_seconds)
}
