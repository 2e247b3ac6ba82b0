//! What a worker has counted since it was last asked: its own, so that nothing is shared between threads per connection.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::{Connections, Measured, Met, Parties, Requests};

/// Tallies that may wait to be added up.
const WAITING: usize = 64;

/// Counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Connections whose bytes were not read.
    pub(crate) tcp: HashMap<Parties, Connections>,
    /// Requests.
    pub(crate) requests: HashMap<Met, Requests>,
}

impl Tally {
    fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.requests.is_empty()
    }
}

/// A worker's counts and where it hands them over.
#[derive(Debug)]
pub(crate) struct Counter {
    tally: RefCell<Tally>,
    whereto: SyncSender<Tally>,
}

impl Counter {
    /// Nothing is counted yet.
    pub(crate) fn new(whereto: SyncSender<Tally>) -> Self {
        Self { tally: RefCell::default(), whereto }
    }

    /// Counts connections whose bytes were not read.
    pub(crate) fn tcp(&self, parties: Parties, connections: Connections) {
        *self.tally.borrow_mut().tcp.entry(parties).or_default() += connections;
    }

    /// Counts a request.
    pub(crate) fn request(&self, met: Met, measured: Measured) {
        self.tally.borrow_mut().requests.entry(met).or_default().add(measured);
    }

    /// Hands over what has come together; keeps it while there is no room.
    pub(crate) fn hand_over(&self) {
        let mut tally = self.tally.borrow_mut();
        if tally.is_empty() {
            return;
        }
        if let Err(TrySendError::Full(kept)) = self.whereto.try_send(std::mem::take(&mut *tally)) {
            *tally = kept;
        }
    }
}

/// Both ends of where workers hand over.
pub(crate) fn channel() -> (SyncSender<Tally>, Receiver<Tally>) {
    sync_channel(WAITING)
}
