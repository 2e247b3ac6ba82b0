//! The matches of a host: those that were tried and did not take the request, each with the condition that does not hold, and
//! what the others would have done.

use super::answer::{Judged, RuleShown, Skipped};
use crate::decide::{Mismatch, Request, Selected, header, mismatch, parameter};
use crate::table::{Route, VirtualHost};

/// Those before the route that was taken; all of the host's when none was.
pub(super) fn skipped(selected: &Selected<'_>, request: &Request<'_>) -> Vec<Skipped> {
    let of = |host: &VirtualHost, taken: Option<&Route>| {
        let before = host.routes.iter().take_while(|route| taken.is_none_or(|taken| !std::ptr::eq(*route, taken)));
        before.filter_map(|route| skip(route, request)).collect()
    };
    match selected {
        Selected::Nobody => Vec::new(),
        Selected::Host(host) => of(host, None),
        Selected::Route(host, route) => of(host, Some(route)),
    }
}

/// All of the host's, in the order they are tried.
pub(super) fn judged(selected: &Selected<'_>, request: &Request<'_>) -> Vec<Judged> {
    let (host, taken) = match selected {
        Selected::Nobody => return Vec::new(),
        Selected::Host(host) => (host, None),
        Selected::Route(host, route) => (host, Some(*route)),
    };
    let mut reached = true;
    let judge = |route: &Route| {
        let mismatch = route.condition.as_ref().and_then(|condition| mismatch(condition, request));
        let took = taken.is_some_and(|taken| std::ptr::eq(route, taken));
        let verdict = match (took, reached, &mismatch) {
            (true, ..) => "taken",
            (false, true, _) => "skipped",
            (false, false, None) => "shadowed",
            (false, false, Some(_)) => "other",
        };
        reached &= !took;
        let message = mismatch.map_or_else(|| fits(verdict), |mismatch| said(mismatch, request));
        Judged { rule: RuleShown::new("http", &route.rule), verdict, message }
    };
    let unbuilt = host.unbuilt.iter().map(|rule| Judged {
        rule: RuleShown::new("http", rule),
        verdict: "shadowed",
        message: "comes after one that takes everything".to_owned(),
    });
    host.routes.iter().map(judge).chain(unbuilt).collect()
}

fn fits(verdict: &str) -> String {
    let message =
        if verdict == "taken" { "takes the request" } else { "fits, and comes after the one that takes the request" };
    message.to_owned()
}

fn skip(route: &Route, request: &Request<'_>) -> Option<Skipped> {
    let mismatch = mismatch(route.condition.as_ref()?, request)?;
    Some(Skipped { rule: RuleShown::new("http", &route.rule), message: said(mismatch, request) })
}

fn said(mismatch: Mismatch<'_>, request: &Request<'_>) -> String {
    let found = |name: &str| match header(name, request) {
        Some(value) => format!("is {:?}", String::from_utf8_lossy(&value)),
        None => "is absent".to_owned(),
    };
    match mismatch {
        Mismatch::Uri(wanted) => format!("path {:?}, wants {wanted}", request.path),
        Mismatch::Scheme(wanted) => format!("scheme http, wants {wanted}"),
        Mismatch::Method(wanted) => format!("method {}, wants {wanted}", request.method),
        Mismatch::Authority(wanted) => format!("authority {:?}, wants {wanted}", request.authority),
        Mismatch::Header(wanted) => match &wanted.value {
            Some(value) => format!("header {} {}, wants {value}", wanted.name, found(&wanted.name)),
            None => format!("header {} is absent, wants it present", wanted.name),
        },
        Mismatch::WithoutHeader(unwanted) => match &unwanted.value {
            Some(value) => format!("header {} {}, must not be {value}", unwanted.name, found(&unwanted.name)),
            None => format!("header {} is present, must not be", unwanted.name),
        },
        Mismatch::QueryParam(wanted) => {
            let found = match parameter(&wanted.name, request.path) {
                Some(value) => format!("is {value:?}"),
                None => "is absent".to_owned(),
            };
            let value = wanted.value.as_ref().map_or("it present".to_owned(), ToString::to_string);
            format!("query parameter {} {found}, wants {value}", wanted.name)
        }
    }
}
