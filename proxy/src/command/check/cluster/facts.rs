//! What the API server tells, as far as it does.

use std::time::Duration;

use kube::api::ListParams;
use meshlet_routing::inventory::Inventory;
use serde_json::Value;
use tokio::time::timeout;

use crate::cluster::connect::ClusterArgs;
use crate::cluster::daemons::SELECTOR;
use crate::cluster::rights::{self, Right};
use crate::cluster::survey::{Keep, Survey, Trouble};

/// Of the DaemonSet's pods.
const ACCOUNT: &str = "meshlet";
/// For the first answer: who is not there is not waited for.
const SOON: Duration = Duration::from_secs(10);

/// What is looked at beside the node.
pub(in crate::command::check) enum Cluster {
    /// Nothing, and what was tried.
    Nowhere(String),
    /// An API server that cannot be asked.
    Silent { server: String, problem: String },
    /// One that answers.
    Answers(Box<Facts>),
}

impl Cluster {
    /// The namespace of the daemons that are pods; `None` when none is.
    pub(in crate::command::check) fn daemons_in(&self) -> Option<&str> {
        let Self::Answers(facts) = self else { return None };
        let seen = facts.daemons.as_ref()?.as_ref().ok()?;
        (!seen.is_empty()).then_some(&*facts.namespace)
    }
}

/// What it says.
pub(in crate::command::check) struct Facts {
    pub(super) server: String,
    pub(super) version: String,
    /// Of the daemons.
    pub(super) namespace: String,
    /// The kinds of rules, and the version of each that is served.
    pub(super) kinds: Seen<Vec<(String, Option<String>)>>,
    pub(super) permissions: Vec<Permissions>,
    pub(super) nodes: Seen<Vec<Node>>,
    /// Namespaces and pods.
    pub(super) inventory: Seen<Inventory>,
    /// Istio's webhooks that put sidecars into pods.
    pub(super) injectors: Seen<Vec<String>>,
    /// `None` before any is expected.
    pub(super) daemons: Option<Seen<Vec<Daemon>>>,
}

/// An answer, or why there is none.
pub(super) type Seen<T> = Result<T, Unseen>;

/// Why something was not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unseen {
    pub(super) problem: String,
    /// Whether who asks has no permission to look; it may be well all the same.
    pub(super) forbidden: bool,
}

impl From<Trouble> for Unseen {
    fn from(trouble: Trouble) -> Self {
        let forbidden = matches!(trouble.code(), 401 | 403);
        let problem = match trouble {
            Trouble::Refused(status) => status.message,
            other => other.to_string(),
        };
        Self { problem, forbidden }
    }
}

/// What permissions are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The daemon's work.
    Run,
    /// To create what the manifest holds.
    Install,
    /// To grant the daemon what it needs: who creates a role must hold it all, or `escalate` and `bind`.
    Grant,
}

/// What an account may.
pub(super) struct Permissions {
    pub(super) purpose: Purpose,
    pub(super) account: String,
    /// All that was asked for, each with the verbs that are refused.
    pub(super) answers: Seen<Vec<(Right, Vec<&'static str>)>>,
}

/// A node of the cluster that runs Linux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    /// `uname -r`.
    pub(super) kernel: String,
}

/// A daemon's pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Daemon {
    pub(super) name: String,
    /// None while it is not placed.
    pub(super) node: Option<String>,
    /// What keeps it from being ready.
    pub(super) ready: Result<(), String>,
    pub(super) image: String,
}

const fn create(group: &'static str, resource: &'static str, role: &'static str) -> Right {
    let without = "config/deploy/meshlet.yaml cannot be applied";
    Right { role, ..Right::to_write(group, resource, &["create"], without) }
}

/// What the manifest holds.
pub(super) const INSTALLED: [Right; 7] = [
    create("", "namespaces", "ClusterRole"),
    create("", "serviceaccounts", "Role"),
    create("rbac.authorization.k8s.io", "clusterroles", "ClusterRole"),
    create("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRole"),
    create("rbac.authorization.k8s.io", "roles", "Role"),
    create("rbac.authorization.k8s.io", "rolebindings", "Role"),
    create("apps", "daemonsets", "Role"),
];

/// With these on roles, what is granted need not be held.
const ESCALATION: Right =
    Right { verbs: &["escalate", "bind"], ..create("rbac.authorization.k8s.io", "clusterroles", "ClusterRole") };

/// Asks the usual cluster, or the named one. `pre`: before anything is installed.
///
/// # Errors
/// A kubeconfig or a context is named that cannot be read.
pub(in crate::command::check) async fn look(args: &ClusterArgs, namespace: &str, pre: bool) -> anyhow::Result<Cluster> {
    let mut config = match args.config().await {
        Ok(config) => config,
        Err(error) if args.named() => return Err(error),
        Err(error) => return Ok(Cluster::Nowhere(format!("{error:#}"))),
    };
    config.connect_timeout = Some(SOON);
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let survey = Survey::of(config)?;
    let answer = timeout(SOON, survey.version()).await;
    match answer.unwrap_or(Err(Trouble::Silent(SOON))) {
        Ok(version) => Ok(Cluster::Answers(Box::new(Facts::of(&survey, server, version, namespace, pre).await))),
        Err(trouble) => Ok(Cluster::Silent { server, problem: trouble.to_string() }),
    }
}

impl Facts {
    async fn of(survey: &Survey, server: String, version: String, namespace: &str, pre: bool) -> Self {
        Self {
            server,
            version,
            namespace: namespace.to_owned(),
            kinds: survey.kinds().await.map_err(Unseen::from),
            permissions: permissions(survey, namespace, pre).await,
            nodes: nodes(survey).await,
            inventory: survey.inventory().await.map_err(Unseen::from),
            injectors: injectors(survey).await,
            daemons: if pre { None } else { Some(daemons(survey, namespace).await) },
        }
    }
}

async fn permissions(survey: &Survey, namespace: &str, pre: bool) -> Vec<Permissions> {
    let daemon = format!("system:serviceaccount:{namespace}:{ACCOUNT}");
    let asker = survey.asker().await.unwrap_or_else(|_| "who asks".to_owned());
    if !pre {
        // To ask for another account needs a permission, to ask for oneself none.
        let account = (asker != daemon).then_some((namespace, ACCOUNT));
        let answers = answers(survey, account, &rights::of_daemon(), namespace).await;
        return vec![Permissions { purpose: Purpose::Run, account: daemon, answers }];
    }
    let install = answers(survey, None, &INSTALLED, namespace).await;
    let mut permissions = vec![Permissions { purpose: Purpose::Install, account: asker.clone(), answers: install }];
    let escalation = answers(survey, None, &[ESCALATION], namespace).await;
    if !escalation.is_ok_and(|answers| answers.iter().all(|(_, refused)| refused.is_empty())) {
        let answers = answers(survey, None, &rights::of_daemon(), namespace).await;
        permissions.push(Permissions { purpose: Purpose::Grant, account: asker, answers });
    }
    permissions
}

async fn answers(
    survey: &Survey,
    account: Option<(&str, &str)>,
    rights: &[Right],
    namespace: &str,
) -> Seen<Vec<(Right, Vec<&'static str>)>> {
    let mut answers = Vec::new();
    for right in rights {
        let place = if right.role == "Role" { namespace } else { "" };
        let mut refused = Vec::new();
        for verb in right.verbs {
            if !survey.may(account, right, verb, place).await? {
                refused.push(*verb);
            }
        }
        answers.push((*right, refused));
    }
    Ok(answers)
}

async fn nodes(survey: &Survey) -> Seen<Vec<Node>> {
    let info = [("kernelVersion", Keep::All), ("operatingSystem", Keep::All)];
    let status = [("nodeInfo", Keep::Only(&info))];
    let keep = [("metadata", Keep::Only(NAMED)), ("status", Keep::Only(&status))];
    let mut nodes = Vec::new();
    let each = |node: Value| {
        let info = &node["status"]["nodeInfo"];
        if info["operatingSystem"] == "linux" {
            nodes.push(Node { name: text(&node["metadata"]["name"]), kernel: text(&info["kernelVersion"]) });
        }
    };
    survey.list("/api/v1/nodes", ListParams::default(), Keep::Only(&keep), each).await?;
    Ok(nodes)
}

const NAMED: &[(&str, Keep<'static>)] = &[("name", Keep::All)];

/// Those of revisions and of their tags; one that was put out of use has a name that says so.
async fn injectors(survey: &Survey) -> Seen<Vec<String>> {
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    let selected = ListParams::default().labels("app=sidecar-injector");
    let mut injectors = Vec::new();
    let each = |webhook: Value| injectors.push(text(&webhook["metadata"]["name"]));
    survey.list(path, selected, Keep::Only(&[("metadata", Keep::Only(NAMED))]), each).await?;
    injectors.retain(|name| !name.ends_with("-deactivated"));
    Ok(injectors)
}

async fn daemons(survey: &Survey, namespace: &str) -> Seen<Vec<Daemon>> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let mut daemons = Vec::new();
    let each = |pod: Value| daemons.extend(daemon(&pod));
    survey.list(&path, ListParams::default().labels(SELECTOR), Keep::All, each).await?;
    daemons.sort_by(|one: &Daemon, other| (&one.node, &one.name).cmp(&(&other.node, &other.name)));
    Ok(daemons)
}

/// One that still runs, or will.
fn daemon(pod: &Value) -> Option<Daemon> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let ended = matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"));
    if ended || !pod["metadata"]["deletionTimestamp"].is_null() {
        return None;
    }
    let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let ready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let waiting = status["containerStatuses"][0]["state"]["waiting"]["reason"].as_str();
    let unplaced =
        conditions.iter().find(|condition| condition["type"] == "PodScheduled" && condition["status"] != "True");
    let problem = || match (waiting, unplaced) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(condition)) => text(&condition["message"]),
        (None, None) => "its probe has not succeeded".to_owned(),
    };
    Some(Daemon {
        name: text(&pod["metadata"]["name"]),
        node: spec["nodeName"].as_str().map(str::to_owned),
        ready: if ready { Ok(()) } else { Err(problem()) },
        image: text(&spec["containers"][0]["image"]),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
