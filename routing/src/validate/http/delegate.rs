//! `delegate`.

use std::sync::Arc;

use super::super::fields::Fields;
use super::direct_response;
use crate::model::{HttpAction, ObjectRef};

/// Its namespace is the root's, unless written. A root's rule has no destinations of its own; an answer it may have, which
/// then stands for the delegate's destinations
/// (istio/istio@86c9f01 pkg/config/validation/virtualservice.go, validateHTTPRouteConflict).
pub(super) fn read(rule: &Fields<'_>, delegate: &Fields<'_>, object: &ObjectRef) -> HttpAction {
    let name = delegate.text("name").unwrap_or_default();
    let namespace = delegate.text("namespace").filter(|namespace| !namespace.is_empty());
    delegate.finish();
    if name.is_empty() {
        delegate.report().warn(&delegate.path("name"), "is missing: the rule is dropped", "name a VirtualService");
    }
    for key in ["route", "redirect"].into_iter().filter(|key| rule.has(key)) {
        rule.report().error(&rule.path(key), "is written beside delegate", "keep one of the two");
    }
    let namespace = namespace.map_or_else(|| Arc::clone(&object.namespace), Arc::from);
    let answer = rule.object("directResponse").and_then(|answer| direct_response::read(&answer));
    HttpAction::Delegate { namespace, name: name.into(), answer }
}
