//! How long to wait before the API server is asked again.

use std::time::Duration;

/// So often in a row something is forbidden before that is believed: an API server that starts forbids everything until it has read
/// the roles.
pub(crate) const BELIEVED: u32 = 4;

/// When it is asked again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// After the first failure, twice as long after each further one.
    pub(crate) least: Duration,
    /// The longest wait after failures.
    pub(crate) most: Duration,
    /// The longest wait for a CRD or a permission that is not there.
    pub(crate) missing: Duration,
    /// Watches of one resource begin at least so far apart, however often the server closes them.
    pub(crate) apart: Duration,
}

impl Pace {
    pub(crate) const PATIENT: Self = Self {
        least: Duration::from_millis(200),
        most: Duration::from_secs(30),
        missing: Duration::from_secs(30),
        apart: Duration::from_secs(1),
    };

    /// After so many failures in a row; `draw` is uniform over all of `u32` and takes up to a half of it away, so that nodes do
    /// not ask in step when the API server comes back.
    pub(crate) fn after(&self, failures: u32, draw: u32) -> Duration {
        self.grown(failures, self.most, draw)
    }

    /// The same, for what somebody has to install or to allow.
    pub(crate) fn missing(&self, times: u32, draw: u32) -> Duration {
        self.grown(times.saturating_add(2), self.missing, draw)
    }

    fn grown(&self, times: u32, most: Duration, draw: u32) -> Duration {
        let doubled = 2_u32.checked_pow(times.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.least.saturating_mul(doubled).min(most);
        longest.mul_f64(1.0 - f64::from(draw) / f64::from(u32::MAX) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_failures_in_a_row_then_the_wait_doubles_up_to_a_bound_and_is_drawn_from_its_upper_half() {
        let pace = Pace::PATIENT;
        for (failures, draw, milliseconds) in [
            (1, 0, 200),
            (1, u32::MAX, 100),
            (2, 0, 400),
            (4, 0, 1_600),
            (8, 0, 25_600),
            (9, 0, 30_000),
            (u32::MAX, 0, 30_000),
        ] {
            assert_eq!(pace.after(failures, draw), Duration::from_millis(milliseconds), "{failures} {draw}");
        }
    }
}
