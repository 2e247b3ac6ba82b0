//! meshlet's kernel half: the programs, in the order a connection meets them.
//!
//! The hooks of addresses are attached once, at the kubepods cgroup, by pinned links. A redirected connection goes to an
//! address in 127.64.0.0/10, or in fd6d:6573:686c:6574::/96, that *is* the service's id, and nothing is stored for it; an address
//! that rules mean without naming it is given an id when it is first dialled. A rule that needs no bytes is carried out in
//! connect; what the app asked for is kept in the socket's own storage, and sockets that have such are observed to their end.
// The BPF target has no atomic types, but the instruction is there.
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "there is no stable way to an atomic add on this target")]
#![no_std]
#![no_main]

mod connect;
mod getpeername;
mod learn;
mod maps;
mod observe;
mod outbound;
mod pick;
mod verdict;

use aya_ebpf::macros::{btf_tracepoint, cgroup_sock_addr};
use aya_ebpf::programs::{BtfTracePointContext, SockAddrContext};

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

/// A TCP socket of the machine is taken apart. Linux 5.11 (socket storage in tracing programs).
#[btf_tracepoint(function = "tcp_destroy_sock")]
pub fn meshlet_destroy(ctx: BtfTracePointContext) -> i32 {
    observe::destroyed(ctx.arg(0));
    0
}

/// A TCP socket of the machine sends a reset, or none does where a packet was nobody's. Linux 5.11.
#[btf_tracepoint(function = "tcp_send_reset")]
pub fn meshlet_reset(ctx: BtfTracePointContext) -> i32 {
    observe::reset(ctx.arg(0));
    0
}

/// The daemon asks for the open connections; called for each socket that has storage, and once when there is none left. Linux 5.9.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/bpf_sk_storage_map")]
pub extern "C" fn meshlet_live(ctx: *const observe::Stored) -> i32 {
    observe::tell(ctx);
    0
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
