//! DNS names that endpoints are known by, and what they are known to come to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::{Name, name};
use crate::validate::{Address, ServiceEntry};

/// Names are in lower case here; a dot at the end is kept, since a search list does not apply to such a name.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// The entries whose endpoints have a name.
    mentioned: BTreeMap<Box<str>, BTreeSet<Name>>,
    addresses: HashMap<Box<str>, Arc<[IpAddr]>>,
}

impl Names {
    pub(super) fn mentioned(&self) -> impl Iterator<Item = &str> {
        self.mentioned.keys().map(|name| &**name)
    }

    /// The entries that have to be looked at again when a name comes to something else.
    pub(super) fn mentioning(&self, name: &str) -> impl Iterator<Item = Name> {
        self.mentioned.get(&folded(name)).into_iter().flatten().cloned()
    }

    /// What a name comes to, in the order of the answer.
    pub(super) fn addresses(&self, name: &str) -> &[IpAddr] {
        self.addresses.get(&folded(name)).map_or(&[], |addresses| addresses)
    }

    /// False when it is known already.
    pub(super) fn resolve(&mut self, name: &str, addresses: &[IpAddr]) -> bool {
        if self.addresses(name) == addresses {
            return false;
        }
        self.addresses.insert(folded(name), addresses.into());
        true
    }

    pub(super) fn mention(&mut self, entry: &ServiceEntry) {
        for mentioned in of_entry(entry) {
            self.mentioned.entry(mentioned).or_default().insert(name(&entry.object));
        }
    }

    pub(super) fn leave(&mut self, entry: &ServiceEntry) {
        for mentioned in of_entry(entry) {
            if let Some(entries) = self.mentioned.get_mut(&mentioned) {
                entries.remove(&name(&entry.object));
                if entries.is_empty() {
                    self.mentioned.remove(&mentioned);
                }
            }
        }
    }

    /// What nothing mentions any more; an entry that is replaced by another of its kind loses nothing in between.
    pub(super) fn forget(&mut self) {
        self.addresses.retain(|name, _| self.mentioned.contains_key(name));
    }
}

fn of_entry(entry: &ServiceEntry) -> impl Iterator<Item = Box<str>> {
    let own = entry.endpoints.iter().filter_map(|endpoint| match &endpoint.address {
        Address::Name(name) => Some(folded(name)),
        Address::Ip(_) => None,
    });
    let by_host = entry.resolves() && entry.endpoints.is_empty();
    let hosts = entry.hosts.iter().filter(move |host| by_host && !host.is_wildcard());
    own.chain(hosts.map(|host| folded(host.as_str())))
}

fn folded(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into()
}
