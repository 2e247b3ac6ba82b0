//! What is covered: every field of the objects that meshlet reads, and every statement of Istio's semantics, with the tests
//! that hold them. The documents `docs/fields.md` and `docs/semantics.md` are made here.

mod document;
mod fields;
mod open;
mod sources;
mod statements;
