//! Where a VirtualService sends requests and connections, as it is written.

use serde_json::Value;

use super::input::Input;
use crate::model::{Destination, HttpRule, Protocol, Split, VirtualService};

/// One of the lists of rules that a VirtualService has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Http,
    Tls,
    Tcp,
}

impl List {
    pub(super) const ALL: [Self; 3] = [Self::Http, Self::Tls, Self::Tcp];

    /// The field's name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Tcp => "tcp",
        }
    }

    /// Whether its rules apply on a port.
    pub(super) fn applies(self, protocol: Protocol) -> bool {
        let own = match self {
            Self::Http => protocol.is_http(),
            Self::Tls => protocol == Protocol::Tls,
            Self::Tcp => protocol == Protocol::Tcp,
        };
        own || protocol == Protocol::Unknown
    }

    /// What its destinations get.
    pub(super) fn traffic(self) -> &'static str {
        match self {
            Self::Http => "request",
            Self::Tls | Self::Tcp => "connection",
        }
    }

    /// Number of rules.
    pub(super) fn len(self, rule: &VirtualService) -> usize {
        match self {
            Self::Http => rule.http.len(),
            Self::Tls => rule.tls.len(),
            Self::Tcp => rule.tcp.len(),
        }
    }

    fn split(self, rule: &VirtualService, index: usize) -> Option<&Split> {
        match self {
            Self::Http => rule.http.get(index).and_then(HttpRule::split),
            Self::Tls => rule.tls.get(index).map(|tls| &tls.split),
            Self::Tcp => rule.tcp.get(index).map(|tcp| &tcp.split),
        }
    }

    /// The routes of a rule as they are written.
    pub(super) fn routes<'t>(self, input: &Input<'t>, rule: &VirtualService, index: usize) -> Vec<&'t Value> {
        let entry = written(input, rule, self.as_str(), index);
        entry.and_then(|entry| entry.get("route")).and_then(Value::as_array).into_iter().flatten().collect()
    }
}

/// A destination with its path.
pub(super) struct Written<'w> {
    /// `spec.http[1].route[0].destination`.
    pub(super) path: String,
    /// The list that it belongs to.
    pub(super) list: List,
    /// The entry of the list that it belongs to.
    pub(super) index: usize,
    /// Whether it gets copies, whose fate is nobody's concern.
    pub(super) mirror: bool,
    pub(super) destination: &'w Destination,
}

/// Those that may get something.
pub(super) fn of_rule<'w>(input: &Input<'_>, rule: &'w VirtualService) -> Vec<Written<'w>> {
    let mut written = Vec::new();
    for list in List::ALL {
        for index in 0..list.len(rule) {
            let base = format!("spec.{}[{index}]", list.as_str());
            for (route, destination) in of_entry(input, rule, list, index) {
                let path = format!("{base}.route[{route}].destination");
                written.push(Written { path, list, index, mirror: false, destination });
            }
        }
    }
    for (index, http) in rule.http.iter().enumerate() {
        for (path, mirror) in mirror_paths(input, rule, index).into_iter().zip(&http.mirrors) {
            written.push(Written { path, list: List::Http, index, mirror: true, destination: &mirror.destination });
        }
    }
    written
}

/// The destinations of an entry that may get traffic, each with its position in `route` as written.
pub(super) fn of_entry<'w>(
    input: &Input<'_>,
    rule: &'w VirtualService,
    list: List,
    index: usize,
) -> Vec<(usize, &'w Destination)> {
    match list.split(rule, index) {
        None => Vec::new(),
        Some(Split::Sole(destination)) => vec![(0, destination)],
        Some(Split::Weighted(destinations)) => {
            if input.manifest(&rule.object).is_none() {
                // Nearly always the same: destinations of weight 0 are seldom written before others.
                return destinations.iter().map(|(_, destination)| destination).enumerate().collect();
            }
            // An absent weight is 0.
            let weight = |route: &Value| route.get("weight").and_then(Value::as_u64).unwrap_or(0);
            let routes = list.routes(input, rule, index).into_iter().map(weight).enumerate();
            let kept = routes.filter(|(_, weight)| *weight > 0).map(|(route, _)| route);
            kept.zip(destinations).map(|(route, (_, destination))| (route, destination)).collect()
        }
    }
}

fn written<'t>(input: &Input<'t>, rule: &VirtualService, list: &str, index: usize) -> Option<&'t Value> {
    input.manifest(&rule.object)?.body.get("spec")?.get(list)?.get(index)
}

/// The paths of the mirrors that the model has: those of a percentage of 0 it has not.
fn mirror_paths(input: &Input<'_>, rule: &VirtualService, index: usize) -> Vec<String> {
    let base = format!("spec.http[{index}]");
    let Some(http) = written(input, rule, "http", index) else {
        let number = rule.http.get(index).map_or(0, |http| http.mirrors.len());
        return (0..number).map(|number| format!("{base}.mirrors[{number}].destination")).collect();
    };
    if http.get("mirror").is_some_and(|mirror| !mirror.is_null()) {
        return vec![format!("{base}.mirror")];
    }
    let share = |mirror: &Value| mirror.get("percentage").and_then(|share| share.get("value")).and_then(Value::as_f64);
    let mirrors = http.get("mirrors").and_then(Value::as_array).into_iter().flatten().enumerate();
    let kept = mirrors.filter(|(_, mirror)| share(mirror) != Some(0.0));
    kept.map(|(number, _)| format!("{base}.mirrors[{number}].destination")).collect()
}
