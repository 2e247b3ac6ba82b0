//! Loading the embedded object.

use std::num::NonZeroUsize;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aya::maps::Map;
use aya::programs::CgroupSockAddr;
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use aya_log::EbpfLogger;
use meshlet_wire::{Settings, VERSION};

use super::beat::Heartbeat;
use super::flows::Flows;
use super::learned::Learned;
use super::maps::Maps;
use super::observers::{self, Types};
use super::outbound::Outbound;
use super::refusals::Refusals;
use super::routes::Routes;
use super::sizes::Sizes;

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/meshlet-ebpf"));

/// Age at which a heartbeat is stale. Workers beat every 50 ms; a loaded machine may delay them by hundreds.
const BEAT_LIMIT: Duration = Duration::from_millis(1000);

/// The same for the routes that the kernel decides by: they stay true for longer than a worker may be silent, and an endpoint
/// that has gone since is refused, which is what tells the app.
const TABLES_LIMIT: Duration = Duration::from_secs(30);

/// The hooks, as (program, name of its pin).
pub(super) const HOOKS: [(&str, &str); 4] =
    [("meshlet_conn4", "conn4"), ("meshlet_conn6", "conn6"), ("meshlet_peer4", "peer4"), ("meshlet_peer6", "peer6")];

/// What a captured pod's new connections meet when the daemon is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FailurePolicy {
    /// They go native: kube-proxy decides.
    Open,
    /// They are refused (EPERM).
    Closed,
}

/// The loaded programs and their maps. Dropping it does not detach the hooks: pinned links hold them, and those their maps.
pub(crate) struct Kernel {
    pub(super) ebpf: Ebpf,
    /// The maps.
    pub(crate) maps: Maps,
    /// What annotations keep out of capture.
    pub(crate) outbound: Outbound,
    /// What the kernel decides by itself.
    pub(crate) routes: Routes,
    /// What there was no room for.
    pub(crate) refusals: Refusals,
    /// How much there is room for.
    pub(crate) sizes: Sizes,
    /// What it has counted of that, until somebody takes it.
    pub(crate) flows: Option<Flows>,
    /// Why connections are not observed to their end, where that cannot be had: neither least-request nor metrics know of them.
    pub(crate) unobserved: Option<String>,
    /// What is captured at every address.
    pub(crate) learned: Learned,
    /// Ticked by the workers.
    pub(crate) beat: Arc<Heartbeat>,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
}

impl Kernel {
    /// Loads the object and verifies its programs; nothing is attached yet. `log` lets the programs report rare events.
    pub(crate) fn load(policy: FailurePolicy, workers: NonZeroUsize, sizes: Sizes, log: bool) -> anyhow::Result<Self> {
        // aya-log's levels: 1 is error, 4 is debug.
        let level: u8 = if log { 4 } else { 0 };
        let mut loader = EbpfLoader::new();
        loader.override_global("AYA_LOG_LEVEL", &level, false);
        let types = Types::read();
        if let Ok(types) = &types {
            loader.override_global("OFFSETS", &types.offsets, true);
        }
        for (map, entries) in sizes.of_maps() {
            loader.map_max_entries(map, entries);
        }
        let mut ebpf = loader.load(OBJECT).context("loading the kernel object")?;
        for (name, _) in HOOKS {
            program(&mut ebpf, name)?.load().with_context(|| format!("loading program {name}"))?;
        }
        let (iterator, unobserved) = match types.and_then(|types| observers::load(&mut ebpf, &types)) {
            Ok(iterator) => (Some(iterator), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let settings = Settings {
            version: VERSION,
            fail_closed: u32::from(policy == FailurePolicy::Closed),
            beat_limit: u64::try_from(BEAT_LIMIT.as_nanos()).context("heartbeat limit")?,
            tables_limit: u64::try_from(TABLES_LIMIT.as_nanos()).context("heartbeat limit")?,
            observed: 0,
            reserved: 0,
        };
        let beat = {
            let map = ebpf.map("meshlet_beat").ok_or_else(|| anyhow!("the kernel object has no map meshlet_beat"))?;
            let Map::Array(data) = map else { return Err(anyhow!("meshlet_beat is not an array")) };
            Arc::new(Heartbeat::map(data.fd().as_fd(), workers)?)
        };
        let maps = Maps::take(&mut ebpf, settings)?;
        let outbound = Outbound::take(&mut ebpf, &sizes)?;
        let routes = Routes::take(&mut ebpf, &sizes)?;
        let flows = Some(Flows::take(&mut ebpf, iterator)?);
        let learned = Learned::take(&mut ebpf, &sizes)?;
        let logger =
            log.then(|| EbpfLogger::init(&mut ebpf)).transpose().context("opening the kernel programs' log")?;
        let refusals = Refusals::new(sizes.clone());
        Ok(Self { ebpf, maps, outbound, routes, learned, flows, unobserved, refusals, sizes, beat, logger })
    }

    /// Observes connections from now on, unless it does already or cannot.
    pub(crate) fn observe(&mut self) {
        if self.unobserved.is_none() && !self.maps.counting() {
            let observed = observers::attach(&mut self.ebpf).and_then(|()| self.maps.count());
            self.unobserved = observed.err().map(|error| format!("{error:#}"));
        }
    }

    /// Passes what the programs reported on to our log; nothing unless they were loaded to report.
    pub(crate) fn flush_log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }
}

pub(super) fn program<'e>(ebpf: &'e mut Ebpf, name: &str) -> anyhow::Result<&'e mut CgroupSockAddr> {
    ebpf.program_mut(name)
        .ok_or_else(|| anyhow!("the kernel object has no program {name}"))?
        .try_into()
        .with_context(|| format!("program {name} is of another type"))
}
