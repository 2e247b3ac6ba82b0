//! Whether a pod's annotations leave a connect to the rules.

use aya_ebpf::maps::lpm_trie::Key;
use meshlet_wire::{LIST_EXCLUDED, LIST_INCLUDED, LIST_NOT_INCLUDED, PortKey, RANGE_BITS, RangeKey, ServiceKey};

use crate::maps::{PORTS, RANGES};

/// Excluded ports, excluded ranges, included ports, included ranges. A pod without such annotations never comes here.
#[inline(never)]
pub(crate) fn leaves(list: u32, key: &ServiceKey) -> bool {
    let port = PortKey { list, port: key.port, reserved: [0; 2] };
    // SAFETY: the value is a plain word that the daemon writes once.
    let port = unsafe { PORTS.get(port) }.map_or(0, |verdict| *verdict);
    if port == LIST_EXCLUDED {
        return false;
    }
    match RANGES.get(Key::new(RANGE_BITS, RangeKey { list, address: key.address })) {
        Some(&LIST_INCLUDED) => true,
        Some(&LIST_NOT_INCLUDED) => port == LIST_INCLUDED,
        // Excluded; or the list has gone since the pod's entry was read, and what it excluded must stay native.
        _ => false,
    }
}
