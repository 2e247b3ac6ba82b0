//! Numbers that stand for destinations in the kernel. One is never given to another destination: what a connection is counted
//! for when it ends is what it was picked for, whatever has become of routes and addresses meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Destination;

/// How long a number is kept that nothing names.
const MEMORY: Duration = Duration::from_secs(3600);

/// Numbers and what they stand for.
#[derive(Debug, Default)]
pub(crate) struct Destinations {
    numbers: HashMap<Arc<Destination>, u32>,
    known: HashMap<u32, Arc<Destination>>,
    last: u32,
    /// Those that some route leads to.
    used: HashSet<u32>,
    /// Those that neither a route nor a count names, and since when: a connect that was picked for may still be under way.
    idle: HashMap<u32, Instant>,
}

impl Destinations {
    /// All routes are laid out anew: what they lead to is asked for again.
    pub(crate) fn begin(&mut self) {
        self.used.clear();
    }

    /// The number of a destination that a route leads to. 0, which stands for none, when all have been given away.
    pub(crate) fn number(&mut self, destination: Destination) -> u32 {
        let number = self.numbers.get(&destination).copied().unwrap_or_else(|| {
            let Some(number) = self.last.checked_add(1) else { return 0 };
            self.last = number;
            let destination = Arc::new(destination);
            self.known.insert(number, Arc::clone(&destination));
            self.numbers.insert(destination, number);
            number
        });
        self.used.insert(number);
        number
    }

    /// What a number stands for.
    pub(crate) fn get(&self, number: u32) -> Option<&Arc<Destination>> {
        self.known.get(&number)
    }

    /// Whether a route leads to it.
    pub(super) fn is_used(&self, number: u32) -> bool {
        self.used.contains(&number)
    }

    /// Forgets those that no route has led to for long and that are not `counted`.
    pub(super) fn keep(&mut self, counted: impl Fn(u32) -> bool, now: Instant) {
        let Self { numbers, known, used, idle, .. } = self;
        idle.retain(|number, _| !used.contains(number) && !counted(*number));
        for number in known.keys().filter(|number| !used.contains(*number) && !counted(**number)) {
            idle.entry(*number).or_insert(now);
        }
        for (number, _) in idle.extract_if(|_, since| now.duration_since(*since) >= MEMORY) {
            if let Some(destination) = known.remove(&number) {
                numbers.remove(&destination);
            }
        }
    }
}
