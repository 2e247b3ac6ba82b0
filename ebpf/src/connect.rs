//! A pod calls connect(2). No rule: untouched. A rule: to the proxy, at the address that is the service's id.

use core::ptr;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{bpf_sock, bpf_sock_addr};
use aya_ebpf::helpers::generated::{
    bpf_bind, bpf_get_netns_cookie, bpf_ktime_get_coarse_ns, bpf_map_lookup_elem, bpf_sk_release,
};
use aya_ebpf::programs::SockAddrContext;
use aya_log_ebpf::warn;
use meshlet_wire::{
    BEAT_TABLES, BEAT_WORKERS, EndpointEntry, OWN_MARK, Peer, PodEntry, ServiceKey, address_id, id_address,
};

use crate::maps::{BEAT, IDS, LISTEN, PEER, PODS_MAP, SERVICE, SETTINGS};
use crate::pick::{Picked, pick};
use crate::{ALLOW, REFUSE};

/// The port that nobody can listen on: connecting there is refused at once.
const NO_PORT: u32 = 0;

const TCP: u32 = 6;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// What becomes of a connect; `Redirect` holds the id and the pod.
enum Verdict {
    Allow,
    Refuse,
    Redirect(u32, PodEntry),
    /// The kernel has picked.
    Endpoint(EndpointEntry),
    /// Nobody is left to take it: it is refused by a port that nobody listens on.
    Nobody,
}

/// The address a socket was bound to before connect.
#[derive(Clone, Copy)]
enum Source {
    Unbound,
    V4([u8; 4]),
    Other,
}

pub(crate) fn v4(ctx: &SockAddrContext) -> i32 {
    let raw = ctx.sock_addr;
    // SAFETY: the verifier checks that the context's fields and its socket are readable.
    let (address, port, sk) = unsafe { ((*raw).user_ip4.to_ne_bytes(), (*raw).user_port, (*raw).__bindgen_anon_1.sk) };
    let key = ServiceKey::v4(address, port_bytes(port));
    // SAFETY: as above; `sk` is never null in this hook.
    let source = match unsafe { (*sk).src_ip4 } {
        0 => Source::Unbound,
        bound => Source::V4(bound.to_ne_bytes()),
    };
    match decide(ctx, sk, &key, source) {
        Verdict::Allow => ALLOW,
        Verdict::Refuse => REFUSE,
        Verdict::Redirect(id, pod) => {
            if let Source::Unbound = source {
                bind_v4(ctx, raw, pod.address);
            }
            rewrite_v4(raw, id_address(id).to_be(), port_word(pod.port));
            ALLOW
        }
        Verdict::Endpoint(endpoint) => {
            let [.., a, b, c, d] = endpoint.address;
            rewrite_v4(raw, u32::from_ne_bytes([a, b, c, d]), port_word(endpoint.port));
            ALLOW
        }
        Verdict::Nobody => {
            rewrite_v4(raw, id_address(0).to_be(), NO_PORT);
            ALLOW
        }
    }
}

#[inline(always)]
fn rewrite_v4(raw: *mut bpf_sock_addr, address: u32, port: u32) {
    // LLVM would merge these into one wide store, which the verifier refuses: volatile.
    // SAFETY: both fields are writable in connect4.
    unsafe {
        ptr::write_volatile(&raw mut (*raw).user_ip4, address);
        ptr::write_volatile(&raw mut (*raw).user_port, port);
    }
}

/// Of an IPv4-mapped destination.
#[inline(always)]
fn rewrite_mapped(raw: *mut bpf_sock_addr, address: u32, port: u32) {
    // SAFETY: both fields are writable in connect6; volatile for the reason given in `rewrite_v4`.
    unsafe {
        ptr::write_volatile(&raw mut (*raw).user_ip6[3], address);
        ptr::write_volatile(&raw mut (*raw).user_port, port);
    }
}

pub(crate) fn v6(ctx: &SockAddrContext) -> i32 {
    let raw = ctx.sock_addr;
    // SAFETY: the verifier checks that the context's fields and its socket are readable.
    let (w0, w1, w2, w3, port, sk) = unsafe {
        let ip = &raw const (*raw).user_ip6;
        (
            ptr::read_volatile(&raw const (*ip)[0]),
            ptr::read_volatile(&raw const (*ip)[1]),
            ptr::read_volatile(&raw const (*ip)[2]),
            ptr::read_volatile(&raw const (*ip)[3]),
            (*raw).user_port,
            (*raw).__bindgen_anon_1.sk,
        )
    };
    if w0 != 0 || w1 != 0 || w2 != 0xffff_u32.to_be() {
        return ALLOW;
    }
    let key = ServiceKey::v4(w3.to_ne_bytes(), port_bytes(port));
    match decide(ctx, sk, &key, source_v6(sk)) {
        Verdict::Allow => ALLOW,
        Verdict::Refuse => REFUSE,
        Verdict::Redirect(id, pod) => {
            if let Source::Unbound = source_v6(sk) {
                bind_v6(ctx, raw, pod.address);
            }
            rewrite_mapped(raw, id_address(id).to_be(), port_word(pod.port));
            ALLOW
        }
        Verdict::Endpoint(endpoint) => {
            let [.., a, b, c, d] = endpoint.address;
            rewrite_mapped(raw, u32::from_ne_bytes([a, b, c, d]), port_word(endpoint.port));
            ALLOW
        }
        Verdict::Nobody => {
            rewrite_mapped(raw, id_address(0).to_be(), NO_PORT);
            ALLOW
        }
    }
}

/// Service first, then the pod: a miss is all that an unmarked pod ever pays.
#[inline(always)]
fn decide(ctx: &SockAddrContext, sk: *mut bpf_sock, key: &ServiceKey, source: Source) -> Verdict {
    // SAFETY: the verifier checks that the context's fields are readable.
    if unsafe { (*ctx.sock_addr).protocol } != TCP {
        return Verdict::Allow;
    }
    if is_id(key) {
        return dialled_by_hand(ctx, key);
    }
    // SAFETY: the value is a plain word that the daemon replaces whole.
    let Some(&id) = (unsafe { SERVICE.get(key) }) else {
        return Verdict::Allow;
    };
    // SAFETY: `sk` is never null in this hook, and both fields are readable.
    let (device, mark) = unsafe { ((*sk).bound_dev_if, (*sk).mark) };
    if device != 0 || mark == OWN_MARK {
        return Verdict::Allow;
    }
    let cookie = netns_cookie(ctx);
    // SAFETY: the entry is copied out at once; the daemon replaces entries whole.
    let Some(&pod) = (unsafe { PODS_MAP.get(cookie) }) else {
        return Verdict::Allow;
    };
    let native = match source {
        Source::Unbound => false,
        Source::V4(bound) => bound != pod.address && bound[0] != 127,
        Source::Other => true,
    };
    if native {
        return Verdict::Allow;
    }
    if beating(BEAT_TABLES) {
        match pick(&pod, id) {
            None => {}
            Some(Picked::Nobody) => return Verdict::Nobody,
            Some(Picked::Endpoint(cell, route, entry)) => {
                let endpoint = ServiceKey { address: entry.address, port: entry.port };
                remember(ctx, Peer { service: *key, endpoint, cell, route });
                return Verdict::Endpoint(entry);
            }
        }
    }
    if !listening(cookie) {
        warn!(ctx, "no listener for service id {}", id);
    } else if !beating(BEAT_WORKERS) {
        warn!(ctx, "no heartbeat for service id {}", id);
    } else {
        return Verdict::Redirect(id, pod);
    }
    match SETTINGS.get(0) {
        Some(settings) if settings.fail_closed != 0 => Verdict::Refuse,
        _ => Verdict::Allow,
    }
}

/// An id means something only behind our rewrite: a captured pod may not dial one itself.
#[inline(never)]
fn dialled_by_hand(ctx: &SockAddrContext, key: &ServiceKey) -> Verdict {
    let cookie = netns_cookie(ctx);
    // SAFETY: the entry is read at once; the daemon replaces entries whole.
    match unsafe { PODS_MAP.get(cookie) } {
        Some(pod) if pod.port == key.port => Verdict::Refuse,
        _ => Verdict::Allow,
    }
}

/// Whether the pod's listener exists: it leaves the map by itself when the daemon dies.
#[inline(always)]
fn listening(cookie: u64) -> bool {
    // SAFETY: a socket found is referenced, and released here before anything else.
    unsafe {
        let sk = bpf_map_lookup_elem((&raw const LISTEN).cast_mut().cast(), (&raw const cookie).cast());
        if sk.is_null() {
            return false;
        }
        bpf_sk_release(sk);
    }
    true
}

/// Notes what the app asked for: it is told so by getpeername.
#[inline(always)]
fn remember(ctx: &SockAddrContext, mut peer: Peer) {
    // SAFETY: the socket of this hook's context outlives the call; a value that is there already is written whole below.
    unsafe {
        let stored = PEER.get_or_insert_ptr_mut(ctx, Some(&mut peer));
        if !stored.is_null() {
            *stored = peer;
        }
    }
}

/// Whether who writes a heartbeat has been round its loop lately: a wedged or stopped daemon has not.
#[inline(always)]
fn beating(cell: u32) -> bool {
    let (Some(beat), Some(settings)) = (BEAT.get(cell), SETTINGS.get(0)) else {
        return false;
    };
    let limit = if cell == BEAT_TABLES { settings.tables_limit } else { settings.beat_limit };
    // SAFETY: an aligned word in the array, written by the daemon through its mapping.
    let beat = unsafe { ptr::read_volatile(beat) };
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    now.wrapping_sub(beat) < limit || beat > now
}

#[inline(always)]
fn netns_cookie(ctx: &SockAddrContext) -> u64 {
    // SAFETY: the helper takes this hook's own context.
    unsafe { bpf_get_netns_cookie(ctx.as_ptr()) }
}

#[inline(always)]
fn is_id(key: &ServiceKey) -> bool {
    let [.., a, b, c, d] = key.address;
    address_id(u32::from_be_bytes([a, b, c, d])).is_some()
}

#[inline(always)]
fn source_v6(sk: *mut bpf_sock) -> Source {
    // SAFETY: `sk` is never null in this hook, and the address words are readable.
    let [w0, w1, w2, w3] = unsafe {
        let ip = &raw const (*sk).src_ip6;
        [
            ptr::read_volatile(&raw const (*ip)[0]),
            ptr::read_volatile(&raw const (*ip)[1]),
            ptr::read_volatile(&raw const (*ip)[2]),
            ptr::read_volatile(&raw const (*ip)[3]),
        ]
    };
    if w0 | w1 | w2 | w3 == 0 {
        Source::Unbound
    } else if w0 == 0 && w1 == 0 && w2 == 0xffff_u32.to_be() {
        Source::V4(w3.to_ne_bytes())
    } else {
        Source::Other
    }
}

#[repr(C)]
struct SockaddrIn {
    family: u16,
    port: u16,
    address: [u8; 4],
    zero: [u8; 8],
}

#[repr(C)]
struct SockaddrIn6 {
    family: u16,
    port: u16,
    flow: u32,
    address: [u8; 16],
    scope: u32,
}

/// Binds to the pod's address, so that the app's getsockname stays what it would be without us.
#[inline(always)]
fn bind_v4(ctx: &SockAddrContext, raw: *mut bpf_sock_addr, address: [u8; 4]) {
    let mut name = SockaddrIn { family: AF_INET, port: 0, address, zero: [0; 8] };
    // SAFETY: `name` lives through the call and its true size is given.
    let failed = unsafe { bpf_bind(raw, (&raw mut name).cast(), size_of::<SockaddrIn>() as i32) };
    if failed != 0 {
        warn!(ctx, "bpf_bind to the pod's address: {}", failed);
    }
}

#[inline(always)]
fn bind_v6(ctx: &SockAddrContext, raw: *mut bpf_sock_addr, address: [u8; 4]) {
    let address = ServiceKey::v4(address, [0; 2]).address;
    let mut name = SockaddrIn6 { family: AF_INET6, port: 0, flow: 0, address, scope: 0 };
    // SAFETY: `name` lives through the call and its true size is given.
    let failed = unsafe { bpf_bind(raw, (&raw mut name).cast(), size_of::<SockaddrIn6>() as i32) };
    if failed != 0 {
        warn!(ctx, "bpf_bind to the pod's IPv4-mapped address: {}", failed);
    }
}

/// The context keeps a port as the low half of a word, in network byte order.
#[inline(always)]
pub(crate) fn port_bytes(word: u32) -> [u8; 2] {
    (word as u16).to_ne_bytes()
}

#[inline(always)]
pub(crate) fn port_word(port: [u8; 2]) -> u32 {
    u32::from(u16::from_ne_bytes(port))
}

/// What a redirected socket's peer really asked for.
#[inline(always)]
pub(crate) fn dialled(address: u32) -> Option<ServiceKey> {
    let id = address_id(u32::from_be(address))?;
    // SAFETY: the entry is copied out at once; the daemon replaces entries whole.
    unsafe { IDS.get(id) }.copied()
}
