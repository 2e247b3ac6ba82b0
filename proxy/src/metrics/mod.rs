//! What is counted and how it is read: in Istio's names, so that dashboards which were made for it show something.
//!
//! A [`tally`] is what a worker has counted, without a lock, and hands over twenty times a second. The kernel counts by pod and
//! number of destination ([`destinations`]) and is asked when somebody reads. The [`ledger`] adds both up by what [`series`] and
//! [`requests`] tell apart, and [`page`] writes it as text, with Istio's [`labels`].

mod destinations;
mod labels;
mod ledger;
mod page;
mod requests;
mod series;
mod tally;
#[cfg(test)]
mod tests;

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use meshlet_routing::model::Workload;

use crate::kernel::Flows;
use ledger::Ledger;

pub(crate) use destinations::Destinations;
pub(crate) use page::{CONTENT_TYPE, Gauges};
pub(crate) use requests::{Answered, Measured, Met, Requests, Towards};
pub(crate) use series::{Connections, Destination, Parties, Service};
pub(crate) use tally::{Counter, Tally, channel};

/// Between two looks for what is of no interest any more.
const TIDYING: Duration = Duration::from_secs(60);

/// All counts, whoever has counted. Shared by the node loop, which says what they mean, and by those who read them.
pub(crate) struct Metrics {
    /// Guards everything that is added up. Held for one round or one page, by threads that serve no connection.
    books: Mutex<Books>,
}

struct Books {
    ledger: Ledger,
    flows: Flows,
    tallies: Receiver<Tally>,
    tidied: Instant,
}

impl Metrics {
    /// Of the kernel's counters and of what workers hand over.
    pub(crate) fn new(flows: Flows, tallies: Receiver<Tally>) -> Arc<Self> {
        let books = Books { ledger: Ledger::default(), flows, tallies, tidied: Instant::now() };
        Arc::new(Self { books: Mutex::new(books) })
    }

    /// What the kernel counts for a pod is its workload's.
    pub(crate) fn enrol(&self, cookie: u64, workload: Arc<Workload>) {
        self.books().ledger.enrol(cookie, workload);
    }

    /// A pod is observed no more.
    pub(crate) fn withdraw(&self, cookie: u64, now: Instant) {
        let mut books = self.books();
        books.gather(now);
        let Books { ledger, flows, .. } = &mut *books;
        ledger.withdraw(cookie, now).iter().for_each(|key| flows.remove(key));
    }

    /// Lays out routes, whose destinations get numbers to be counted by.
    pub(crate) fn number<T>(&self, lay_out: impl FnOnce(&mut Destinations) -> T) -> T {
        lay_out(&mut self.books().ledger.destinations)
    }

    /// Called by the node loop in each round.
    pub(crate) fn round(&self, now: Instant) {
        let mut books = self.books();
        books.take_over(now);
        if now.duration_since(books.tidied) >= TIDYING {
            books.tidied = now;
            books.gather(now);
            books.ledger.tidy(now);
        }
    }

    /// Everything as text; `others` are families that others have written.
    pub(crate) fn page(&self, gauges: Gauges, others: &str, now: Instant) -> String {
        let mut books = self.books();
        books.gather(now);
        let missed = books.flows.missed();
        page::write(&books.ledger, gauges, missed, others)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Counts are whole whatever the thread that held them was doing.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// Takes over all that was counted until now.
    fn gather(&mut self, now: Instant) {
        self.take_over(now);
        let over = self.ledger.observe(self.flows.read(), now);
        over.iter().for_each(|key| self.flows.remove(key));
    }

    fn take_over(&mut self, now: Instant) {
        while let Ok(tally) = self.tallies.try_recv() {
            self.ledger.take_over(tally, now);
        }
    }
}
