//! What reading and validating the objects one by one reports: refusals, fields that are unknown or not honoured.

use super::input::Texts;
use super::{Code, Findings, Place, code};
use crate::fault::{Fault, Severity};

pub(super) fn find(texts: &Texts, findings: &mut Findings) {
    for parsed in &texts.parsed {
        parsed.faults.iter().for_each(|fault| add(fault, findings));
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

/// What kind of fault it is.
pub(super) fn code_of(fault: &Fault) -> &'static Code {
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
