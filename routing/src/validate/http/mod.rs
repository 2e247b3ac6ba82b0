//! `spec.http` of a VirtualService: [`rule`] reads one entry, the others a part of it each.

mod cors;
mod delegate;
mod direct_response;
mod fault_injection;
mod headers;
mod matches;
mod mirrors;
mod redirect;
pub(super) mod retries;
mod rewrite;
mod rule;

pub(super) use rule::read;
