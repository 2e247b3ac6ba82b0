//! `spec.tcp` and `spec.tls` of a VirtualService: [`tcp_rule`] and [`tls_rule`] read one entry each, [`conditions`] what
//! their matches have in common, [`server_name`] one of `sniHosts`; [`idle`] warns of what no connection can reach.

mod conditions;
mod idle;
mod server_name;
mod tcp_rule;
mod tls_rule;

use super::fields::Fields;
use crate::model::{ObjectRef, TcpRule, TlsRule};

/// Reads `spec.tcp`.
pub(super) fn tcp(rules: &[Fields<'_>], object: &ObjectRef) -> Vec<TcpRule> {
    let read = rules.iter().filter_map(|rule| tcp_rule::read(rule, object)).collect();
    idle::warn(rules);
    read
}

/// Reads `spec.tls` of an object with these `hosts`, as they are written.
pub(super) fn tls(rules: &[Fields<'_>], object: &ObjectRef, hosts: &[&str]) -> Vec<TlsRule> {
    let read = rules.iter().filter_map(|rule| tls_rule::read(rule, object, hosts)).collect();
    idle::warn(rules);
    read
}
