//! Lists of objects in which each has its place.

use crate::map::HashMap;
use crate::model::ObjectRef;

/// Where an object stands in the list of its kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed(HashMap<ObjectRef, usize>);

impl Listed {
    /// Puts an object in its place, or behind the others; returns what was there.
    pub(super) fn put<T>(&mut self, list: &mut Vec<T>, object: &ObjectRef, value: T) -> Option<T> {
        if let Some(place) = self.0.get(object) {
            return Some(std::mem::replace(&mut list[*place], value));
        }
        self.0.insert(object.clone(), list.len());
        list.push(value);
        None
    }

    /// Takes an object out, the last of the list into its place; `None` if it was not there.
    pub(super) fn take<T>(&mut self, list: &mut Vec<T>, object: &ObjectRef) -> Option<T> {
        let place = self.0.remove(object)?;
        let last = list.len() - 1;
        let gone = list.swap_remove(place);
        let moved = self.0.iter_mut().find(|(known, found)| known.kind == object.kind && **found == last);
        if let Some((_, found)) = moved {
            *found = place;
        }
        Some(gone)
    }
}
