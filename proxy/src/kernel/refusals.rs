//! What the kernel's maps had no room for: told once, counted, and told again when there is room.

use std::collections::{BTreeMap, BTreeSet};

use super::sizes::{Sizes, Sort};

/// Names in one line of the log; of more than these the number is enough.
const NAMED: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct Refusals {
    sizes: Sizes,
    standing: BTreeMap<Sort, BTreeSet<String>>,
    counted: BTreeMap<Sort, u64>,
}

impl Refusals {
    /// Nothing was refused yet.
    pub(super) fn new(sizes: Sizes) -> Self {
        Self { sizes, standing: BTreeMap::new(), counted: BTreeMap::new() }
    }

    /// Takes over all that is refused now for want of room for a sort, by the names of the objects; `error` is the kernel's.
    pub(crate) fn renew(&mut self, sort: Sort, refused: BTreeSet<String>, error: Option<&anyhow::Error>) {
        let known = self.standing.entry(sort).or_default();
        let fresh: Vec<&str> = refused.difference(known).map(String::as_str).collect();
        let mended: Vec<&str> = known.difference(&refused).map(String::as_str).collect();
        let map = sort.maps().first().copied().unwrap_or_default();
        if !fresh.is_empty() {
            let error = error.map_or_else(|| format!("{map} is full"), |error| format!("{error:#}"));
            tracing::warn!(
                map,
                objects = listed(&fresh),
                error,
                "no room: {}; {}, or start with --map-size {}=N (now {})",
                consequence(sort),
                remedy(sort),
                sort.word(),
                self.sizes.of(sort)
            );
        }
        if !mended.is_empty() {
            tracing::info!(map, objects = listed(&mended), "no longer refused");
        }
        *self.counted.entry(sort).or_default() += u64::try_from(fresh.len()).unwrap_or(u64::MAX);
        *known = refused;
    }

    /// How many have been refused since the start, each as often as it began to be.
    pub(super) fn counted(&self, sort: Sort) -> u64 {
        self.counted.get(&sort).copied().unwrap_or(0)
    }
}

fn consequence(sort: Sort) -> &'static str {
    match sort {
        Sort::Services => "these services stay native, those before them stay captured",
        Sort::Seen => "the failure policy decides about connections to these addresses",
        Sort::Pods => "these pods stay native, those before them stay captured",
        Sort::Routes | Sort::Slots | Sort::Endpoints => "the proxy decides these routes, the kernel those before them",
        Sort::Ports | Sort::Ranges => {
            "these pods stay native, since what their annotations exclude must not be captured"
        }
    }
}

fn remedy(sort: Sort) -> &'static str {
    match sort {
        Sort::Ports | Sort::Ranges => "name fewer in the pods' annotations",
        Sort::Services | Sort::Seen | Sort::Pods | Sort::Routes | Sort::Slots | Sort::Endpoints => "remove some rules",
    }
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn given_objects_that_are_refused_again_then_each_counts_when_it_begins_to_be() {
        let mut refusals = Refusals::new(Sizes::new(&[]));
        for (refused, counted) in
            [(&["a"][..], 1), (&["a"], 1), (&["a", "b"], 2), (&["b"], 2), (&[], 2), (&["a", "b"], 4)]
        {
            refusals.renew(Sort::Services, names(refused), None);
            assert_eq!(refusals.counted(Sort::Services), counted, "{refused:?}");
        }
        assert_eq!(refusals.counted(Sort::Slots), 0);
    }

    #[test]
    fn given_many_names_then_a_line_of_the_log_stays_short() {
        assert_eq!(listed(&["a", "b"]), "a, b");
        assert_eq!(listed(&["x"; 20]), format!("{} and 4 more", ["x"; 16].join(", ")));
    }
}
