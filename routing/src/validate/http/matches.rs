//! One entry of `match`.

use super::super::fields::Fields;
use super::super::string_match;
use crate::model::HttpMatch;

pub(super) fn read(entry: &Fields<'_>) -> HttpMatch {
    let ignore_uri_case = entry.boolean("ignoreUriCase").unwrap_or(false);
    let condition = |key, fold| entry.object(key).and_then(|fields| string_match::read(&fields, fold));
    let gateways = entry.texts("gateways");
    let found = HttpMatch {
        name: entry.text("name").map(Into::into),
        uri: condition("uri", ignore_uri_case),
        // Folding has no effect on an expression.
        ignore_uri_case: ignore_uri_case && entry.object("uri").is_some_and(|uri| !uri.has("regex")),
        scheme: None,
        method: condition("method", false),
        authority: condition("authority", false),
        headers: string_match::headers(entry, "headers"),
        without_headers: string_match::headers(entry, "withoutHeaders"),
        query_params: Vec::new(),
        port: entry.port("port"),
        source_labels: entry.labels("sourceLabels"),
        source_namespace: entry.text("sourceNamespace").map(Box::from),
        gateways_list_mesh: (!gateways.is_empty()).then(|| gateways.iter().any(|(_, name)| *name == "mesh")),
    };
    entry.not_honoured(&["statPrefix"]);
    for key in ["queryParams", "scheme"] {
        if entry.has(key) {
            // Ignoring a condition would let the route take requests it must not.
            entry.report().error(&entry.path(key), "is not honoured by this version", "remove the condition");
        }
    }
    entry.finish();
    found
}
