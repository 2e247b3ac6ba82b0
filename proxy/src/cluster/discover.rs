//! Where a resource is served: built-in ones always are, of others the first version that the node reads and the cluster serves.

use kube::Client;
use serde_json::Value;

use super::exchange::{Trouble, fetch};
use super::keep::Keep;
use super::kinds::Watched;

/// The path of the resource; `None` when the cluster does not serve it.
pub(crate) async fn discover(client: &Client, watched: &Watched) -> Result<Option<String>, Trouble> {
    let [first, ..] = watched.versions else { return Ok(None) };
    if watched.built_in {
        return Ok(Some(watched.path(first)));
    }
    let group = format!("/apis/{}", watched.group);
    let versions = [("versions", Keep::Only(&[("version", Keep::All)]))];
    let Some(served) = ask(client, &group, Keep::Only(&versions)).await? else { return Ok(None) };
    let serves = |version: &&&str| entries(&served, "versions").iter().any(|entry| entry["version"] == ***version);
    for version in watched.versions.iter().filter(serves) {
        let resources = [("resources", Keep::Only(&[("name", Keep::All)]))];
        let served = ask(client, &format!("{group}/{version}"), Keep::Only(&resources)).await?;
        let it = |served: &Value| entries(served, "resources").iter().any(|entry| entry["name"] == *watched.plural);
        if served.as_ref().is_some_and(it) {
            return Ok(Some(watched.path(version)));
        }
    }
    Ok(None)
}

async fn ask(client: &Client, path: &str, keep: Keep<'_>) -> Result<Option<Value>, Trouble> {
    let garbage = |error: &dyn std::error::Error| Trouble::Garbage(error.to_string());
    let request = http::Request::get(path).body(Vec::new()).map_err(|error| garbage(&error))?;
    match fetch(client, request).await {
        Ok(text) => keep.read(&text).map(Some).map_err(|error| garbage(&error)),
        Err(trouble) if trouble.code() == 404 => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

fn entries<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}
