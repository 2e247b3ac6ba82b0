//! What reading and validating the objects one by one reports: refusals, fields that are unknown or not honoured.

use super::input::Texts;
use super::{Code, Findings, Place, code};
use crate::fault::{Fault, Severity};

pub(super) fn find(texts: &Texts, findings: &mut Findings) {
    for parsed in &texts.parsed {
        // Of kinds that are not read the objects themselves are reported, below.
        let broken = |fault: &&Fault| fault.object.is_some() || fault.severity == Severity::Error;
        for fault in parsed.faults.iter().filter(broken) {
            add(fault, findings);
        }
        for unread in parsed.unread.iter().filter(|unread| unread.kind != "Gateway") {
            let origin = format!("{} {}/{}", unread.kind, unread.namespace, unread.name);
            let place = Place { object: None, origin, path: "", reference: unread.source.clone() };
            let problem = format!("the kind {} is not honoured by this version", unread.kind);
            findings.add(&code::NOT_HONOURED, place, problem, "it has no effect");
        }
    }
    for (_, validated) in &texts.validated {
        for fault in &validated.faults {
            add(fault, findings);
        }
    }
}

fn add(fault: &Fault, findings: &mut Findings) {
    let place = Place {
        object: fault.object.as_ref(),
        origin: fault.object.as_ref().map(ToString::to_string).unwrap_or_default(),
        path: &fault.field,
        reference: fault.source.clone(),
    };
    findings.add(code_of(fault), place, &fault.problem, &fault.remedy);
}

fn code_of(fault: &Fault) -> &'static Code {
    match fault.severity {
        Severity::Error => &code::REFUSED,
        Severity::Warning if fault.problem.contains("not honoured") => &code::NOT_HONOURED,
        Severity::Warning if fault.problem.contains("not a known field") => &code::UNKNOWN_FIELD,
        Severity::Warning if fault.problem.contains("deprecated") => &code::DEPRECATED_FIELD,
        Severity::Warning if fault.field.contains(".fault.") && fault.field.ends_with(".percentage") => {
            &code::FAULT_NEVER
        }
        Severity::Warning => &code::SCHEMA_WARNING,
    }
}
