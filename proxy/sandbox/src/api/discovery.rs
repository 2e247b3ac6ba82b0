//! Which groups, versions and resources are served.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::answer::Answer;
use super::resources::{RESOURCES, Resource};

/// The versions of each resource that are served, by its plural; those that are not here are served in all of theirs.
#[derive(Debug, Default)]
pub(crate) struct Served(BTreeMap<&'static str, Vec<String>>);

impl Served {
    /// Serves a resource in these versions; in none as if its CRD were not there.
    pub(crate) fn only(&mut self, resource: &'static Resource, versions: &[&str]) {
        self.0.insert(resource.plural, versions.iter().map(|version| (*version).to_owned()).collect());
    }

    /// Whether a resource is served in a version.
    pub(crate) fn serves(&self, resource: &Resource, version: &str) -> bool {
        match self.0.get(resource.plural) {
            Some(versions) => versions.iter().any(|served| served == version),
            None => resource.versions.contains(&version),
        }
    }

    fn versions_of(&self, group: &str) -> BTreeSet<&'static str> {
        let of_group = RESOURCES.iter().filter(|resource| resource.group == group);
        of_group
            .flat_map(|resource| resource.versions.iter().filter(|version| self.serves(resource, version)))
            .copied()
            .collect()
    }

    /// `/apis`.
    pub(crate) fn groups(&self) -> Answer {
        let names: BTreeSet<&str> =
            RESOURCES.iter().map(|resource| resource.group).filter(|group| !group.is_empty()).collect();
        let groups: Vec<Value> = names.into_iter().filter_map(|group| self.group_value(group)).collect();
        Answer::ok(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
    }

    /// `/apis/<group>`.
    pub(crate) fn group(&self, group: &str) -> Answer {
        self.group_value(group).map_or_else(not_found, |mut found| {
            found["kind"] = json!("APIGroup");
            found["apiVersion"] = json!("v1");
            Answer::ok(found)
        })
    }

    /// `/apis/<group>/<version>`.
    pub(crate) fn resources(&self, group: &str, version: &str) -> Answer {
        let served = RESOURCES.iter().filter(|found| found.group == group && self.serves(found, version));
        let resources: Vec<Value> = served
            .map(|found| {
                json!({
                    "name": found.plural, "singularName": found.kind.to_lowercase(), "namespaced": found.namespaced,
                    "kind": found.kind, "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
                })
            })
            .collect();
        if resources.is_empty() {
            return not_found();
        }
        let version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        Answer::ok(
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}),
        )
    }

    fn group_value(&self, group: &str) -> Option<Value> {
        let served = self.versions_of(group);
        // In the order of preference.
        let of_group = RESOURCES.iter().find(|resource| resource.group == group)?;
        let versions: Vec<Value> = of_group
            .versions
            .iter()
            .filter(|version| served.contains(*version))
            .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
            .collect();
        let preferred = versions.first()?.clone();
        Some(json!({"name": group, "versions": versions, "preferredVersion": preferred}))
    }
}

/// As the API server answers for what it does not serve: in no JSON.
pub(crate) fn not_found() -> Answer {
    Answer { status: 404, body: "404 page not found\n".to_owned() }
}
