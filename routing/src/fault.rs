//! What is wrong with a manifest: object, field, problem, remedy.

use std::fmt;
use std::sync::Arc;

use crate::model::ObjectRef;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Accepted; something in it has no effect.
    Warning,
    /// The object, or the file, is refused.
    Error,
}

/// Where an object or a field was written; prints without the column, and without the line where there are no lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// File name as it was given.
    pub file: Arc<str>,
    /// The line it starts at, from 1; 0 for what was not read from a text.
    pub line: u64,
    /// The column it starts at, in characters, from 1.
    pub column: u64,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(&self.file);
        }
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One thing that is wrong. Prints as `FILE:LINE: KIND NAMESPACE/NAME: FIELD: PROBLEM; REMEDY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Refused or merely reported.
    pub severity: Severity,
    /// Where.
    pub source: Source,
    /// Which object; `None` when none could be made out.
    pub object: Option<ObjectRef>,
    /// Path of the field, empty for the object as a whole.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to do, may be empty.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.problem)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}
