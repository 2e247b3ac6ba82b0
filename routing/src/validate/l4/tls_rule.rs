//! One entry of `spec.tls`.

use super::super::fields::Fields;
use super::super::split;
use super::{conditions, server_name};
use crate::model::{HeaderOperations, ObjectRef, TlsMatch, TlsRule};

/// Reads a rule of an object with these `hosts`, as they are written.
pub(super) fn read(rule: &Fields<'_>, object: &ObjectRef, hosts: &[&str]) -> Option<TlsRule> {
    let report = rule.report();
    let entries = rule.objects("match");
    if entries.is_empty() {
        report.error(&rule.path("match"), "is empty", "add an entry with sniHosts");
    }
    let matches = entries.iter().map(|found| entry(found, hosts)).collect();
    let routes = rule.objects("route");
    if routes.is_empty() {
        report.error(&rule.path("route"), "is empty", "add a destination");
    }
    let split = split::read(rule, &routes, object, |_| HeaderOperations::default());
    rule.finish();
    Some(TlsRule { matches, split: split? })
}

fn entry(entry: &Fields<'_>, hosts: &[&str]) -> TlsMatch {
    let written = entry.texts("sniHosts");
    if written.is_empty() {
        entry.report().error(&entry.path("sniHosts"), "is empty", "add a server name");
    }
    let sni_hosts =
        written.iter().filter_map(|(path, name)| server_name::read(entry.report(), path, name, hosts)).collect();
    let conditions = conditions::read(entry);
    entry.finish();
    TlsMatch { sni_hosts, conditions }
}
