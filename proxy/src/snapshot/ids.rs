//! Ids of captured addresses: what a redirected connection carries in place of where it meant to go.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use meshlet_wire::LEARNED;

/// How long the id of a withdrawn address keeps its meaning: a connection may still sit in an accept queue, or live on and
/// ask for its peer.
const QUARANTINE: Duration = Duration::from_secs(600);

/// What a pod dials.
pub(super) type Address = (IpAddr, u16);

/// Numbers from 1 on, each of which stands for one address, and for no other before every connection that may hold it is over.
/// An address that comes back in that time gets its number back: its connections never changed their meaning.
#[derive(Debug)]
pub(super) struct Ids {
    known: HashMap<Address, Id>,
    /// Those of all that are known.
    taken: HashSet<u32>,
    next: u32,
    most: usize,
    changes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Id {
    number: u32,
    /// Since when nobody is redirected by it.
    gone: Option<Instant>,
}

/// What is another since.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Ids that mean something now.
    pub(super) named: Vec<(u32, Address)>,
    /// Ids that mean nothing any more.
    pub(super) forgotten: Vec<u32>,
    /// Addresses that there is no id for.
    pub(super) refused: Vec<Address>,
}

impl Ids {
    /// At most so many, of addresses that went of late as well.
    pub(super) fn new(most: u32) -> Self {
        let most = usize::try_from(most.min(LEARNED - 2)).unwrap_or(usize::MAX);
        Self { known: HashMap::new(), taken: HashSet::new(), next: 1, most, changes: 0 }
    }

    /// Gives an id to each of `wanted`, those that have one first, and takes them from all others.
    pub(super) fn follow(&mut self, wanted: &BTreeSet<Address>, now: Instant) -> Change {
        let mut change = Change::default();
        for (address, id) in &mut self.known {
            let is_wanted = wanted.contains(address);
            if is_wanted == id.gone.is_some() {
                id.gone = (!is_wanted).then_some(now);
                self.changes += 1;
            }
        }
        self.known.retain(|_, id| {
            let kept = id.gone.is_none_or(|since| now.duration_since(since) <= QUARANTINE);
            if !kept {
                self.taken.remove(&id.number);
                change.forgotten.push(id.number);
            }
            kept
        });
        for address in wanted {
            if self.known.contains_key(address) {
                continue;
            }
            match self.allocate(*address) {
                Some(number) => change.named.push((number, *address)),
                None => change.refused.push(*address),
            }
        }
        change
    }

    /// Takes an id from an address to which it was given just now: nobody has seen it.
    pub(super) fn give_back(&mut self, address: Address) {
        if let Some(id) = self.known.remove(&address) {
            self.taken.remove(&id.number);
            self.changes += 1;
        }
    }

    /// Those that connections are redirected by.
    pub(super) fn live(&self) -> impl Iterator<Item = (Address, u32)> {
        self.known.iter().filter(|(_, id)| id.gone.is_none()).map(|(address, id)| (*address, id.number))
    }

    /// All that stand for something.
    pub(super) fn all(&self) -> impl Iterator<Item = (Address, u32)> {
        self.known.iter().map(|(address, id)| (*address, id.number))
    }

    /// The address that an id stands for.
    pub(super) fn address(&self, number: u32) -> Option<Address> {
        self.all().find(|(_, known)| *known == number).map(|(address, _)| address)
    }

    /// Another number after each change of [`Ids::live`].
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    fn allocate(&mut self, address: Address) -> Option<u32> {
        if self.known.len() >= self.most {
            return None;
        }
        // Ends: fewer are taken than there are.
        while self.taken.contains(&self.next) {
            self.next = following(self.next);
        }
        let number = self.next;
        self.next = following(number);
        self.taken.insert(number);
        self.known.insert(address, Id { number, gone: None });
        self.changes += 1;
        Some(number)
    }
}

/// Ids run from 1 to 2^21 - 1: 127.64.0.0 stays unused, and those from 127.96.0.0 on are given by the hooks.
fn following(id: u32) -> u32 {
    if id + 1 >= LEARNED { 1 } else { id + 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(port: u16) -> Address {
        ([10, 96, 0, 1].into(), port)
    }

    fn set(ports: &[u16]) -> BTreeSet<Address> {
        ports.iter().map(|port| address(*port)).collect()
    }

    fn live(ids: &Ids) -> HashMap<Address, u32> {
        ids.live().collect()
    }

    #[test]
    fn given_an_address_that_comes_back_before_its_time_is_over_then_it_has_its_id_again_and_else_another() {
        let (mut ids, start) = (Ids::new(8), Instant::now());
        assert_eq!(ids.follow(&set(&[80]), start).named, [(1, address(80))]);
        assert_eq!(ids.follow(&set(&[]), start), Change::default());
        assert_eq!((ids.live().count(), ids.all().count()), (0, 1));
        assert_eq!(ids.follow(&set(&[80, 81]), start + QUARANTINE).named, [(2, address(81))]);
        assert_eq!(live(&ids), HashMap::from([(address(80), 1), (address(81), 2)]));
        ids.follow(&set(&[81]), start);
        let over = start + QUARANTINE + Duration::from_secs(1);
        assert_eq!(ids.follow(&set(&[81]), over).forgotten, [1]);
        assert_eq!(ids.follow(&set(&[80, 81]), over).named, [(3, address(80))]);
    }

    #[test]
    fn given_more_addresses_than_ids_then_the_new_one_is_refused_and_the_old_ones_keep_theirs() {
        let (mut ids, start) = (Ids::new(2), Instant::now());
        ids.follow(&set(&[90, 91]), start);
        let before = live(&ids);
        assert_eq!(ids.follow(&set(&[80, 90, 91]), start).refused, [address(80)]);
        assert_eq!(live(&ids), before);
        // An id whose address went is kept for what it stood for.
        assert_eq!(ids.follow(&set(&[80, 90]), start).refused, [address(80)]);
        let over = start + QUARANTINE + Duration::from_secs(1);
        let change = ids.follow(&set(&[80, 90]), over);
        assert_eq!((change.forgotten, change.named, change.refused), (vec![2], vec![(3, address(80))], vec![]));
    }

    #[test]
    fn given_all_numbers_used_once_then_they_begin_again_and_a_taken_one_is_passed_over() {
        let (mut ids, start) = (Ids::new(8), Instant::now());
        ids.follow(&set(&[80]), start);
        ids.next = LEARNED - 1;
        assert_eq!(ids.follow(&set(&[80, 81, 82]), start).named, [(LEARNED - 1, address(81)), (2, address(82))]);
        assert_eq!(Ids::new(u32::MAX).most, 2_097_150, "one number is always free, so that a search for it ends");
    }

    #[test]
    fn given_any_change_of_what_is_redirected_then_its_count_is_another() {
        let (mut ids, start) = (Ids::new(1), Instant::now());
        let mut seen = HashSet::from([ids.changes()]);
        for (wanted, is_change) in
            [(&[80][..], true), (&[80], false), (&[80, 81], false), (&[81], true), (&[80, 81], true), (&[80], false)]
        {
            ids.follow(&set(wanted), start);
            assert_eq!(seen.insert(ids.changes()), is_change, "{wanted:?}");
        }
        ids.give_back(address(80));
        assert!(seen.insert(ids.changes()));
        assert_eq!((ids.all().count(), ids.taken.len()), (0, 0));
    }

    proptest! {
        #[test]
        fn given_any_history_then_no_id_means_two_things_before_its_time_is_over(
            steps in prop::collection::vec((prop::collection::btree_set(0_u16..12, 0..8), 0_u64..400), 1..60),
        ) {
            let (mut ids, mut now) = (Ids::new(10), Instant::now());
            let mut meanings: HashMap<u32, (Address, Instant)> = HashMap::new();
            for (wanted, pause) in steps {
                now += Duration::from_secs(pause);
                // So few numbers that they are used again.
                ids.next = ids.next % 13 + 1;
                let wanted = wanted.into_iter().map(address).collect();
                let change = ids.follow(&wanted, now);
                prop_assert_eq!(ids.live().count() + change.refused.len(), wanted.len());
                prop_assert!(ids.all().count() <= 10);
                prop_assert_eq!(ids.all().map(|(_, id)| id).collect::<HashSet<_>>(), ids.taken.clone());
                for (address, id) in ids.live() {
                    if let Some((before, last)) = meanings.insert(id, (address, now)) {
                        prop_assert!(before == address || now - last > QUARANTINE, "{id} meant {before:?}, now {address:?}");
                    }
                }
            }
        }
    }
}
