//! What the programs have counted of connections that they picked for.

use anyhow::anyhow;
use aya::Ebpf;
use aya::maps::{HashMap, MapData, PerCpuArray};
use meshlet_wire::{Flow, FlowKey};

/// The counters; programs add to them, and nobody else but [`Flows::remove`] changes anything.
pub(crate) struct Flows {
    flows: HashMap<MapData, FlowKey, Flow>,
    missed: PerCpuArray<MapData, u64>,
}

impl Flows {
    pub(super) fn take(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        let mut take = |name: &str| ebpf.take_map(name).ok_or_else(|| anyhow!("the kernel object has no map {name}"));
        Ok(Self {
            flows: HashMap::try_from(take("meshlet_flows")?)?,
            missed: PerCpuArray::try_from(take("meshlet_missed")?)?,
        })
    }

    /// All of them: two system calls each.
    pub(crate) fn read(&self) -> Vec<(FlowKey, Flow)> {
        // One that goes meanwhile is gone.
        self.flows.iter().filter_map(Result::ok).collect()
    }

    /// Forgets what no connection counts for any more.
    pub(crate) fn remove(&mut self, key: &FlowKey) {
        // Gone already is as good as gone now.
        drop(self.flows.remove(key));
    }

    /// Connections that nothing was counted of, since there was no room.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.get(&0, 0).map_or(0, |words| words.iter().sum())
    }
}
