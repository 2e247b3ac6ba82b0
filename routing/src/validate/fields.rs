//! Reading an object field by field: every fault is collected with its path, and what nobody asked for is reported.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};

use super::duration;
use crate::fault::{Fault, Severity};
use crate::manifest::Manifest;
use crate::model::Labels;

/// The faults of one object.
pub(super) struct Report<'m> {
    manifest: &'m Manifest,
    faults: RefCell<Vec<Fault>>,
}

impl<'m> Report<'m> {
    pub(super) fn new(manifest: &'m Manifest) -> Self {
        Self { manifest, faults: RefCell::default() }
    }

    pub(super) fn error(&self, field: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.push(Severity::Error, field, problem.into(), remedy.into());
    }

    pub(super) fn warn(&self, field: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.push(Severity::Warning, field, problem.into(), remedy.into());
    }

    fn push(&self, severity: Severity, field: &str, problem: String, remedy: String) {
        let (source, object) = (self.manifest.place(field), Some(self.manifest.object.clone()));
        self.faults.borrow_mut().push(Fault { severity, source, object, field: field.to_owned(), problem, remedy });
    }

    pub(super) fn refused(&self) -> bool {
        self.faults.borrow().iter().any(|fault| fault.severity == Severity::Error)
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }
}

/// One mapping of an object, at its path. A field that is absent or null gives `None`; one of another type is a fault.
pub(super) struct Fields<'v> {
    path: String,
    map: &'v Map<String, Value>,
    report: &'v Report<'v>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'v> Fields<'v> {
    /// The object itself.
    pub(super) fn of(report: &'v Report<'v>) -> Self {
        Self::at(String::new(), &report.manifest.body, report)
    }

    fn at(path: String, map: &'v Map<String, Value>, report: &'v Report<'v>) -> Self {
        Self { path, map, report, asked: RefCell::default() }
    }

    /// The path of a field of this mapping.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The path of the mapping itself.
    pub(super) fn here(&self) -> &str {
        &self.path
    }

    pub(super) fn report(&self) -> &'v Report<'v> {
        self.report
    }

    fn get(&self, key: &'static str) -> Option<&'v Value> {
        self.asked.borrow_mut().insert(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A field whose type has alternatives.
    pub(super) fn any(&self, key: &'static str) -> Option<&'v Value> {
        self.get(key)
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    fn expect<T>(&self, key: &'static str, what: &str, read: impl FnOnce(&'v Value) -> Option<T>) -> Option<T> {
        let value = self.get(key)?;
        let found = read(value);
        if found.is_none() {
            self.report.error(&self.path(key), format!("{value} is not {what}"), format!("write {what}"));
        }
        found
    }

    pub(super) fn text(&self, key: &'static str) -> Option<&'v str> {
        self.expect(key, "text (quote it)", Value::as_str)
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        self.expect(key, "true or false", Value::as_bool)
    }

    /// A whole number from 0 to 2^32 - 1.
    pub(super) fn number(&self, key: &'static str) -> Option<u32> {
        self.expect(key, "a whole number", |value| value.as_u64().and_then(|number| u32::try_from(number).ok()))
    }

    /// The whole numbers of a list with their paths; entries that are none are faults.
    pub(super) fn numbers(&self, key: &'static str) -> Vec<(String, u32)> {
        let read = |(path, value): (String, &'v Value)| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            if number.is_none() {
                self.report.error(&path, format!("{value} is not a whole number"), "write one");
            }
            number.map(|number| (path, number))
        };
        self.entries(key).into_iter().filter_map(read).collect()
    }

    /// A number that may have a fraction.
    pub(super) fn decimal(&self, key: &'static str) -> Option<f64> {
        self.expect(key, "a number", Value::as_f64)
    }

    /// A duration of zero or more.
    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.expect(key, "a duration such as 10s or 250ms", |value| value.as_str().and_then(duration::parse))
    }

    /// A port, 1 to 65535.
    pub(super) fn port(&self, key: &'static str) -> Option<u16> {
        let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        self.expect(key, "a port from 1 to 65535", port)
    }

    pub(super) fn object(&self, key: &'static str) -> Option<Fields<'v>> {
        let map = self.expect(key, "a mapping", Value::as_object)?;
        Some(Self::at(self.path(key), map, self.report))
    }

    /// The mappings of a list; entries that are none are faults.
    pub(super) fn objects(&self, key: &'static str) -> Vec<Fields<'v>> {
        let entries = self.entries(key);
        let read = |(path, value): (String, &'v Value)| match value.as_object() {
            Some(map) => Some(Self::at(path, map, self.report)),
            None => {
                self.report.error(&path, format!("{value} is not a mapping"), "write a mapping");
                None
            }
        };
        entries.into_iter().filter_map(read).collect()
    }

    /// The texts of a list with their paths; entries that are none are faults.
    pub(super) fn texts(&self, key: &'static str) -> Vec<(String, &'v str)> {
        let entries = self.entries(key);
        let read = |(path, value): (String, &'v Value)| match value.as_str() {
            Some(text) => Some((path, text)),
            None => {
                self.report.error(&path, format!("{value} is not text"), "quote it");
                None
            }
        };
        entries.into_iter().filter_map(read).collect()
    }

    fn entries(&self, key: &'static str) -> Vec<(String, &'v Value)> {
        let list = self.expect(key, "a list", Value::as_array);
        let path = |index: usize| format!("{}[{index}]", self.path(key));
        list.into_iter().flatten().enumerate().map(|(index, value)| (path(index), value)).collect()
    }

    /// A mapping whose keys are free, such as `headers`: each key with its value and path.
    pub(super) fn members(&self, key: &'static str) -> Vec<(String, &'v str, &'v Value)> {
        let map = self.expect(key, "a mapping", Value::as_object);
        let path = self.path(key);
        map.into_iter().flatten().map(|(name, value)| (format!("{path}.{name}"), name.as_str(), value)).collect()
    }

    /// A mapping of text to text.
    pub(super) fn labels(&self, key: &'static str) -> Labels {
        let read = |(path, name, value): (String, &'v str, &'v Value)| match value.as_str() {
            Some(text) => Some((name.into(), text.into())),
            None => {
                self.report.error(&path, format!("{value} is not text"), "quote it");
                None
            }
        };
        self.members(key).into_iter().filter_map(read).collect()
    }

    /// Reports fields that Istio has and this version does not honour.
    pub(super) fn not_honoured(&self, keys: &[&'static str]) {
        for key in keys {
            if self.has(key) {
                let problem = "is not honoured by this version";
                self.report.warn(&self.path(key), problem, "it has no effect; the rest of the object applies");
            }
        }
    }

    /// Reports every field that nobody asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self.map.keys().filter(|key| !asked.contains(key.as_str())) {
            self.report.warn(
                &self.path(key),
                "is not a known field",
                "check its spelling and indentation; it has no effect",
            );
        }
    }
}

/// Wraps one member of a free mapping, where it is a mapping itself.
pub(super) fn member<'v>(path: String, value: &'v Value, report: &'v Report<'v>) -> Option<Fields<'v>> {
    value.as_object().map(|map| Fields::at(path, map, report))
}
