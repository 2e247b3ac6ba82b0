//! What the daemon says about itself, on three listeners: a scrape must not wait for a page, nor a probe for either.

pub(crate) mod bpf;
mod explain;
mod kernel_maps;
mod query;
mod watches;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Json;
use axum::routing::get;
use serde::Serialize;

use crate::cluster::WatchStatus;
use crate::kernel::MapUsage;
use crate::metrics::{self, Gauges, Metrics};
use crate::snapshot::loan::Worlds;
use crate::snapshot::read::Input;

/// The daemon's state as others may see it; written by the node loop.
#[derive(Default)]
pub(crate) struct Status {
    /// First complete sync done and programs attached.
    pub(crate) ready: AtomicBool,
    /// What is in force.
    pub(crate) config: ArcSwap<Config>,
    /// How full the kernel's maps are.
    pub(crate) maps: ArcSwap<Vec<MapUsage>>,
}

/// `/api/v1/config`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    /// Of the daemon.
    pub(crate) version: &'static str,
    /// Name of the node.
    pub(crate) node: String,
    /// As the readiness probe says.
    pub(crate) ready: bool,
    /// Whether nothing is captured, only said.
    pub(crate) dry_run: bool,
    /// Counts the worlds that were put in force.
    pub(crate) generation: u64,
    /// The files behind the world in force.
    pub(crate) inputs: Vec<Input>,
    /// How the cluster's watches stand; none when files are read.
    pub(crate) watches: Vec<WatchStatus>,
    /// Pods of this node.
    pub(crate) pods: Vec<PodStatus>,
    /// Number of captured service addresses.
    pub(crate) services: usize,
}

/// One pod of this node.
#[derive(Debug, Serialize)]
pub(crate) struct PodStatus {
    /// Its namespace.
    pub(crate) namespace: Arc<str>,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Whether its marks ask for capture.
    pub(crate) marked: bool,
    /// Whether its connections are captured *now*: marked, found, and its listener in place.
    pub(crate) captured: bool,
    /// Whether processes of it were found; only looked for where it is marked.
    pub(crate) running: bool,
    /// Why it is marked or not.
    pub(crate) reason: &'static str,
}

/// The admin API.
pub(crate) fn admin(status: &Arc<Status>, worlds: Worlds) -> Router {
    Router::new()
        .route("/api/v1/config", get(async |State(status): State<Arc<Status>>| Json(status.config.load_full())))
        .with_state(Arc::clone(status))
        .merge(bpf::router(worlds.clone()))
        .merge(explain::router(worlds))
}

/// The probes: alive while it answers, ready when capture is right.
pub(crate) fn health(status: &Arc<Status>) -> Router {
    let ready = async |State(status): State<Arc<Status>>| {
        if status.ready.load(Ordering::Relaxed) {
            (StatusCode::OK, "ready\n".to_owned())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, watches::unready(&status.config.load().watches))
        }
    };
    Router::new()
        .route("/healthz/ready", get(ready))
        .route("/healthz/live", get(async || "alive\n"))
        .with_state(Arc::clone(status))
}

/// OpenMetrics text.
pub(crate) fn metrics(status: &Arc<Status>, metrics: Arc<Metrics>) -> Router {
    let text = async |State((status, metrics)): State<(Arc<Status>, Arc<Metrics>)>| {
        let config = status.config.load();
        let pods = config.pods.iter().filter(|pod| pod.captured).count();
        let gauges = Gauges { pods, services: config.services };
        let others = watches::metrics(&config.watches) + &kernel_maps::text(&status.maps.load());
        ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.page(gauges, &others, Instant::now()))
    };
    Router::new()
        .route("/metrics", get(text))
        .route("/stats/prometheus", get(text))
        .with_state((Arc::clone(status), metrics))
}
