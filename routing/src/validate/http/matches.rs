//! One entry of `match`.

use super::super::fields::Fields;
use super::super::names::is_label;
use super::super::string_match;
use crate::model::HttpMatch;

pub(super) fn read(entry: &Fields<'_>) -> HttpMatch {
    let ignore_uri_case = entry.boolean("ignoreUriCase").unwrap_or(false);
    let condition = |key| entry.object(key).and_then(|fields| string_match::read(&fields, false));
    let gateways = entry.texts("gateways");
    let found = HttpMatch {
        name: entry.text("name").map(Into::into),
        uri: entry.object("uri").and_then(|fields| string_match::read_uri(&fields, ignore_uri_case)),
        // Folding has no effect on an expression.
        ignore_uri_case: ignore_uri_case && entry.object("uri").is_some_and(|uri| !uri.has("regex")),
        scheme: condition("scheme"),
        method: condition("method"),
        authority: condition("authority"),
        headers: string_match::headers(entry, "headers"),
        without_headers: string_match::headers(entry, "withoutHeaders"),
        query_params: string_match::query_params(entry),
        port: entry.port("port"),
        source_labels: entry.labels("sourceLabels"),
        source_namespace: source_namespace(entry),
        gateways_list_mesh: (!gateways.is_empty()).then(|| gateways.iter().any(|(_, name)| *name == "mesh")),
    };
    entry.not_honoured(&["statPrefix"]);
    entry.finish();
    found
}

fn source_namespace(entry: &Fields<'_>) -> Option<Box<str>> {
    let name = entry.text("sourceNamespace").filter(|name| !name.is_empty())?;
    if !is_label(name) {
        let problem = format!("{name:?} is no namespace's name");
        entry.report().error(&entry.path("sourceNamespace"), problem, "correct it");
    }
    Some(name.into())
}
