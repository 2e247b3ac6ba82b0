//! What is kept and told of connections whose endpoint the kernel has picked.

use crate::ServiceKey;

/// What a socket's connect was made of, in its socket storage: for getpeername and for what is counted of the connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What the pod dialled.
    pub service: ServiceKey,
    /// Where it went instead.
    pub endpoint: ServiceKey,
    /// Cell of the endpoint when it was picked.
    pub cell: u32,
    /// Which pod and which destination it is counted for.
    pub flow: FlowKey,
    /// 1 while it is counted among the open ones: from connect to its end.
    pub open: u32,
    /// Zero.
    pub reserved: u32,
}

/// Whose connections are counted together, key of the flow map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// The pod: its network-namespace cookie, which no other one ever gets.
    pub pod: u64,
    /// [`Slot::destination`](crate::Slot::destination).
    pub destination: u32,
    /// Zero.
    pub reserved: u32,
}

/// What has become of the connections of one pod to one destination, those that are over; programs only add.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Connections that were established and have ended; what follows `failed` is of these alone.
    pub closed: u64,
    /// Connects that nobody accepted.
    pub failed: u64,
    /// Bytes that the endpoint has acknowledged.
    pub sent: u64,
    /// Bytes that have come from it.
    pub received: u64,
    /// Sum of their last smoothed round-trip times, in microseconds.
    pub rtt: u64,
}

/// An open connection, as the iterator tells it: one such record after the other, in native byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// Which pod and which destination it is counted for.
    pub flow: FlowKey,
    /// Bytes that the endpoint has acknowledged until now.
    pub sent: u64,
    /// Bytes that have come from it until now.
    pub received: u64,
}

/// Where the running kernel keeps what the observers read, in bytes from the start of its structure. The daemon finds them in the
/// kernel's BTF.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// `sock_common.skc_family`, two bytes.
    pub family: u32,
    /// `sock_common.skc_state`, a byte.
    pub state: u32,
    /// `sock_common.skc_daddr`, the peer's IPv4 address.
    pub peer_v4: u32,
    /// `sock_common.skc_v6_daddr`, its IPv6 or IPv4-mapped address.
    pub peer_v6: u32,
    /// `sock_common.skc_dport`, its port.
    pub peer_port: u32,
    /// `sock_common.skc_flags`, a word of 64 bits.
    pub flags: u32,
    /// `tcp_sock.bytes_acked`, 64 bits like the next three.
    pub acked: u32,
    /// `tcp_sock.bytes_received`.
    pub received: u32,
    /// `tcp_sock.bytes_sent`.
    pub sent: u32,
    /// `tcp_sock.bytes_retrans`.
    pub sent_again: u32,
    /// `tcp_sock.srtt_us`, eighths of a microsecond in 32 bits.
    pub rtt: u32,
}
