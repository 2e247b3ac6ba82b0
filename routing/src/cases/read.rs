//! A test file → cases. Every fault is found at once; a key that nobody knows is one.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::compare::{percent, share};
use super::keys::{Key, Shape, TOP, named, names};
use super::{Case, Expectation, Suite, request};
use crate::explain::{Asked, Capture, Who};
use crate::fault::{Fault, Severity, Source};
use crate::manifest::{self, Places};
use crate::validate::duration;

/// Reads a test file.
///
/// # Errors
/// All that is wrong with it, each with its place.
pub fn parse(file: &str, text: &str) -> Result<Suite, Vec<Fault>> {
    let file: Arc<str> = file.into();
    let document = manifest::document(text).map_err(|(line, column, problem)| {
        let source = Source { file: Arc::clone(&file), line, column };
        vec![fault(source, "", problem, "correct the text")]
    })?;
    let report = Report { file, places: document.places, faults: RefCell::default() };
    let suite = suite(&report, &document.value);
    let mut faults = report.faults.into_inner();
    faults.sort_by_key(|fault| (fault.source.line, fault.source.column));
    if faults.is_empty() { Ok(suite) } else { Err(faults) }
}

/// An expectation of one key; for a command line.
pub(super) fn expectation(path: &str, value: &str) -> Result<Expectation, String> {
    let document = manifest::document(value).map_err(|(.., problem)| problem)?;
    let steps: Vec<&str> = path.split('.').collect();
    let nested = steps
        .iter()
        .rev()
        .fold(document.value, |value, step| Value::Object(Map::from_iter([((*step).to_owned(), value)])));
    let report = Report { file: "".into(), places: document.places, faults: RefCell::default() };
    let expected = expected(&report, "", Some(&nested));
    let mut faults = report.faults.into_inner().into_iter();
    match faults.next() {
        None => Ok(expected),
        Some(Fault { field, problem, remedy, .. }) => Err(format!("{field} {problem}; {remedy}")),
    }
}

fn fault(source: Source, field: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
    let (problem, remedy) = (problem.into(), remedy.into());
    Fault { severity: Severity::Error, source, object: None, field: field.to_owned(), problem, remedy }
}

/// The faults of one file.
pub(super) struct Report {
    file: Arc<str>,
    places: Places,
    faults: RefCell<Vec<Fault>>,
}

impl Report {
    fn source(&self, path: &str) -> Source {
        let place = self.places.find(path);
        Source { file: Arc::clone(&self.file), line: place.line, column: place.column }
    }

    pub(super) fn refuse(&self, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.faults.borrow_mut().push(fault(self.source(path), path, problem, remedy));
    }

    /// The value as `read` understands it; otherwise a fault.
    pub(super) fn read<'v, T>(
        &self,
        path: &str,
        value: &'v Value,
        what: &str,
        read: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Option<T> {
        let found = read(value);
        if found.is_none() {
            self.refuse(path, format!("{value} is not {what}"), format!("write {what}"));
        }
        found
    }

    /// A mapping all of whose keys are known.
    pub(super) fn fields<'v>(&self, path: &str, value: &'v Value, keys: &[&str]) -> Option<&'v Map<String, Value>> {
        let fields = self.read(path, value, "a mapping", Value::as_object)?;
        for name in fields.keys().filter(|name| !keys.contains(&name.as_str())) {
            self.unknown(&join(path, name), &keys.join(", "));
        }
        Some(fields)
    }

    fn unknown(&self, path: &str, known: &str) {
        self.refuse(path, "is not a known key", format!("write one of {known}"));
    }
}

/// `path.name`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Entries of a list with their paths; of anything else the value by itself.
pub(super) fn entries<'v>(path: &str, value: &'v Value) -> Vec<(String, &'v Value)> {
    match value {
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, value)| (format!("{path}[{index}]"), value)).collect()
        }
        value => vec![(path.to_owned(), value)],
    }
}

const SUITE: &[&str] = &["apiVersion", "kind", "manifests", "meshConfig", "client", "capture", "cases"];
const CASE: &[&str] = &["name", "client", "request", "requests", "capture", "seed", "expect", "not"];

/// What cases fall back on.
struct Defaults {
    client: Option<Who>,
    capture: Capture,
}

fn suite(report: &Report, value: &Value) -> Suite {
    let mut suite = Suite { manifests: Vec::new(), mesh_config: None, cases: Vec::new() };
    let Some(fields) = report.fields("", value, SUITE) else { return suite };
    for (path, value) in fields.get("manifests").map(|value| entries("manifests", value)).unwrap_or_default() {
        suite.manifests.extend(self::path(report, &path, value));
    }
    suite.mesh_config = fields.get("meshConfig").and_then(|value| path(report, "meshConfig", value));
    let client = fields.get("client").and_then(|value| request::client(report, "client", value));
    let capture = fields.get("capture").and_then(|value| capture(report, "capture", value)).unwrap_or_default();
    let defaults = Defaults { client, capture };
    let cases = fields.get("cases").and_then(|value| report.read("cases", value, "a list", Value::as_array));
    match cases {
        Some(cases) if !cases.is_empty() => {
            let paths = cases.iter().enumerate().map(|(index, value)| (format!("cases[{index}]"), value));
            suite.cases = paths.filter_map(|(path, value)| case(report, &path, value, &defaults)).collect();
        }
        Some(_) => report.refuse("cases", "is empty", "write at least one case"),
        None if fields.contains_key("cases") => {}
        None => report.refuse("", "has no cases", "write cases: with at least one"),
    }
    suite
}

fn path(report: &Report, path: &str, value: &Value) -> Option<String> {
    report.read(path, value, "a path", |value| value.as_str().map(str::to_owned))
}

fn capture(report: &Report, path: &str, value: &Value) -> Option<Capture> {
    report.read(path, value, "ruled or ports", |value| match value.as_str()? {
        "ruled" => Some(Capture::Ruled),
        "ports" => Some(Capture::Ports),
        _ => None,
    })
}

fn case(report: &Report, path: &str, value: &Value, defaults: &Defaults) -> Option<Case> {
    let fields = report.fields(path, value, CASE)?;
    let get = |name: &str| fields.get(name).map(|value| (join(path, name), value));
    let name = get("name").and_then(|(path, value)| report.read(&path, value, "text (quote it)", Value::as_str));
    if !fields.contains_key("name") {
        report.refuse(path, "has no name", "say in a few words what it is about");
    }
    let client = match get("client") {
        Some((path, value)) => request::client(report, &path, value),
        None => {
            if defaults.client.is_none() {
                report.refuse(path, "has no client", "write client: here, or once for the whole file");
            }
            defaults.client.clone()
        }
    };
    let own = get("capture").and_then(|(path, value)| capture(report, &path, value));
    let capture = own.unwrap_or(defaults.capture);
    let seed = get("seed").and_then(|(path, value)| report.read(&path, value, "a whole number", Value::as_u64));
    let mut written = Vec::new();
    for (path, value) in [get("request"), get("requests")].into_iter().flatten() {
        for (path, value) in entries(&path, value) {
            written.extend(request::requests(report, &path, value));
        }
    }
    let expect = expected(report, &join(path, "expect"), fields.get("expect"));
    let not = expected(report, &join(path, "not"), fields.get("not"));
    if !["expect", "not"].iter().any(|key| fields.get(*key).is_some_and(|value| *value != Value::Object(Map::new()))) {
        report.refuse(path, "expects nothing", "write expect: or not: with at least one key");
    }
    let client = client?;
    let ask = |request| Asked {
        client: client.clone(),
        request,
        capture: Some(capture),
        seed: seed.unwrap_or_default(),
        all_rules: false,
    };
    let mut asked: Vec<Asked> = written.into_iter().map(|request| ask(Some(request))).collect();
    if !fields.contains_key("request") && !fields.contains_key("requests") {
        // Whether the client is captured is a question by itself.
        asked.push(ask(None));
    }
    let (expect, not) = (Arc::new(expect), Arc::new(not));
    Some(Case { name: name.unwrap_or_default().to_owned(), source: report.source(path), asked, expect, not })
}

fn expected(report: &Report, path: &str, value: Option<&Value>) -> Expectation {
    let fields = value.and_then(|value| report.read(path, value, "a mapping", Value::as_object));
    let fields = fields.cloned().unwrap_or_default();
    check_fields(report, path, &fields, TOP);
    Expectation(fields)
}

fn check_fields(report: &Report, path: &str, fields: &Map<String, Value>, keys: &'static [Key]) {
    for (name, value) in fields {
        let path = join(path, name);
        match named(keys, name) {
            Some(key) => check(report, &path, value, key.shape),
            None => report.unknown(&path, &names(keys)),
        }
    }
}

/// Whether a value can be compared at all.
fn check(report: &Report, path: &str, value: &Value, shape: Shape) {
    let scalar = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    let demand = |holds: bool, what: &str| {
        if !holds && !value.is_null() {
            report.refuse(path, format!("{value} is not {what}"), format!("write {what}, or null for none"));
        }
    };
    match (shape, value) {
        (Shape::Fields(keys, _), Value::Object(fields)) => check_fields(report, path, fields, keys),
        (Shape::Fields(keys, Some(short)), value) if scalar(value) => {
            if let Some(key) = named(keys, short) {
                check(report, path, value, key.shape);
            }
        }
        (Shape::Fields(..), _) => demand(false, "a mapping"),
        (Shape::Exactly(entry) | Shape::Among(entry), Value::Array(list)) => {
            for (index, value) in list.iter().enumerate() {
                check(report, &format!("{path}[{index}]"), value, *entry);
            }
        }
        (Shape::Exactly(_) | Shape::Among(_), _) => demand(false, "a list"),
        (Shape::Lines, Value::Object(lines)) => {
            for (name, value) in lines {
                check(report, &join(path, name), value, Shape::Text);
            }
        }
        (Shape::Lines, _) => demand(false, "a mapping of header names"),
        (Shape::Text, value) => demand(scalar(value), "text"),
        (Shape::Host, value) => demand(value.is_string(), "a host name"),
        (Shape::Truth, value) => demand(value.is_boolean(), "true or false"),
        (Shape::Whole, value) => demand(value.is_u64(), "a whole number"),
        (Shape::Share, value) => demand(share(value).is_some(), "a share such as 0.1 or 10%"),
        (Shape::Percent, value) => demand(percent(value).is_some(), "a percentage such as 10 or 10%"),
        (Shape::Duration, value) => {
            demand(
                value.as_str().is_some_and(|text| duration::parse(text).is_some()),
                "a duration such as 2s or 250ms",
            );
        }
        (Shape::Texts, value) => {
            let texts = value.as_array().is_some_and(|list| list.iter().all(scalar));
            demand(texts || value.is_u64(), "a list of texts, or how many there are");
        }
    }
}
