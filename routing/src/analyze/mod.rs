//! Findings about manifests: what Istio would refuse, what fails when a request comes, and what is valid and has no effect.
//!
//! [`input`] puts the objects together and says which clients there are; each file after it looks for one family of
//! findings; [`code`] is the table of codes that the documentation is made of. Whatever depends on who sees what is asked of
//! the functions that compile the table, through `table::Lens`: there is no second interpretation.

mod backends;
mod clients;
mod code;
mod conditions;
mod destination_rules;
mod destinations;
mod fields;
mod input;
mod marks;
mod ownership;
mod ports;
mod quirks;
mod references;
mod routes;
mod sight;
mod subsets;
mod suppress;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::fault::Source;
use crate::model::{MeshConfig, ObjectRef};

pub use code::{CODES, Code, markdown};
pub use conditions::{
    APPLIES_TO_MESH, Condition, EFFECTIVE, FULLY_SUPPORTED, RESOLVED_REFS, conditions, fully_supported, not_accepted,
};
pub use suppress::Suppression;

use backends::Backends;
use destination_rules::Used;
use input::{Input, Texts};
use ownership::Ownership;
use references::Broken;
use sight::{Sight, Subject};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Accepted, but not what was meant.
    Warning,
    /// Istio would refuse the object, or a request would fail.
    Error,
}

impl Level {
    /// The word: `error`, `warning`, `info`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of finding.
    pub code: &'static Code,
    /// How bad this one is.
    pub level: Level,
    /// The object, where one could be made out.
    pub object: Option<ObjectRef>,
    /// `KIND NAMESPACE/NAME`, also of kinds that are not read; empty without an object.
    pub origin: String,
    /// Path of the field, empty for the object as a whole.
    pub path: String,
    /// Where the field stands.
    pub reference: Source,
    /// Path, problem, remedy, and Istio's code.
    pub message: String,
}

/// What an analysis came to.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// In order of place.
    pub findings: Vec<Finding>,
    /// Number of objects that could be made out, of whatever kind.
    pub objects: usize,
}

/// Analyzes texts, each a file's name and what it holds.
#[must_use]
pub fn analyze<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Analysis {
    analyze_in(MeshConfig::default(), texts)
}

/// Analyzes texts of a mesh that is configured so.
#[must_use]
pub fn analyze_in<'t>(mesh: MeshConfig, texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Analysis {
    let texts = Texts::parse(texts);
    let mut findings = Findings::default();
    fields::find(&texts, &mut findings);
    let input = Input::new(mesh, &texts, &mut findings);
    seen_by_clients(&Sight::new(&input), &mut findings);
    routes::find(&input, &mut findings);
    ports::find(&input, &mut findings);
    marks::find(&input, &mut findings);
    let mut findings = findings.0;
    findings.sort_by(|one, other| {
        let key = |finding: &Finding| (finding.reference.line, finding.reference.column, finding.code.id);
        (&one.reference.file, key(one), &one.message).cmp(&(&other.reference.file, key(other), &other.message))
    });
    findings.dedup();
    Analysis { findings, objects: texts.objects() }
}

/// What depends on who sees what.
fn seen_by_clients(sight: &Sight<'_>, findings: &mut Findings) {
    let (mut broken, mut ownership, mut used) = (Broken::default(), Ownership::default(), Used::default());
    let mut backends = Backends::default();
    sight.look(|subject, lens, clients| match subject {
        Subject::Rule(place) => {
            ownership.look_at_rule(sight, place, lens);
            broken.look(sight, place, lens, clients);
        }
        Subject::Service(place) => {
            let service = &sight.input().world.services[place];
            ownership.look_at_service(sight, service, lens, clients);
            used.look(service, lens);
        }
        Subject::Route(place) => backends.look(sight, place, lens, clients),
        Subject::Name(name) => ownership.look_at_name(sight, name, lens, clients),
    });
    broken.find(sight, findings);
    backends.find(sight, findings);
    ownership.find(sight, findings);
    destination_rules::find(sight, &used, findings);
    subsets::find(sight, findings);
    clients::find(sight, findings);
    quirks::find(sight, findings);
}

/// Findings as they come.
#[derive(Default)]
struct Findings(Vec<Finding>);

/// What a finding is about.
struct Place<'a> {
    object: Option<&'a ObjectRef>,
    origin: String,
    path: &'a str,
    reference: Source,
}

impl Findings {
    /// At the code's own level.
    fn add(&mut self, code: &'static Code, place: Place<'_>, problem: impl fmt::Display, remedy: impl fmt::Display) {
        self.add_as(code, code.level, place, problem, remedy);
    }

    fn add_as(
        &mut self,
        code: &'static Code,
        level: Level,
        place: Place<'_>,
        problem: impl fmt::Display,
        remedy: impl fmt::Display,
    ) {
        let path = if place.path.is_empty() { String::new() } else { format!("{}: ", place.path) };
        let istio = code.istio.map(|istio| format!(" (same as {istio})")).unwrap_or_default();
        let remedy = remedy.to_string();
        let remedy = if remedy.is_empty() { remedy } else { format!("; {remedy}") };
        self.0.push(Finding {
            code,
            level,
            object: place.object.cloned(),
            origin: place.origin,
            path: place.path.to_owned(),
            reference: place.reference,
            message: format!("{path}{problem}{remedy}{istio}"),
        });
    }
}

/// Number of names that a sentence has at most.
const SHOWN: usize = 5;

/// Names as a sentence has them: `a, b and 3 more`.
fn list<T: fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let mut names = names.into_iter();
    let few: Vec<String> = names.by_ref().take(SHOWN).map(|name| name.to_string()).collect();
    let count = few.len() + names.count();
    list_of(few, count)
}

/// The first of `count` names as a sentence has them.
fn list_of(few: Vec<String>, count: usize) -> String {
    let shown = few.join(", ");
    if count > few.len() { format!("{shown} and {} more", count - few.len()) } else { shown }
}
