//! What the programs have counted of connections that they picked for.

use std::collections::HashMap as StdHashMap;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};

use anyhow::anyhow;
use aya::Ebpf;
use aya::maps::{HashMap, MapData, PerCpuArray};
use meshlet_wire::{Flow, FlowKey, Live};

use super::sys;

/// For an update that only makes a new entry (linux include/uapi/linux/bpf.h, BPF_NOEXIST).
const NO_EXIST: u64 = 1;

/// What has become of the connections of one pod to one destination, until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections that were established.
    pub(crate) opened: u64,
    /// Those of them that have ended.
    pub(crate) closed: u64,
    /// Connects that nobody accepted.
    pub(crate) failed: u64,
    /// Bytes that endpoints have acknowledged.
    pub(crate) sent: u64,
    /// Bytes that have come from them.
    pub(crate) received: u64,
    /// Sum of the last smoothed round-trip times of those that have ended, in microseconds.
    pub(crate) rtt: u64,
}

impl Counts {
    /// What is known after two looks. One may miss a connection that ends while it is taken, but none tells too much.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            opened: self.opened.max(other.opened),
            closed: self.closed.max(other.closed),
            failed: self.failed.max(other.failed),
            sent: self.sent.max(other.sent),
            received: self.received.max(other.received),
            rtt: self.rtt.max(other.rtt),
        }
    }
}

impl From<Flow> for Counts {
    fn from(Flow { closed, failed, sent, received, rtt }: Flow) -> Self {
        Self { opened: closed, closed, failed, sent, received, rtt }
    }
}

/// The counters; programs add to them, and nobody else but [`Flows::remove`] takes anything away.
pub(crate) struct Flows {
    flows: HashMap<MapData, FlowKey, Flow>,
    missed: PerCpuArray<MapData, u64>,
    /// Over the open connections; none where they are not observed.
    iterator: Option<OwnedFd>,
}

impl Flows {
    pub(super) fn take(ebpf: &mut Ebpf, iterator: Option<OwnedFd>) -> anyhow::Result<Self> {
        let mut take = |name: &str| ebpf.take_map(name).ok_or_else(|| anyhow!("the kernel object has no map {name}"));
        Ok(Self {
            flows: HashMap::try_from(take("meshlet_flows")?)?,
            missed: PerCpuArray::try_from(take("meshlet_missed")?)?,
            iterator,
        })
    }

    /// All of them: two system calls each, and one for some hundred open connections.
    pub(crate) fn read(&mut self) -> Vec<(FlowKey, Counts)> {
        // First those that are over: one that ends in between is told next time, and none twice.
        let mut all: StdHashMap<FlowKey, Counts> =
            self.flows.iter().filter_map(Result::ok).map(|(key, flow)| (key, flow.into())).collect();
        let open = self.open().unwrap_or_else(|error| {
            tracing::warn!(%error, "the kernel does not tell of its open connections");
            Vec::new()
        });
        for Live { flow, sent, received } in open {
            // A connection is told of while there is room to tell of its end.
            if !all.contains_key(&flow) && self.flows.insert(flow, Flow::default(), NO_EXIST).is_err() {
                continue;
            }
            let counts = all.entry(flow).or_default();
            counts.opened += 1;
            counts.sent += sent;
            counts.received += received;
        }
        all.into_iter().collect()
    }

    fn open(&self) -> io::Result<Vec<Live>> {
        let Some(link) = &self.iterator else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        sys::iterator(link.as_fd())?.read_to_end(&mut bytes)?;
        let (records, _) = bytes.as_chunks();
        Ok(records.iter().filter_map(live).collect())
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

/// A record as the iterator has written it.
fn live(record: &[u8; size_of::<Live>()]) -> Option<Live> {
    let ([pod, key, sent, received], []) = record.as_chunks() else { return None };
    let destination = u32::from_ne_bytes(*key.first_chunk()?);
    let [pod, sent, received] = [pod, sent, received].map(|word| u64::from_ne_bytes(*word));
    Some(Live { flow: FlowKey { pod, destination, reserved: 0 }, sent, received })
}
