//! A pod calls connect(2). No rule: untouched. A rule: to the proxy, at the address that is the service's id, or to an endpoint.
//! Here are the two families' sockets and addresses; what becomes of a connect is `verdict`'s.

use core::{mem, ptr};

use aya_ebpf::bindings::{bpf_sock, bpf_sock_addr};
use aya_ebpf::helpers::generated::bpf_bind;
use aya_ebpf::programs::SockAddrContext;
use aya_log_ebpf::warn;
use meshlet_wire::{ServiceKey, id_address, id_address_v6};

use crate::verdict::{Source, Verdict, decide};
use crate::{ALLOW, REFUSE};

/// The port that nobody can listen on: connecting there is refused at once.
const NO_PORT: u32 = 0;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

pub(crate) fn v4(ctx: &SockAddrContext) -> i32 {
    let raw = ctx.sock_addr;
    // SAFETY: the verifier checks that the context's fields and its socket are readable.
    let (address, port, sk) = unsafe { ((*raw).user_ip4, (*raw).user_port, (*raw).__bindgen_anon_1.sk) };
    let key = key_v4(address, port_bytes(port));
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

/// An IPv4-mapped destination stays IPv4, a native one IPv6: a socket may be of one family alone, which the hook cannot see.
pub(crate) fn v6(ctx: &SockAddrContext) -> i32 {
    let raw = ctx.sock_addr;
    let key = destination_v6(raw);
    // SAFETY: the verifier checks that the context's socket is readable.
    let sk = unsafe { (*raw).__bindgen_anon_1.sk };
    let mapped = key.as_v4().is_some();
    let source = source_v6(sk);
    match decide(ctx, sk, &key, source) {
        Verdict::Allow => ALLOW,
        Verdict::Refuse => REFUSE,
        Verdict::Redirect(id, pod) => {
            if let Source::Unbound = source {
                let own = if mapped { ServiceKey::v4(pod.address, [0; 2]).address } else { pod.address_v6 };
                bind_v6(ctx, raw, own);
            }
            rewrite_v6(raw, &id_key(id, mapped), port_word(if mapped { pod.port } else { pod.port_v6 }));
            ALLOW
        }
        Verdict::Endpoint(endpoint) => {
            rewrite_v6(raw, &endpoint.address, port_word(endpoint.port));
            ALLOW
        }
        Verdict::Nobody => {
            rewrite_v6(raw, &id_key(0, mapped), NO_PORT);
            ALLOW
        }
    }
}

/// The address of an id in the family of a destination.
#[inline(always)]
fn id_key(id: u32, mapped: bool) -> [u8; 16] {
    if mapped { ServiceKey::v4(id_address(id).to_be_bytes(), [0; 2]).address } else { id_address_v6(id) }
}

/// What an IPv6 socket's context holds: the destination in connect, the peer in getpeername.
#[inline(always)]
pub(crate) fn destination_v6(raw: *mut bpf_sock_addr) -> ServiceKey {
    // SAFETY: the verifier checks that the context's fields are readable; volatile, since it refuses merged loads.
    let (words, port) = unsafe {
        let ip = &raw const (*raw).user_ip6;
        let words = [
            ptr::read_volatile(&raw const (*ip)[0]),
            ptr::read_volatile(&raw const (*ip)[1]),
            ptr::read_volatile(&raw const (*ip)[2]),
            ptr::read_volatile(&raw const (*ip)[3]),
        ];
        (words, (*raw).user_port)
    };
    ServiceKey::new(address_bytes(words), port_bytes(port))
}

#[inline(always)]
pub(crate) fn rewrite_v6(raw: *mut bpf_sock_addr, address: &[u8; 16], port: u32) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *address;
    // SAFETY: all fields are writable in connect6 and getpeername6; volatile for the reason given in `rewrite_v4`.
    unsafe {
        let ip = &raw mut (*raw).user_ip6;
        ptr::write_volatile(&raw mut (*ip)[0], u32::from_ne_bytes([a, b, c, d]));
        ptr::write_volatile(&raw mut (*ip)[1], u32::from_ne_bytes([e, f, g, h]));
        ptr::write_volatile(&raw mut (*ip)[2], u32::from_ne_bytes([i, j, k, l]));
        ptr::write_volatile(&raw mut (*ip)[3], u32::from_ne_bytes([m, n, o, p]));
        ptr::write_volatile(&raw mut (*raw).user_port, port);
    }
}

#[inline(always)]
fn source_v6(sk: *mut bpf_sock) -> Source {
    // SAFETY: `sk` is never null in this hook, and the address words are readable.
    let words = unsafe {
        let ip = &raw const (*sk).src_ip6;
        [
            ptr::read_volatile(&raw const (*ip)[0]),
            ptr::read_volatile(&raw const (*ip)[1]),
            ptr::read_volatile(&raw const (*ip)[2]),
            ptr::read_volatile(&raw const (*ip)[3]),
        ]
    };
    let bound = ServiceKey::new(address_bytes(words), [0; 2]);
    match bound.as_v4() {
        Some(v4) => Source::V4(v4),
        None if bound.address == [0; 16] => Source::Unbound,
        None => Source::V6(bound.address),
    }
}

/// The words of an address as they stand in a context or a socket: network byte order, each. As words, since LLVM would store bytes
/// one by one, and who reads them next by words would wait for that.
#[inline(always)]
fn address_bytes(words: [u32; 4]) -> [u8; 16] {
    // SAFETY: both are 16 bytes of which any will do.
    unsafe { mem::transmute(words) }
}

/// The key of an IPv4 destination whose address stands in a context or a socket.
#[inline(always)]
pub(crate) fn key_v4(address: u32, port: [u8; 2]) -> ServiceKey {
    ServiceKey::new(address_bytes([0, 0, 0xffff_u32.to_be(), address]), port)
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
fn bind_v6(ctx: &SockAddrContext, raw: *mut bpf_sock_addr, address: [u8; 16]) {
    let mut name = SockaddrIn6 { family: AF_INET6, port: 0, flow: 0, address, scope: 0 };
    // SAFETY: `name` lives through the call and its true size is given.
    let failed = unsafe { bpf_bind(raw, (&raw mut name).cast(), size_of::<SockaddrIn6>() as i32) };
    if failed != 0 {
        warn!(ctx, "bpf_bind to the pod's address: {}", failed);
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
