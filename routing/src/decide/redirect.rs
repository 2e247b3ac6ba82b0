//! Where a redirect sends the client.

use super::path::split_port;
use super::rewrite::rewritten;
use super::{Dialled, Request};
use crate::model::{PathRewrite, Redirect, RedirectPort, StringMatch};

/// The value of `location`: absolute, with scheme, host, path and query. `matched` is the route's condition on the path.
///
/// envoy source/common/http/utility.cc, Utility::newUri and processRequestHost
pub(super) fn location(
    redirect: &Redirect,
    matched: Option<&StringMatch>,
    dialled: Dialled,
    request: &Request<'_>,
) -> String {
    let scheme = redirect.scheme.as_deref().unwrap_or("http");
    let port = match redirect.port {
        RedirectPort::OfHost | RedirectPort::OfScheme => None,
        RedirectPort::Number(number) => Some(number),
        RedirectPort::OfRequest => Some(dialled.port),
    };
    // Istio writes no port that is the default one of the scheme; Envoy then leaves Host's own as it is
    // (istio/istio@86c9f01 pilot/pkg/networking/core/route/route.go, ApplyRedirect).
    let port = port.filter(|port| !matches!((scheme, port), ("http", 80) | ("https", 443)));
    let host = match &redirect.authority {
        Some(authority) => authority,
        None => {
            let (host, own) = split_port(request.authority);
            let goes =
                port.is_some() || redirect.port == RedirectPort::OfScheme || (scheme != "http" && own == Some("80"));
            if goes { host } else { request.authority }
        }
    };
    let path = match &redirect.path {
        None => None,
        Some(PathRewrite::Full(new)) if new.contains('?') => Some(new.to_string()),
        Some(rewrite) => rewritten(rewrite, matched, request.path),
    };
    let path = path.as_deref().unwrap_or(request.path);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{host}{port}{slash}{path}")
}
