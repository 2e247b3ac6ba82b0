//! Which endpoints of a cluster are near its client, and what that means for who gets requests
//! (istio/istio@86c9f01 pilot/pkg/networking/core/loadbalancer/loadbalancer.go).

use std::collections::BTreeMap;

use super::Scope;
use crate::balance::layout::Plan;
use crate::model::{Distribute, Endpoint, FailoverLabel, Labels, Locality, LocalitySetting};

/// What localities mean for the clients of one scope.
#[derive(Debug, Clone, Copy)]
pub(super) struct Localities<'c> {
    /// Whose requests they are.
    pub(super) client: &'c Scope,
    /// The setting in force.
    pub(super) setting: &'c LocalitySetting,
    /// Whether one level takes over from another: only where something says when an endpoint has failed.
    pub(super) fails_over: bool,
}

impl Localities<'_> {
    /// Groups the endpoints of a cluster; `endpoints` holds those that are not ready as well, which count as failed. Places
    /// are those among the ready ones.
    pub(super) fn plans(&self, endpoints: &[&Endpoint]) -> Vec<Plan> {
        match self.setting {
            LocalitySetting::Distribute(entries) => {
                match entries.iter().find(|entry| entry.from.covers(&self.client.locality)) {
                    Some(entry) => distribute(entry, endpoints),
                    None => by_level(endpoints, |_| 0),
                }
            }
            LocalitySetting::Nearest if self.fails_over => by_level(endpoints, |endpoint| self.distance(endpoint, &[])),
            LocalitySetting::Failover { regions, priority } if self.fails_over => {
                by_level(endpoints, |endpoint| self.level(endpoint, regions, priority))
            }
            LocalitySetting::Off | LocalitySetting::Nearest | LocalitySetting::Failover { .. } => {
                by_level(endpoints, |_| 0)
            }
        }
    }

    /// By labels first, then by region where one is named (applyFailoverPriorities, applyLocalityFailover).
    fn level(&self, endpoint: &Endpoint, regions: &[(Box<str>, Box<str>)], priority: &[FailoverLabel]) -> usize {
        const DISTANCES: usize = 5;
        if priority.is_empty() {
            return self.distance(endpoint, regions);
        }
        let differs = |label: &FailoverLabel| {
            let wanted = label.value.as_deref().unwrap_or_else(|| {
                value(&label.key, &self.client.labels, &self.client.locality, self.client.node.as_deref())
            });
            wanted != value(&label.key, &endpoint.labels, &endpoint.locality, endpoint.node.as_deref())
        };
        let by_label = priority.iter().position(differs).map_or(0, |first| priority.len() - first);
        let by_region = if regions.is_empty() { 0 } else { self.distance(endpoint, regions) };
        by_label * DISTANCES + by_region
    }

    /// 0 in the same sub-zone, 1 zone, 2 region, 3 anywhere else; 4 where another region takes over
    /// (istio/istio@86c9f01 pilot/pkg/networking/util/util.go, LbPriority).
    fn distance(&self, endpoint: &Endpoint, regions: &[(Box<str>, Box<str>)]) -> usize {
        let (here, there) = (&self.client.locality, &endpoint.locality);
        if here.region != there.region {
            let next = regions.iter().find(|(from, _)| *from == here.region);
            return if next.is_some_and(|(_, to)| *to != there.region) { 4 } else { 3 };
        }
        match (here.zone == there.zone, here.sub_zone == there.sub_zone) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 2,
        }
    }
}

/// A label, or what is known about a place by the label's name; empty without.
fn value<'v>(key: &str, labels: &'v Labels, locality: &'v Locality, node: Option<&'v str>) -> &'v str {
    match key {
        "topology.kubernetes.io/region" => &locality.region,
        "topology.kubernetes.io/zone" => &locality.zone,
        "topology.istio.io/subzone" => &locality.sub_zone,
        "kubernetes.io/hostname" => node.unwrap_or_default(),
        other => labels.get(other).map_or("", |value| value),
    }
}

/// Endpoints with the place each ready one has.
fn placed<'e>(endpoints: &'e [&'e Endpoint]) -> impl Iterator<Item = (&'e Endpoint, Option<u32>)> {
    let mut place = 0;
    endpoints.iter().map(move |endpoint| {
        let own = endpoint.ready.then_some(place);
        place += u32::from(endpoint.ready);
        (*endpoint, own)
    })
}

fn by_level(endpoints: &[&Endpoint], level: impl Fn(&Endpoint) -> usize) -> Vec<Plan> {
    let mut plans: BTreeMap<usize, Plan> = BTreeMap::new();
    for (endpoint, place) in placed(endpoints) {
        let level = level(endpoint);
        let plan = plans.entry(level).or_insert_with(|| Plan { level, weight: 1, ..Plan::default() });
        plan.add(place);
    }
    if plans.is_empty() { vec![Plan { weight: 1, ..Plan::default() }] } else { plans.into_values().collect() }
}

/// The weight of each place's localities is shared out among them by the weights of their endpoints, and rounded up as Istio
/// does; endpoints elsewhere are not used (applyLocalityWeights).
fn distribute(entry: &Distribute, endpoints: &[&Endpoint]) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for (number, (pattern, share)) in entry.to.iter().enumerate() {
        let mut own: BTreeMap<&Locality, (u64, Plan)> = BTreeMap::new();
        for (endpoint, place) in placed(endpoints) {
            let first = entry.to.iter().position(|(pattern, _)| pattern.covers(&endpoint.locality));
            if first == Some(number) && pattern.covers(&endpoint.locality) {
                let (weight, plan) = own.entry(&endpoint.locality).or_default();
                *weight += u64::from(endpoint.weight.get());
                plan.add(place);
            }
        }
        let sum = own.values().map(|(weight, _)| weight).sum::<u64>().max(1);
        plans.extend(own.into_values().map(|(weight, plan)| {
            let weight = u32::try_from((weight * u64::from(*share)).div_ceil(sum)).unwrap_or(u32::MAX);
            Plan { weight, ..plan }
        }));
    }
    if plans.is_empty() { vec![Plan { weight: 1, ..Plan::default() }] } else { plans }
}
