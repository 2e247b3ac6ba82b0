//! Open connections of what the kernel picked, counted per endpoint: all that least-request knows. It only observes; what is
//! attached to a pod's own cgroup costs nobody else anything.

use core::intrinsics::{AtomicOrdering, atomic_xadd};
use core::ptr;

use aya_ebpf::bindings::{
    BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB, BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_STATE_CB_FLAG, BPF_TCP_CLOSE,
};
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use aya_ebpf::programs::SockOpsContext;
use meshlet_wire::Peer;

use crate::maps::{ENDPOINT, OPEN, PEER};

pub(crate) fn observe(ctx: &SockOpsContext) -> u32 {
    match ctx.op() {
        BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB => {
            if let Some(peer) = peer(ctx) {
                // Its end is wanted too.
                if ctx.set_cb_flags(BPF_SOCK_OPS_STATE_CB_FLAG as i32).is_ok() {
                    count(&peer, 1);
                }
            }
        }
        BPF_SOCK_OPS_STATE_CB if ctx.arg(1) == BPF_TCP_CLOSE => {
            if let Some(peer) = peer(ctx) {
                count(&peer, u64::MAX);
            }
        }
        _ => {}
    }
    1
}

/// What the socket's connect was made of, if the kernel picked for it.
#[inline(always)]
fn peer(ctx: &SockOpsContext) -> Option<Peer> {
    // SAFETY: the verifier checks that the context's socket is readable and, once it is not null, a full one; its storage goes
    // with it and is copied out at once.
    unsafe {
        let sk = (*ctx.ops).__bindgen_anon_2.sk;
        if sk.is_null() {
            return None;
        }
        let stored = bpf_sk_storage_get((&raw const PEER).cast_mut().cast(), sk.cast(), ptr::null_mut(), 0);
        stored.cast::<Peer>().as_ref().copied()
    }
}

/// Adds to the count of an endpoint, unless its cell is another's by now.
#[inline(always)]
fn count(peer: &Peer, change: u64) {
    let (Some(entry), Some(open)) = (ENDPOINT.get(peer.cell), OPEN.get_ptr_mut(peer.cell)) else { return };
    if entry.address == peer.endpoint.address && entry.port == peer.endpoint.port {
        // SAFETY: an aligned word in the array, which programs only add to.
        let _ = unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(open, change) };
    }
}
