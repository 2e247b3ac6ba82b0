//! Whenever the pod asks for its peer: the address it dialled, found by the id, without any state of the connection.

use core::ptr;

use aya_ebpf::programs::SockAddrContext;

use meshlet_wire::ServiceKey;

use crate::ALLOW;
use crate::connect::{destination_v6, key_v4, port_bytes, port_word, rewrite_v6};
use crate::maps::PEER;
use crate::verdict::dialled;

/// What the pod asked for, of a connection whose endpoint was picked in connect. A socket that was connected anew since is not
/// at that endpoint any more.
#[inline(always)]
fn picked(ctx: &SockAddrContext, at: &ServiceKey) -> Option<ServiceKey> {
    // SAFETY: the socket of this hook's context outlives the call, and its storage goes with it.
    let peer = unsafe { PEER.get_ptr_mut(ctx).as_ref() }?;
    (peer.endpoint.address == at.address && peer.endpoint.port == at.port).then_some(peer.service)
}

/// What the pod asked for, if that is not where it is connected to.
#[inline(always)]
fn asked(ctx: &SockAddrContext, at: &ServiceKey) -> Option<ServiceKey> {
    dialled(at).or_else(|| picked(ctx, at))
}

pub(crate) fn v4(ctx: &SockAddrContext) -> i32 {
    let raw = ctx.sock_addr;
    // SAFETY: the verifier checks that the field is readable.
    let (address, port) = unsafe { ((*raw).user_ip4, (*raw).user_port) };
    if let Some(key) = asked(ctx, &key_v4(address, port_bytes(port))) {
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
    if let Some(key) = asked(ctx, &destination_v6(raw)) {
        rewrite_v6(raw, &key.address, port_word(key.port));
    }
    ALLOW
}
