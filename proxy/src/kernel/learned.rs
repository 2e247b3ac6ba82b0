//! What the hooks capture at every address, and the ids that they give to such addresses: read here, and taken away again
//! when an address was not dialled for long.

use std::collections::HashMap as Entries;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aya::Ebpf;
use aya::maps::{HashMap, Map, MapData, PerCpuArray};
use meshlet_wire::{PORT_WORDS, Seen, ServiceKey, port_bit};

use super::beat;
use super::maps::take;
use super::sizes::{Sizes, Sort};
use super::words::Words;

/// Between two rounds of forgetting; less where ids are to be forgotten sooner.
const ROUND: Duration = Duration::from_secs(5);

/// How much sooner addresses are forgotten when three quarters of the room for them are used.
const HURRY: u64 = 16;

/// Port numbers, a bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortSet(Box<[u64]>);

/// What the hooks learn. One writer beside them: the node loop.
pub(crate) struct Learned {
    ports: Words,
    keys: HashMap<MapData, ServiceKey, Seen>,
    ids: HashMap<MapData, u32, ServiceKey>,
    /// The same map once more, for the workers.
    read: Arc<HashMap<MapData, u32, ServiceKey>>,
    /// How many connects have found no id.
    without: PerCpuArray<MapData, u64>,
    reported: u64,
    known: usize,
    forgetting: Forgetting,
}

impl PortSet {
    /// No port.
    pub(crate) fn none() -> Self {
        Self((0..PORT_WORDS).map(|_| 0).collect())
    }

    /// These, or all.
    pub(crate) fn new(ports: impl Iterator<Item = u16>, all: bool) -> Self {
        let mut set = Self::none();
        if all {
            set.0.fill(u64::MAX);
        }
        for (word, bit) in ports.map(port_bit) {
            if let Some(word) = usize::try_from(word).ok().and_then(|word| set.0.get_mut(word)) {
                *word |= bit;
            }
        }
        set
    }
}

impl Learned {
    pub(super) fn take(ebpf: &mut Ebpf, sizes: &Sizes) -> anyhow::Result<Self> {
        let ports =
            ebpf.map("meshlet_anyport").ok_or_else(|| anyhow!("the kernel object has no map meshlet_anyport"))?;
        let Map::Array(ports) = ports else { return Err(anyhow!("meshlet_anyport is not an array")) };
        let ids = ebpf.map("meshlet_seenid").ok_or_else(|| anyhow!("the kernel object has no map meshlet_seenid"))?;
        let Map::HashMap(ids) = ids else { return Err(anyhow!("meshlet_seenid is not a hash map")) };
        let shared = ids.fd().as_fd().try_clone_to_owned().context("sharing meshlet_seenid")?;
        let shared = MapData::from_fd(shared).context("opening meshlet_seenid")?;
        Ok(Self {
            read: Arc::new(HashMap::try_from(Map::HashMap(shared))?),
            ports: Words::map(ports.fd().as_fd(), PORT_WORDS).context("mapping meshlet_anyport")?,
            keys: HashMap::try_from(take(ebpf, "meshlet_seen")?)?,
            ids: HashMap::try_from(take(ebpf, "meshlet_seenid")?)?,
            without: PerCpuArray::try_from(take(ebpf, "meshlet_unseen")?)?,
            reported: 0,
            known: 0,
            forgetting: Forgetting::new(sizes.of(Sort::Seen)),
        })
    }

    /// Reads what an id stands for, from whichever thread.
    pub(crate) fn reader(&self) -> impl Fn(u32) -> Option<(IpAddr, u16)> + Send + Sync + 'static {
        let ids = Arc::clone(&self.read);
        move |id| {
            let ServiceKey { address, port, .. } = ids.get(&id, 0).ok()?;
            Some((Ipv6Addr::from(address).to_canonical(), u16::from_be_bytes(port)))
        }
    }

    /// Captures exactly these ports at every address that has no entry of its own.
    pub(crate) fn capture(&self, wanted: &PortSet) {
        for (place, word) in (0..).zip(&wanted.0) {
            self.ports.at(place).store(*word, Ordering::Relaxed);
        }
    }

    /// The same, but no port that is not captured already.
    pub(crate) fn narrow(&self, wanted: &PortSet) {
        for (place, word) in (0..).zip(&wanted.0) {
            self.ports.at(place).fetch_and(*word, Ordering::Relaxed);
        }
    }

    /// The ports that are captured so, as ranges of their first and last.
    pub(crate) fn captured(&self) -> Vec<(u16, u16)> {
        let is_captured = |port: &u16| {
            let (word, bit) = port_bit(*port);
            self.ports.at(word).load(Ordering::Relaxed) & bit != 0
        };
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for port in (0..=u16::MAX).filter(is_captured) {
            match ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(port) => *last = port,
                _ => ranges.push((port, port)),
            }
        }
        ranges
    }

    /// Forgets addresses that were not dialled for `age`, and later their ids, but for those that connections are under way to.
    /// Tells of connects that have found no id since the last time.
    pub(crate) fn forget(&mut self, age: Duration, is_under_way: impl Fn(u32) -> bool) {
        let now = beat::now();
        if !self.forgetting.is_due(age, now) {
            return;
        }
        let seen: Entries<ServiceKey, Seen> = self.keys.iter().filter_map(Result::ok).collect();
        self.known = seen.len();
        for (key, id) in self.forgetting.idle(&seen, age, now, &is_under_way) {
            // Gone already is as good as gone now.
            drop(self.keys.remove(&key));
            self.forgetting.later.insert(id, now);
        }
        for id in self.forgetting.over(age, now, &is_under_way) {
            drop(self.ids.remove(&id));
        }
        let without = self.without.get(&0, 0).map_or(self.reported, |counts| counts.iter().sum());
        if without > self.reported {
            tracing::warn!(
                map = "meshlet_seen",
                connections = without - self.reported,
                addresses = self.known,
                "no room: the failure policy decides about connections to new addresses on captured ports; start with --map-size seen=N"
            );
        }
        self.reported = without;
    }

    /// How many addresses had an id of late.
    pub(super) fn known(&self) -> usize {
        self.known
    }

    /// How many connects have found no id since the start.
    pub(super) fn without(&self) -> u64 {
        self.reported
    }
}

/// What is forgotten when; times are those of the heartbeat's clock.
#[derive(Debug)]
struct Forgetting {
    /// From how many addresses on it is crowded.
    crowd: usize,
    last: u64,
    /// Ids whose address has lost them: a connection that the hook has sent their way may not have been accepted yet.
    later: Entries<u32, u64>,
}

impl Forgetting {
    fn new(room: u32) -> Self {
        let crowd = usize::try_from(room - room / 4).unwrap_or(usize::MAX);
        Self { crowd, last: 0, later: Entries::new() }
    }

    fn is_due(&mut self, age: Duration, now: u64) -> bool {
        let due = now.saturating_sub(self.last) >= nanoseconds(ROUND.min(age / 2));
        if due {
            self.last = now;
        }
        due
    }

    /// Addresses and ids to take apart.
    fn idle(
        &self,
        seen: &Entries<ServiceKey, Seen>,
        age: Duration,
        now: u64,
        is_under_way: impl Fn(u32) -> bool,
    ) -> Vec<(ServiceKey, u32)> {
        let limit = nanoseconds(age) / if seen.len() >= self.crowd { HURRY } else { 1 };
        let idle = seen.iter().filter(|(_, seen)| now.saturating_sub(seen.used) > limit && !is_under_way(seen.id));
        idle.map(|(key, seen)| (*key, seen.id)).collect()
    }

    /// Ids to take away for good.
    fn over(&mut self, age: Duration, now: u64, is_under_way: impl Fn(u32) -> bool) -> Vec<u32> {
        let limit = nanoseconds(age);
        let over = self.later.extract_if(|id, since| now.saturating_sub(*since) > limit && !is_under_way(*id));
        over.map(|(id, _)| id).collect()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use meshlet_wire::LEARNED;

    use super::*;

    const ROOM: u32 = 100;
    const AGE: Duration = Duration::from_secs(100);
    const SECOND: u64 = 1_000_000_000;

    fn seen(used: &[u64]) -> Entries<ServiceKey, Seen> {
        let entry = |(place, used): (u16, &u64)| {
            let key = ServiceKey::v4([10, 0, 0, 1], place.to_be_bytes());
            (key, Seen { id: LEARNED | u32::from(place), reserved: 0, used: used * SECOND })
        };
        (0..).zip(used).map(entry).collect()
    }

    fn numbers(found: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut numbers: Vec<u32> = found.into_iter().map(|id| id & !LEARNED).collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn given_addresses_then_those_that_are_idle_are_forgotten_unless_somebody_is_under_way_there() {
        let seen = seen(&[0, 99, 150, 300]);
        for (now, under_way, expected) in
            [(99, None, vec![]), (101, None, vec![0]), (260, None, vec![0, 1, 2]), (260, Some(1), vec![0, 2])]
        {
            let under_way = under_way.map(|id| LEARNED | id);
            let idle = Forgetting::new(ROOM).idle(&seen, AGE, now * SECOND, |id| Some(id) == under_way);
            assert_eq!(numbers(idle.into_iter().map(|(_, id)| id)), expected, "{now} {under_way:?}");
        }
    }

    #[test]
    fn given_a_crowd_then_idle_addresses_make_room_sooner() {
        let entries = |count: usize| seen(&vec![0; count]);
        for (count, now, gone) in [(74, 99, 0), (75, 5, 0), (75, 7, 75)] {
            let idle = Forgetting::new(ROOM).idle(&entries(count), AGE, now * SECOND, |_| false);
            assert_eq!(idle.len(), gone, "{count} {now}");
        }
    }

    #[test]
    fn given_an_id_whose_address_has_lost_it_then_it_means_something_for_as_long_again() {
        let mut forgetting = Forgetting::new(ROOM);
        forgetting.later.extend([(1, 10 * SECOND), (2, 10 * SECOND)]);
        assert_eq!(forgetting.over(AGE, 110 * SECOND, |_| false), Vec::<u32>::new());
        assert_eq!(forgetting.over(AGE, 111 * SECOND, |id| id == 2), [1]);
        assert_eq!(forgetting.over(AGE, 111 * SECOND, |_| false), [2]);
        assert_eq!(forgetting.over(AGE, 999 * SECOND, |_| false), Vec::<u32>::new());
    }

    #[test]
    fn given_ports_then_each_has_its_bit_and_all_have_all() {
        let set = PortSet::new([0, 63, 64, 65_535].into_iter(), false);
        let words: Vec<(usize, u64)> = set.0.iter().copied().enumerate().filter(|(_, word)| *word != 0).collect();
        assert_eq!(words, [(0, 1 | 1 << 63), (1, 1), (1023, 1 << 63)]);
        assert!(PortSet::new([].into_iter(), true).0.iter().all(|word| *word == u64::MAX));
        assert_eq!(PortSet::new([].into_iter(), false), PortSet::none());
    }
}
