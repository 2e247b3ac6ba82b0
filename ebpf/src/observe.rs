//! What has become of connections whose endpoint the kernel has picked: for the metrics, and how many are open for least-request.
//! It only observes.
//!
//! A connection is counted as open when it is picked for. Its end is seen where the kernel takes a TCP socket apart, once per socket
//! and after everything that the app waits for. `sock_ops` would tell more, but its static branch is the machine's: once one pod has
//! it, every TCP socket there passes about nine calls, 0.3 to 0.5 microseconds of each connect, whoever's it is.
//!
//! Cost (Linux 6.18, two virtual CPUs of an AMD EPYC, `kernel.bpf_stats_enabled`, 30 to 40 ns of which are its clock): the end of a
//! connection that was picked for takes 225 ns, that of any other TCP socket of the machine 90. The socket's storage, which getpeername
//! needs as well, takes 0.7 of the 1.1 microseconds that a pick takes.
//!
//! Counters in the kernel rather than an event for each connection: nothing is lost when the daemon is slow, nobody is woken, and there
//! are as many entries as there will be series. What connections have moved is added when they end; an iterator tells it of the open
//! ones, to a daemon that asks.

use core::ffi::c_void;
use core::intrinsics::{AtomicOrdering, atomic_xadd};
use core::ptr;

use aya_ebpf::bindings::{BPF_NOEXIST, BPF_TCP_CLOSE};
use aya_ebpf::helpers::generated::{bpf_seq_write, bpf_sk_storage_get, bpf_skc_to_tcp_sock};
use meshlet_wire::{Flow, FlowKey, Live, Offsets, Peer, ServiceKey};

use crate::connect::key_v4;
use crate::maps::{ENDPOINT, FLOW, MISSED, OPEN, PEER};

/// Set by the loader, which reads the running kernel's BTF. The verifier takes what is read from here for constants.
#[unsafe(no_mangle)]
static OFFSETS: Offsets = Offsets {
    family: 0,
    state: 0,
    peer_v4: 0,
    peer_v6: 0,
    peer_port: 0,
    flags: 0,
    acked: 0,
    received: 0,
    sent: 0,
    sent_again: 0,
    rtt: 0,
};

const AF_INET: u16 = 2;

/// Bit of `sk_flags`: the peer's FIN has come (linux include/net/sock.h, enum sock_flags).
const SOCK_DONE: u32 = 1;

/// A word of a kernel structure, at one of the offsets.
macro_rules! read {
    ($base:expr, $offset:ident, $type:ty) => {{
        // SAFETY: the offset is that of a member of this size, and the verifier checks it against the kernel's own types; a fault, which
        // cannot be, would read as zero.
        unsafe {
            let offset = ptr::read_volatile(&raw const OFFSETS.$offset);
            ptr::read_volatile($base.cast::<u8>().add(offset as usize).cast::<$type>())
        }
    }};
}

/// A TCP socket is taken apart: its connection is over.
#[inline(always)]
pub(crate) fn destroyed(sk: *mut c_void) {
    if let Some(peer) = peer(sk)
        && peer.open != 0
    {
        end(sk, peer);
    }
}

/// A socket sends a reset. One that does so by its own will is closed by now, and forgets next what it has moved.
#[inline(always)]
pub(crate) fn reset(sk: *mut c_void) {
    if sk.is_null() {
        return;
    }
    if let Some(peer) = peer(sk)
        && peer.open != 0
        && u32::from(read!(sk, state, u8)) == BPF_TCP_CLOSE
    {
        end(sk, peer);
    }
}

/// A socket is connected: it counts as open from here on.
#[inline(always)]
pub(crate) fn begin(peer: &Peer) {
    if peer.open != 0
        && let Some(open) = OPEN.get_ptr_mut(peer.cell)
    {
        add(open, 1);
    }
}

/// A socket is connected anew. What it tried before, if that has not been seen to end, has never come about: it would have been reset.
#[inline(always)]
pub(crate) fn abandon(before: &Peer) {
    if before.open != 0 {
        count(before, u64::MAX);
        add_to(&before.flow, |flow| add(&raw mut flow.failed, 1));
    }
}

/// What the kernel hands an iterator over socket storage (linux net/core/bpf_sk_storage.c, struct bpf_iter__bpf_sk_storage_map).
#[repr(C)]
pub struct Stored {
    /// The first member of what it points to is the file that is being read.
    meta: *const *mut c_void,
    map: *mut c_void,
    sk: *mut c_void,
    peer: *const Peer,
}

/// Tells who reads of one open connection.
#[inline(always)]
pub(crate) fn tell(ctx: *const Stored) {
    // SAFETY: the verifier checks that the context's fields are readable, and that what is null is not followed.
    let (seq, sk, peer) = unsafe {
        let (sk, peer) = (ptr::read_volatile(&raw const (*ctx).sk), ptr::read_volatile(&raw const (*ctx).peer));
        if sk.is_null() || peer.is_null() {
            return;
        }
        (*ptr::read_volatile(&raw const (*ctx).meta), sk, &*peer)
    };
    if peer.open == 0 {
        return;
    }
    if let Some(Moved { sent, received, .. }) = Moved::of(sk, peer) {
        let mut live = Live { flow: peer.flow, sent, received };
        // SAFETY: the record lives through the call and its true size is given. One that does not fit is told again by the kernel.
        unsafe { bpf_seq_write(seq.cast(), (&raw mut live).cast(), size_of::<Live>() as u32) };
    }
}

#[inline(always)]
fn end(sk: *mut c_void, peer: &mut Peer) {
    peer.open = 0;
    count(peer, u64::MAX);
    let moved = Moved::of(sk, peer);
    add_to(&peer.flow, |flow| match moved {
        Some(Moved { sent, received, rtt }) => {
            add(&raw mut flow.closed, 1);
            add(&raw mut flow.sent, sent);
            add(&raw mut flow.received, received);
            add(&raw mut flow.rtt, rtt);
        }
        None => add(&raw mut flow.failed, 1),
    });
}

/// What a connection has moved.
struct Moved {
    sent: u64,
    received: u64,
    rtt: u64,
}

impl Moved {
    /// `None` where nobody has answered the SYN, or the socket is not connected to where it was picked for.
    ///
    /// The kernel counts SYN and FIN as a byte each (linux net/ipv4/tcp_input.c, tcp_snd_una_update and tcp_rcv_nxt_update), but neither
    /// among the bytes sent. Whether the peer's FIN has come is in the socket's flags.
    #[inline(always)]
    fn of(sk: *mut c_void, peer: &Peer) -> Option<Self> {
        // SAFETY: the helper takes any socket, and answers null for one that is not TCP's.
        let tcp = unsafe { bpf_skc_to_tcp_sock(sk) }.cast::<c_void>();
        if tcp.is_null() || !is_at(sk, &peer.endpoint) {
            return None;
        }
        let acked = read!(tcp, acked, u64).checked_sub(1)?;
        let sent = read!(tcp, sent, u64).saturating_sub(read!(tcp, sent_again, u64));
        let fin = read!(sk, flags, u64) >> SOCK_DONE & 1;
        let received = read!(tcp, received, u64).saturating_sub(fin);
        let rtt = u64::from(read!(tcp, rtt, u32) >> 3);
        Some(Self { sent: if sent < acked { sent } else { acked }, received, rtt })
    }
}

/// What the socket's connect was made of, if the kernel picked for it.
#[inline(always)]
fn peer<'s>(sk: *mut c_void) -> Option<&'s mut Peer> {
    // SAFETY: the socket is one that the kernel has handed us; its storage goes with it, and only what is said of that socket writes it.
    unsafe {
        let stored = bpf_sk_storage_get((&raw const PEER).cast_mut().cast(), sk, ptr::null_mut(), 0);
        stored.cast::<Peer>().as_mut()
    }
}

/// Whether the socket is connected to where it was picked for: one that was connected anew since is not.
#[inline(always)]
fn is_at(sk: *mut c_void, endpoint: &ServiceKey) -> bool {
    if read!(sk, peer_port, u16) != u16::from_ne_bytes(endpoint.port) {
        return false;
    }
    let address = if read!(sk, family, u16) == AF_INET {
        key_v4(read!(sk, peer_v4, u32), [0; 2]).address
    } else {
        read!(sk, peer_v6, [u8; 16])
    };
    address == endpoint.address
}

/// Adds to the count of an endpoint, unless its cell is another's by now.
#[inline(always)]
fn count(peer: &Peer, change: u64) {
    let (Some(entry), Some(open)) = (ENDPOINT.get(peer.cell), OPEN.get_ptr_mut(peer.cell)) else { return };
    if entry.address == peer.endpoint.address && entry.port == peer.endpoint.port {
        add(open, change);
    }
}

/// Adds to what is counted of a flow. The first connection makes the entry, whichever of several it is.
#[inline(always)]
fn add_to(key: &FlowKey, change: impl FnOnce(&mut Flow)) {
    match FLOW.get_ptr_mut(key).or_else(|| insert(key)) {
        // SAFETY: the entry outlives the call, and programs only add to it.
        Some(flow) => change(unsafe { &mut *flow }),
        None => {
            if let Some(missed) = MISSED.get_ptr_mut(0) {
                // SAFETY: this CPU's own word.
                unsafe { *missed += 1 };
            }
        }
    }
}

#[inline(always)]
fn insert(key: &FlowKey) -> Option<*mut Flow> {
    let none = Flow { closed: 0, failed: 0, sent: 0, received: 0, rtt: 0 };
    let _ = FLOW.insert(key, none, u64::from(BPF_NOEXIST));
    FLOW.get_ptr_mut(key)
}

#[inline(always)]
fn add(word: *mut u64, change: u64) {
    // SAFETY: an aligned word of a map's value, which programs only add to.
    let _ = unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(word, change) };
}
