//! What chance allows: the counts that a fair draw stays within.

use std::ops::RangeInclusive;

/// A share as a fraction of whole numbers: weights are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) part: u32,
    pub(crate) whole: u32,
}

impl Share {
    /// Between 0 and 1.
    pub(crate) fn ratio(self) -> f64 {
        f64::from(self.part) / f64::from(self.whole)
    }
}

/// The counts that `trials` independent draws, each with this share's chance, give with all but the probability `doubt`;
/// half of it on either side. Exact, by the binomial distribution.
pub(crate) fn allowed(trials: u32, share: Share, doubt: f64) -> RangeInclusive<u32> {
    let likely = likely(trials, share);
    let total: f64 = likely.iter().map(|(_, weight)| weight).sum();
    let side = total * doubt / 2.0;
    let low = bound(likely.iter(), side).unwrap_or(0);
    let high = bound(likely.iter().rev(), side).unwrap_or(trials);
    low..=high
}

/// The first count at which the tail outweighs its side of the doubt.
fn bound<'a>(mut counts: impl Iterator<Item = &'a (u32, f64)>, side: f64) -> Option<u32> {
    let mut tail = 0.0;
    let first = counts.find(|(_, weight)| {
        tail += weight;
        tail > side
    });
    first.map(|(count, _)| *count)
}

/// The counts whose probability is not negligible beside that of the likeliest, with their relative probability, ascending.
fn likely(trials: u32, share: Share) -> Vec<(u32, f64)> {
    const NEGLIGIBLE: f64 = 1e-18;
    let Share { part, whole } = share;
    let mode = u32::try_from(u64::from(trials + 1) * u64::from(part) / u64::from(whole))
        .map_or(trials, |mode| mode.min(trials));
    let odds = f64::from(part) / f64::from(whole - part);
    let mut likely = vec![(mode, 1.0)];
    let (mut count, mut weight) = (mode, 1.0);
    while count > 0 && weight > NEGLIGIBLE {
        weight *= f64::from(count) / f64::from(trials - count + 1) / odds;
        count -= 1;
        likely.push((count, weight));
    }
    likely.reverse();
    (count, weight) = (mode, 1.0);
    while count < trials && weight > NEGLIGIBLE {
        weight *= f64::from(trials - count) / f64::from(count + 1) * odds;
        count += 1;
        likely.push((count, weight));
    }
    likely
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_share_when_draws_are_counted_then_the_range_is_that_of_the_binomial_distribution() {
        let cases = [
            // One coin: both sides are possible.
            (1, (1, 2), 0.1, 0..=1),
            // Ten coins: 0 and 10 have 1/1024 each, 1 and 9 have 10/1024.
            (10, (1, 2), 0.01, 1..=9),
            (10, (1, 2), 0.03, 2..=8),
            // Tables: qbinom(0.025 and 0.975, 100, 0.1) are 5 and 16.
            (100, (1, 10), 0.05, 5..=16),
            // The certain and the impossible leave nothing to chance.
            (1000, (10, 10), 1e-9, 1000..=1000),
            (1000, (0, 10), 1e-9, 0..=0),
        ];
        for (trials, (part, whole), doubt, range) in cases {
            assert_eq!(allowed(trials, Share { part, whole }, doubt), range, "{trials} draws of {part}/{whole}");
        }
    }

    #[test]
    fn given_a_share_and_its_rest_then_their_ranges_mirror_each_other() {
        for trials in [60, 999, 1000, 100_000] {
            let tenth = allowed(trials, Share { part: 1, whole: 10 }, 1e-6);
            let rest = allowed(trials, Share { part: 9, whole: 10 }, 1e-6);
            assert_eq!((trials - tenth.end(), trials - tenth.start()), (*rest.start(), *rest.end()));
        }
    }

    #[test]
    fn given_less_doubt_then_the_range_is_wider_and_always_holds_the_mean() {
        let share = Share { part: 1, whole: 6 };
        let (narrow, wide) = (allowed(1200, share, 1e-2), allowed(1200, share, 1e-8));
        assert!(wide.start() < narrow.start() && narrow.end() < wide.end());
        assert!(narrow.contains(&200));
    }
}
