//! Annotations about capture that have no effect.

use std::fmt;

/// Characters of a value that are shown.
const SHOWN: usize = 80;

/// An annotation that is there and counts as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedAnnotation {
    /// With its domain.
    pub name: Box<str>,
    /// As written.
    pub value: Box<str>,
    /// Why it counts as absent.
    pub why: Unused,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// Why an annotation has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unused {
    /// Its value means nothing.
    Invalid,
    /// It is for what a sidecar does and we do not.
    NotHonoured,
}

impl Unused {
    /// The same word in logs and `explain`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "InvalidAnnotation",
            Self::NotHonoured => "AnnotationNotHonoured",
        }
    }
}

impl fmt::Display for UnusedAnnotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.value.chars().take(SHOWN).collect();
        let rest = if shown.len() < self.value.len() { " …" } else { "" };
        write!(f, "annotation {}: {shown:?}{rest}: {}; {}", self.name, self.problem, self.remedy)
    }
}
