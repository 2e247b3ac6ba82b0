//! One entry of `spec.tcp`.

use super::super::fields::Fields;
use super::super::split;
use super::conditions;
use crate::model::{HeaderOperations, L4Match, ObjectRef, TcpRule};

pub(super) fn read(rule: &Fields<'_>, object: &ObjectRef) -> Option<TcpRule> {
    let matches = rule.objects("match").iter().map(entry).collect();
    let routes = rule.objects("route");
    if routes.is_empty() {
        rule.report().error(&rule.path("route"), "is empty", "add a destination");
    }
    let split = split::read(rule, &routes, object, |_| HeaderOperations::default());
    rule.finish();
    Some(TcpRule { matches, split: split? })
}

fn entry(entry: &Fields<'_>) -> L4Match {
    if entry.has("sourceSubnet") {
        // istio/istio@86c9f01 pilot/pkg/networking/core/tls.go, matchTCP
        let remedy = "use sourceLabels or sourceNamespace";
        entry.report().warn(&entry.path("sourceSubnet"), "has no effect, in Istio neither", remedy);
    }
    let found = conditions::read(entry);
    entry.finish();
    found
}
