//! Whether one match takes every request that another does. In doubt it does not.

use crate::model::{HeaderMatch, HttpMatch, Labels, QueryMatch, StringMatch};

/// Whether `wide` holds wherever `narrow` does.
pub(super) fn covers(wide: &HttpMatch, narrow: &HttpMatch) -> bool {
    // Spelled out so that a condition that is new to the model cannot be forgotten here.
    let HttpMatch {
        name: _,
        uri,
        ignore_uri_case,
        scheme,
        method,
        authority,
        headers,
        without_headers,
        query_params,
        port,
        source_labels: _,
        source_namespace: _,
        gateways_list_mesh,
    } = wide;
    *gateways_list_mesh != Some(false)
        && source_covers(wide, narrow)
        && port.is_none_or(|port| narrow.port == Some(port))
        && uri_covers(uri.as_ref(), *ignore_uri_case, narrow)
        && text_covers(method.as_ref(), narrow.method.as_ref())
        && text_covers(authority.as_ref(), narrow.authority.as_ref())
        // Only plain text comes here.
        && scheme.as_ref().is_none_or(|scheme| scheme.matches(b"http"))
        && query_params.iter().all(|wanted| parameter_covers(wanted, &narrow.query_params))
        && headers.iter().all(|header| header_covers(header, &narrow.headers))
        && without_headers.iter().all(|header| narrow.without_headers.iter().any(|other| same(header, other)))
}

/// `gateways` in an entry overrides its source conditions.
fn source_covers(wide: &HttpMatch, narrow: &HttpMatch) -> bool {
    let none = Labels::new();
    let labels = |entry: &HttpMatch| entry.gateways_list_mesh.is_none().then(|| entry.source_labels.clone());
    let namespace = |entry: &HttpMatch| entry.source_namespace.clone().filter(|_| entry.gateways_list_mesh.is_none());
    let narrow_labels = labels(narrow).unwrap_or_else(|| none.clone());
    labels(wide).unwrap_or(none).iter().all(|(key, value)| narrow_labels.get(key) == Some(value))
        && namespace(wide).is_none_or(|wanted| namespace(narrow) == Some(wanted))
}

fn uri_covers(wide: Option<&StringMatch>, folded: bool, narrow: &HttpMatch) -> bool {
    let Some(wide) = wide else { return true };
    // Every path begins with a slash.
    if matches!(wide, StringMatch::Prefix(prefix) if matches!(&**prefix, "" | "/")) || takes_all(wide) {
        return true;
    }
    match (&narrow.uri, folded, narrow.ignore_uri_case) {
        (None, ..) => false,
        (Some(narrow), true, true) | (Some(narrow), false, false) => text_covers(Some(wide), Some(narrow)),
        (Some(StringMatch::Exact(text)), true, false) => {
            text_covers(Some(wide), Some(&StringMatch::Exact(text.to_ascii_lowercase().into())))
        }
        (Some(StringMatch::Prefix(text)), true, false) => {
            text_covers(Some(wide), Some(&StringMatch::Prefix(text.to_ascii_lowercase().into())))
        }
        (Some(StringMatch::Segments(_) | StringMatch::Regex(_)), true, false) | (Some(_), false, true) => false,
    }
}

fn text_covers(wide: Option<&StringMatch>, narrow: Option<&StringMatch>) -> bool {
    let Some(wide) = wide else { return true };
    if takes_all(wide) && narrow.is_some() {
        return true;
    }
    match (wide, narrow) {
        (_, None) => false,
        (wide, Some(StringMatch::Exact(text))) => wide.matches(text.as_bytes()),
        (StringMatch::Prefix(wide), Some(StringMatch::Prefix(narrow))) => narrow.starts_with(&**wide),
        (StringMatch::Regex(wide), Some(StringMatch::Regex(narrow))) => wide.as_str() == narrow.as_str(),
        (_, Some(_)) => false,
    }
}

/// A header that must be there, against all that the other asks of headers.
fn header_covers(wide: &HeaderMatch, narrow: &[HeaderMatch]) -> bool {
    narrow.iter().any(|narrow| {
        narrow.name == wide.name
            && match (&wide.value, &narrow.value) {
                (None, _) => true,
                (Some(_), None) => false,
                (wide, narrow) => text_covers(wide.as_ref(), narrow.as_ref()),
            }
    })
}

/// A query parameter that must be there, against all that the other asks of parameters.
fn parameter_covers(wide: &QueryMatch, narrow: &[QueryMatch]) -> bool {
    let of_name = narrow.iter().filter(|narrow| narrow.name == wide.name);
    of_name.into_iter().any(|narrow| wide.value.is_none() || text_covers(wide.value.as_ref(), narrow.value.as_ref()))
}

fn same(one: &HeaderMatch, other: &HeaderMatch) -> bool {
    let texts = match (&one.value, &other.value) {
        (None, None) => true,
        (Some(StringMatch::Exact(one)), Some(StringMatch::Exact(other)))
        | (Some(StringMatch::Prefix(one)), Some(StringMatch::Prefix(other))) => one == other,
        (Some(StringMatch::Regex(one)), Some(StringMatch::Regex(other))) => one.as_str() == other.as_str(),
        _ => false,
    };
    texts && one.name == other.name
}

/// `.*`.
fn takes_all(text: &StringMatch) -> bool {
    matches!(text, StringMatch::Regex(regex) if regex.as_str() == StringMatch::ANY)
}
