//! The types both sides of a BPF map share. Byte arrays and naturally aligned integers only, so that the kernel's and the
//! daemon's layout cannot differ.
#![no_std]

/// Changes with every change to a type, a map or a meaning below; the loader refuses an object of another version.
pub const VERSION: u32 = 1;

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
}

/// Switches of the hooks; cell 0 of the settings map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// [`VERSION`] of the daemon that wrote it.
    pub version: u32,
    /// 1: with the daemon gone, a captured pod's connects to ruled services are refused. 0: they stay native.
    pub fail_closed: u32,
    /// Age in nanoseconds above which a heartbeat is stale.
    pub beat_limit: u64,
}

/// Cells of the heartbeat map; each holds `CLOCK_MONOTONIC_COARSE` in nanoseconds.
pub const BEAT_WORKERS: u32 = 0;
/// Number of cells in the heartbeat map.
pub const BEATS: u32 = 2;

#[cfg(feature = "user")]
#[expect(unsafe_code, reason = "aya takes map keys and values as plain bytes")]
mod user {
    use super::{PodEntry, ServiceKey, Settings};

    // SAFETY: byte arrays only, so there is no padding and every bit pattern is a valid value.
    unsafe impl aya::Pod for ServiceKey {}
    // SAFETY: byte arrays only, so there is no padding and every bit pattern is a valid value.
    unsafe impl aya::Pod for PodEntry {}
    // SAFETY: two u32 before a u64 leave no padding, and every bit pattern is a valid value.
    unsafe impl aya::Pod for Settings {}
}
