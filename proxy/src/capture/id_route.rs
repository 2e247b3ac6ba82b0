//! The route that makes service ids local as IPv6 addresses: `local fd6d:6573:686c:6574::/96 dev lo` in a pod's network
//! namespace. IPv4 needs none: 127.0.0.0/8 is local wherever lo is up.

use std::fs;
use std::io;
use std::net::Ipv6Addr;

use anyhow::Context as _;
use meshlet_wire::id_address_v6;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// Index of lo, which every network namespace begins with (linux include/net/flow.h, LOOPBACK_IFINDEX).
pub(super) const LO: u32 = 1;

/// Of the prefix before an id.
const PREFIX_LENGTH: u8 = 96;
/// RT_TABLE_LOCAL (linux include/uapi/linux/rtnetlink.h).
const LOCAL_TABLE: u8 = 255;

/// Whether lo has IPv6 in the *calling thread's* network namespace: without it there is no native IPv6 to redirect.
pub(super) fn is_possible() -> bool {
    let disabled = fs::read_to_string("/proc/sys/net/ipv6/conf/lo/disable_ipv6");
    disabled.is_ok_and(|disabled| disabled.trim() == "0")
}

/// Adds the route in the *calling thread's* network namespace; one that is there already, from an earlier daemon, will do.
pub(super) fn add() -> anyhow::Result<()> {
    ask(RouteNetlinkMessage::NewRoute, NLM_F_CREATE | NLM_F_REPLACE).context("adding the route of service ids to lo")
}

/// Takes it away again.
pub(super) fn remove() -> anyhow::Result<()> {
    match ask(RouteNetlinkMessage::DelRoute, 0) {
        // ESRCH: it is gone already.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        done => done.context("taking the route of service ids from lo"),
    }
}

fn ask(what: fn(RouteMessage) -> RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut route = RouteMessage::default();
    route.header = RouteHeader {
        address_family: AddressFamily::Inet6,
        destination_prefix_length: PREFIX_LENGTH,
        table: LOCAL_TABLE,
        protocol: RouteProtocol::Static,
        scope: RouteScope::Host,
        kind: RouteType::Local,
        ..RouteHeader::default()
    };
    let prefix = Ipv6Addr::from(id_address_v6(0));
    route.attributes = vec![RouteAttribute::Destination(prefix.into()), RouteAttribute::Oif(LO)];
    let mut message = NetlinkMessage::from(what(route));
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&bytes, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?;
    match answer.payload {
        NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
        NetlinkPayload::Error(_) => Ok(()),
        other => Err(io::Error::other(format!("unexpected answer {other:?}"))),
    }
}
