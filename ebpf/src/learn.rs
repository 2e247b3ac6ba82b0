//! Destinations without an address of their own in the maps: which ones are captured all the same, and the id that such an
//! address is given when it is first dialled. One id per address and port, whoever dials: nothing is kept per connection.

use core::ptr;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_coarse_ns};
use meshlet_wire::{ID_MASK, LEARNED, SEEN_GRAIN, Seen, ServiceKey, port_bit};

use crate::maps::{ANY_PORT, SEEN_ID, SEEN_KEY, UNSEEN};

/// The id that no address stands for; what [`draw`] gives when there is none.
const NONE: u32 = 0;

/// Whether the port is captured at every address, and this is one: loopback is no way out of a pod.
#[inline(always)]
pub(crate) fn is_captured_anywhere(key: &ServiceKey) -> bool {
    let (word, bit) = port_bit(u16::from_be_bytes(key.port));
    let Some(word) = ANY_PORT.get(word) else { return false };
    // SAFETY: an aligned word in the array, written by the daemon by one store.
    let word = unsafe { ptr::read_volatile(word) };
    word & bit != 0 && !is_loopback(&key.address)
}

/// The unspecified address is another way to write it.
#[inline(always)]
fn is_loopback(address: &[u8; 16]) -> bool {
    matches!(
        address,
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127 | 0, ..] | [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 | 1]
    )
}

/// The id of an address and port, given now if it has none; `None` when there is none to be had.
#[inline(always)]
pub(crate) fn learn(key: &ServiceKey) -> Option<u32> {
    if let Some(id) = known(key) {
        return Some(id);
    }
    // One id in sixteen is taken at most: four in a row are once in 65536 times.
    let mut id = draw(key);
    if id == NONE {
        id = draw(key);
    }
    if id == NONE {
        id = draw(key);
    }
    if id == NONE {
        id = draw(key);
    }
    if id == NONE {
        count();
        return None;
    }
    Some(id)
}

/// The id that an address has already, which is marked as used now.
#[inline(always)]
fn known(key: &ServiceKey) -> Option<u32> {
    let seen = SEEN_KEY.get_ptr_mut(key)?;
    let now = now();
    // SAFETY: aligned words of an element that lives as long as the program runs, even when the daemon takes it from the map.
    unsafe {
        if now.wrapping_sub(ptr::read_volatile(&raw const (*seen).used)) > SEEN_GRAIN {
            ptr::write_volatile(&raw mut (*seen).used, now);
        }
        Some((*seen).id)
    }
}

/// One try at a new id: from id to address first, so that nobody is redirected to an id that means nothing. Of two CPUs
/// that give an address an id at once, the second takes what the first one gave.
#[inline(never)]
fn draw(key: &ServiceKey) -> u32 {
    // SAFETY: a helper without arguments.
    let id = LEARNED | (unsafe { bpf_get_prandom_u32() } & (LEARNED - 1));
    // The last address of the range stays unused.
    if id == ID_MASK || SEEN_ID.insert(id, key, BPF_NOEXIST.into()).is_err() {
        return NONE;
    }
    if SEEN_KEY.insert(key, Seen { id, reserved: 0, used: now() }, BPF_NOEXIST.into()).is_ok() {
        return id;
    }
    // Gone already is as good as gone now.
    let _ = SEEN_ID.remove(id);
    known(key).unwrap_or(NONE)
}

#[inline(always)]
fn count() {
    if let Some(count) = UNSEEN.get_ptr_mut(0) {
        // SAFETY: this CPU's own word; a program that preempts this one at worst is not counted.
        unsafe { *count = (*count).wrapping_add(1) };
    }
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_coarse_ns() }
}
