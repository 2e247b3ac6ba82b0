//! Whether a delegate's match lies within a root's
//! (istio/istio@86c9f01 pilot/pkg/model/virtualservice.go, hasConflict and stringMatchConflict).

use crate::model::{HttpMatch, StringMatch};

/// Compared condition by condition; one that only one of them has is no obstacle, but for a namespace that the root asks for.
pub(super) fn within(root: &HttpMatch, leaf: &HttpMatch) -> bool {
    let texts = [
        (&root.uri, &leaf.uri),
        (&root.scheme, &leaf.scheme),
        (&root.method, &leaf.method),
        (&root.authority, &leaf.authority),
    ];
    texts.into_iter().all(|(root, leaf)| root.is_none() || leaf.is_none() || text(root.as_ref(), leaf.as_ref()))
        && by_name(&root.headers, &leaf.headers, |header| (&header.name, header.value.as_ref()))
        && by_name(&root.without_headers, &leaf.without_headers, |header| (&header.name, header.value.as_ref()))
        && by_name(&root.query_params, &leaf.query_params, |query| (&query.name, query.value.as_ref()))
        && root.ignore_uri_case == leaf.ignore_uri_case
        && (root.port.is_none() || leaf.port.is_none() || root.port == leaf.port)
        && (root.source_namespace.is_none() || root.source_namespace == leaf.source_namespace)
        && leaf.source_labels.iter().all(|(key, value)| root.source_labels.get(key).is_none_or(|own| own == value))
        && !(root.gateways_list_mesh == Some(false) && leaf.gateways_list_mesh == Some(true))
}

/// Conditions under the same name; a name that one side lacks is no obstacle.
fn by_name<C>(root: &[C], leaf: &[C], parts: impl Fn(&C) -> (&str, Option<&StringMatch>)) -> bool {
    leaf.iter().map(&parts).all(|(name, value)| {
        let same = root.iter().map(&parts).find(|(own, _)| *own == name);
        same.is_none_or(|(_, own)| text(own, value))
    })
}

/// Whether one text condition lies within another: the same text, or text that goes on from a prefix. Presence and expressions
/// lie within nothing, nor anything within them; an empty text counts as none of the kinds.
fn text(root: Option<&StringMatch>, leaf: Option<&StringMatch>) -> bool {
    use StringMatch::{Exact, Prefix};
    match (root, leaf) {
        (Some(Exact(root)), Some(Exact(leaf))) => !root.is_empty() && root == leaf,
        (Some(Prefix(root)), Some(Exact(leaf) | Prefix(leaf))) => {
            !root.is_empty() && !leaf.is_empty() && leaf.starts_with(&**root)
        }
        _ => false,
    }
}
