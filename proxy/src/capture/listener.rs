//! The capture listeners of one pod, inside its network namespace.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd as _;

use anyhow::Context as _;
use meshlet_routing::model::Family;
use meshlet_wire::ID_PREFIX_V6;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::id_route;
use crate::kernel::netns_cookie;

/// Waiting connections per listener; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// Listeners of one pod: one per worker and family, so that a connection is served on the core its client runs on.
pub(crate) struct PodListeners {
    /// Identity of the pod's network namespace.
    pub(crate) cookie: u64,
    /// The port that those for IPv4 share.
    pub(crate) port: u16,
    /// The port that those for native IPv6 share, if there are any.
    pub(crate) port_v6: Option<u16>,
    /// In the order of the workers; IPv4's first.
    pub(crate) sockets: Vec<Vec<TcpListener>>,
}

/// Opens the listeners in the *calling thread's* network namespace, at `port` or, where the pod uses that one itself, at a
/// free one: the pod map holds whichever it is. `v6` asks for native IPv6 as well, where the namespace has any.
pub(crate) fn open(port: u16, workers: usize, v6: bool) -> anyhow::Result<PodListeners> {
    let (port_v4, of_v4) = of_family(Family::V4, port, workers)?;
    let first = of_v4.first().context("no worker")?;
    let cookie = netns_cookie(first.as_fd()).context("reading the network namespace's cookie (Linux 5.14)")?;
    let mut listeners = PodListeners {
        cookie,
        port: port_v4,
        port_v6: None,
        sockets: of_v4.into_iter().map(|listener| vec![listener]).collect(),
    };
    if v6 && id_route::is_possible() {
        let (port_v6, of_v6) = of_family(Family::V6, port, workers)?;
        id_route::add()?;
        listeners.port_v6 = Some(port_v6);
        listeners.sockets.iter_mut().zip(of_v6).for_each(|(sockets, listener)| sockets.push(listener));
    }
    Ok(listeners)
}

/// One for each worker, and the port that they share.
fn of_family(family: Family, port: u16, workers: usize) -> anyhow::Result<(u16, Vec<TcpListener>)> {
    let first = listen(family, port, 0)
        .or_else(|_| listen(family, 0, 0))
        .with_context(|| format!("listening in the pod's network namespace, {family:?}"))?;
    let port = first.local_addr().context("reading the listener's address")?.port();
    let mut sockets = vec![first];
    for worker in 1..workers {
        let socket = listen(family, port, worker);
        sockets.push(socket.with_context(|| format!("listening on port {port} for worker {worker}, {family:?}"))?);
    }
    Ok((port, sockets))
}

fn listen(family: Family, port: u16, worker: usize) -> io::Result<TcpListener> {
    let (domain, any): (_, IpAddr) = match family {
        Family::V4 => (Domain::IPV4, Ipv4Addr::UNSPECIFIED.into()),
        Family::V6 => (Domain::IPV6, Ipv6Addr::UNSPECIFIED.into()),
    };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    match family {
        // Every 127.64.x.y arrives at lo, and from outside the pod the port is closed.
        Family::V4 => socket.bind_device(Some(b"lo"))?,
        // Bound to lo it would never answer a client with a global address: the route of its SYN-ACK is looked for at lo alone.
        // Before it listens, so that nothing slips through.
        Family::V6 => {
            socket.set_only_v6(true)?;
            socket.attach_filter(&from_lo_to_an_id())?;
        }
    }
    // Steers a connection to the worker on the CPU that its SYN ran on: the client's.
    socket.set_cpu_affinity(worker)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(any, port).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A classic socket filter that drops all but packets from lo to the addresses of service ids. From outside the pod the port is
/// silent, even when a neighbour routes those addresses to the pod.
fn from_lo_to_an_id() -> Vec<SockFilter> {
    // linux include/uapi/linux/filter.h and bpf_common.h
    const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const INTERFACE: u32 = 0xffff_f008; // SKF_AD_OFF + SKF_AD_IFINDEX
    const NETWORK_HEADER: u32 = 0xfff0_0000; // SKF_NET_OFF
    const DESTINATION: u32 = 24; // in an IPv6 header

    let [a, b, c, d, e, f, g, h, i, j, k, l] = ID_PREFIX_V6;
    let tests = [
        (INTERFACE, id_route::LO),
        (NETWORK_HEADER + DESTINATION, u32::from_be_bytes([a, b, c, d])),
        (NETWORK_HEADER + DESTINATION + 4, u32::from_be_bytes([e, f, g, h])),
        (NETWORK_HEADER + DESTINATION + 8, u32::from_be_bytes([i, j, k, l])),
    ];
    // From the last test on: how many instructions are left to jump over to the drop behind the pass.
    let mut to_drop = 1 + 2 * 4;
    let mut program = Vec::new();
    for (place, value) in tests {
        to_drop -= 2;
        program.push(SockFilter::new(LOAD_WORD, 0, 0, place));
        program.push(SockFilter::new(JUMP_IF_EQUAL, 0, to_drop, value));
    }
    program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program
}
