//! POST, PUT, PATCH and DELETE.

use serde_json::{Map, Value, json};

use super::answer::{Answer, View, failure};
use super::request::Objects;
use super::store::{Key, Refused, Store};

/// Carries out a write; the bodies of all of them are JSON.
pub(crate) fn write(store: &mut Store, method: &str, content_type: &str, of: &Objects, body: &[u8]) -> Answer {
    let view = View::new(of, "");
    if method == "DELETE" {
        let Some(key) = of.key() else { return Answer::failure(405, "MethodNotAllowed", "name the object") };
        return match store.delete(&key) {
            Ok(gone) => Answer::ok(view.object(&gone)),
            Err(refused) => Answer::refused(&refused, of),
        };
    }
    let merges = ["application/merge-patch+json", "application/apply-patch+yaml"];
    if method == "PATCH" && !merges.iter().any(|kind| content_type.starts_with(kind)) {
        return Answer::failure(415, "UnsupportedMediaType", "415: Unsupported Media Type");
    }
    let Ok(mut given) = serde_json::from_slice::<Value>(body) else {
        return Answer::failure(400, "BadRequest", "the body is not JSON");
    };
    let mut of = of.clone();
    if method == "POST" {
        of.name = given["metadata"]["name"].as_str().or(given["metadata"]["generateName"].as_str()).map(str::to_owned);
    }
    let Some(key) = of.key() else { return Answer::failure(422, "Invalid", "metadata.name: Required value") };
    let known = store.get(&key).cloned();
    let (status, expected, value) = match (method, known) {
        ("POST", _) => (201, Some(0), given),
        ("PUT", _) => {
            let read_at = given["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok());
            if let (true, Some(known)) = (of.status, store.get(&key)) {
                let mut value = known.value.clone();
                value["status"] = given["status"].take();
                given = value;
            }
            (200, read_at, given)
        }
        ("PATCH", Some(known)) => {
            let mut value = known.value.clone();
            // Who names a uid means that object alone, who names a version that version alone.
            let expected = given["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok());
            let uid = &given["metadata"]["uid"];
            if !uid.is_null() && *uid != known.value["metadata"]["uid"] {
                return another_uid(&key);
            }
            let patched = given.as_object_mut().map(std::mem::take).unwrap_or_default();
            merge(&mut value, only(patched, of.status));
            (200, expected, value)
        }
        ("PATCH", None) if content_type.contains("apply-patch") && !of.status => (201, Some(0), given),
        ("PATCH", None) => return Answer::refused(&Refused::NotFound, &of),
        _ => return Answer::failure(405, "MethodNotAllowed", method),
    };
    match store.put(key, value, expected) {
        Ok(stored) => Answer { status, body: view.object(&stored) },
        Err(refused) => Answer::refused(&refused, &of),
    }
}

/// As for any field that may not be changed, not as for an object that has changed.
fn another_uid(key: &Key) -> Answer {
    let mut status = failure(422, "Invalid", &format!("{:?} is invalid: metadata.uid: field is immutable", key.name));
    status["details"] = json!({"name": key.name, "causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]});
    Answer { status: 422, body: status.to_string() }
}

/// A patch of the status changes nothing else, and the other way round.
fn only(patch: Map<String, Value>, status: bool) -> Map<String, Value> {
    patch.into_iter().filter(|(key, _)| (key == "status") == status || (status && key == "metadata")).collect()
}

/// RFC 7396; server-side apply is the same here but for lists of maps, which it would merge by their keys.
fn merge(value: &mut Value, patch: Map<String, Value>) {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Some(object) = value.as_object_mut() else { return };
    for (key, patched) in patch {
        match patched {
            Value::Null => drop(object.remove(&key)),
            Value::Object(inner) => merge(object.entry(key).or_insert(Value::Null), inner),
            other => drop(object.insert(key, other)),
        }
    }
}
