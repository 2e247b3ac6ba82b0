//! All that was counted, added up. A series that nothing has happened to for long, and whose connections are all over, is
//! dropped: a scraper takes its return for that of a counter that was reset, which is what it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meshlet_routing::model::Workload;
use meshlet_wire::FlowKey;

use super::{Answered, Connections, Destination, Destinations, Parties, Requests, Tally};
use crate::connection::Flags;
use crate::kernel::Counts;

/// How long a series is kept that nothing happens to.
const MEMORY: Duration = Duration::from_secs(3600);

/// What the kernel has counted for a destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Picks {
    /// The connections.
    pub(crate) connections: Connections,
    /// Connects that nobody accepted, besides.
    pub(crate) failed: u64,
    /// How many of them have told their round-trip time.
    pub(crate) timed: u64,
    /// Sum of those, in microseconds.
    pub(crate) rtt: u64,
}

impl AddAssign for Picks {
    fn add_assign(&mut self, more: Self) {
        self.connections += more.connections;
        self.failed += more.failed;
        self.timed += more.timed;
        self.rtt += more.rtt;
    }
}

/// Something that was counted, and when last.
#[derive(Debug, Clone, Copy)]
struct Aged<T> {
    total: T,
    changed: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) destinations: Destinations,
    /// Captured pods by the cookie of their network namespace.
    sources: HashMap<u64, Arc<Workload>>,
    /// What the kernel has said so far.
    flows: HashMap<FlowKey, Aged<Counts>>,
    tcp: HashMap<Parties, Aged<Connections>>,
    requests: HashMap<Answered, Aged<Requests>>,
    picks: HashMap<Arc<Destination>, Aged<Picks>>,
}

impl Ledger {
    /// What the kernel counts for a pod is its workload's.
    pub(super) fn enrol(&mut self, cookie: u64, workload: Arc<Workload>) {
        self.sources.insert(cookie, workload);
    }

    /// A pod is observed no more: what it has open is over, as far as anybody can tell. Returns what the kernel may forget.
    pub(super) fn withdraw(&mut self, cookie: u64, now: Instant) -> Vec<FlowKey> {
        let gone: Vec<FlowKey> = self.flows.keys().filter(|key| key.pod == cookie).copied().collect();
        for key in &gone {
            if let Some(Aged { total, .. }) = self.flows.remove(key) {
                let closed = total.opened.saturating_sub(total.closed);
                self.count(
                    *key,
                    Picks { connections: Connections { closed, ..Connections::default() }, ..Picks::default() },
                    now,
                );
            }
        }
        self.sources.remove(&cookie);
        gone
    }

    /// Takes over what the kernel says now. Returns what it may forget: counted for a pod that is not observed, or for a
    /// destination that no route leads to any more and that nobody is connected to.
    pub(super) fn observe(&mut self, flows: Vec<(FlowKey, Counts)>, now: Instant) -> Vec<FlowKey> {
        let mut over = Vec::new();
        for (key, told) in flows {
            if !self.sources.contains_key(&key.pod) {
                over.push(key);
                continue;
            }
            let known = self.flows.entry(key).or_insert(Aged { total: Counts::default(), changed: now });
            let total = told.max(known.total);
            if known.total != total {
                let more = since(known.total, total);
                *known = Aged { total, changed: now };
                self.count(key, more, now);
            } else if total.opened == total.closed
                && !self.destinations.is_used(key.destination)
                && now.duration_since(known.changed) >= MEMORY
            {
                self.flows.remove(&key);
                over.push(key);
            }
        }
        over
    }

    fn count(&mut self, key: FlowKey, more: Picks, now: Instant) {
        let (Some(source), Some(destination)) =
            (self.sources.get(&key.pod), self.destinations.get(key.destination).cloned())
        else {
            return;
        };
        let parties = Parties::new(source, &destination, Flags::NONE);
        if more.failed > 0 {
            let failed = Connections { opened: more.failed, closed: more.failed, ..Connections::default() };
            add(&mut self.tcp, Parties { flags: Flags::UF, ..parties.clone() }, failed, now);
        }
        if more.connections != Connections::default() {
            add(&mut self.tcp, parties, more.connections, now);
        }
        add(&mut self.picks, destination, more, now);
    }

    /// Takes over what a worker has counted.
    pub(super) fn take_over(&mut self, tally: Tally, now: Instant) {
        for (parties, connections) in tally.tcp {
            add(&mut self.tcp, parties, connections, now);
        }
        for (met, requests) in tally.requests {
            add(&mut self.requests, met.answered(), requests, now);
        }
    }

    /// Drops what is of no interest any more.
    pub(super) fn tidy(&mut self, now: Instant) {
        let is_young = |changed: Instant| now.duration_since(changed) < MEMORY;
        self.tcp.retain(|_, series| is_young(series.changed) || !series.total.are_over());
        self.requests.retain(|_, series| is_young(series.changed));
        self.picks.retain(|_, series| is_young(series.changed) || !series.total.connections.are_over());
        let flows = &self.flows;
        let counted: HashSet<u32> = flows.keys().map(|key| key.destination).collect();
        self.destinations.keep(|number| counted.contains(&number), now);
    }

    /// `istio_tcp_*`, in order.
    pub(super) fn tcp(&self) -> BTreeMap<Parties, Connections> {
        self.tcp.iter().map(|(parties, series)| (parties.clone(), series.total)).collect()
    }

    /// `istio_request*`, in order.
    pub(super) fn requests(&self) -> BTreeMap<Answered, Requests> {
        self.requests.iter().map(|(answered, series)| (answered.clone(), series.total)).collect()
    }

    /// What the kernel has picked, by service, subset and endpoint.
    pub(super) fn picks(&self) -> BTreeMap<Arc<Destination>, Picks> {
        self.picks.iter().map(|(destination, series)| (Arc::clone(destination), series.total)).collect()
    }
}

fn add<K: Hash + Eq, T: Default + AddAssign>(series: &mut HashMap<K, Aged<T>>, key: K, more: T, now: Instant) {
    let known = series.entry(key).or_insert_with(|| Aged { total: T::default(), changed: now });
    known.total += more;
    known.changed = now;
}

/// What has been added; nothing is ever taken away.
fn since(before: Counts, now: Counts) -> Picks {
    let closed = now.closed - before.closed;
    let connections = Connections {
        opened: now.opened - before.opened,
        closed,
        sent: now.sent - before.sent,
        received: now.received - before.received,
    };
    Picks { connections, failed: now.failed - before.failed, timed: closed, rtt: now.rtt - before.rtt }
}
