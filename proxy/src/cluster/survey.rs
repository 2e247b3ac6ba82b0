//! What is asked of a cluster once, for `meshlet check`: each question by itself, so that one which is refused hides no other.

use http::Request;
use kube::api::ListParams;
use kube::{Client, Config};
use meshlet_routing::inventory::Inventory;
use meshlet_routing::manifest::Manifest;
use meshlet_routing::model::{Kind, MeshConfig};
use meshlet_routing::validate::validate;
use serde_json::{Value, json};

use super::connect;
use super::discover::discover;
use super::exchange::fetch;
use super::kinds::{WATCHED, Watched};
use super::page::Page;
use super::rights::Right;

pub(crate) use super::exchange::Trouble;
pub(crate) use super::keep::Keep;

/// Objects on a page of a list.
const PAGE: u32 = 250;

/// Who asks.
pub(crate) struct Survey {
    client: Client,
}

impl Survey {
    /// Of the cluster that a kubeconfig leads to; nobody is asked yet. To be made in the runtime that it is used in.
    pub(crate) fn of(config: Config) -> anyhow::Result<Self> {
        Ok(Self { client: connect::client(config)? })
    }

    /// The version of the API server: `v1.34.0`.
    pub(crate) async fn version(&self) -> Result<String, Trouble> {
        let text = fetch(&self.client, get("/version")?).await?;
        let version = Keep::Only(&[("gitVersion", Keep::All)]).read(&text).map_err(|error| garbage(&error))?;
        Ok(text_of(&version["gitVersion"]))
    }

    /// The name of the account that asks.
    pub(crate) async fn asker(&self) -> Result<String, Trouble> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let told = self.review("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).await?;
        Ok(text_of(&told["status"]["userInfo"]["username"]))
    }

    /// Whether a service account (`namespace/name`) may use a verb, or who asks may when none is named; in a namespace, or in
    /// all of them when that is empty.
    pub(crate) async fn may(
        &self,
        account: Option<(&str, &str)>,
        right: &Right,
        verb: &str,
        namespace: &str,
    ) -> Result<bool, Trouble> {
        let (resource, part) = right.resource.split_once('/').unwrap_or((right.resource, ""));
        let attributes = json!({
            "namespace": namespace, "verb": verb, "group": right.group, "resource": resource, "subresource": part,
        });
        let (kind, spec) = match account {
            None => ("SelfSubjectAccessReview", json!({"resourceAttributes": attributes})),
            Some((home, name)) => {
                let groups =
                    ["system:serviceaccounts", &format!("system:serviceaccounts:{home}"), "system:authenticated"];
                let user = format!("system:serviceaccount:{home}:{name}");
                ("SubjectAccessReview", json!({"resourceAttributes": attributes, "user": user, "groups": groups}))
            }
        };
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec});
        let path = format!("/apis/authorization.k8s.io/v1/{}s", kind.to_lowercase());
        Ok(self.review(&path, &review).await?["status"]["allowed"] == true)
    }

    /// The kinds of rules by their resources, each with the version that is read; `None` of one that the cluster does not serve.
    pub(crate) async fn kinds(&self) -> Result<Vec<(String, Option<String>)>, Trouble> {
        let mut kinds = Vec::new();
        for watched in WATCHED.iter().filter(|watched| !watched.built_in) {
            let path = discover(&self.client, watched).await?;
            let version = path.and_then(|path| path.rsplit('/').nth(1).map(str::to_owned));
            kinds.push((watched.resource(), version));
        }
        Ok(kinds)
    }

    /// All namespaces, and all pods that have not ended.
    pub(crate) async fn inventory(&self) -> Result<Inventory, Trouble> {
        let mut inventory = Inventory::new(MeshConfig::default());
        for watched in WATCHED.iter().filter(|watched| matches!(watched.kind, Kind::Namespace | Kind::Pod)) {
            let selected = ListParams { field_selector: watched.field_selector(), ..ListParams::default() };
            let put = |object| put(&mut inventory, watched, object);
            self.list(&watched.path("v1"), selected, watched.keep, put).await?;
        }
        inventory.settle();
        Ok(inventory)
    }

    /// Objects of a list, page by page, as far as they are kept.
    pub(crate) async fn list(
        &self,
        path: &str,
        mut selected: ListParams,
        keep: Keep<'_>,
        mut each: impl FnMut(Value),
    ) -> Result<(), Trouble> {
        selected.limit = Some(PAGE);
        loop {
            let request = kube::core::Request::new(path).list(&selected).map_err(|error| garbage(&error))?;
            let text = fetch(&self.client, request).await?;
            let page = Page::read(&text, keep)?;
            page.items.into_iter().for_each(&mut each);
            selected.continue_token = page.next;
            if selected.continue_token.is_none() {
                return Ok(());
            }
        }
    }

    async fn review(&self, path: &str, review: &Value) -> Result<Value, Trouble> {
        let request = Request::post(path).header(http::header::CONTENT_TYPE, "application/json");
        let request = request.body(review.to_string().into_bytes()).map_err(|error| garbage(&error))?;
        serde_json::from_slice(&fetch(&self.client, request).await?).map_err(|error| garbage(&error))
    }
}

/// What cannot be read is left out: the daemon's log says what is wrong with it.
fn put(inventory: &mut Inventory, watched: &Watched, object: Value) {
    let Value::Object(body) = object else { return };
    let manifest = Manifest::of_object(watched.kind, "cluster".into(), body);
    if let Some(valid) = manifest.and_then(|manifest| validate(&manifest).valid) {
        inventory.put(&valid);
    }
}

fn get(path: &str) -> Result<Request<Vec<u8>>, Trouble> {
    Request::get(path).body(Vec::new()).map_err(|error| garbage(&error))
}

fn garbage(error: &dyn std::error::Error) -> Trouble {
    Trouble::Garbage(error.to_string())
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
