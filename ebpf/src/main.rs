//! meshlet's kernel half: the programs, in the order a connection meets them.
//!
//! The hooks of addresses are attached once, at the kubepods cgroup, by pinned links. A redirected connection goes to an
//! address in 127.64.0.0/10, or in fd6d:6573:686c:6574::/96, that *is* the service's id, and nothing is stored for it; an address
//! that rules mean without naming it is given an id when it is first dialled. A rule that needs no bytes is carried out in
//! connect; what the app asked for is kept in the socket's own storage. `sock_ops` is attached to captured pods alone.
// The BPF target has no atomic types, but the instruction is there.
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "there is no stable way to an atomic add on this target")]
#![no_std]
#![no_main]

mod connect;
mod getpeername;
mod learn;
mod maps;
mod outbound;
mod pick;
mod sock_ops;
mod verdict;

use aya_ebpf::macros::{cgroup_sock_addr, sock_ops};
use aya_ebpf::programs::{SockAddrContext, SockOpsContext};

// Anything but 1 fails the pod's connect(2) with EPERM, so when in doubt let it through untouched.
// linux v6.12 kernel/bpf/cgroup.c, __cgroup_bpf_run_filter_sock_addr
const ALLOW: i32 = 1;
const REFUSE: i32 = 0;

/// connect(2) of an IPv4 socket. Linux 5.15 (`bpf_ktime_get_coarse_ns` 5.11, link 5.7).
#[cgroup_sock_addr(connect4)]
pub fn meshlet_conn4(ctx: SockAddrContext) -> i32 {
    connect::v4(&ctx)
}

/// connect(2) of an IPv6 socket, to IPv4-mapped destinations and native ones. Linux 5.15.
#[cgroup_sock_addr(connect6)]
pub fn meshlet_conn6(ctx: SockAddrContext) -> i32 {
    connect::v6(&ctx)
}

/// getpeername(2) of an IPv4 socket: the Service address instead of the id. Linux 5.8.
#[cgroup_sock_addr(getpeername4)]
pub fn meshlet_peer4(ctx: SockAddrContext) -> i32 {
    getpeername::v4(&ctx)
}

/// getpeername(2) of an IPv6 socket. Linux 5.8.
#[cgroup_sock_addr(getpeername6)]
pub fn meshlet_peer6(ctx: SockAddrContext) -> i32 {
    getpeername::v6(&ctx)
}

/// The life of a captured pod's own connections: counts those whose endpoint was picked in connect. Linux 5.15 (socket storage).
#[sock_ops]
pub fn meshlet_sockops(ctx: SockOpsContext) -> u32 {
    sock_ops::observe(&ctx)
}

// Some helpers of these hooks are open to GPL-compatible programs alone. The kernel reads this string by itself
// (linux include/linux/license.h, license_is_gpl_compatible); the crate's own licence is Apache-2.0 OR GPL-2.0-only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
