//! What the kernel holds, by names: put together from what the node loop has written there.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use meshlet_routing::model::World;

use super::Node;
use crate::admin::bpf::{Bpf, CapturedAddress, CapturedPod, Endpoint, KernelRoute, Leg, Map, Program};
use crate::capture::enrolled::Enrolled;
use crate::kernel::{Leaf, Pick, RoutePlan};
use crate::metrics::Destinations;
use crate::snapshot::loan::Wanted;
use crate::snapshot::publish::owner;

impl Node {
    /// Answers one who asked.
    pub(super) fn answer(&mut self, asked: Wanted) {
        match asked {
            Wanted::World(reply) => self.lender.lend(self.source.world(), reply),
            // Whoever asked may have gone.
            Wanted::Bpf(reply) => drop(reply.send(self.bpf())),
        }
    }

    fn bpf(&self) -> Bpf {
        let world = self.source.world();
        let usage = self.kernel.usage();
        let map = |usage: &crate::kernel::MapUsage| Map {
            name: usage.map.to_owned(),
            entries: usage.entries,
            max_entries: usage.max_entries,
            refused: usage.refused,
        };
        let mut addresses: Vec<_> = self.kernel.maps.services().collect();
        addresses.sort_unstable();
        let range = |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
        Bpf {
            programs: self.programs(),
            maps: usage.iter().map(map).collect(),
            pods: self.enrolled.values().filter_map(captured_pod).collect(),
            addresses: addresses
                .iter()
                .map(|(address, id)| CapturedAddress { address: text(*address), host: host(world, *address), id: *id })
                .collect(),
            ports: self.kernel.learned.captured().into_iter().map(range).collect(),
            routes: self.metrics.number(|destinations| self.kernel_routes(&addresses, destinations)),
        }
    }

    fn programs(&self) -> Vec<Program> {
        let cgroup = self.links.as_ref().map(|links| links.cgroup().display().to_string()).unwrap_or_default();
        let program = |name: &str, id, cgroup: &str| Program { name: name.to_owned(), id, cgroup: cgroup.to_owned() };
        let hooks = self.kernel.hooks().into_iter().map(|(name, id)| program(name, id, &cgroup));
        let observers = self.kernel.observers().into_iter().map(|(name, id, place)| program(name, id, place));
        hooks.chain(observers).collect()
    }

    fn kernel_routes(
        &self,
        addresses: &[((IpAddr, u16), Option<u32>)],
        destinations: &Destinations,
    ) -> Vec<KernelRoute> {
        let world = self.source.world();
        let ids: HashMap<u32, (IpAddr, u16)> =
            addresses.iter().filter_map(|(address, id)| Some(((*id)?, *address))).collect();
        let mut plans: Vec<_> = self.kernel.routes.plans().collect();
        plans.sort_unstable_by_key(|(key, _)| (key.scope, key.service));
        let route = |(key, plan): (meshlet_wire::RouteKey, &RoutePlan)| {
            let address = ids.get(&key.service)?;
            let here = self.enrolled.values().filter(|pod| pod.entry().is_some_and(|entry| entry.scope == key.scope));
            Some(KernelRoute {
                scope: key.scope,
                clients: here.map(|pod| pod.name.clone()).collect(),
                address: text(*address),
                host: host(world, *address),
                destinations: self.legs(plan, destinations),
            })
        };
        plans.into_iter().filter_map(route).collect()
    }

    fn legs(&self, plan: &RoutePlan, destinations: &Destinations) -> Vec<Leg> {
        match plan {
            RoutePlan::Sole(leaf) => vec![self.leg(1.0, leaf, destinations)],
            RoutePlan::Weighted(leaves) => {
                let sum: u32 = leaves.iter().map(|(weight, _)| weight).sum();
                let share = |weight: u32| f64::from(weight) / f64::from(sum.max(1));
                leaves.iter().map(|(weight, leaf)| self.leg(share(*weight), leaf, destinations)).collect()
            }
        }
    }

    fn leg(&self, share: f64, leaf: &Leaf, destinations: &Destinations) -> Leg {
        let known = leaf.slots.first().and_then(|(_, number)| destinations.get(*number));
        let mut slots: BTreeMap<SocketAddr, u32> = BTreeMap::new();
        for (address, _) in &leaf.slots {
            *slots.entry(*address).or_default() += 1;
        }
        let sum: u32 = slots.values().sum();
        let endpoint = |(address, count): (&SocketAddr, &u32)| Endpoint {
            address: *address,
            share: f64::from(*count) / f64::from(sum.max(1)),
            open: self.kernel.routes.open(*address),
        };
        Leg {
            host: known.and_then(|known| Some(known.service.as_ref()?.host.as_str().to_owned())),
            subset: known.and_then(|known| known.subset.as_deref().map(str::to_owned)),
            share,
            mode: mode(leaf).to_owned(),
            endpoints: slots.iter().map(endpoint).collect(),
        }
    }
}

/// How an endpoint is picked.
fn mode(leaf: &Leaf) -> &'static str {
    match leaf.pick {
        _ if leaf.slots.is_empty() => "refused",
        Pick::Random => "at random",
        Pick::Pod => "by the pod's address",
        Pick::Turn => "in turn",
        Pick::Least => "the less busy of two",
    }
}

fn captured_pod(pod: &Enrolled) -> Option<CapturedPod> {
    let entry = pod.entry()?;
    let port = |port: [u8; 2]| Some(u16::from_be_bytes(port)).filter(|port| *port != 0);
    let own = pod.addresses;
    Some(CapturedPod {
        pod: pod.name.clone(),
        netns_cookie: pod.cookie,
        addresses: own.v4.map(IpAddr::V4).into_iter().chain(own.v6.map(IpAddr::V6)).collect(),
        listener_port: port(entry.port),
        listener_port_v6: port(entry.port_v6),
        place: entry.place,
        scope: entry.scope,
    })
}

fn text((address, port): (IpAddr, u16)) -> String {
    SocketAddr::new(address, port).to_string()
}

fn host(world: &World, address: (IpAddr, u16)) -> Option<String> {
    owner(world, address).map(|service| service.host.as_str().to_owned())
}
