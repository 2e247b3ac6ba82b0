//! What ids stand for: the daemon's own by its snapshot, those that the hooks give by what the hooks wrote down. Such an id
//! keeps its meaning for as long as a connection is under way to it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use meshlet_routing::decide::Dialled;
use meshlet_wire::LEARNED;

/// Service id → what the pod dialled.
pub(crate) type Services = HashMap<u32, Dialled>;

/// Reads what the hooks wrote down of an id.
pub(crate) type Seen = Box<dyn Fn(u32) -> Option<(IpAddr, u16)> + Send + Sync>;

/// Of every id on the node.
pub(crate) struct Meanings {
    services: ArcSwap<Services>,
    seen: Seen,
    /// Ids of the hooks with what was dialled, and how many connections are under way. Guarded per connection, not per request.
    under_way: Mutex<HashMap<u32, (Dialled, usize)>>,
}

/// What a connection's id stands for; the id keeps its meaning until this is dropped.
pub(crate) struct Meaning {
    /// What the pod dialled.
    pub(crate) dialled: Dialled,
    _kept: Option<Kept>,
}

struct Kept {
    meanings: Arc<Meanings>,
    id: u32,
}

impl Meanings {
    /// No service has an id yet.
    pub(crate) fn new(seen: Seen) -> Self {
        Self { services: ArcSwap::default(), seen, under_way: Mutex::default() }
    }

    /// What the daemon's own ids stand for from now on.
    pub(crate) fn publish(&self, services: Services) {
        self.services.store(Arc::new(services));
    }

    /// What an id stands for; `None` when it stands for nothing.
    pub(crate) fn of(self: &Arc<Self>, id: u32) -> Option<Meaning> {
        if id & LEARNED == 0 {
            let dialled = *self.services.load().get(&id)?;
            return Some(Meaning { dialled, _kept: None });
        }
        let known = self.under_way().get(&id).map(|(dialled, _)| *dialled);
        // A system call, so nobody is to wait for it.
        let read = || (self.seen)(id).map(|(address, port)| Dialled { address, port });
        let dialled = known.or_else(read)?;
        self.under_way().entry(id).or_insert((dialled, 0)).1 += 1;
        Some(Meaning { dialled, _kept: Some(Kept { meanings: Arc::clone(self), id }) })
    }

    /// Whether a connection is under way to what an id of the hooks stands for.
    pub(crate) fn is_under_way(&self, id: u32) -> bool {
        self.under_way().contains_key(&id)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<u32, (Dialled, usize)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut under_way = self.meanings.under_way();
        if let Some((_, count)) = under_way.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn at(port: u16) -> Dialled {
        Dialled { address: [10, 96, 0, 7].into(), port }
    }

    #[test]
    fn given_an_id_then_its_kind_says_who_knows_what_it_stands_for() {
        let meanings = Arc::new(Meanings::new(Box::new(|id| (id == LEARNED | 7).then(|| ([10, 96, 0, 7].into(), 7)))));
        meanings.publish(HashMap::from([(5, at(5)), (LEARNED | 6, at(6))]));
        for (id, expected) in [(5, Some(at(5))), (7, None), (LEARNED | 7, Some(at(7))), (LEARNED | 6, None), (0, None)]
        {
            assert_eq!(meanings.of(id).map(|meaning| meaning.dialled), expected, "{id:#x}");
        }
    }

    #[test]
    fn given_connections_under_way_then_the_id_is_kept_until_the_last_one_and_read_once() {
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&reads);
        let meanings = Arc::new(Meanings::new(Box::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Some(([10, 96, 0, 7].into(), 7))
        })));
        let id = LEARNED | 7;
        let (one, other) = (meanings.of(id), meanings.of(id));
        assert_eq!((meanings.is_under_way(id), reads.load(Ordering::Relaxed)), (true, 1));
        drop(one);
        assert!(meanings.is_under_way(id) && !meanings.is_under_way(LEARNED | 8));
        drop(other);
        assert!(!meanings.is_under_way(id));
        drop(meanings.of(id));
        assert_eq!(reads.load(Ordering::Relaxed), 2, "its meaning may be another now");
    }
}
