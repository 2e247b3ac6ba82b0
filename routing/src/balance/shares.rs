//! Weights, and draws that fall on them.

/// Sums of weights up to and with each entry.
#[derive(Debug, Clone)]
pub(crate) struct Shares(Box<[u64]>);

impl Shares {
    pub(crate) fn new(weights: impl Iterator<Item = u64>) -> Self {
        let mut sum = 0_u64;
        Self(
            weights
                .map(|weight| {
                    sum = sum.saturating_add(weight);
                    sum
                })
                .collect(),
        )
    }

    /// The entry that a draw, uniform over all of `u64`, falls on, each with its exact share of the draws rounded to whole
    /// ones, and a further draw. `None` when all weights are zero.
    pub(crate) fn draw(&self, draw: u64) -> Option<(usize, u64)> {
        let total = self.0.last().copied().filter(|total| *total > 0)?;
        let (point, rest) = scale(draw, total);
        Some((self.0.partition_point(|upper| *upper <= point), rest))
    }

    /// The weight of one entry.
    pub(crate) fn weight(&self, at: usize) -> u64 {
        let below = at.checked_sub(1).and_then(|before| self.0.get(before)).copied().unwrap_or(0);
        self.0.get(at).map_or(0, |upper| upper - below)
    }
}

/// A draw over all of `u64` as one below `count`, and what is left of it as a further draw.
pub(crate) fn scale(draw: u64, count: u64) -> (u64, u64) {
    let wide = u128::from(draw) * u128::from(count);
    let low = u64::try_from(wide & u128::from(u64::MAX)).unwrap_or(0);
    (u64::try_from(wide >> 64).unwrap_or(0), low)
}
