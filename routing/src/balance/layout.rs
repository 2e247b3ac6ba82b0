//! Where a cluster's endpoints stand: levels that take over from each other, made of groups that share by weight.

use std::sync::Arc;

use super::Keys;
use super::shares::{Shares, scale};
use crate::model::{Endpoint, LoadBalancer};

/// A level keeps all its requests as long as this share of its endpoints, in per cent, times its usable part is 100 or more:
/// Envoy's overprovisioning factor of 1.4.
const OVERPROVISIONING: u64 = 140;

/// Levels in order of preference, at least one.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    levels: Box<[Level]>,
}

/// Endpoints of equal preference.
#[derive(Debug)]
pub(crate) struct Level {
    /// Its share of the requests, in per cent.
    load: u32,
    groups: Box<[Group]>,
    weights: Shares,
}

/// Endpoints that share by their own weights.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Its share beside the other groups of its level.
    weight: u32,
    /// How many endpoints it has, usable or not.
    listed: u32,
    /// The usable ones by their place in the cluster.
    members: Arc<[u32]>,
    /// Of the members, where they are not all alike.
    weights: Option<Shares>,
    /// Over the members as they were when all were usable, by their place among those.
    keys: Option<Arc<Keys>>,
    /// What `keys` are about: the ready endpoints of the group by their place in the cluster.
    ready: Arc<[u32]>,
}

/// A group before anything is known to be unusable.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// From 0, the most preferred; gaps mean nothing.
    pub(crate) level: usize,
    /// Beside the other groups of its level.
    pub(crate) weight: u32,
    /// The ready endpoints, by their place in the cluster.
    pub(crate) ready: Vec<u32>,
    /// How many more there are that are not ready.
    pub(crate) unready: u32,
}

impl Plan {
    /// One more endpoint: the place of a ready one, `None` for another.
    pub(crate) fn add(&mut self, place: Option<u32>) {
        match place {
            Some(place) => self.ready.push(place),
            None => self.unready += 1,
        }
    }
}

impl Layout {
    /// Lays out the ready endpoints of a cluster by these groups.
    pub(crate) fn new(mut plans: Vec<Plan>, endpoints: &[Endpoint], load_balancer: &LoadBalancer) -> Self {
        plans.sort_by_key(|plan| plan.level);
        let levels = plans.chunk_by(|one, other| one.level == other.level);
        let levels = levels.map(|plans| plans.iter().map(|plan| Group::new(plan, endpoints, load_balancer)).collect());
        Self::of(levels.collect(), endpoints, 0)
    }

    /// The same without some of its endpoints. Where fewer than `panic` per cent of a level are left, and no other can take
    /// over, it uses all it has.
    pub(crate) fn without(&self, endpoints: &[Endpoint], panic: u8, out: impl Fn(usize) -> bool) -> Self {
        let rest = |group: &Group| {
            let left = |place: &&u32| !usize::try_from(**place).is_ok_and(&out);
            Group { members: group.ready.iter().filter(left).copied().collect(), ..group.clone() }
        };
        let levels = self.levels.iter().map(|level| level.groups.iter().map(rest).collect()).collect();
        Self::of(levels, endpoints, panic)
    }

    fn of(mut levels: Vec<Vec<Group>>, endpoints: &[Endpoint], panic: u8) -> Self {
        let sizes: Vec<Size> = levels.iter().map(|groups| Size::of(groups)).collect();
        let (loads, panicking) = loads(&sizes, panic);
        for (groups, _) in levels.iter_mut().zip(panicking).filter(|(_, panics)| *panics) {
            groups.iter_mut().for_each(|group| group.members = Arc::clone(&group.ready));
        }
        let level = |(mut groups, load): (Vec<Group>, u32)| {
            groups.iter_mut().for_each(|group| group.weigh(endpoints));
            Level { load, weights: Shares::new(groups.iter().map(Group::effective)), groups: groups.into() }
        };
        Self { levels: levels.into_iter().zip(loads).map(level).collect() }
    }

    /// Lays out who owns which hashes, where that of `before` was asked for: a change of endpoints does not make a request wait.
    pub(crate) fn lay_keys_like(&self, before: &Self) {
        let keys = |layout: &Self| {
            layout
                .levels
                .iter()
                .flat_map(|level| &level.groups)
                .filter_map(|group| group.keys.clone())
                .collect::<Vec<_>>()
        };
        if keys(before).iter().any(|keys| keys.is_laid()) {
            keys(self).iter().for_each(|keys| keys.lay());
        }
    }

    /// The group that a draw, uniform over all of `u64`, falls into, its number, and a further draw.
    pub(crate) fn draw(&self, draw: u64) -> Option<(&Group, usize, u64)> {
        let (percent, rest) = if self.levels.len() == 1 { (0, draw) } else { scale(draw, 100) };
        self.at_percent(percent, rest)
    }

    /// The group that a hash belongs to.
    pub(crate) fn of_key(&self, key: u64) -> Option<&Group> {
        // envoy source/extensions/load_balancing_policies/common/load_balancer_impl.cc, choosePriority
        let percent = if self.levels.len() == 1 { 0 } else { key % 100 };
        self.at_percent(percent, super::mix(key)).map(|(group, ..)| group)
    }

    fn at_percent(&self, percent: u64, draw: u64) -> Option<(&Group, usize, u64)> {
        let (mut upper, mut number) = (0, 0);
        for level in &self.levels {
            upper += u64::from(level.load);
            if percent < upper {
                let (place, rest) = if level.groups.len() == 1 { (0, draw) } else { level.weights.draw(draw)? };
                return Some((level.groups.get(place)?, number + place, rest));
            }
            number += level.groups.len();
        }
        None
    }

    /// How many endpoints it was made of, ready or not.
    pub(crate) fn listed(&self) -> usize {
        let groups = self.levels.iter().flat_map(|level| &level.groups);
        groups.map(|group| usize::try_from(group.listed).unwrap_or(usize::MAX)).sum()
    }

    /// How many groups there are in all.
    pub(crate) fn groups(&self) -> usize {
        self.levels.iter().map(|level| level.groups.len()).sum()
    }

    /// Whether no endpoint of it is usable.
    pub(crate) fn is_empty(&self) -> bool {
        self.levels.iter().flat_map(|level| &level.groups).all(|group| group.members.is_empty())
    }

    /// Each level's share of the requests in per cent, and its groups.
    pub(crate) fn levels(&self) -> impl Iterator<Item = (u32, &[Group])> {
        self.levels.iter().map(|level| (level.load, &*level.groups))
    }
}

impl Group {
    fn new(plan: &Plan, endpoints: &[Endpoint], load_balancer: &LoadBalancer) -> Self {
        let of_place = |place: &u32| usize::try_from(*place).ok().and_then(|place| endpoints.get(place)).cloned();
        let own: Vec<Endpoint> = plan.ready.iter().filter_map(of_place).collect();
        let ready: Arc<[u32]> = plan.ready.iter().copied().collect();
        Self {
            weight: plan.weight,
            listed: u32::try_from(plan.ready.len()).unwrap_or(u32::MAX).saturating_add(plan.unready),
            members: Arc::clone(&ready),
            weights: None,
            keys: Keys::new(load_balancer, &own).map(Arc::new),
            ready,
        }
    }

    fn weigh(&mut self, endpoints: &[Endpoint]) {
        let weight = |place: &u32| {
            let endpoint = usize::try_from(*place).ok().and_then(|place| endpoints.get(place));
            endpoint.map_or(0, |endpoint| u64::from(endpoint.weight.get()))
        };
        let first = self.members.first().map(weight);
        let alike = self.members.iter().all(|place| Some(weight(place)) == first);
        self.weights = (!alike).then(|| Shares::new(self.members.iter().map(weight)));
    }

    /// Its weight, less what it lacks in usable endpoints
    /// (envoy source/common/upstream/upstream_impl.cc, effectiveLocalityWeight).
    fn effective(&self) -> u64 {
        let usable = OVERPROVISIONING * self.members.len() as u64 * 100 / u64::from(self.listed.max(1));
        u64::from(self.weight) * usable.min(10_000)
    }

    /// Its share beside the other groups of its level, as long as all it has is usable.
    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }

    /// The usable endpoints by their place in the cluster.
    pub(crate) fn members(&self) -> &[u32] {
        &self.members
    }

    /// The weights of [`Self::members`], unless they are all alike.
    pub(crate) fn weights(&self) -> Option<&Shares> {
        self.weights.as_ref()
    }

    /// The place in the cluster of the endpoint that owns a key; what is not usable is passed over.
    pub(crate) fn owner(&self, key: u64) -> Option<u32> {
        let whole = self.members.len() == self.ready.len();
        let usable =
            |at: usize| whole || self.ready.get(at).is_some_and(|place| self.members.binary_search(place).is_ok());
        self.ready.get(self.keys.as_ref()?.pick(key, usable)?).copied()
    }
}

/// How many endpoints a level has.
struct Size {
    usable: u64,
    listed: u64,
}

impl Size {
    fn of(groups: &[Group]) -> Self {
        let usable = groups.iter().map(|group| group.members.len() as u64).sum();
        Self { usable, listed: groups.iter().map(|group| u64::from(group.listed)).sum() }
    }

    /// From 0 to 100: a level with more than 100 / 1.4 per cent of its endpoints is as good as whole.
    fn health(&self) -> u64 {
        (OVERPROVISIONING * self.usable).checked_div(self.listed).unwrap_or(0).min(100)
    }

    fn panics(&self, threshold: u8) -> bool {
        self.usable * 100 < u64::from(threshold) * self.listed.max(1)
    }
}

/// The share of each level in per cent, and which of them use what is not usable
/// (envoy source/extensions/load_balancing_policies/common/load_balancer_impl.cc, recalculatePerPriorityState,
/// recalculatePerPriorityPanic).
fn loads(sizes: &[Size], threshold: u8) -> (Vec<u32>, Vec<bool>) {
    let health: Vec<u64> = sizes.iter().map(Size::health).collect();
    let total = health.iter().sum::<u64>().min(100);
    let panics: Vec<bool> = sizes.iter().map(|size| total < 100 && size.panics(threshold)).collect();
    let parts = if !panics.is_empty() && panics.iter().all(|panics| *panics) {
        let listed: u64 = sizes.iter().map(|size| size.listed).sum();
        portions(sizes.iter().map(|size| (100 * size.listed).checked_div(listed).unwrap_or(0)))
    } else {
        portions(health.iter().map(|health| (100 * health).checked_div(total).unwrap_or(0)))
    };
    (parts, panics)
}

/// Gives out 100 per cent in order; what rounding leaves over goes to the first that gets anything, else to the first.
fn portions(wanted: impl Iterator<Item = u64>) -> Vec<u32> {
    let mut left = 100_u32;
    let mut given: Vec<u32> = wanted
        .map(|wanted| {
            let part = left.min(u32::try_from(wanted).unwrap_or(u32::MAX));
            left -= part;
            part
        })
        .collect();
    let first = given.iter().position(|part| *part > 0).unwrap_or(0);
    if let Some(part) = given.get_mut(first) {
        *part += left;
    }
    given
}
