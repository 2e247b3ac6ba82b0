//! What `/metrics` says.

use std::collections::BTreeMap;

use super::Node;

/// One reading.
#[derive(Debug)]
pub struct Metrics {
    series: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Metrics {
    /// Reads them now.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let text = node.daemon.scrape().expect("metrics");
        assert!(text.ends_with("# EOF\n"), "OpenMetrics ends so: {text}");
        Self { series: text.lines().filter(|line| !line.starts_with('#')).map(read).collect() }
    }

    /// The sum of the series of that name that have these labels; 0 when there are none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.named(name).filter(|of| has(of, labels)).map(|(_, value)| value).sum()
    }

    /// What the series of that name say for a label, in order.
    #[must_use]
    pub fn said(&self, name: &str, label: &str) -> Vec<String> {
        let mut said: Vec<String> = self.named(name).filter_map(|(labels, _)| labels.get(label)).cloned().collect();
        said.sort();
        said.dedup();
        said
    }

    fn named(&self, name: &str) -> impl Iterator<Item = (&BTreeMap<String, String>, f64)> {
        self.series.iter().filter(move |(of, ..)| of == name).map(|(_, labels, value)| (labels, *value))
    }
}

fn has((labels, _): &(&BTreeMap<String, String>, f64), wanted: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(name, value)| labels.get(*name).is_some_and(|found| found == value))
}

/// `name{label="value",…} 1`; no value of the tests holds a quote or a comma.
fn read(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = series.strip_suffix('}').and_then(|rest| rest.split_once('{')).unwrap_or((series, ""));
    let label = |pair: &str| {
        let (name, value) = pair.split_once('=').expect("a label's value");
        (name.to_owned(), value.trim_matches('"').to_owned())
    };
    let labels = labels.split(',').filter(|pair| !pair.is_empty()).map(label).collect();
    (name.to_owned(), labels, value.parse().expect("a number"))
}
