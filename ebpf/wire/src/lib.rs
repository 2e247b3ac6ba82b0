//! The types both sides of a BPF map share. Byte arrays and naturally aligned integers only, so that the kernel's and the
//! daemon's layout cannot differ.
#![no_std]

mod counted;

pub use counted::{Flow, FlowKey, Live, Offsets, Peer};

/// Changes with every change to a type, a map or a meaning below; the loader refuses an object of another version.
pub const VERSION: u32 = 4;

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

/// The first twelve bytes of fd6d:6573:686c:6574::/96, the service ids as native IPv6 addresses: a unique local prefix whose 56
/// free bits spell "meshlet".
pub const ID_PREFIX_V6: [u8; 12] = *b"\xfdmeshlet\0\0\0\0";

/// The address that stands for service `id` in a redirected native IPv6 connection.
#[must_use]
pub const fn id_address_v6(id: u32) -> [u8; 16] {
    let [p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11] = ID_PREFIX_V6;
    let [a, b, c, d] = (id & ID_MASK).to_be_bytes();
    [p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, a, b, c, d]
}

/// The service id that an address stands for, if it lies in the /96; past [`ID_MASK`] it is nobody's.
#[must_use]
pub fn address_id_v6(address: &[u8; 16]) -> Option<u32> {
    let (prefix, id) = address.split_first_chunk()?;
    if *prefix == ID_PREFIX_V6 { Some(u32::from_be_bytes(*id.first_chunk()?)) } else { None }
}

/// In the service map: no id, but native, whatever is captured at every address.
pub const NATIVE: u32 = 0;

/// Bit of the ids that the hooks give to addresses themselves, as they are dialled; the daemon's have it not.
pub const LEARNED: u32 = 0x0020_0000;

/// Addresses that have such an id at a time, on a node.
pub const SEEN: u32 = 65_536;

/// Such ids, those included that are kept for a while after their address has lost them.
pub const SEEN_IDS: u32 = 131_072;

/// Words of the map of ports that are captured at every address, a bit each.
pub const PORT_WORDS: u32 = 1024;

/// The word of a port, and its bit there; host byte order.
#[must_use]
pub const fn port_bit(port: u16) -> (u32, u64) {
    (port as u32 >> 6, 1 << (port & 63))
}

/// What a pod dials, key of the service map and value of the id map: IPv4 as IPv4-mapped IPv6, port in network byte order. Aligned
/// and of whole words, so that the hooks write it, and the kernel hashes it, by words.
#[repr(C, align(4))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceKey {
    /// IPv6 or IPv4-mapped address, network byte order.
    pub address: [u8; 16],
    /// Port, network byte order.
    pub port: [u8; 2],
    /// Zero.
    pub reserved: [u8; 2],
}

impl ServiceKey {
    /// The key of a destination; `address`, which may be IPv4-mapped, and `port` as bytes in network byte order.
    #[must_use]
    pub const fn new(address: [u8; 16], port: [u8; 2]) -> Self {
        Self { address, port, reserved: [0; 2] }
    }

    /// The key of an IPv4 destination; `address` and `port` as bytes in network byte order.
    #[must_use]
    pub const fn v4(address: [u8; 4], port: [u8; 2]) -> Self {
        let [a, b, c, d] = address;
        Self::new([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d], port)
    }

    /// The IPv4 address, if it is one.
    #[must_use]
    pub const fn as_v4(&self) -> Option<[u8; 4]> {
        match self.address {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => Some([a, b, c, d]),
            _ => None,
        }
    }

    /// The service id that the address stands for, in either family.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        match self.as_v4() {
            Some(v4) => address_id(u32::from_be_bytes(v4)),
            None => address_id_v6(&self.address),
        }
    }
}

/// The id that an address has been given by a hook, value of the map of seen destinations.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The id, with the bit [`LEARNED`].
    pub id: u32,
    /// Zero.
    pub reserved: u32,
    /// When it was last dialled, to within [`SEEN_GRAIN`]: `CLOCK_MONOTONIC_COARSE` in nanoseconds.
    pub used: u64,
}

/// How far [`Seen::used`] may be behind, in nanoseconds: it is not written on every connect.
pub const SEEN_GRAIN: u64 = 500_000_000;

/// A captured pod, value of the pod map; its key is the network-namespace cookie.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodEntry {
    /// The pod's IPv6 address, network byte order: what the app must see as its own address. Zero where it has none.
    pub address_v6: [u8; 16],
    /// The same of IPv4.
    pub address: [u8; 4],
    /// Port of the pod's capture listener for IPv4, network byte order; zero: its IPv4 is native.
    pub port: [u8; 2],
    /// The same of native IPv6.
    pub port_v6: [u8; 2],
    /// Pods with the same number are routed alike: half of [`RouteKey`].
    pub scope: u32,
    /// Its place in the slots of a route of mode [`MODE_POD`].
    pub place: u32,
    /// What its annotations keep out of capture: half of [`PortKey`] and [`RangeKey`]; [`NO_LIST`]: nothing.
    pub list: u32,
}

/// The list of a pod whose annotations keep nothing out.
pub const NO_LIST: u32 = 0;

/// A port that a list names, key of the port map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortKey {
    /// [`PodEntry::list`].
    pub list: u32,
    /// Port, network byte order.
    pub port: [u8; 2],
    /// Zero.
    pub reserved: [u8; 2],
}

/// A range of addresses that a list names, data of a key of the range map: the bits of `list` belong to every prefix.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeKey {
    /// [`PodEntry::list`].
    pub list: u32,
    /// IPv6 or IPv4-mapped address, network byte order.
    pub address: [u8; 16],
}

/// Bits of a [`RangeKey`], the prefix length of one address.
pub const RANGE_BITS: u32 = 160;

/// Of a port or a range: never captured.
pub const LIST_EXCLUDED: u32 = 1;
/// Of a port or a range: captured unless the other is excluded.
pub const LIST_INCLUDED: u32 = 2;
/// Of a range: captured where the port is included.
pub const LIST_NOT_INCLUDED: u32 = 3;

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

/// What a slot names, one word, so that an endpoint is never reported as another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Cell of an endpoint, or with [`SUBROUTE`] of a route.
    pub cell: u32,
    /// What connections to the endpoint are reported as, a number that is never given to another; 0 where the slot names a route.
    pub destination: u32,
}

impl Slot {
    /// The destination in the higher half.
    #[must_use]
    pub const fn word(self) -> u64 {
        (self.destination as u64) << 32 | self.cell as u64
    }

    /// The slot that a word stands for.
    #[must_use]
    pub const fn of(word: u64) -> Self {
        Self { cell: (word & 0xffff_ffff) as u32, destination: (word >> 32) as u32 }
    }
}

/// An endpoint, a cell of the endpoint array: IPv4 as IPv4-mapped IPv6, port in network byte order. A cell is written before a
/// slot names it and not again before every connect that may have read the slot is over.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointEntry {
    /// IPv6 or IPv4-mapped address, network byte order.
    pub address: [u8; 16],
    /// Port, network byte order.
    pub port: [u8; 2],
    /// Zero.
    pub reserved: [u8; 6],
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
    /// 1 where the ends of connections are observed: only then are they counted when they begin.
    pub observed: u32,
    /// Zero.
    pub reserved: u32,
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
/// Ports of all lists.
pub const LISTED_PORTS: u32 = 65_536;
/// Ranges of all lists.
pub const LISTED_RANGES: u32 = 65_536;

/// Pairs of a pod and a destination with connections to count.
pub const FLOWS: u32 = 65_536;

/// Cells of the heartbeat map; each holds `CLOCK_MONOTONIC_COARSE` in nanoseconds.
pub const BEAT_WORKERS: u32 = 0;
/// Written by the node loop: while it is fresh the routes that the kernel decides by are kept up to date.
pub const BEAT_TABLES: u32 = 1;
/// Number of cells in the heartbeat map.
pub const BEATS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_an_id_then_its_address_in_either_family_gives_it_back_and_no_other_address_does() {
        for id in [0, 1, 258, ID_MASK] {
            let v4 = ServiceKey::v4(id_address(id).to_be_bytes(), [0; 2]);
            let v6 = ServiceKey::new(id_address_v6(id), [0; 2]);
            assert_eq!((v4.id(), v6.id()), (Some(id), Some(id)), "{id}");
            assert_eq!((v4.as_v4(), v6.as_v4()), (Some(id_address(id).to_be_bytes()), None), "{id}");
        }
        let mut beside = id_address_v6(1);
        beside[8] = 1;
        for address in [beside, [0; 16]] {
            assert_eq!(ServiceKey::new(address, [0; 2]).id(), None, "{address:?}");
        }
        assert_eq!(ServiceKey::v4([127, 0, 0, 1], [0; 2]).id(), None);
    }
}

#[cfg(feature = "user")]
#[expect(unsafe_code, reason = "aya takes map keys and values as plain bytes")]
mod user {
    use super::{
        EndpointEntry, Flow, FlowKey, Offsets, Peer, PodEntry, PortKey, RangeKey, RouteKey, Seen, ServiceKey, Settings,
    };

    // SAFETY: byte arrays only, so there is no padding and every bit pattern is a valid value.
    unsafe impl aya::Pod for ServiceKey {}
    // SAFETY: 24 bytes and three u32 leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for PodEntry {}
    // SAFETY: a u32 before four bytes leaves no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for PortKey {}
    // SAFETY: a u32 before 16 bytes leaves no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for RangeKey {}
    // SAFETY: two u32 leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for RouteKey {}
    // SAFETY: two u32 before a u64 leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for Seen {}
    // SAFETY: byte arrays only, so there is no padding and every bit pattern is a valid value.
    unsafe impl aya::Pod for EndpointEntry {}
    // SAFETY: 40 bytes, a u32, 4 of zero, 16 bytes and two u32 leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for Peer {}
    // SAFETY: a u64 and two u32 leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for FlowKey {}
    // SAFETY: u64 only, so there is no padding and every bit pattern is a valid value.
    unsafe impl aya::Pod for Flow {}
    // SAFETY: u32 only, so there is no padding and every bit pattern is a valid value.
    unsafe impl aya::Pod for Offsets {}
    // SAFETY: two u32 around two u64 each leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for Settings {}
}
