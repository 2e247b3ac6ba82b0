//! Every map: key, value, size, who writes, who reads. The daemon creates, fills and drops them; programs read, and write what is
//! said of them below.

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::btf_maps::SkStorage;
use aya_ebpf::macros::btf_map;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, PerCpuArray, SockHash};
use meshlet_wire::{
    BEATS, ENDPOINTS, EndpointEntry, FLOWS, Flow, FlowKey, LISTED_PORTS, LISTED_RANGES, PODS, PORT_WORDS, Peer,
    PodEntry, PortKey, ROUTES, RangeKey, RouteKey, SEEN, SEEN_IDS, SERVICES, SLOTS, Seen, ServiceKey, Settings,
};

const NO_PREALLOC: u32 = aya_ebpf::bindings::BPF_F_NO_PREALLOC;

/// What a pod dials → service id, or `NATIVE`. Written by the daemon when rules change, read on every connect.
#[map(name = "meshlet_service")]
pub(crate) static SERVICE: HashMap<ServiceKey, u32> = HashMap::with_max_entries(SERVICES, NO_PREALLOC);

/// Service id → what the pod dialled, for getpeername. Entries outlive their service for a while, so there is room for more.
#[map(name = "meshlet_ids")]
pub(crate) static IDS: HashMap<u32, ServiceKey> = HashMap::with_max_entries(2 * SERVICES, NO_PREALLOC);

/// Ports that are captured at every address that has no entry in the service map, a bit each. Written by the daemon
/// through a shared mapping when rules change, read on connects that miss there.
#[map(name = "meshlet_anyport")]
pub(crate) static ANY_PORT: Array<u64> = Array::with_max_entries(PORT_WORDS, BPF_F_MMAPABLE);

/// What a pod dialled on such a port → the id it was given. Written by the programs; the daemon takes away what is idle.
#[map(name = "meshlet_seen")]
pub(crate) static SEEN_KEY: HashMap<ServiceKey, Seen> = HashMap::with_max_entries(SEEN, NO_PREALLOC);

/// The id → what the pod dialled, for getpeername and the proxy. Written and taken away like the former, taken away later.
#[map(name = "meshlet_seenid")]
pub(crate) static SEEN_ID: HashMap<u32, ServiceKey> = HashMap::with_max_entries(SEEN_IDS, NO_PREALLOC);

/// How many connects found no id to be had; per CPU, counted by the programs.
#[map(name = "meshlet_unseen")]
pub(crate) static UNSEEN: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Network-namespace cookie → captured pod.
#[map(name = "meshlet_pods")]
pub(crate) static PODS_MAP: HashMap<u64, PodEntry> = HashMap::with_max_entries(PODS, NO_PREALLOC);

/// (list, port) → what pods' annotations say of the port. Written by the daemon before a pod names the list, read on connects
/// of pods that name one.
#[map(name = "meshlet_ports")]
pub(crate) static PORTS: HashMap<PortKey, u32> = HashMap::with_max_entries(LISTED_PORTS, NO_PREALLOC);

/// (list, range of addresses) → the same of the addresses in no longer range. A list has ranges for every address.
#[map(name = "meshlet_ranges")]
pub(crate) static RANGES: LpmTrie<RangeKey, u32> = LpmTrie::with_max_entries(LISTED_RANGES, NO_PREALLOC);

/// Network-namespace cookie → the pod's listening socket; an entry vanishes by itself when the socket closes.
#[map(name = "meshlet_listen")]
pub(crate) static LISTEN: SockHash<u64> = SockHash::with_max_entries(PODS, 0);

/// Heartbeats in `CLOCK_MONOTONIC_COARSE` nanoseconds, written through a shared mapping without a syscall.
#[map(name = "meshlet_beat")]
pub(crate) static BEAT: Array<u64> = Array::with_max_entries(BEATS, BPF_F_MMAPABLE);

/// One cell of switches.
#[map(name = "meshlet_set")]
pub(crate) static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);

/// (scope, service) → cell of the route. Written by the daemon when a service or a scope comes or goes.
#[map(name = "meshlet_l4")]
pub(crate) static L4: HashMap<RouteKey, u32> = HashMap::with_max_entries(ROUTES, NO_PREALLOC);

/// Route words, published by one store through a shared mapping.
#[map(name = "meshlet_routes")]
pub(crate) static ROUTE: Array<u64> = Array::with_max_entries(ROUTES, BPF_F_MMAPABLE);

/// Words of slots, laid out per route in the share that each endpoint has; written through a shared mapping.
#[map(name = "meshlet_slots")]
pub(crate) static SLOT: Array<u64> = Array::with_max_entries(SLOTS, BPF_F_MMAPABLE);

/// Endpoints, written through a shared mapping.
#[map(name = "meshlet_ends")]
pub(crate) static ENDPOINT: Array<EndpointEntry> = Array::with_max_entries(ENDPOINTS, BPF_F_MMAPABLE);

/// Whose turn it is, per route and CPU; written by the programs alone.
#[map(name = "meshlet_turns")]
pub(crate) static TURN: PerCpuArray<u64> = PerCpuArray::with_max_entries(ROUTES, 0);

/// Open connections per endpoint, counted by the programs.
#[map(name = "meshlet_open")]
pub(crate) static OPEN: Array<u64> = Array::with_max_entries(ENDPOINTS, BPF_F_MMAPABLE);

/// What has become of connections whose endpoint was picked, by pod and destination. An entry is made by the first connection and
/// removed by the daemon when its pod or its destination has been gone for long.
#[map(name = "meshlet_flows")]
pub(crate) static FLOW: HashMap<FlowKey, Flow> = HashMap::with_max_entries(FLOWS, NO_PREALLOC);

/// Connections that nothing was counted of because `meshlet_flows` was full.
#[map(name = "meshlet_missed")]
pub(crate) static MISSED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// What a socket's connect was made of; goes with the socket.
#[btf_map(name = "meshlet_peer")]
pub(crate) static PEER: SkStorage<Peer> = SkStorage::new();
