//! `spec.http` of a VirtualService: [`rule`] reads one entry, the others a part of it each.

mod matches;
mod rule;

pub(super) use rule::read;
