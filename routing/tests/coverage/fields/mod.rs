//! Every field, with a value that is put into an object to see what becomes of it.

/// A field a line: section, priority, path, base, value, standing.
macro_rules! fields {
    ($($section:literal $priority:ident $path:literal $base:ident $value:literal $standing:expr;)*) => {
        pub(super) const FIELDS: &[Field] = &[$(Field {
            section: $section,
            priority: $priority,
            path: $path,
            base: $base,
            value: $value,
            standing: $standing,
        }),*];
    };
}

mod capture;
mod destination_rule;
mod http_route;
mod measure;
mod mesh_config;
mod others;
mod schemas;
mod table;
mod virtual_service;

use Priority::{L, M, S};
use Standing::{Honoured, Ignored, NotRead, Refused, Reported};

/// How much a field matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Must.
    M,
    /// Should.
    S,
    /// Later.
    L,
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Standing {
    /// It has its effect, which these tests prove.
    Honoured(&'static [&'static str]),
    /// A fault names it: it has no effect.
    Reported,
    /// The object is refused by a fault that names it: without its effect the rest would be wrong.
    Refused,
    /// It is accepted and has no effect, as in Istio.
    Ignored,
    /// Objects of its kind are skipped and counted.
    NotRead,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    /// The part of the table it stands in.
    pub(crate) section: &'static str,
    pub(crate) priority: Priority,
    /// Its path, `[]` for the entries of lists; a key with dots in parentheses.
    pub(crate) path: &'static str,
    /// What it is put into.
    pub(crate) base: &'static str,
    /// A value for it, as YAML.
    pub(crate) value: &'static str,
    pub(crate) standing: Standing,
}

/// Headings of the table.
const SECTIONS: &[(&str, &str)] = &[
    ("1.1", "VirtualService"),
    ("1.2", "VirtualService: `spec.http[]`"),
    ("1.3", "VirtualService: `spec.http[].match[]`"),
    ("1.4", "VirtualService: matches of `spec.tls[]` and `spec.tcp[]`"),
    ("1.5", "VirtualService: destinations"),
    ("1.6", "DestinationRule"),
    ("1.7", "DestinationRule: `loadBalancer`"),
    ("1.8", "DestinationRule: `connectionPool`"),
    ("1.9", "DestinationRule: outlier detection, TLS and the rest"),
    ("1.10", "Other objects"),
    ("capture", "Pod: annotations about capture"),
    ("mesh", "MeshConfig: keys that touch routing"),
    ("gamma", "HTTPRoute with a Service as parent"),
];

pub(crate) fn all() -> impl Iterator<Item = &'static Field> {
    virtual_service::FIELDS
        .iter()
        .chain(destination_rule::FIELDS)
        .chain(others::FIELDS)
        .chain(capture::FIELDS)
        .chain(mesh_config::FIELDS)
        .chain(http_route::FIELDS)
}
