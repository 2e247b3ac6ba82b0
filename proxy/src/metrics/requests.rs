//! Requests: how many, how long they took, how large they were.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::ops::AddAssign;
use std::sync::Arc;

use meshlet_routing::model::Workload;
use meshlet_routing::table::Cluster;

use super::{Destination, Parties};
use crate::connection::Flags;

/// Upper bounds of all buckets but the last: Envoy's, which Istio leaves as they are, of milliseconds and bytes alike (envoy
/// source/common/stats/histogram_impl.cc, HistogramSettingsImpl::defaultBuckets).
pub(super) const BOUNDS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// How often a measure fell between two bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Histogram {
    /// Those up to each bound that are above the one before, and those above all.
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    /// Of all measures.
    pub(super) sum: f64,
}

impl Histogram {
    fn add(&mut self, measure: f64) {
        let place = BOUNDS.partition_point(|bound| *bound < measure);
        self.buckets[place] += 1;
        self.sum += measure;
    }

    /// How many measures there were.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl AddAssign for Histogram {
    fn add_assign(&mut self, more: Self) {
        self.buckets.iter_mut().zip(more.buckets).for_each(|(count, more)| *count += more);
        self.sum += more.sum;
    }
}

/// What is measured of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Requests {
    /// Milliseconds from a request's head to the end of its response.
    pub(super) durations: Histogram,
    /// Bytes of requests, heads included.
    pub(super) sent: Histogram,
    /// Bytes of responses, heads included.
    pub(super) received: Histogram,
}

impl AddAssign for Requests {
    fn add_assign(&mut self, more: Self) {
        self.durations += more.durations;
        self.sent += more.sent;
        self.received += more.received;
    }
}

impl Requests {
    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.durations.count()
    }

    /// One more.
    pub(super) fn add(&mut self, Measured { milliseconds, sent, received }: Measured) {
        self.durations.add(milliseconds);
        self.sent.add(float(sent));
        self.received.add(float(received));
    }
}

/// Of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// From its head to the end of its response.
    pub(crate) milliseconds: f64,
    /// Its bytes, head included.
    pub(crate) sent: u64,
    /// Those of the response.
    pub(crate) received: u64,
}

/// Exact below 2^53.
fn float(bytes: u64) -> f64 {
    bytes as f64
}

/// Where a request went.
#[derive(Debug, Clone)]
pub(crate) enum Towards {
    /// To an endpoint of a cluster, or to none of them.
    Cluster(Arc<Cluster>),
    /// Where it was dialled.
    Dialled,
    /// Nowhere.
    Nobody,
}

/// A series of `istio_requests_total` as a worker knows it. Compared by identity, which costs a request next to nothing: names
/// are looked at when counts are added up.
#[derive(Debug, Clone)]
pub(crate) struct Met {
    /// The client.
    pub(crate) source: Arc<Workload>,
    /// The cluster.
    pub(crate) towards: Towards,
    /// The endpoint that was tried last.
    pub(crate) endpoint: Option<SocketAddr>,
    /// HTTP status; 0 where there was no response.
    pub(crate) code: u16,
    /// Envoy's response flags.
    pub(crate) flags: Flags,
}

impl Met {
    fn identity(&self) -> (*const Workload, Result<*const Cluster, bool>, Option<SocketAddr>, u16, Flags) {
        let towards = match &self.towards {
            Towards::Cluster(cluster) => Ok(Arc::as_ptr(cluster)),
            Towards::Dialled => Err(true),
            Towards::Nobody => Err(false),
        };
        (Arc::as_ptr(&self.source), towards, self.endpoint, self.code, self.flags)
    }

    /// By its names.
    pub(super) fn answered(&self) -> Answered {
        let destination = match &self.towards {
            Towards::Cluster(cluster) => Destination::of(cluster, self.endpoint),
            Towards::Dialled => Destination::dialled(self.endpoint),
            Towards::Nobody => Destination::none(),
        };
        Answered { parties: Parties::new(&self.source, &destination, self.flags), code: self.code }
    }
}

impl PartialEq for Met {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Met {}

impl Hash for Met {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// A series of `istio_requests_total`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Answered {
    /// Who asked whom.
    pub(crate) parties: Parties,
    /// HTTP status; 0 where there was no response.
    pub(crate) code: u16,
}
