//! What a test cannot try here.

use std::io::Write as _;

/// Says on stderr what is skipped, and why, past whatever captures what tests print.
pub fn skipped(what: &str) {
    // Without stderr nobody is left to be told.
    drop(writeln!(std::io::stderr(), "SKIPPED: {what}"));
}
