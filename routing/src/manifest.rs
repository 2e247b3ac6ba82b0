//! What was written: YAML or JSON text → objects, each with the places of its fields.

mod located;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::fault::{Fault, Severity, Source};
use crate::model::{Kind, ObjectRef};

pub(crate) use located::{Located, Places};

/// One object of a kind that meshlet reads, unchecked.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its identity; the namespace is `default` when none was written.
    pub object: ObjectRef,
    /// Where it starts.
    pub source: Source,
    /// The whole object.
    pub body: Map<String, Value>,
    places: Places,
    lines_before: u64,
}

impl Manifest {
    /// An object that was not read from a text; `file` stands for where it came from. `None` without a name.
    #[must_use]
    pub fn of_object(kind: Kind, file: Arc<str>, body: Map<String, Value>) -> Option<Self> {
        let object = object_of(kind, &body)?;
        let source = Source { file, line: 0, column: 0 };
        Some(Self { object, source, body, places: Places::nowhere(), lines_before: 0 })
    }

    /// Where a field stands, by its path as in [`Fault::field`]; of one that is not written, the closest around it. The
    /// empty path gives the object's own start.
    #[must_use]
    pub fn place(&self, path: &str) -> Source {
        if path.is_empty() {
            return self.source.clone();
        }
        let found = self.places.find(path);
        let file = Arc::clone(&self.source.file);
        Source { file, line: self.lines_before + found.line, column: found.column }
    }
}

/// An object of a kind that this version does not read and that `analyze` has something to say about.
#[derive(Debug, Clone)]
pub struct Unread {
    /// `Gateway`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it starts.
    pub source: Source,
    /// The whole object.
    pub body: Map<String, Value>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Objects in written order.
    pub manifests: Vec<Manifest>,
    /// What could not be made out; the rest is good all the same.
    pub faults: Vec<Fault>,
    /// Number of objects of kinds that meshlet does not read.
    pub skipped: usize,
    /// Of the objects that are not read, those that `analyze` wants to know of.
    pub unread: Vec<Unread>,
}

/// Where a document stands.
struct Document {
    file: Arc<str>,
    lines_before: u64,
}

impl Document {
    fn source(&self, places: &Places) -> Source {
        let start = places.start();
        Source { file: Arc::clone(&self.file), line: self.lines_before + start.line, column: start.column }
    }
}

/// Reads multi-document YAML, JSON and `List` objects. Any text gives a result.
#[must_use]
pub fn parse(file: &str, text: &str) -> Parsed {
    let file: Arc<str> = file.into();
    let mut parsed = Parsed::default();
    for (first_line, document) in documents(text) {
        let start = document.lines().position(holds_something);
        let Some(start) = start else { continue };
        let within = Document { file: Arc::clone(&file), lines_before: first_line - 1 };
        match serde_saphyr::from_str_with_options::<Located>(document, dialect()) {
            Ok(Located { value, places }) => parsed.take(value, places, &within),
            Err(error) => {
                let known = error.location().map(|at| (first_line + at.line().saturating_sub(1), at.column().max(1)));
                let (line, column) = known.unwrap_or((first_line + start as u64, 1));
                parsed.refuse(
                    Source { file: Arc::clone(&file), line, column },
                    format!("is not YAML: {}", first_sentence(&error)),
                );
            }
        }
    }
    parsed
}

/// One YAML document of any shape; of one that is none, the line, the column and what is wrong.
pub(crate) fn document(text: &str) -> Result<Located, (u64, u64, String)> {
    serde_saphyr::from_str_with_options::<Located>(text, dialect()).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
        (line, column, format!("is not YAML: {}", first_sentence(&error)))
    })
}

/// Reads Istio's mesh config: by itself, or in the ConfigMap `istio` that holds it under `mesh`.
///
/// # Errors
/// The text is neither.
pub fn parse_mesh_config(file: &str, text: &str) -> Result<Manifest, Box<Fault>> {
    let file: Arc<str> = file.into();
    let at = |line, column| Source { file: Arc::clone(&file), line, column };
    let read = |text: &str, lines_before: u64| {
        document(text).map_err(|(line, column, problem)| unreadable(at(lines_before + line, column), problem))
    };
    let no_mapping = |line| unreadable(at(line, 1), "is no mesh config: expected a mapping".to_owned());
    let Located { value, mut places } = read(text, 0)?;
    let Value::Object(mut body) = value else { return Err(no_mapping(1)) };
    let mut lines_before = 0;
    if body.get("kind").and_then(Value::as_str) == Some("ConfigMap") {
        let found = places.find("data.mesh").line;
        let Some(mesh) = body.get("data").and_then(|data| data.get("mesh")).and_then(Value::as_str) else {
            return Err(unreadable(at(found, 1), "the ConfigMap has no data.mesh".to_owned()));
        };
        // The text begins on the line after its key, which is how everybody writes it.
        lines_before = found;
        let inner = read(mesh, lines_before)?;
        places = inner.places;
        let Value::Object(inner) = inner.value else { return Err(no_mapping(found)) };
        body = inner;
    }
    let object = ObjectRef { kind: Kind::MeshConfig, namespace: "".into(), name: "istio".into() };
    let start = places.start();
    let source = at(lines_before + start.line, start.column);
    Ok(Manifest { object, source, body, places, lines_before })
}

fn unreadable(source: Source, problem: String) -> Box<Fault> {
    let remedy = "give Istio's MeshConfig, or the ConfigMap that holds it".to_owned();
    Box::new(Fault { severity: Severity::Error, source, object: None, field: String::new(), problem, remedy })
}

/// YAML 1.2's booleans alone: `n` and `on` are text, as label values and header names want them. A list of all pods of a large
/// cluster fits the bounds; what aliases may add to a text does not outgrow the text by much.
fn dialect() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_events: 5_000_000,
            max_nodes: 2_000_000,
            max_anchors: 10_000,
            max_aliases: 20_000,
            max_recorded_anchor_events: 100_000,
            max_recorded_anchor_bytes: 1 << 20,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 200_000,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: 100,
        },
    }
}

/// Whether a line is more than blank, a comment, or a directive: those stand before the marker of the document they are for,
/// and say nothing that the dialect has not said.
fn holds_something(line: &str) -> bool {
    let line = line.trim_end().trim_start_matches('\u{feff}');
    !line.trim_start().is_empty() && !line.trim_start().starts_with('#') && !line.starts_with('%')
}

/// The documents of a stream with the line each begins at. A marker in the first column ends a document whatever it is in.
fn documents(text: &str) -> Vec<(u64, &str)> {
    let mut documents = Vec::new();
    let (mut begin, mut begin_line, mut offset) = (0, 1, 0);
    for (number, line) in (1_u64..).zip(text.split_inclusive('\n')) {
        let marker = line.trim_end();
        if marker == "---" || marker.starts_with("--- ") || marker == "..." {
            documents.push((begin_line, &text[begin..offset]));
            // What follows a marker on its line belongs to the document; a comment or a tag is all that ever does.
            begin = offset + line.len();
            begin_line = number + 1;
        }
        offset += line.len();
    }
    documents.push((begin_line, &text[begin..]));
    documents
}

/// What is wrong, without the place: that is told by the fault, and the parser counts from the document's start.
fn first_sentence(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let Some(at) = error.location() else { return line.to_owned() };
    let place = format!("line {} column {}: ", at.line(), at.column());
    line.split_once(&place).map_or(line, |(_, problem)| problem).to_owned()
}

impl Parsed {
    fn refuse(&mut self, source: Source, problem: String) {
        let remedy = "correct the text; the other documents are read".to_owned();
        self.faults.push(Fault {
            severity: Severity::Error,
            source,
            object: None,
            field: String::new(),
            problem,
            remedy,
        });
    }

    fn take(&mut self, value: Value, places: Places, within: &Document) {
        let source = within.source(&places);
        let Value::Object(mut body) = value else {
            if !value.is_null() {
                let problem = "is not a Kubernetes object: expected a mapping with apiVersion and kind";
                self.refuse(source, problem.to_owned());
            }
            return;
        };
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api, kind) = (text("apiVersion"), text("kind"));
        if kind.ends_with("List")
            && let Some(Value::Array(items)) = body.remove("items")
        {
            for (item, places) in items.into_iter().zip(places.into_entries("items")) {
                self.take(item, places, within);
            }
            return;
        }
        if api.is_empty() || kind.is_empty() {
            self.refuse(source, "has no apiVersion or kind: add both".to_owned());
            return;
        }
        match read_kind(&api, &kind) {
            Read::Kind(kind) => {
                let Some(object) = self.object(kind, &body, &source) else { return };
                let lines_before = within.lines_before;
                self.manifests.push(Manifest { object, source, body, places, lines_before });
            }
            Read::Skip => {
                self.skipped += 1;
                self.note(kind, body, source);
            }
        }
    }

    fn object(&mut self, kind: Kind, body: &Map<String, Value>, source: &Source) -> Option<ObjectRef> {
        let object = object_of(kind, body);
        if object.is_none() {
            self.refuse(source.clone(), format!("{} without metadata.name: add it", kind.as_str()));
        }
        object
    }

    fn note(&mut self, kind: String, body: Map<String, Value>, source: Source) {
        if kind != "Gateway" {
            return;
        }
        let Some((namespace, name)) = identity(&body) else { return };
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.unread.push(Unread { kind, namespace, name, source, body });
    }
}

fn object_of(kind: Kind, body: &Map<String, Value>) -> Option<ObjectRef> {
    let (namespace, name) = identity(body)?;
    let namespace = if matches!(kind, Kind::Namespace | Kind::Node) { "" } else { namespace };
    Some(ObjectRef { kind, namespace: namespace.into(), name: name.into() })
}

fn identity(body: &Map<String, Value>) -> Option<(&str, &str)> {
    let metadata = body.get("metadata")?;
    let name = metadata.get("name").and_then(Value::as_str).filter(|name| !name.is_empty())?;
    Some((metadata.get("namespace").and_then(Value::as_str).unwrap_or("default"), name))
}

enum Read {
    Kind(Kind),
    Skip,
}

fn read_kind(api: &str, kind: &str) -> Read {
    let (group, version) = api.split_once('/').unwrap_or(("", api));
    match (group, version, kind) {
        ("", "v1", "Namespace") => Read::Kind(Kind::Namespace),
        ("", "v1", "Node") => Read::Kind(Kind::Node),
        ("", "v1", "Service") => Read::Kind(Kind::Service),
        ("", "v1", "Pod") => Read::Kind(Kind::Pod),
        ("discovery.k8s.io", "v1", "EndpointSlice") => Read::Kind(Kind::EndpointSlice),
        ("networking.istio.io", "v1" | "v1beta1" | "v1alpha3", kind) => match kind {
            "VirtualService" => Read::Kind(Kind::VirtualService),
            "DestinationRule" => Read::Kind(Kind::DestinationRule),
            "ServiceEntry" => Read::Kind(Kind::ServiceEntry),
            "Sidecar" => Read::Kind(Kind::Sidecar),
            _ => Read::Skip,
        },
        ("gateway.networking.k8s.io", "v1", "HTTPRoute") => Read::Kind(Kind::HttpRoute),
        _ => Read::Skip,
    }
}
