//! Finds what was written for a host without looking at what was written for others.

use crate::map::HashMap;
use crate::model::{HostPattern, Hostname};

/// Values by the pattern that they were written for, each pattern's in the order of insertion.
#[derive(Debug)]
pub(crate) struct ByHost<'w, T> {
    exact: HashMap<&'w Hostname, Vec<T>>,
    suffixes: HashMap<&'w str, Vec<T>>,
    any: Vec<T>,
}

impl<T> Default for ByHost<'_, T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), suffixes: HashMap::default(), any: Vec::new() }
    }
}

impl<'w, T> ByHost<'w, T> {
    pub(crate) fn insert(&mut self, pattern: &'w HostPattern, value: T) {
        match pattern {
            HostPattern::Exact(name) => self.exact.entry(name).or_default(),
            HostPattern::Suffix(suffix) => self.suffixes.entry(&**suffix).or_default(),
            HostPattern::Any => &mut self.any,
        }
        .push(value);
    }

    /// Those written for the host itself.
    pub(super) fn exact(&self, host: &Hostname) -> &[T] {
        self.exact.get(host).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those of each wildcard that covers the host, the narrowest first.
    pub(super) fn wildcards(&self, host: &Hostname) -> impl Iterator<Item = &[T]> {
        let name = host.as_str();
        let starts = name.char_indices().skip(1).map(|(start, _)| start).filter(|_| !self.suffixes.is_empty());
        let suffixes = starts.filter_map(move |start| self.suffixes.get(&name[start..]));
        suffixes.chain(Some(&self.any).filter(|any| !any.is_empty())).map(Vec::as_slice)
    }

    /// Those of each pattern that covers the host, the narrowest first.
    pub(crate) fn covering(&self, host: &Hostname) -> impl Iterator<Item = &[T]> {
        let exact = self.exact(host);
        Some(exact).filter(|exact| !exact.is_empty()).into_iter().chain(self.wildcards(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_patterns_then_those_that_cover_a_host_come_narrowest_first() {
        let patterns: Vec<HostPattern> = ["*", "*.shop.svc.cluster.local", "web", "*.local", "*.other", "web"]
            .into_iter()
            .map(|written| HostPattern::resolve(written, "shop"))
            .collect();
        let mut found = ByHost::default();
        for (place, pattern) in patterns.iter().enumerate() {
            found.insert(pattern, place);
        }
        let web = Hostname::service("web", "shop");
        assert_eq!(found.covering(&web).collect::<Vec<_>>(), [&[2, 5][..], &[1], &[3], &[0]]);
        assert_eq!(found.wildcards(&web).collect::<Vec<_>>(), [&[1][..], &[3], &[0]]);
        assert_eq!(found.covering(&Hostname::new("x.other")).collect::<Vec<_>>(), [&[4][..], &[0]]);
        // A wildcard does not cover what is behind its star alone.
        assert_eq!(found.covering(&Hostname::new("other")).collect::<Vec<_>>(), [&[0][..]]);
        assert_eq!(found.covering(&Hostname::new(".other")).collect::<Vec<_>>(), [&[0][..]]);
    }
}
