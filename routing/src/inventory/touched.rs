//! What a change of rules, services or namespaces is about: the hosts for which something was written, before or after.

use std::collections::BTreeSet;

use crate::model::{HostPattern, Hostname, HttpRoute};

/// Hosts whose rules or services are others. What was compiled without a look at any of them still holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    names: BTreeSet<Hostname>,
    /// Wildcards, each by its suffix.
    suffixes: Vec<HostPattern>,
    services: bool,
    everything: bool,
}

impl Touched {
    /// Nothing that was compiled still holds.
    pub const EVERYTHING: Self =
        Self { names: BTreeSet::new(), suffixes: Vec::new(), services: true, everything: true };

    /// Whether nothing is another.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether nothing can be kept.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether services are others, and not only their rules.
    #[must_use]
    pub fn services(&self) -> bool {
        self.services
    }

    /// Whether something about a host may be another.
    #[must_use]
    pub fn holds(&self, host: &Hostname) -> bool {
        self.everything || self.names.contains(host) || self.suffixes.iter().any(|pattern| pattern.covers(host))
    }

    /// The names that are written out.
    pub(super) fn names(&self) -> impl Iterator<Item = &Hostname> {
        self.names.iter()
    }

    /// Adds a name.
    pub(super) fn name(&mut self, host: Hostname) {
        self.names.insert(host);
    }

    /// Adds a service: there is one now, there was, or it has other names, addresses or ports.
    pub(super) fn service(&mut self, host: Hostname) {
        self.services = true;
        self.name(host);
    }

    /// Adds what a rule is written for.
    pub(super) fn pattern(&mut self, pattern: &HostPattern) {
        match pattern {
            HostPattern::Exact(name) => self.name(name.clone()),
            HostPattern::Suffix(_) if self.suffixes.contains(pattern) => {}
            HostPattern::Suffix(_) => self.suffixes.push(pattern.clone()),
            HostPattern::Any => self.everything(),
        }
    }

    /// Adds the services that a route is attached to.
    pub(super) fn parents(&mut self, route: &HttpRoute) {
        route.parents.iter().for_each(|parent| self.name(parent.host.clone()));
    }

    /// Nothing can be kept.
    pub(super) fn everything(&mut self) {
        *self = Self::EVERYTHING;
    }
}
