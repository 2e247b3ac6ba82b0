//! `spec.http` of a VirtualService: [`rule`] reads one entry, the others a part of it each.

mod fault_injection;
mod matches;
mod mirrors;
mod retries;
mod rule;

pub(super) use rule::read;
