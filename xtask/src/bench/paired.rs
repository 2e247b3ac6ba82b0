//! Two things measured in turns: the ratio of each pair, and what may be said of all.

use std::fmt;

/// Ratios this near to 1 are equal whatever their interval says: nobody would act on them.
const EQUAL: f64 = 0.02;

/// An interval wider than this decides nothing, even if it holds 1.
const TOO_WIDE: f64 = 0.10;

/// What the ratios of pairs come to.
#[derive(Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) median: f64,
    /// First and third quartile.
    pub(super) quartiles: (f64, f64),
    /// Holds the true median in 95 of 100 runs, whatever the ratios' distribution.
    pub(super) interval: (f64, f64),
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Verdict {
    Equal,
    Undecided,
    Faster,
    Slower,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "equal within noise",
            Self::Undecided => "undecided: too noisy",
            Self::Faster => "FASTER",
            Self::Slower => "SLOWER",
        })
    }
}

impl Summary {
    /// Of six pairs or more; with fewer there is no interval of 95 %.
    pub(super) fn of(mut ratios: Vec<f64>) -> Option<Self> {
        ratios.sort_by(f64::total_cmp);
        let outside = below(ratios.len())?;
        let interval = (*ratios.get(outside)?, *ratios.get(ratios.len() - 1 - outside)?);
        let quartiles = (quantile(&ratios, 0.25), quantile(&ratios, 0.75));
        Some(Self { median: median(&ratios), quartiles, interval })
    }

    pub(super) fn verdict(&self) -> Verdict {
        let (low, high) = self.interval;
        if low >= 1.0 - EQUAL && high <= 1.0 + EQUAL {
            return Verdict::Equal;
        }
        match (low <= 1.0, high >= 1.0) {
            (true, true) if high - low > TOO_WIDE => Verdict::Undecided,
            (true, true) => Verdict::Equal,
            (true, false) => Verdict::Slower,
            (false, _) => Verdict::Faster,
        }
    }
}

/// The median of sorted numbers, of which there is at least one.
pub(super) fn median(sorted: &[f64]) -> f64 {
    quantile(sorted, 0.5)
}

/// How many of the sorted ratios lie outside the sign test's interval at each end: as many as a fair coin, thrown once for
/// each pair, has of its rarer side with a chance of at most 2.5 %.
fn below(pairs: usize) -> Option<usize> {
    let mut term = 0.5_f64.powi(i32::try_from(pairs).ok()?);
    let (mut chance, mut heads) = (term, 0);
    if chance > 0.025 {
        return None;
    }
    while chance <= 0.025 {
        term *= (pairs - heads) as f64 / (heads + 1) as f64;
        heads += 1;
        chance += term;
    }
    Some(heads - 1)
}

/// The value below which so large a share of sorted numbers lies, of which there is at least one.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (place - low as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_pairs_then_the_interval_is_the_sign_tests() {
        // From the tables of the binomial distribution at one half.
        for (pairs, outside) in [(5, None), (6, Some(0)), (8, Some(0)), (9, Some(1)), (20, Some(5)), (40, Some(13))] {
            assert_eq!(below(pairs), outside, "{pairs} pairs");
        }
        let ratios = (1..=9).map(f64::from).rev().collect();
        let expected = Summary { median: 5.0, quartiles: (3.0, 7.0), interval: (2.0, 8.0) };
        assert_eq!(Summary::of(ratios), Some(expected));
    }

    #[test]
    fn given_an_interval_then_only_what_it_shows_is_said() {
        for (interval, verdict) in [
            ((0.97, 1.01), Verdict::Equal),
            ((0.985, 0.995), Verdict::Equal),
            ((1.001, 1.019), Verdict::Equal),
            ((0.90, 1.05), Verdict::Undecided),
            ((0.97, 0.99), Verdict::Slower),
            ((1.01, 1.03), Verdict::Faster),
            ((0.5, 0.9), Verdict::Slower),
        ] {
            let summary = Summary { median: 1.0, quartiles: (1.0, 1.0), interval };
            assert_eq!(summary.verdict(), verdict, "{interval:?}");
        }
    }
}
