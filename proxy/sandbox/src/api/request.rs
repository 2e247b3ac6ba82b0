//! A request's path and query → what is asked for.

use std::collections::BTreeMap;

use super::resources::{RESOURCES, Resource};
use super::store::{Key, Stored};

/// What a path stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/version`.
    Version,
    /// `/apis`.
    Groups,
    /// `/apis/<group>`.
    Group(String),
    /// `/api`.
    CoreVersions,
    /// `/api/v1`, `/apis/<group>/<version>`.
    Resources {
        /// Empty for the core group.
        group: String,
        version: String,
    },
    /// A collection, an object or its status.
    Objects(Objects),
    /// What is asked of accounts and permissions, by its name in paths: `selfsubjectaccessreviews`.
    Review(String),
    /// Something else.
    Nothing,
}

/// Objects of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Objects {
    pub(crate) resource: &'static Resource,
    /// As the path has it.
    pub(crate) version: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) status: bool,
}

impl Objects {
    /// The object's key, if one is named.
    pub(crate) fn key(&self) -> Option<Key> {
        let name = self.name.clone()?;
        Some(Key { plural: self.resource.plural, namespace: self.namespace.clone().unwrap_or_default(), name })
    }
}

/// Reads a path.
pub(crate) fn target(path: &str) -> Target {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["version"] => Target::Version,
        ["api"] => Target::CoreVersions,
        ["apis"] => Target::Groups,
        ["apis", group] => Target::Group((*group).to_owned()),
        ["api", version] => Target::Resources { group: String::new(), version: (*version).to_owned() },
        ["apis", group, version] => Target::Resources { group: (*group).to_owned(), version: (*version).to_owned() },
        ["apis", "authorization.k8s.io" | "authentication.k8s.io", "v1", review] => {
            Target::Review((*review).to_owned())
        }
        ["api", version, rest @ ..] => objects("", version, rest),
        ["apis", group, version, rest @ ..] => objects(group, version, rest),
        _ => Target::Nothing,
    }
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Target {
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, ..] if *plural != "status" => (Some((*namespace).to_owned()), &rest[2..]),
        _ => (None, rest),
    };
    let (plural, name, status) = match rest {
        [plural] => (plural, None, false),
        [plural, name] => (plural, Some((*name).to_owned()), false),
        [plural, name, "status"] => (plural, Some((*name).to_owned()), true),
        _ => return Target::Nothing,
    };
    let found = RESOURCES.iter().find(|resource| resource.group == group && resource.plural == *plural);
    found.map_or(Target::Nothing, |resource| {
        Target::Objects(Objects { resource, version: version.to_owned(), namespace, name, status })
    })
}

/// The part after the question mark.
#[derive(Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads `a=b&c=d`, percent-encoded.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(decoded.map(|(key, value)| (decode(key), decode(value))).collect())
    }

    /// A parameter; an empty one is as good as none.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that is `true` or `1`.
    pub(crate) fn says(&self, key: &str) -> bool {
        matches!(self.get(key), Some("true" | "1"))
    }

    /// A parameter that is a number.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// Whether an object is one of those that `labelSelector` and `fieldSelector` name.
    pub(crate) fn selects(&self, object: &Stored) -> bool {
        let terms = |key| self.get(key).unwrap_or_default().split(',').filter(|term| !term.is_empty());
        let label = |name: &str| object.value["metadata"]["labels"][name].as_str();
        let field = |path: &str| {
            let value = path.split('.').try_fold(&object.value, |value, step| value.get(step));
            Some(value.and_then(|value| value.as_str()).unwrap_or_default())
        };
        terms("labelSelector").all(|term| holds(term, label)) && terms("fieldSelector").all(|term| holds(term, field))
    }
}

fn holds<'v>(term: &str, value: impl Fn(&str) -> Option<&'v str>) -> bool {
    if let Some((name, other)) = term.split_once("!=") {
        return value(name) != Some(other);
    }
    match term.split_once('=') {
        Some((name, wanted)) => value(name.trim_end_matches('=')) == Some(wanted.trim_start_matches('=')),
        None => value(term).is_some(),
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let hex = others.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &others[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = others;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_paths_then_they_stand_for_what_the_api_server_means_by_them() {
        let objects = |path: &str| match target(path) {
            Target::Objects(Objects { resource, version, namespace, name, status }) => {
                format!("{} {version} {namespace:?} {name:?} {status}", resource.plural)
            }
            other => format!("{other:?}"),
        };
        for (path, meant) in [
            ("/api/v1/namespaces", "namespaces v1 None None false"),
            ("/api/v1/namespaces/shop", "namespaces v1 None Some(\"shop\") false"),
            ("/api/v1/namespaces/shop/status", "namespaces v1 None Some(\"shop\") true"),
            ("/api/v1/pods", "pods v1 None None false"),
            ("/api/v1/namespaces/shop/pods", "pods v1 Some(\"shop\") None false"),
            ("/api/v1/namespaces/shop/pods/a/status", "pods v1 Some(\"shop\") Some(\"a\") true"),
            ("/apis/networking.istio.io/v1beta1/sidecars", "sidecars v1beta1 None None false"),
            ("/apis/networking.istio.io/v1/pods", "Nothing"),
            ("/apis/apps", "Group(\"apps\")"),
            ("/apis/authorization.k8s.io/v1/subjectaccessreviews", "Review(\"subjectaccessreviews\")"),
        ] {
            assert_eq!(objects(path), meant, "{path}");
        }
    }

    #[test]
    fn given_selectors_then_they_hold_for_the_objects_that_the_api_server_selects() {
        let value = serde_json::json!({"metadata": {"labels": {"app": "a"}}, "status": {"phase": "Running"}});
        let object = Stored { version: 1, text: value.to_string(), value };
        for (query, selected) in [
            ("", true),
            ("labelSelector=app%3Da", true),
            ("labelSelector=app%3Db", false),
            ("labelSelector=app", true),
            ("labelSelector=tier", false),
            ("fieldSelector=status.phase!%3DFailed%2Cstatus.phase!%3DSucceeded", true),
            ("fieldSelector=status.phase!%3DRunning", false),
            ("fieldSelector=spec.nodeName%3Dx", false),
        ] {
            assert_eq!(Query::parse(query).selects(&object), selected, "{query}");
        }
    }
}
