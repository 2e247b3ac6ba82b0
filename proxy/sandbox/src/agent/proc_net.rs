//! What the kernel says about this process's network namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use crate::protocol::Interface;

/// Packets of each interface.
pub(super) fn interfaces() -> io::Result<BTreeMap<String, Interface>> {
    Ok(fs::read_to_string("/proc/self/net/dev")?.lines().filter_map(interface).collect())
}

/// Ports with a listening TCP socket, IPv4 or IPv6.
pub(super) fn listening() -> io::Result<BTreeSet<u16>> {
    let (v4, v6) =
        (fs::read_to_string("/proc/self/net/tcp")?, fs::read_to_string("/proc/self/net/tcp6").unwrap_or_default());
    Ok(v4.lines().chain(v6.lines()).filter_map(listening_port).collect())
}

/// `  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets …`
fn interface(line: &str) -> Option<(String, Interface)> {
    let (name, counters) = line.split_once(':')?;
    let counters: Vec<u64> = counters.split_whitespace().map_while(|word| word.parse().ok()).collect();
    Some((name.trim().to_owned(), Interface { rx_packets: *counters.get(1)?, tx_packets: *counters.get(9)? }))
}

/// `   0: 0100007F:1F90 00000000:0000 0A …`: state 0A is LISTEN.
fn listening_port(line: &str) -> Option<u16> {
    let mut words = line.split_whitespace().skip(1);
    let (local, state) = (words.next()?, words.nth(1)?);
    let (_, port) = local.rsplit_once(':')?;
    (state == "0A").then(|| u16::from_str_radix(port, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_proc_net_dev_when_read_then_packets_are_found_and_headings_skipped() {
        let line = "  eth0:   11450      78    0    0    0     0          0         0     5092      60    0    0    0     0       0          0";
        assert_eq!(interface(line), Some(("eth0".to_owned(), Interface { rx_packets: 78, tx_packets: 60 })));
        assert_eq!(interface("Inter-|   Receive                            |  Transmit"), None);
        assert_eq!(interface(" face |bytes    packets errs"), None);
    }

    #[test]
    fn given_proc_net_tcp_when_read_then_only_listeners_count() {
        let cases = [
            ("   0: 0100007F:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000", Some(15001)),
            ("   1: 0100007F:3A99 0100007F:A2B4 01 00000000:00000000 00:00000000 00000000", None),
            ("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt", None),
        ];
        for (line, port) in cases {
            assert_eq!(listening_port(line), port, "{line}");
        }
    }
}
