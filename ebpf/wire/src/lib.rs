//! The types both sides of a BPF map share. Byte arrays and naturally aligned integers only, so that the kernel's and the
//! daemon's layout cannot differ.
#![no_std]

/// Changes with every change to a type, a map or a meaning below; the loader refuses an object of another version.
pub const VERSION: u32 = 2;

/// Mark (`SO_MARK`) of every socket the daemon opens inside a pod's network namespace: the hooks let it through.
pub const OWN_MARK: u32 = 0x4d53_4801;

/// First address of 127.64.0.0/10, the service ids as addresses; host byte order.
pub const ID_BASE: u32 = 0x7f40_0000;

/// The bits of an address that hold the id.
pub const ID_MASK: u32 = 0x003f_ffff;

/// The address that stands for service `id` in a redirected connection; host byte order.
#[must_use]
pub const fn id_address(id: u32) -> u32 {
    ID_BASE | (id & ID_MASK)
}

/// The service id that an address stands for, if it lies in 127.64.0.0/10; host byte order.
#[must_use]
pub const fn address_id(address: u32) -> Option<u32> {
    if address & !ID_MASK == ID_BASE { Some(address & ID_MASK) } else { None }
}

/// What a pod dials, key of the service map and value of the id map: IPv4 as IPv4-mapped IPv6, port in network byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceKey {
    /// IPv6 or IPv4-mapped address, network byte order.
    pub address: [u8; 16],
    /// Port, network byte order.
    pub port: [u8; 2],
}

impl ServiceKey {
    /// The key of an IPv4 destination; `address` and `port` as bytes in network byte order.
    #[must_use]
    pub const fn v4(address: [u8; 4], port: [u8; 2]) -> Self {
        let [a, b, c, d] = address;
        Self { address: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d], port }
    }
}

/// A captured pod, value of the pod map; its key is the network-namespace cookie.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodEntry {
    /// The pod's IPv4 address, network byte order: what the app must see as its own address.
    pub address: [u8; 4],
    /// Port of the pod's capture listener, network byte order.
    pub port: [u8; 2],
    /// Zero.
    pub reserved: [u8; 2],
    /// Pods with the same number are routed alike: half of [`RouteKey`].
    pub scope: u32,
    /// Its place in the slots of a route of mode [`MODE_POD`].
    pub place: u32,
}

/// Which route a pod's connects to a service take, key of the route map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// [`PodEntry::scope`].
    pub scope: u32,
    /// Id of the service.
    pub service: u32,
}

/// Any slot, each connect drawing for itself.
pub const MODE_RANDOM: u8 = 1;
/// The slot at the pod's own place: its hash has been taken already.
pub const MODE_POD: u8 = 2;
/// One slot after the other.
pub const MODE_TURN: u8 = 3;
/// The less busy of two drawn at random.
pub const MODE_LEAST: u8 = 4;
/// Nowhere: the connect is refused.
pub const MODE_REFUSE: u8 = 5;

/// Bit of a slot that names a route's cell instead of an endpoint's: a destination with endpoints and a pick of its own. Behind
/// it slots name endpoints alone.
pub const SUBROUTE: u32 = 0x8000_0000;

/// A route that the kernel decides, one word, so that it is never seen half written: `count` slots from `base` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// How a slot is chosen; 0 in an empty cell.
    pub mode: u8,
    /// First slot.
    pub base: u32,
    /// Number of slots, below 2^24.
    pub count: u32,
}

impl Route {
    /// Mode in the highest byte, then the count, then the base.
    #[must_use]
    pub const fn word(self) -> u64 {
        (self.mode as u64) << 56 | (self.count as u64 & 0x00ff_ffff) << 32 | self.base as u64
    }

    /// The route that a word stands for.
    #[must_use]
    pub const fn of(word: u64) -> Self {
        Self { mode: (word >> 56) as u8, base: (word & 0xffff_ffff) as u32, count: (word >> 32) as u32 & 0x00ff_ffff }
    }
}

/// An endpoint, a cell of the endpoint array: IPv4 as IPv4-mapped IPv6, port in network byte order. A cell is written before a
/// slot names it and not again before every connect that may have read the slot is over.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointEntry {
    /// IPv6 or IPv4-mapped address, network byte order.
    pub address: [u8; 16],
    /// Port, network byte order.
    pub port: [u8; 2],
    /// Zero.
    pub reserved: [u8; 6],
}

/// What a socket's connect was made of, in its socket storage: for getpeername and for the counts of open connections.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What the pod dialled.
    pub service: ServiceKey,
    /// Where it went instead.
    pub endpoint: ServiceKey,
    /// Cell of the endpoint when it was picked.
    pub cell: u32,
    /// Cell of the route.
    pub route: u32,
}

/// Switches of the hooks; cell 0 of the settings map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// [`VERSION`] of the daemon that wrote it.
    pub version: u32,
    /// 1: with the daemon gone, a captured pod's connects to ruled services are refused. 0: they stay native.
    pub fail_closed: u32,
    /// Age in nanoseconds above which the workers' heartbeat is stale.
    pub beat_limit: u64,
    /// The same of the tables' heartbeat.
    pub tables_limit: u64,
}

/// Captured addresses with their ports: past that many a new one stays native, and the daemon says which. This and the
/// others below are defaults, which the loader may override.
pub const SERVICES: u32 = 65_536;
/// Captured pods on a node; the kubelet's usual limit is 110.
pub const PODS: u32 = 4_096;
/// Routes that the kernel decides, of all scopes.
pub const ROUTES: u32 = 65_536;
/// Slots of all routes.
pub const SLOTS: u32 = 524_288;
/// Endpoints that slots name.
pub const ENDPOINTS: u32 = 65_536;

/// Cells of the heartbeat map; each holds `CLOCK_MONOTONIC_COARSE` in nanoseconds.
pub const BEAT_WORKERS: u32 = 0;
/// Written by the node loop: while it is fresh the routes that the kernel decides by are kept up to date.
pub const BEAT_TABLES: u32 = 1;
/// Number of cells in the heartbeat map.
pub const BEATS: u32 = 2;

#[cfg(feature = "user")]
#[expect(unsafe_code, reason = "aya takes map keys and values as plain bytes")]
mod user {
    use super::{EndpointEntry, Peer, PodEntry, RouteKey, ServiceKey, Settings};

    // SAFETY: byte arrays only, so there is no padding and every bit pattern is a valid value.
    unsafe impl aya::Pod for ServiceKey {}
    // SAFETY: eight bytes and two u32 leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for PodEntry {}
    // SAFETY: two u32 leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for RouteKey {}
    // SAFETY: byte arrays only, so there is no padding and every bit pattern is a valid value.
    unsafe impl aya::Pod for EndpointEntry {}
    // SAFETY: 36 bytes and two u32 leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for Peer {}
    // SAFETY: two u32 before two u64 leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for Settings {}
}
