//! Whether a daemon is where it is needed, ready, and the same everywhere.

use std::collections::{BTreeMap, BTreeSet};

use meshlet_routing::enrol::enrol;
use meshlet_routing::model::{Namespace, World};

use super::super::report::Check;
use super::facts::{Daemon, Facts, Seen};
use super::verdicts::unseen;

/// Judges. `answers`: whether a daemon does on this machine, outside of any pod.
pub(super) fn checks(seen: &Seen<Vec<Daemon>>, facts: &Facts, answers: bool) -> Vec<Check> {
    let namespace = &facts.namespace;
    let daemons = match seen {
        Ok(daemons) => daemons,
        Err(problem) => {
            let remedy = format!("let who asks list pods in namespace {namespace}");
            return vec![unseen("the daemons were not looked at", problem, &remedy)];
        }
    };
    if daemons.is_empty() {
        let message = format!("no daemon is a pod of namespace {namespace}");
        let remedy = "install meshlet (config/deploy), or name its namespace with -n; --pre leaves this out";
        return vec![if answers { Check::warning(message, remedy) } else { Check::fail(message, remedy) }];
    }
    let marked = facts.inventory.as_ref().map(|inventory| marked(inventory.world())).unwrap_or_default();
    let mut checks: Vec<Check> = daemons.iter().filter_map(|daemon| unready(daemon, namespace)).collect();
    checks.extend(missing(daemons, &marked, namespace));
    if checks.is_empty() {
        let details = daemons.iter().map(|daemon| title(daemon, &marked)).collect();
        let pods: usize = marked.values().sum();
        let message = format!("{} daemons are ready, one on every node with marked pods ({pods} pods)", daemons.len());
        checks.push(Check::pass(message).with(details));
    }
    checks.extend(unlike(daemons, namespace));
    checks
}

/// How many marked pods each node has.
fn marked(world: &World) -> BTreeMap<&str, usize> {
    let namespaces: BTreeMap<&str, &Namespace> =
        world.namespaces.iter().map(|namespace| (&*namespace.name, namespace)).collect();
    let marked = world.pods.iter().filter(|pod| enrol(pod, namespaces.get(&*pod.namespace).copied()).captured);
    let mut nodes = BTreeMap::new();
    for node in marked.filter_map(|pod| pod.node.as_deref()) {
        *nodes.entry(node).or_insert(0) += 1;
    }
    nodes
}

fn title(daemon: &Daemon, marked: &BTreeMap<&str, usize>) -> String {
    let node = daemon.node.as_deref().unwrap_or_default();
    let pods = marked.get(node).copied().unwrap_or(0);
    format!("{node}: {} runs {}, {pods} marked pods", daemon.name, daemon.image)
}

fn unready(daemon: &Daemon, namespace: &str) -> Option<Check> {
    let problem = daemon.ready.as_ref().err()?;
    let name = &daemon.name;
    let message = match &daemon.node {
        Some(node) => format!("daemon {name} on node {node} is not ready: {problem}"),
        None => format!("daemon {name} is on no node yet: {problem}"),
    };
    let remedy = format!("see kubectl -n {namespace} describe pod {name}, and its log; --wait 60s gives it time");
    Some(Check::fail(message, remedy))
}

fn missing(daemons: &[Daemon], marked: &BTreeMap<&str, usize>, namespace: &str) -> Vec<Check> {
    let served: BTreeSet<&str> = daemons.iter().filter_map(|daemon| daemon.node.as_deref()).collect();
    let remedy = format!(
        "see kubectl -n {namespace} describe daemonset meshlet: do its nodeSelector and tolerations leave this node out?"
    );
    let unserved = marked.iter().filter(|(node, _)| !served.contains(*node));
    let line = |(node, pods): (&&str, &usize)| {
        Check::fail(format!("node {node} has {pods} marked pods and no daemon: they are native"), remedy.clone())
    };
    unserved.map(line).collect()
}

fn unlike(daemons: &[Daemon], namespace: &str) -> Option<Check> {
    let mut images: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for daemon in daemons {
        images.entry(&daemon.image).or_default().push(&daemon.name);
    }
    if images.len() < 2 {
        return None;
    }
    let counted: Vec<String> = images.iter().map(|(image, names)| format!("{image} ({})", names.len())).collect();
    let details = images.iter().map(|(image, names)| format!("{image}: {}", names.join(", "))).collect();
    let message = format!("the daemons are not alike: {}", counted.join(", "));
    let remedy = format!("is an upgrade under way? kubectl -n {namespace} rollout status daemonset/meshlet");
    Some(Check::warning(message, remedy).with(details))
}
