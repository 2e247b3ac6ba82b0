//! `route` of a rule: destinations with their weights.

use super::destination;
use super::fields::Fields;
use crate::model::{Destination, HeaderOperations, ObjectRef, Split};

/// Reads the entries of `route`, none of which is no split. `headers` reads what an entry has beside its destination.
/// Istio reads weights only beside others; of several, those of weight 0 are dropped and an all-zero sum is refused.
pub(super) fn read(
    rule: &Fields<'_>,
    routes: &[Fields<'_>],
    object: &ObjectRef,
    headers: impl Fn(&Fields<'_>) -> HeaderOperations,
) -> Option<Split> {
    let mut destinations = Vec::new();
    for route in routes {
        let headers = headers(route);
        let weight = route.number("weight").unwrap_or(0);
        if let Some(found) = route.object("destination") {
            let read = destination::read(&found, object);
            destinations.extend(read.map(|destination| (weight, Destination { headers, ..destination })));
        } else if !route.has("destination") {
            route.report().error(&route.path("destination"), "is missing", "add destination.host");
        }
        route.finish();
    }
    if routes.len() <= 1 {
        return destinations.pop().map(|(_, destination)| Split::Sole(destination));
    }
    destinations.retain(|(weight, _)| *weight > 0);
    if destinations.is_empty() {
        rule.report().error(
            &rule.path("route"),
            "the weights sum to 0",
            "give at least one destination a weight above 0",
        );
        return None;
    }
    Some(Split::Weighted(destinations.into()))
}
