//! Who answered how often, and whether chance explains the difference to what was configured.

use std::collections::BTreeMap;

use meshlet_sandbox::Answer;

/// Answers per pod.
#[derive(Debug, Default)]
pub struct Shares {
    by_pod: BTreeMap<String, usize>,
    total: usize,
}

impl Shares {
    /// Counts answers; one without a pod fails the test.
    #[must_use]
    pub fn of(answers: &[Answer]) -> Self {
        let mut shares = Self::default();
        for answer in answers {
            let pod = answer.pod.clone().unwrap_or_else(|| panic!("answered by no pod: {answer:?}"));
            *shares.by_pod.entry(pod).or_default() += 1;
            shares.total += 1;
        }
        shares
    }

    /// The pods that answered.
    #[must_use]
    pub fn pods(&self) -> Vec<&str> {
        self.by_pod.keys().map(String::as_str).collect()
    }

    /// Answers of the pods whose name starts with `prefix`.
    #[must_use]
    pub fn count(&self, prefix: &str) -> usize {
        self.by_pod.iter().filter(|(pod, _)| pod.starts_with(prefix)).map(|(_, count)| count).sum()
    }

    /// Asserts the share of the pods whose name starts with `prefix`.
    pub fn assert(&self, prefix: &str, share: f64) {
        assert_share(self.count(prefix), self.total, share, prefix);
    }

    /// Asserts that all six servers share evenly.
    pub fn assert_even_over_six(&self) {
        assert_eq!(self.by_pod.len(), 6, "{self:?}");
        for pod in self.pods() {
            self.assert(pod, 1.0 / 6.0);
        }
    }
}

/// Asserts that `count` of `total` is within six standard deviations of `share`: a right system fails about once in 10^9.
pub fn assert_share(count: usize, total: usize, share: f64, what: &str) {
    let (count, total) = (to_f64(count), to_f64(total));
    let deviation = (total * share * (1.0 - share)).sqrt();
    assert!((count - total * share).abs() <= 6.0 * deviation, "{what}: {count} of {total}, configured {share}");
}

/// As many, or a tenth on an emulated machine, which would take a minute for them: chance is judged by the number.
#[must_use]
pub fn many(count: usize) -> usize {
    if emulated() { count / 10 } else { count }
}

/// Whether the machine is an emulated one, where what takes a moment elsewhere takes seconds.
#[must_use]
pub fn emulated() -> bool {
    std::env::var_os("MESHLET_EMULATED").is_some()
}

fn to_f64(number: usize) -> f64 {
    u32::try_from(number).map(f64::from).expect("fewer than 2^32 requests")
}
