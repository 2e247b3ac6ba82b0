//! What becomes of a field, by putting it into an object.

use meshlet_routing::fault::{Fault, Severity};
use meshlet_routing::manifest;
use meshlet_routing::validate::{mesh_config, validate};
use serde_json::{Map, Value};

use super::Field;

/// What became of a field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Measured {
    /// Nothing is said, and the model is another.
    Honoured,
    /// A fault at its path, or around it, says that it is not honoured.
    Reported,
    /// Nothing happens; a warning may say so.
    Ignored,
    /// The object is refused by a fault at its path or around it, or is with and without it.
    Refused,
    /// Nobody reads objects of the kind.
    NotRead,
    /// The object is refused by another fault, or the field unknown.
    Wrong(Vec<String>),
}

pub(crate) fn measure(field: &Field) -> Measured {
    let (without, with) = (yaml(field.base), with(field));
    let path = written(&field_steps(field));
    let read = |object: &Value| if field.path.starts_with("MeshConfig: ") { read_mesh(object) } else { read(object) };
    let (model, faults) = read(&with);
    let mut here = faults.iter().filter(|fault| within(&path, &fault.field));
    let unknown = |fault: &Fault| fault.problem.contains("not a known field");
    if here.clone().any(|fault| fault.problem.contains("not honoured")) {
        Measured::Reported
    } else if model.is_none() && faults.is_empty() {
        Measured::NotRead
    } else if here.any(|fault| fault.severity == Severity::Error) || model.is_none() && read(&without).0.is_none() {
        Measured::Refused
    } else if model.is_none() || faults.iter().any(unknown) {
        Measured::Wrong(faults.iter().map(ToString::to_string).collect())
    } else if read(&without).0 == model {
        Measured::Ignored
    } else {
        Measured::Honoured
    }
}

/// The object with the field in it.
pub(crate) fn with(field: &Field) -> Value {
    let mut object = yaml(field.base);
    put(&mut object, &field_steps(field), yaml(field.value));
    object
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A kind that stands before the path is for readers.
fn field_steps(field: &Field) -> Vec<Step<'_>> {
    steps(field.path.split(": ").last().unwrap_or_default())
}

/// Whether a fault at `fault` is about the field at `path`: at it, or at something around it.
fn within(path: &str, fault: &str) -> bool {
    path == fault || fault.is_empty() || path.strip_prefix(fault).is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// What an object comes to, in the model's own words.
fn read(object: &Value) -> (Option<String>, Vec<Fault>) {
    let parsed = manifest::parse("f.yaml", &object.to_string());
    let mut faults = parsed.faults;
    let mut model = None;
    for manifest in &parsed.manifests {
        let validated = validate(manifest);
        faults.extend(validated.faults);
        model = validated.valid.map(|valid| format!("{valid:?}"));
    }
    (model, faults)
}

/// The same of a mesh config.
fn read_mesh(object: &Value) -> (Option<String>, Vec<Fault>) {
    let manifest = manifest::parse_mesh_config("f.yaml", &object.to_string()).expect("a mesh config");
    let (config, faults) = mesh_config(&manifest);
    (config.map(|config| format!("{config:?}")), faults)
}

enum Step<'p> {
    Key(&'p str),
    First,
}

fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.trim_start_matches('.');
        if let Some(behind) = rest.strip_prefix("[]") {
            steps.push(Step::First);
            rest = behind;
        } else if let Some((key, behind)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            steps.push(Step::Key(key));
            rest = behind;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Key(&rest[..end]));
            rest = &rest[end..];
        }
    }
    steps
}

fn put(into: &mut Value, steps: &[Step<'_>], value: Value) {
    match steps {
        [] => *into = value,
        [Step::Key(key), rest @ ..] => {
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            put(&mut into[*key], rest, value);
        }
        [Step::First, rest @ ..] => {
            if !into.is_array() {
                *into = Value::Array(vec![Value::Null]);
            }
            put(&mut into[0], rest, value);
        }
    }
}

/// The path as faults have it.
fn written(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) if path.is_empty() => path.push_str(key),
            Step::Key(key) => path.extend([".", key]),
            Step::First => path.push_str("[0]"),
        }
    }
    path
}
