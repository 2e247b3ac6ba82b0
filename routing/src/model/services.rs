//! All services of a world, found by host.

use std::ops::Deref;

use super::{Alias, Hostname, ObjectRef, Service};
use crate::map::HashMap;

/// Services in no order; of a host there may be one of each object.
#[derive(Debug, Clone, Default)]
pub struct Services {
    all: Vec<Service>,
    places: HashMap<Hostname, Vec<usize>>,
}

impl Services {
    /// The one that an object makes of a host.
    #[must_use]
    pub fn of(&self, object: &ObjectRef, host: &Hostname) -> Option<&Service> {
        self.place(object, host).map(|place| &self.all[place])
    }

    /// Those of a host, whatever namespace they live in.
    pub fn of_host(&self, host: &Hostname) -> impl Iterator<Item = &Service> {
        self.places.get(host).into_iter().flatten().map(|place| &self.all[*place])
    }

    /// Puts a service in the place of the one of its host and object, which it returns.
    pub fn put(&mut self, service: Service) -> Option<Service> {
        if let Some(place) = self.place(&service.object, &service.host) {
            return Some(std::mem::replace(&mut self.all[place], service));
        }
        self.places.entry(service.host.clone()).or_default().push(self.all.len());
        self.all.push(service);
        None
    }

    /// The other names of every service, by its host.
    pub fn name(&mut self, aliases: &HashMap<Hostname, Vec<Alias>>) {
        for service in &mut self.all {
            service.aliases = aliases.get(&service.host).cloned().unwrap_or_default();
        }
    }

    /// Takes a service out.
    pub fn take(&mut self, object: &ObjectRef, host: &Hostname) -> Option<Service> {
        let place = self.place(object, host)?;
        let (last, gone) = (self.all.len() - 1, self.all.swap_remove(place));
        if let Some(places) = self.places.get_mut(host) {
            places.retain(|found| *found != place);
            if places.is_empty() {
                self.places.remove(host);
            }
        }
        if let Some(moved) = self.all.get(place) {
            let places = self.places.get_mut(&moved.host).into_iter().flatten();
            places.filter(|found| **found == last).for_each(|found| *found = place);
        }
        Some(gone)
    }

    fn place(&self, object: &ObjectRef, host: &Hostname) -> Option<usize> {
        self.places.get(host)?.iter().copied().find(|place| self.all[*place].object == *object)
    }
}

impl Deref for Services {
    type Target = [Service];

    fn deref(&self) -> &[Service] {
        &self.all
    }
}

impl<'s> IntoIterator for &'s Services {
    type Item = &'s Service;
    type IntoIter = std::slice::Iter<'s, Service>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl FromIterator<Service> for Services {
    fn from_iter<I: IntoIterator<Item = Service>>(services: I) -> Self {
        let mut all = Self::default();
        services.into_iter().for_each(|service| drop(all.put(service)));
        all
    }
}
