//! What is covered: every field of the objects that meshlet reads, and every statement of Istio's semantics, with the tests
//! that hold them. The documents `docs/fields.md` and `docs/semantics.md` are made here.

#![expect(clippy::disallowed_methods, reason = "documents are written here, and sources are read")]

mod document;
mod fields;
mod open;
mod sources;
mod statements;
