//! Every decision meshlet makes, pure: no I/O, no async, no clock, no randomness.
//!
//! `manifest → validate → model → table → decide → balance`: each stage has its own types, and after `validate`
//! nobody checks again. The shell reads files, draws numbers and moves bytes.

pub mod analyze;
pub mod balance;
pub mod cases;
pub mod decide;
pub mod enrol;
pub mod explain;
pub mod fault;
mod hash_key;
pub mod inventory;
pub mod manifest;
mod map;
pub mod model;
pub mod retry;
pub mod table;
pub mod validate;
