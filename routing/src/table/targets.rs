//! Where a route sends its traffic, and which of several destinations a draw means.

use std::sync::Arc;

use super::clusters::Target;
use super::effects::Effects;
use crate::model::{Destination, Hostname, Split};

/// One destination of a route.
#[derive(Debug)]
pub(crate) struct Leg {
    /// Sum of the weights up to and with this one; 1 for a sole destination.
    pub(crate) upper: u64,
    /// As written; a sole destination has none, since it gets everything.
    pub(crate) weight: Option<u32>,
    /// What was asked for, whether it exists or not.
    pub(crate) host: Hostname,
    pub(crate) port: u16,
    pub(crate) subset: Option<Box<str>>,
    pub(crate) target: Target,
    pub(crate) effects: Arc<Effects>,
}

/// Where a route's requests go: at least one destination, in written order.
#[derive(Debug)]
pub(crate) struct Targets(Box<[Leg]>);

impl Targets {
    /// Where each destination of a rule leads: `aim` gives its port, its target and what is done on the way.
    pub(super) fn new(split: &Split, mut aim: impl FnMut(&Destination) -> (u16, Target, Arc<Effects>)) -> Self {
        let mut upper = 0_u64;
        let leg = |(weight, destination): (Option<u32>, &Destination)| {
            upper += u64::from(weight.unwrap_or(1));
            let (port, target, effects) = aim(destination);
            let (host, subset) = (destination.host.clone(), destination.subset.clone());
            Leg { upper, weight, host, port, subset, target, effects }
        };
        Self(split.destinations().map(leg).collect())
    }

    /// All of a service's port.
    pub(super) fn sole(host: Hostname, port: u16, target: Target, effects: Arc<Effects>) -> Self {
        Self([Leg { upper: 1, weight: None, host, port, subset: None, target, effects }].into())
    }

    /// The target of one draw, uniform over all of `u32`: every target gets its exact share of the draws, rounded to whole
    /// ones.
    pub(crate) fn draw(&self, draw: u32) -> Option<&Leg> {
        let point = (u64::from(draw) * self.total()) >> 32;
        self.0.get(self.0.partition_point(|leg| leg.upper <= point))
    }

    /// In written order.
    pub(crate) fn legs(&self) -> &[Leg] {
        &self.0
    }

    /// Sum of all weights.
    pub(crate) fn total(&self) -> u64 {
        self.0.last().map_or(0, |leg| leg.upper)
    }
}
