//! The matrix: a row for each rule, client and spelling of the host, a cell for each destination.

use serde::Serialize;

use super::chance::{Share, allowed};

/// A system that is right is called off in at most one run out of this many, all cells of the run together.
pub(crate) const RUNS_WITHOUT_FALSE_ALARM: u32 = 10_000;

/// `meshlet demo -o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    /// Per row.
    pub(crate) requests: u32,
    pub(crate) rows: Vec<Row>,
    pub(crate) verdict: Verdict,
}

/// One rule, one client, one spelling of the host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// Stable, for scripts.
    pub(crate) name: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) client: &'static str,
    pub(crate) host: String,
    /// In words.
    pub(crate) expected: &'static str,
    /// Requests without an answer from a pod; any makes the row off.
    pub(crate) failures: u32,
    /// What the first of them met, or what else is wrong with the row as a whole.
    pub(crate) error: Option<String>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) verdict: Verdict,
}

/// One destination. Shares are of 1.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cell {
    #[serde(flatten)]
    pub(crate) destination: Destination,
    pub(crate) configured: f64,
    pub(crate) observed: f64,
    /// Requests that went there.
    pub(crate) count: u32,
    /// Requests that could have.
    pub(crate) of: u32,
    /// The least share that chance allows.
    pub(crate) low: f64,
    /// The largest one.
    pub(crate) high: f64,
    pub(crate) verdict: Verdict,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Destination {
    Subset(String),
    Pod(String),
    /// All requests with one value of the hashed header, and the pod that most of them met.
    #[serde(untagged)]
    Sticky {
        value: String,
        pod: String,
    },
}

/// Whether what was observed is what was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Verdict {
    #[serde(rename = "on target")]
    OnTarget,
    #[serde(rename = "off")]
    Off,
}

impl Verdict {
    /// On target only if all are.
    pub(crate) fn of(good: bool) -> Self {
        if good { Self::OnTarget } else { Self::Off }
    }
}

impl Cell {
    /// `count` of `of` requests met a destination that each meets with the chance `share`.
    pub(crate) fn drawn(destination: Destination, share: Share, count: u32, of: u32, doubt: f64) -> Self {
        let range = allowed(of, share, doubt);
        let cell = Self::exact(destination, share.ratio(), count, of);
        Self {
            low: ratio(*range.start(), of),
            high: ratio(*range.end(), of),
            verdict: Verdict::of(range.contains(&count)),
            ..cell
        }
    }

    /// All of them had to: nothing is left to chance.
    pub(crate) fn certain(destination: Destination, count: u32, of: u32) -> Self {
        Self { verdict: Verdict::of(count == of && of > 0), ..Self::exact(destination, 1.0, count, of) }
    }

    fn exact(destination: Destination, configured: f64, count: u32, of: u32) -> Self {
        let observed = ratio(count, of);
        Self { destination, configured, observed, count, of, low: configured, high: configured, verdict: Verdict::Off }
    }
}

fn ratio(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}
