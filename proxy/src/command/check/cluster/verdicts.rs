//! What the API's answers mean, but for other meshes and the daemons.

use super::super::report::{Check, Section};
use super::facts::{Cluster, Facts, Node, Permissions, Purpose, Seen, Unseen};
use super::{daemons, meshes};
use crate::cluster::rights::Right;
use crate::kernel;

/// Judges. `answers`: whether a daemon does on this machine.
pub(in crate::command::check) fn judge(cluster: &Cluster, answers: bool) -> Vec<Section> {
    let api = |check| Section { title: "kubernetes API", checks: vec![check] };
    let facts = match cluster {
        Cluster::Nowhere(tried) => {
            let remedy = "name one by --kubeconfig or --context; neither $KUBECONFIG, ~/.kube/config nor a pod's service account leads to one";
            return vec![api(Check::skipped("no cluster was looked at", remedy).with(vec![tried.clone()]))];
        }
        Cluster::Silent { server, problem } => {
            let remedy = "is it reachable from here, and are the credentials valid? --kubeconfig and --context name another cluster";
            return vec![api(Check::fail(format!("the API server at {server} cannot be asked: {problem}"), remedy))];
        }
        Cluster::Answers(facts) => facts,
    };
    let mut sections = vec![
        api(Check::pass(format!("the API server at {} answers: Kubernetes {}", facts.server, facts.version))),
        Section { title: "kinds of rules", checks: kinds(&facts.kinds) },
        Section {
            title: "permissions",
            checks: facts.permissions.iter().flat_map(|one| permissions(one, &facts.namespace)).collect(),
        },
        Section { title: "nodes", checks: nodes(&facts.nodes) },
        Section { title: "other meshes", checks: meshes::checks(facts) },
    ];
    if let Some(seen) = &facts.daemons {
        sections.push(Section { title: "daemons", checks: daemons::checks(seen, facts, answers) });
    }
    sections
}

impl Facts {
    /// How a daemon looks at its own node and at its own permissions.
    pub(super) fn by_exec(&self) -> String {
        by_exec(&self.namespace)
    }
}

/// How a daemon looks at its own node.
pub(in crate::command::check) fn by_exec(namespace: &str) -> String {
    format!("kubectl -n {namespace} exec daemonset/meshlet -- /meshlet check --cgroup-root /host/cgroup")
}

/// Something that was not seen: no failure when only the permission to look is missing.
pub(super) fn unseen(what: &str, unseen: &Unseen, remedy: &str) -> Check {
    let message = format!("{what}: {}", unseen.problem);
    if unseen.forbidden { Check::skipped(message, remedy) } else { Check::fail(message, "is the API server well?") }
}

fn kinds(seen: &Seen<Vec<(String, Option<String>)>>) -> Vec<Check> {
    let kinds = match seen {
        Ok(kinds) => kinds,
        Err(problem) => return vec![unseen("the kinds of rules were not looked at", problem, DISCOVERY)],
    };
    if kinds.iter().all(|(_, version)| version.is_none()) {
        let names = kinds.iter().map(|(resource, _)| resource.clone()).collect();
        return vec![
            Check::fail(
                "no kind of rule is served: there is nothing that could hold",
                "apply Istio's CustomResourceDefinitions (its chart base), Gateway API's, or both; the daemon waits for them",
            )
            .with(names),
        ];
    }
    let line = |(resource, version): &(String, Option<String>)| match version {
        Some(version) => Check::pass(format!("{resource} is served in {version}")),
        None => Check::warning(format!("{resource} is not served: rules of this kind are not read"), define(resource)),
    };
    kinds.iter().map(line).collect()
}

const DISCOVERY: &str = "grant who asks the ClusterRole system:discovery";

fn define(resource: &str) -> String {
    let of_istio = "Istio's CustomResourceDefinitions (its chart base)";
    let which = if resource.ends_with("istio.io") { of_istio } else { "Gateway API's CustomResourceDefinitions" };
    format!("if they are wanted, apply {which}; the daemon waits for them")
}

fn permissions(permissions: &Permissions, namespace: &str) -> Vec<Check> {
    let Permissions { purpose, account, answers } = permissions;
    let answers = match answers {
        Ok(answers) => answers,
        Err(problem) => {
            let remedy = format!(
                "let who asks create subjectaccessreviews.authorization.k8s.io, or the daemon ask for itself: {}",
                by_exec(namespace)
            );
            return vec![unseen(&format!("the permissions of {account} were not looked at"), problem, &remedy)];
        }
    };
    let refused: Vec<&(Right, Vec<&str>)> = answers.iter().filter(|(_, refused)| !refused.is_empty()).collect();
    if !refused.is_empty() {
        return match purpose {
            Purpose::Run => refused.iter().map(|one| missing(account, one, namespace)).collect(),
            Purpose::Install => refused.iter().map(|one| not_created(account, one, namespace)).collect(),
            Purpose::Grant => vec![not_granted(account, &refused)],
        };
    }
    let message = match purpose {
        Purpose::Run => format!("{account} may do all that the daemon does"),
        Purpose::Install => format!("{account} may create what the manifest holds"),
        Purpose::Grant => format!("{account} may grant what the daemon needs"),
    };
    let details = answers.iter().map(|(right, _)| format!("{} {}", right.verbs.join(", "), right.title())).collect();
    vec![Check::pass(message).with(details)]
}

fn may_not(account: &str, (right, refused): &(Right, Vec<&str>), namespace: &str) -> String {
    let place = if right.role == "Role" { format!(" in namespace {namespace}") } else { String::new() };
    format!("{account} may not {} {}{place}: {}", refused.join(", "), right.title(), right.without)
}

fn missing(account: &str, one: &(Right, Vec<&str>), namespace: &str) -> Check {
    let (message, Right { role, optional, .. }) = (may_not(account, one, namespace), one.0);
    let grant =
        format!("grant it: apply the {role} meshlet of config/deploy/meshlet.yaml, and bind it to that account");
    if optional {
        Check::warning(message, format!("{grant}; with statusWrites: false it is as it should be"))
    } else {
        Check::fail(message, grant)
    }
}

fn not_created(account: &str, one: &(Right, Vec<&str>), namespace: &str) -> Check {
    Check::fail(may_not(account, one, namespace), "let somebody install who may, such as a cluster-admin")
}

fn not_granted(account: &str, refused: &[&(Right, Vec<&str>)]) -> Check {
    let rights = refused.iter().map(|(right, verbs)| format!("{} {}", verbs.join(", "), right.title())).collect();
    let message = format!(
        "{account} may not grant what the daemon needs without holding it: {} rights are missing",
        refused.len()
    );
    let remedy =
        "hold them, or the verbs escalate and bind on clusterroles.rbac.authorization.k8s.io (-o wide names them)";
    Check::fail(message, remedy).with(rights)
}

fn nodes(seen: &Seen<Vec<Node>>) -> Vec<Check> {
    let nodes = match seen {
        Ok(nodes) => nodes,
        Err(problem) => {
            return vec![unseen("the nodes' kernels were not looked at", problem, "let who asks list nodes")];
        }
    };
    if nodes.is_empty() {
        return vec![Check::warning("the cluster has no Linux node", "meshlet's daemons run on Linux nodes alone")];
    }
    let old = |node: &Node| {
        let error = kernel::check_kernel(&node.kernel).err()?;
        let told = Check::of_error(&format!("{error:#}"));
        Some(Check { message: format!("node {}: {}", node.name, told.message), ..told })
    };
    let old: Vec<Check> = nodes.iter().filter_map(old).collect();
    if !old.is_empty() {
        return old;
    }
    let details = nodes.iter().map(|node| format!("{}: Linux {}", node.name, node.kernel)).collect();
    vec![Check::pass(format!("the kernels of all {} Linux nodes are new enough", nodes.len())).with(details)]
}
