//! `redirect` (istio/istio@86c9f01 pkg/config/validation/validation.go, validateHTTPRedirect).

use super::super::fields::Fields;
use super::rewrite::text;
use crate::model::{PathRewrite, Redirect, RedirectPort};

/// What Envoy can send; Istio lets every other 3xx pass, and Envoy then refuses the whole route table.
const CODES: [u16; 5] = [301, 302, 303, 307, 308];

pub(super) fn read(redirect: &Fields<'_>) -> Redirect {
    let report = redirect.report();
    let uri = text(redirect, "uri").map(PathRewrite::Full);
    let prefix = text(redirect, "prefixRewrite").map(PathRewrite::Uri);
    if uri.is_some() && prefix.is_some() {
        report.error(redirect.here(), "has both uri and prefixRewrite", "keep one");
    }
    let authority = text(redirect, "authority");
    let scheme = redirect.text("scheme").filter(|scheme| !scheme.is_empty());
    if let Some(scheme) = scheme.filter(|scheme| !matches!(*scheme, "http" | "https")) {
        let problem = format!("{scheme:?} is no scheme of HTTP");
        report.error(&redirect.path("scheme"), problem, "write http or https");
    }
    let port = port(redirect);
    let said = |key| redirect.text(key).is_some_and(|text| !text.is_empty());
    let names = ["uri", "prefixRewrite", "authority", "scheme"];
    if !names.into_iter().any(said) && !redirect.has("port") && !redirect.has("derivePort") {
        report.error(redirect.here(), "sends the client nowhere", "add uri, authority, scheme or port");
    }
    let status = status(redirect);
    redirect.finish();
    Redirect { status, path: uri.or(prefix), authority, scheme: scheme.map(Box::from), port }
}

fn status(redirect: &Fields<'_>) -> u16 {
    let code = redirect.number("redirectCode").filter(|code| *code != 0).unwrap_or(301);
    match CODES.into_iter().find(|known| u32::from(*known) == code) {
        Some(known) => known,
        None => {
            let problem = if (300..400).contains(&code) {
                format!("{code}: Istio accepts it, and Envoy then refuses every route of the port")
            } else {
                format!("{code} is no redirect")
            };
            redirect.report().error(&redirect.path("redirectCode"), problem, "write 301, 302, 303, 307 or 308");
            301
        }
    }
}

fn port(redirect: &Fields<'_>) -> RedirectPort {
    let report = redirect.report();
    let number = redirect.number("port");
    let derived = redirect.text("derivePort");
    if number.is_some() && derived.is_some() {
        report.error(redirect.here(), "has both port and derivePort", "keep one");
    }
    match (number, derived) {
        (None | Some(0), None | Some("FROM_PROTOCOL_DEFAULT")) => RedirectPort::OfHost,
        (None, Some("FROM_REQUEST_PORT")) => RedirectPort::OfRequest,
        (None, Some(other)) => {
            let remedy = "write FROM_REQUEST_PORT or FROM_PROTOCOL_DEFAULT";
            report.error(&redirect.path("derivePort"), format!("{other:?} is no way to derive a port"), remedy);
            RedirectPort::OfHost
        }
        (Some(number), _) => match u16::try_from(number) {
            Ok(number) => RedirectPort::Number(number),
            Err(_) => {
                report.error(&redirect.path("port"), format!("{number} is no port"), "write a port from 1 to 65535");
                RedirectPort::OfHost
            }
        },
    }
}
