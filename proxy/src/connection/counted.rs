//! Opaque connections and requests as metrics see them.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::relay::Traffic;
use super::report::Record;
use super::route::{Action, Forward, Target};
use super::{Downstream, Flags};
use crate::metrics::{Connections, Counter, Destination, Measured, Met, Parties, Towards};

/// How long bytes may wait to be told: what is scraped more often than this would show steps.
const INTERVAL: Duration = Duration::from_secs(5);

/// A connection to an endpoint: opened now, closed when this is dropped.
pub(super) struct Counted<'c> {
    counter: &'c Counter,
    parties: Parties,
    traffic: &'c Traffic,
    /// Bytes from and to the client that have been told.
    told: Cell<(u64, u64)>,
}

impl<'c> Counted<'c> {
    pub(super) fn open(counter: &'c Counter, parties: Parties, traffic: &'c Traffic) -> Self {
        counter.tcp(parties.clone(), Connections { opened: 1, ..Connections::default() });
        Self { counter, parties, traffic, told: Cell::default() }
    }

    /// Tells now and then what has moved.
    pub(super) async fn keep_telling(&self) -> Infallible {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if self.told.get() != self.moved() {
                self.tell(0);
            }
        }
    }

    fn moved(&self) -> (u64, u64) {
        (self.traffic.received.get(), self.traffic.sent.get())
    }

    fn tell(&self, closed: u64) {
        let (moved, told) = (self.moved(), self.told.get());
        self.told.set(moved);
        let (sent, received) = (moved.0 - told.0, moved.1 - told.1);
        self.counter.tcp(self.parties.clone(), Connections { opened: 0, closed, sent, received });
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.tell(1);
    }
}

/// One that has come to nothing: begun and ended, with the flags that say why.
pub(super) fn failed(downstream: &Downstream, destination: &Destination, flags: Flags) {
    let parties = Parties::new(&downstream.pod.client.workload, destination, flags);
    downstream.worker.counter.tcp(parties, Connections { opened: 1, closed: 1, ..Connections::default() });
}

/// A request that is over. What was no request is not counted.
pub(super) fn request(downstream: &Downstream, record: &Record<'_>) {
    let Some(plan) = record.plan else { return };
    let towards = match &plan.action {
        Action::Forward(Forward { target: Target::Cluster(cluster, _) | Target::Name(cluster, _), .. }) => {
            Towards::Cluster(Arc::clone(cluster))
        }
        Action::Forward(Forward { target: Target::Dialled(_), .. }) => Towards::Dialled,
        Action::Answer(_) => Towards::Nobody,
    };
    let met = Met {
        source: Arc::clone(&downstream.pod.client.workload),
        towards,
        endpoint: record.upstream,
        code: record.code,
        flags: record.flags,
    };
    let measured = Measured {
        milliseconds: record.started.elapsed().as_secs_f64() * 1000.0,
        sent: record.heads.0 + record.received,
        received: record.heads.1 + record.sent,
    };
    downstream.worker.counter.request(met, measured);
}
