//! The ledger as OpenMetrics text.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::labels::{self, Labels};
use super::ledger::{Ledger, Picks};
use super::requests::{BOUNDS, Histogram};
use super::{Answered, Connections, Destination, Parties, Requests};

/// What the text is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the daemon has now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauges {
    /// Pods whose connections are captured.
    pub(crate) pods: usize,
    /// Service addresses that are captured.
    pub(crate) services: usize,
}

/// Everything that is written.
#[derive(Debug)]
struct Page {
    gauges: Gauges,
    tcp: BTreeMap<Parties, Connections>,
    requests: BTreeMap<Answered, Requests>,
    picks: BTreeMap<Arc<Destination>, Picks>,
    missed: u64,
}

/// A name, what it says, and what of a series it counts.
type Family<T, V> = (&'static str, &'static str, fn(&T) -> V);

/// The names of `istio_tcp_*`, without the ending that every counter gets, and what they count. A source calls *sent* what its
/// server has sent: so do Istio's sidecars (istio/istio#32399), and dashboards are made for it. The access log does not.
const TCP: [Family<Connections, u64>; 4] = [
    (
        "istio_tcp_sent_bytes",
        "Bytes of responses of TCP connections; those that the kernel picked for are told when they end",
        |counts| counts.received,
    ),
    (
        "istio_tcp_received_bytes",
        "Bytes of requests of TCP connections; those that the kernel picked for are told when they end",
        |counts| counts.sent,
    ),
    ("istio_tcp_connections_opened", "TCP connections that were opened", |counts| counts.opened),
    ("istio_tcp_connections_closed", "TCP connections that have ended", |counts| counts.closed),
];

/// What is measured of requests.
const REQUESTS: [Family<Requests, Histogram>; 3] = [
    ("istio_request_duration_milliseconds", "From a request's head to the end of its response", |requests| {
        requests.durations
    }),
    ("istio_request_bytes", "Bytes of requests, heads included", |requests| requests.sent),
    ("istio_response_bytes", "Bytes of responses, heads included", |requests| requests.received),
];

/// The same of what the kernel has picked, by endpoint, as the client sees it.
const PICKS: [Family<Picks, u64>; 5] = [
    ("meshlet_kernel_connections_opened", "Connections whose endpoint was picked in connect", |picks| {
        picks.connections.opened
    }),
    ("meshlet_kernel_connections_closed", "Connections whose endpoint was picked in connect, ended", |picks| {
        picks.connections.closed
    }),
    ("meshlet_kernel_connections_failed", "Connects whose endpoint was picked, which nobody accepted there", |picks| {
        picks.failed
    }),
    (
        "meshlet_kernel_sent_bytes",
        "Bytes that clients sent on connections whose endpoint was picked in connect",
        |picks| picks.connections.sent,
    ),
    (
        "meshlet_kernel_received_bytes",
        "Bytes that clients got on connections whose endpoint was picked in connect",
        |picks| picks.connections.received,
    ),
];

/// The whole page.
pub(super) fn write(ledger: &Ledger, gauges: Gauges, missed: u64, others: &str) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page {
        gauges,
        tcp: ledger.tcp(),
        requests: ledger.requests(),
        picks: ledger.picks(),
        missed,
    }));
    let mut text = String::new();
    encode_registry(&mut text, &registry).expect("a String takes everything");
    text.push_str(others);
    encode_eof(&mut text).expect("a String takes everything");
    text
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.gauges.encode(&mut encoder)?;
        for (name, help, count) in TCP {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (parties, connections) in &self.tcp {
                let flags = parties.flags.to_string();
                counter(&mut family, &labels::tcp(parties, &flags), count(connections))?;
            }
        }
        self.encode_requests(&mut encoder)?;
        for (name, help, count) in PICKS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (destination, picks) in &self.picks {
                counter(&mut family, &labels::picked(destination, &endpoint(destination)), count(picks))?;
            }
        }
        self.encode_times(&mut encoder)?;
        let name = "meshlet_kernel_connections_missed";
        let help = "Connections that the kernel has counted nothing of: its map of counters was full";
        let mut missed = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        missed.encode_counter::<NoLabelSet, _, u64>(&self.missed, None)
    }
}

impl Page {
    fn encode_requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let texts =
            self.requests.keys().map(|answered| (answered.parties.flags.to_string(), answered.code.to_string()));
        let texts: Vec<(String, String)> = texts.collect();
        let labelled = || {
            let labelled = self.requests.iter().zip(&texts);
            labelled.map(|((answered, requests), (flags, code))| {
                (labels::request(&answered.parties, flags, code), requests)
            })
        };
        let mut family = encoder.encode_descriptor(
            "istio_requests",
            "Requests that were answered or given up",
            None,
            MetricType::Counter,
        )?;
        for (labels, requests) in labelled() {
            counter(&mut family, &labels, requests.count())?;
        }
        for (name, help, histogram) in REQUESTS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for (labels, requests) in labelled() {
                let histogram = histogram(requests);
                let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
                let buckets: Vec<(f64, u64)> = bounds.zip(histogram.buckets).collect();
                let (sum, count) = (histogram.sum, histogram.count());
                family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
            }
        }
        Ok(())
    }

    /// A sum and a count, which is a histogram of one bucket.
    fn encode_times(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Last smoothed round-trip time of ended connections whose endpoint was picked in connect";
        let name = "meshlet_kernel_round_trip_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (destination, picks) in &self.picks {
            let sum = std::time::Duration::from_micros(picks.rtt).as_secs_f64();
            let endpoint = endpoint(destination);
            let labels = labels::picked(destination, &endpoint);
            let mut metric = family.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(sum, picks.timed, &[(f64::INFINITY, picks.timed)], None)?;
        }
        Ok(())
    }
}

impl Gauges {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let build = [("component", "meshlet"), ("tag", env!("CARGO_PKG_VERSION"))];
        encoder
            .encode_descriptor("istio_build", "Version of this daemon", None, MetricType::Gauge)?
            .encode_family(&build)?
            .encode_gauge(&1_u32)?;
        for (name, help, value) in [
            ("meshlet_captured_pods", "Pods whose connections are captured", self.pods),
            ("meshlet_captured_services", "Service addresses that are captured", self.services),
        ] {
            let value = u32::try_from(value).unwrap_or(u32::MAX);
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

fn counter(family: &mut MetricEncoder<'_>, labels: &Labels<'_>, count: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
}

fn endpoint(destination: &Destination) -> String {
    destination.endpoint.map(|endpoint| endpoint.to_string()).unwrap_or_default()
}
