//! What is not done. These lists only ever get shorter: a test fails when an entry of them is done.

/// Fields of priority M and S that have no effect, each with its value.
pub(crate) const NOT_HONOURED: &[(&str, &str)] = &[];

/// Fields that have their effect without a test that proves it, each with its value.
pub(crate) const NOT_PROVED: &[(&str, &str)] = &[];

/// Statements that no test is named after.
pub(crate) const NOT_HELD: &[&str] = &[];
