//! `filters` of a rule or of a backend.

use std::collections::BTreeSet;

use super::super::fields::Fields;
use super::super::percent;
use super::backends;
use crate::model::{
    HeaderEdits, HeaderOperations, Mirror, ObjectRef, PathRewrite, Percent, Redirect, RedirectPort, Rewrite, Template,
};

/// What the filters of a rule or backend do.
#[derive(Default)]
pub(super) struct Filters {
    pub(super) headers: HeaderOperations,
    pub(super) rewrite: Rewrite,
    pub(super) redirect: Option<Redirect>,
    pub(super) mirrors: Vec<Mirror>,
    /// One of them is not honoured: what it would have been done to is an error.
    pub(super) impossible: bool,
}

impl Filters {
    pub(super) fn replaces_prefix(&self) -> bool {
        let of_redirect = self.redirect.as_ref().and_then(|redirect| redirect.path.as_ref());
        [of_redirect, self.rewrite.path.as_ref()].iter().any(|path| matches!(path, Some(PathRewrite::PathPrefix(_))))
    }
}

pub(super) fn of_rule(rule: &Fields<'_>, object: &ObjectRef) -> Filters {
    let (mut filters, mut seen) = (Filters::default(), BTreeSet::new());
    for filter in rule.objects("filters") {
        let kind = filter.text("type").unwrap_or_default();
        if !seen.insert(kind) && !matches!(kind, "RequestMirror" | "ExtensionRef") {
            filter.report().error(filter.here(), format!("{kind} is there twice"), "write it once");
        }
        match kind {
            "RequestRedirect" => filters.redirect = part(&filter, "requestRedirect").map(|fields| redirect(&fields)),
            "URLRewrite" => {
                filters.rewrite = part(&filter, "urlRewrite").map(|fields| rewrite(&fields)).unwrap_or_default();
            }
            "RequestMirror" => {
                filters.mirrors.extend(part(&filter, "requestMirror").and_then(|fields| mirror(&fields, object)));
            }
            _ => modifier(&filter, kind, &mut filters),
        }
        filter.finish();
    }
    filters
}

/// A backend's filters may edit headers; what else the API lets them do is not honoured.
pub(super) fn of_backend(backend: &Fields<'_>) -> Filters {
    let mut filters = Filters::default();
    for filter in backend.objects("filters") {
        let kind = filter.text("type").unwrap_or_default();
        for key in ["requestRedirect", "urlRewrite", "requestMirror"] {
            filter.has(key);
        }
        modifier(&filter, kind, &mut filters);
        filter.finish();
    }
    filters
}

fn modifier(filter: &Fields<'_>, kind: &str, filters: &mut Filters) {
    match kind {
        "RequestHeaderModifier" => {
            let (edits, authority) =
                part(filter, "requestHeaderModifier").map(|edits| request(&edits)).unwrap_or_default();
            (filters.headers.request, filters.headers.authority) = (edits, authority);
        }
        "ResponseHeaderModifier" => {
            let read = part(filter, "responseHeaderModifier").map(|fields| edits(&fields));
            filters.headers.response = read.unwrap_or_default();
        }
        "RequestRedirect" | "URLRewrite" | "RequestMirror" | "CORS" | "ExternalAuth" | "ExtensionRef" => {
            for key in ["cors", "externalAuth", "extensionRef"] {
                filter.has(key);
            }
            let problem = format!("{kind} is not honoured here: requests that it is for are answered 500");
            filter.report().warn(filter.here(), problem, "remove the filter");
            filters.impossible = true;
        }
        _ => {
            let problem = format!("{kind:?} is no kind of filter");
            filter.report().error(&filter.path("type"), problem, "correct its spelling");
        }
    }
}

/// What a filter of a kind has to have.
fn part<'v>(filter: &Fields<'v>, key: &'static str) -> Option<Fields<'v>> {
    if !filter.has(key) {
        filter.report().error(&filter.path(key), "is missing, which the filter's type asks for", "add it");
    }
    filter.object(key)
}

/// Host is not edited among the headers but replaced.
fn request(fields: &Fields<'_>) -> (HeaderEdits, Option<Box<str>>) {
    let mut edits = edits(fields);
    let mut authority = None;
    for list in [&mut edits.set, &mut edits.add] {
        list.retain(|(name, value)| {
            let is_host = &**name == "host";
            if is_host && authority.is_none() {
                authority = Some(String::from_utf8_lossy(&value.render(|_| None)).into());
            }
            !is_host
        });
    }
    (edits, authority)
}

/// Values are text: nothing is looked for in them.
fn edits(fields: &Fields<'_>) -> HeaderEdits {
    let pairs = |key| {
        let entry = |entry: &Fields<'_>| {
            let (name, value) = (entry.text("name").filter(|name| is_token(name)), entry.text("value"));
            entry.finish();
            let (Some(name), Some(value)) = (name, value) else {
                entry.report().error(entry.here(), "has no header's name or no value", "write both");
                return None;
            };
            Some((name.to_ascii_lowercase().into_boxed_str(), Template::text(value)))
        };
        fields.objects(key).iter().filter_map(entry).collect::<Vec<_>>()
    };
    let remove = fields.texts("remove").into_iter().map(|(_, name)| name.to_ascii_lowercase().into()).collect();
    let edits = HeaderEdits { remove, set: pairs("set"), add: pairs("add") };
    fields.finish();
    edits
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn rewrite(fields: &Fields<'_>) -> Rewrite {
    let rewrite = Rewrite { path: new_path(fields), authority: fields.text("hostname").map(Box::from) };
    fields.finish();
    rewrite
}

/// Of `path`, which says in its `type` what is replaced.
fn new_path(fields: &Fields<'_>) -> Option<PathRewrite> {
    let path = fields.object("path")?;
    let kind = path.text("type");
    let (full, prefix) = (path.text("replaceFullPath"), path.text("replacePrefixMatch"));
    path.finish();
    match (kind, full, prefix) {
        (Some("ReplaceFullPath"), Some(full), None) => Some(PathRewrite::Full(full.into())),
        (Some("ReplacePrefixMatch"), None, Some(prefix)) => Some(PathRewrite::PathPrefix(prefix.into())),
        _ => {
            let remedy =
                "write type: ReplaceFullPath with replaceFullPath, or ReplacePrefixMatch with replacePrefixMatch";
            path.report().error(path.here(), "does not say what is replaced, or says two things", remedy);
            None
        }
    }
}

/// The port is that of the scheme where one is written, else the dialled one
/// (istio/istio@86c9f01 pilot/pkg/config/kube/gateway/conversion.go, createRedirectFilter).
fn redirect(fields: &Fields<'_>) -> Redirect {
    let scheme = fields.text("scheme");
    let status = fields.number("statusCode").unwrap_or(302);
    let port = match (fields.port("port"), scheme) {
        (Some(port), _) => RedirectPort::Number(port),
        (None, Some(_)) => RedirectPort::OfScheme,
        (None, None) => RedirectPort::OfRequest,
    };
    if let Some(other) = scheme.filter(|scheme| !matches!(*scheme, "http" | "https")) {
        fields.report().error(&fields.path("scheme"), format!("{other:?} is neither http nor https"), "write one");
    }
    let known = u16::try_from(status).ok().filter(|status| matches!(status, 301 | 302 | 303 | 307 | 308));
    if known.is_none() {
        let remedy = "write 301, 302, 303, 307 or 308";
        fields.report().error(&fields.path("statusCode"), format!("{status} is no redirect"), remedy);
    }
    let redirect = Redirect {
        status: known.unwrap_or(302),
        path: new_path(fields),
        authority: fields.text("hostname").map(Box::from),
        scheme: scheme.map(Box::from),
        port,
    };
    fields.finish();
    redirect
}

/// A copy to one backend: of all requests, or of a share as `percent` or `fraction`.
fn mirror(fields: &Fields<'_>, object: &ObjectRef) -> Option<Mirror> {
    let whole = fields.number("percent");
    let fraction = fields.object("fraction").map(|fraction| {
        let (part, of) = (fraction.number("numerator").unwrap_or(0), fraction.number("denominator").unwrap_or(100));
        fraction.finish();
        if of == 0 || part > of {
            let remedy = "write a numerator that is not above the denominator";
            fraction.report().error(fraction.here(), format!("{part}/{of} is not from 0 to 1"), remedy);
        }
        Percent(u32::try_from(u64::from(part) * 1_000_000 / u64::from(of.max(1))).unwrap_or(u32::MAX))
    });
    if whole.is_some() && fraction.is_some() {
        fields.report().error(fields.here(), "has both percent and fraction", "keep one");
    }
    if let Some(percent) = whole.filter(|percent| *percent > 100) {
        fields.report().error(&fields.path("percent"), format!("{percent} is above 100"), "write a percentage");
    }
    let backend = fields.object("backendRef");
    if backend.is_none() {
        fields.report().error(&fields.path("backendRef"), "is missing", "name a Service and its port");
    }
    fields.finish();
    let backend = backend?;
    let destination = backends::destination(&backend, object)?;
    backend.finish();
    Some(Mirror { destination, percent: whole.map(percent::whole).or(fraction).unwrap_or(Percent::ALL) })
}
