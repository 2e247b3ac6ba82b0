//! Whenever the pod asks for its peer: the address it dialled, found by the id, without any state of the connection.

use core::ptr;

use aya_ebpf::programs::SockAddrContext;

use crate::ALLOW;
use crate::connect::{dialled, port_word};

pub(crate) fn v4(ctx: &SockAddrContext) -> i32 {
    let raw = ctx.sock_addr;
    // SAFETY: the verifier checks that the field is readable.
    if let Some(key) = dialled(unsafe { (*raw).user_ip4 }) {
        let [.., a, b, c, d] = key.address;
        // SAFETY: both fields are writable in getpeername4; volatile, since the verifier refuses merged stores.
        unsafe {
            ptr::write_volatile(&raw mut (*raw).user_ip4, u32::from_ne_bytes([a, b, c, d]));
            ptr::write_volatile(&raw mut (*raw).user_port, port_word(key.port));
        }
    }
    ALLOW
}

pub(crate) fn v6(ctx: &SockAddrContext) -> i32 {
    let raw = ctx.sock_addr;
    // SAFETY: the verifier checks that the fields are readable.
    let [w0, w1, w2, w3] = unsafe {
        let ip = &raw const (*raw).user_ip6;
        [
            ptr::read_volatile(&raw const (*ip)[0]),
            ptr::read_volatile(&raw const (*ip)[1]),
            ptr::read_volatile(&raw const (*ip)[2]),
            ptr::read_volatile(&raw const (*ip)[3]),
        ]
    };
    if w0 != 0 || w1 != 0 || w2 != 0xffff_u32.to_be() {
        return ALLOW;
    }
    if let Some(key) = dialled(w3) {
        let [.., a, b, c, d] = key.address;
        // SAFETY: both fields are writable in getpeername6; volatile, since the verifier refuses merged stores.
        unsafe {
            ptr::write_volatile(&raw mut (*raw).user_ip6[3], u32::from_ne_bytes([a, b, c, d]));
            ptr::write_volatile(&raw mut (*raw).user_port, port_word(key.port));
        }
    }
    ALLOW
}
