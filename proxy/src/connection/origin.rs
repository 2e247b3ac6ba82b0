//! Where a redirected connection meant to go: the address it arrived at is the service id, so nothing per connection is
//! kept anywhere.

use std::net::{IpAddr, SocketAddr};

use meshlet_routing::decide::Dialled;
use tokio::net::TcpStream;

use super::{Client, Services};

/// What the pod dialled; `None` for an id that it has no right to, because an app can dial one by hand, or that is gone.
pub(crate) fn dialled(stream: &TcpStream, client: &Client) -> Option<Dialled> {
    look_up(stream.local_addr().ok()?, &client.services.load())
}

fn look_up(local: SocketAddr, services: &Services) -> Option<Dialled> {
    let id = match local.ip() {
        IpAddr::V4(v4) => meshlet_wire::address_id(v4.to_bits()),
        IpAddr::V6(v6) => meshlet_wire::address_id_v6(&v6.octets()),
    }?;
    services.get(&id).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_local_address_then_only_a_known_id_in_either_family_is_a_service() {
        let shop = Dialled { address: [10, 96, 0, 7].into(), port: 8080 };
        let services = Services::from([(258, shop)]);
        for (local, expected) in [
            ("127.64.1.2:15001", Some(shop)),
            ("127.64.1.3:15001", None),
            ("127.0.1.2:15001", None),
            ("10.64.1.2:15001", None),
            ("[fd6d:6573:686c:6574::102]:15001", Some(shop)),
            ("[fd6d:6573:686c:6574::103]:15001", None),
            ("[fd6d:6573:686c:6574::102:102]:15001", None),
            ("[fd6d:6573:686c:6574:1::102]:15001", None),
            ("[::1]:15001", None),
        ] {
            assert_eq!(look_up(local.parse().expect("an address"), &services), expected, "{local}");
        }
    }
}
