//! Typed handles of the maps, and the difference between what a map holds and what it should hold.

use std::collections::{HashMap as Entries, HashSet};
use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Context as _, anyhow};
use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, SockHash};
use meshlet_wire::{NATIVE, PodEntry, ServiceKey, Settings};

/// Every map the daemon writes.
pub(crate) struct Maps {
    services: HashMap<MapData, ServiceKey, u32>,
    ids: HashMap<MapData, u32, ServiceKey>,
    pods: HashMap<MapData, u64, PodEntry>,
    listeners: SockHash<MapData, u64>,
    switches: Array<MapData, Settings>,
    settings: Settings,
    written: Entries<ServiceKey, u32>,
    named: HashSet<u32>,
    enrolled: HashSet<u64>,
}

/// How many of each there are.
pub(super) struct Counts {
    pub(super) services: usize,
    pub(super) ids: usize,
    pub(super) pods: usize,
}

impl Maps {
    pub(super) fn take(ebpf: &mut Ebpf, settings: Settings) -> anyhow::Result<Self> {
        let mut maps = Self {
            services: HashMap::try_from(take(ebpf, "meshlet_service")?)?,
            ids: HashMap::try_from(take(ebpf, "meshlet_ids")?)?,
            pods: HashMap::try_from(take(ebpf, "meshlet_pods")?)?,
            listeners: SockHash::try_from(take(ebpf, "meshlet_listen")?)?,
            switches: Array::try_from(take(ebpf, "meshlet_set")?)?,
            settings,
            written: Entries::new(),
            named: HashSet::new(),
            enrolled: HashSet::new(),
        };
        maps.set(settings)?;
        Ok(maps)
    }

    fn set(&mut self, settings: Settings) -> anyhow::Result<()> {
        self.switches.set(0, settings, 0).context("writing map meshlet_set")?;
        self.settings = settings;
        Ok(())
    }

    /// Whether the hooks count connections from their beginning.
    pub(super) fn counting(&self) -> bool {
        self.settings.observed != 0
    }

    /// Lets the hooks count connections: their ends are observed.
    pub(super) fn count(&mut self) -> anyhow::Result<()> {
        self.set(Settings { observed: 1, ..self.settings })
    }

    /// What was written and is there.
    pub(super) fn counts(&self) -> Counts {
        Counts { services: self.written.len(), ids: self.named.len(), pods: self.enrolled.len() }
    }

    /// Makes an id known to getpeername; it stays until [`Maps::forget_id`], past the service's own life.
    pub(crate) fn name_id(&mut self, id: u32, key: ServiceKey) -> anyhow::Result<()> {
        self.ids.insert(id, key, 0).with_context(|| format!("writing id {id} to map meshlet_ids"))?;
        self.named.insert(id);
        Ok(())
    }

    /// Drops an id that no connection can hold any more.
    pub(crate) fn forget_id(&mut self, id: u32) {
        // Gone already is as good as gone now.
        drop(self.ids.remove(&id));
        self.named.remove(&id);
    }

    /// Captures exactly `wanted`, but for what has the id [`meshlet_wire::NATIVE`]: what is new is added, what has gone is removed,
    /// the rest is not touched. Failures (a full map) are returned with their keys, the rest goes on.
    pub(crate) fn set_services(&mut self, wanted: &[(ServiceKey, u32)]) -> Vec<(ServiceKey, anyhow::Error)> {
        let mut failed = Vec::new();
        let next: Entries<ServiceKey, u32> = wanted.iter().copied().collect();
        let gone: Vec<ServiceKey> = self.written.keys().filter(|key| !next.contains_key(*key)).copied().collect();
        for key in gone {
            drop(self.services.remove(&key));
            self.written.remove(&key);
        }
        for (key, id) in wanted {
            if self.written.get(key) == Some(id) {
                continue;
            }
            if failed.len() >= TRIES {
                failed.push((*key, anyhow!("map meshlet_service is full")));
                continue;
            }
            match self.services.insert(key, id, 0) {
                Ok(()) => drop(self.written.insert(*key, *id)),
                Err(error) => failed.push((*key, anyhow!(error).context("writing map meshlet_service"))),
            }
        }
        failed
    }

    /// What each address that has an entry goes by; `None` when it is native whatever its port is.
    pub(crate) fn services(&self) -> impl Iterator<Item = ((IpAddr, u16), Option<u32>)> {
        let entry = |(key, id): (&ServiceKey, &u32)| {
            let address = Ipv6Addr::from(key.address).to_canonical();
            ((address, u16::from_be_bytes(key.port)), (*id != NATIVE).then_some(*id))
        };
        self.written.iter().map(entry)
    }

    /// Arms a pod: its listener first, then its entry, so that a redirect always finds somebody.
    pub(crate) fn enrol(&mut self, cookie: u64, pod: PodEntry, listener: &TcpListener) -> anyhow::Result<()> {
        self.listeners.insert(cookie, listener.as_fd().as_raw_fd(), 0).context("writing map meshlet_listen")?;
        self.pods.insert(cookie, pod, 0).context("writing map meshlet_pods")?;
        self.enrolled.insert(cookie);
        Ok(())
    }

    /// Takes the pod's listener from the hooks: new connects meet the failure policy.
    pub(crate) fn disarm(&mut self, cookie: u64) {
        // The socket may have taken its entry along.
        drop(self.listeners.remove(&cookie));
    }

    /// Disarms a pod: from here on its connects are native.
    pub(crate) fn withdraw(&mut self, cookie: u64) {
        drop(self.pods.remove(&cookie));
        self.enrolled.remove(&cookie);
        self.disarm(cookie);
    }
}

/// Failed insertions after which a map is taken for full: what is refused is tried in every round.
const TRIES: usize = 16;

pub(super) fn take(ebpf: &mut Ebpf, name: &str) -> anyhow::Result<aya::maps::Map> {
    ebpf.take_map(name).ok_or_else(|| anyhow!("the kernel object has no map {name}"))
}
