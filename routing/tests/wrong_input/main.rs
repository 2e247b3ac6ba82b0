//! Any bytes in: an error with its place or a clean parse, then a decision for every request. Never a panic, never more than
//! the text is worth, and one bad object never hides the others.

mod bombs;
mod bytes;
mod corpus;
mod engine;
mod mutate;
mod mutations;
mod order;
