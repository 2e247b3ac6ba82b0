//! How the members of a group count beside each other.

use super::health::Warming;
use super::layout::Group;
use super::shares::scale;

/// The scale that a draw is held against.
pub(super) enum Scale<'g> {
    /// By their weights, which may be all alike.
    Settled(&'g Group),
    /// By what each is warm, summed up to and with each member.
    Warming(Box<[f64]>),
}

impl<'g> Scale<'g> {
    pub(super) fn of(group: &'g Group, warming: Option<Warming<'_>>) -> Self {
        let Some(warming) = warming else { return Self::Settled(group) };
        let mut sum = 0.0;
        let sums = group.members().iter().map(|place| {
            sum += warming.weight(*place);
            sum
        });
        Self::Warming(sums.collect())
    }

    /// Whether all members count alike.
    pub(super) fn is_even(&self) -> bool {
        matches!(self, Self::Settled(group) if group.weights().is_none())
    }

    /// The member that a draw falls on, each with its share of the draws.
    pub(super) fn draw(&self, draw: u64) -> Option<usize> {
        match self {
            Self::Settled(group) => match group.weights() {
                Some(weights) => weights.draw(draw).map(|(member, _)| member),
                None => usize::try_from(scale(draw, group.members().len() as u64).0).ok(),
            },
            Self::Warming(sums) => {
                let high = u32::try_from(draw >> 32).unwrap_or(u32::MAX);
                let point = f64::from(high) / 4_294_967_296.0 * sums.last()?;
                Some(sums.partition_point(|upper| *upper <= point).min(sums.len() - 1))
            }
        }
    }

    /// What a member counts.
    pub(super) fn weight(&self, member: usize) -> f64 {
        match self {
            Self::Settled(group) => group.weights().map_or(1.0, |weights| {
                // Weights of endpoints have 32 bits.
                u32::try_from(weights.weight(member)).map_or(f64::from(u32::MAX), f64::from)
            }),
            Self::Warming(sums) => {
                let below = member.checked_sub(1).and_then(|before| sums.get(before)).copied().unwrap_or(0.0);
                sums.get(member).map_or(0.0, |upper| upper - below)
            }
        }
    }
}
