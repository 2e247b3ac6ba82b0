//! What becomes of a connect: the service dialled, the pod that dials, its socket; then a pick, or the proxy while it lives.

use core::ptr;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::generated::{
    bpf_get_netns_cookie, bpf_ktime_get_coarse_ns, bpf_map_lookup_elem, bpf_sk_release,
};
use aya_ebpf::programs::SockAddrContext;
use aya_log_ebpf::warn;
use meshlet_wire::{
    BEAT_TABLES, BEAT_WORKERS, EndpointEntry, FlowKey, LEARNED, NATIVE, NO_LIST, OWN_MARK, Peer, PodEntry, ServiceKey,
    Slot,
};

use crate::learn::{is_captured_anywhere, learn};
use crate::maps::{BEAT, IDS, LISTEN, PEER, PODS_MAP, SEEN_ID, SERVICE, SETTINGS};
use crate::observe::{abandon, begin};
use crate::outbound;
use crate::pick::{Picked, pick};

const TCP: u32 = 6;

const LOOPBACK_V6: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// What becomes of a connect; `Redirect` holds the id and the pod.
pub(crate) enum Verdict {
    /// Native.
    Allow,
    /// EPERM: with the daemon gone under the policy `closed`, or where an id was dialled by hand.
    Refuse,
    Redirect(u32, PodEntry),
    /// The kernel has picked.
    Endpoint(EndpointEntry),
    /// Nobody is left to take it: it is refused by a port that nobody listens on.
    Nobody,
}

/// The address a socket was bound to before connect.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    Unbound,
    V4([u8; 4]),
    V6([u8; 16]),
}

/// Service first, then the port, then the pod: a miss is all that an unmarked pod ever pays.
#[inline(always)]
pub(crate) fn decide(ctx: &SockAddrContext, sk: *mut bpf_sock, key: &ServiceKey, source: Source) -> Verdict {
    // SAFETY: the verifier checks that the context's fields are readable.
    if unsafe { (*ctx.sock_addr).protocol } != TCP {
        return Verdict::Allow;
    }
    if key.id().is_some() {
        return dialled_by_hand(ctx, key);
    }
    // SAFETY: the value is a plain word that the daemon replaces whole.
    let id = match unsafe { SERVICE.get(key) } {
        Some(&NATIVE) => return Verdict::Allow,
        Some(&id) => Some(id),
        None if is_captured_anywhere(key) => None,
        None => return Verdict::Allow,
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
    if native(key, source, &pod) || (id.is_none() && is_own(key, &pod)) {
        return Verdict::Allow;
    }
    if pod.list != NO_LIST && !outbound::leaves(pod.list, key) {
        return Verdict::Allow;
    }
    if let Some(id) = id
        && beating(BEAT_TABLES)
    {
        match pick(&pod, id) {
            None => {}
            Some(Picked::Nobody) => return Verdict::Nobody,
            Some(Picked::Endpoint(Slot { cell, destination }, entry)) => {
                let endpoint = ServiceKey::new(entry.address, entry.port);
                let flow = FlowKey { pod: cookie, destination, reserved: 0 };
                let open = SETTINGS.get(0).map_or(0, |settings| settings.observed);
                remember(ctx, Peer { service: *key, endpoint, cell, flow, open, reserved: 0 });
                return Verdict::Endpoint(entry);
            }
        }
    }
    if !listening(cookie) {
        warn!(ctx, "no listener for service id {}", id.unwrap_or(LEARNED));
    } else if !beating(BEAT_WORKERS) {
        warn!(ctx, "no heartbeat for service id {}", id.unwrap_or(LEARNED));
    } else if let Some(id) = id.or_else(|| learn(key)) {
        return Verdict::Redirect(id, pod);
    }
    match SETTINGS.get(0) {
        Some(settings) if settings.fail_closed != 0 => Verdict::Refuse,
        _ => Verdict::Allow,
    }
}

/// Whether the pod is not captured in this family, or the socket speaks from another address than the pod's own.
#[inline(always)]
fn native(key: &ServiceKey, source: Source, pod: &PodEntry) -> bool {
    match (key.as_v4(), source) {
        (Some(_), _) if pod.port == [0; 2] => true,
        (None, _) if pod.port_v6 == [0; 2] => true,
        (_, Source::Unbound) => false,
        (Some(_), Source::V4(bound)) => bound != pod.address && bound[0] != 127,
        (None, Source::V6(bound)) => bound != pod.address_v6 && bound != LOOPBACK_V6,
        // It will fail, and does so by itself.
        (Some(_), Source::V6(_)) | (None, Source::V4(_)) => true,
    }
}

/// Whether a pod dials itself: it talks over its loopback then.
#[inline(always)]
fn is_own(key: &ServiceKey, pod: &PodEntry) -> bool {
    key.address == ServiceKey::v4(pod.address, key.port).address || key.address == pod.address_v6
}

/// An id means something only behind our rewrite: a captured pod may not dial one itself.
#[inline(never)]
fn dialled_by_hand(ctx: &SockAddrContext, key: &ServiceKey) -> Verdict {
    let cookie = netns_cookie(ctx);
    // SAFETY: the entry is read at once; the daemon replaces entries whole.
    match unsafe { PODS_MAP.get(cookie) } {
        Some(pod) if key.port == if key.as_v4().is_some() { pod.port } else { pod.port_v6 } => Verdict::Refuse,
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

/// Notes what the app asked for: it is told so by getpeername, and the connection is counted until it ends.
#[inline(always)]
fn remember(ctx: &SockAddrContext, mut peer: Peer) {
    // SAFETY: the socket of this hook's context outlives the call, and its storage goes with it.
    let noted = unsafe {
        if let Some(before) = PEER.get_ptr_mut(ctx).as_mut() {
            abandon(before);
            *before = peer;
            true
        } else {
            !PEER.get_or_insert_ptr_mut(ctx, Some(&mut peer)).is_null()
        }
    };
    if noted {
        begin(&peer);
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

/// What a redirected socket's peer really asked for.
#[inline(always)]
pub(crate) fn dialled(peer: &ServiceKey) -> Option<ServiceKey> {
    let id = peer.id()?;
    // SAFETY: the entry is copied out at once; who writes entries replaces them whole.
    unsafe { if id & LEARNED == 0 { IDS.get(id) } else { SEEN_ID.get(id) } }.copied()
}
