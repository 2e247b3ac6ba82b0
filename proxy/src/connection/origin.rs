//! Where a redirected connection meant to go: the address it arrived at is the service id, so nothing per connection is
//! kept anywhere.

use std::net::SocketAddr;

use meshlet_routing::decide::Dialled;
use tokio::net::TcpStream;

use super::{Client, Services};

/// What the pod dialled; `None` for an id that it has no right to, because an app can dial 127.64.x.y by hand, or that is gone.
pub(crate) fn dialled(stream: &TcpStream, client: &Client) -> Option<Dialled> {
    look_up(stream.local_addr().ok()?, &client.services.load())
}

fn look_up(local: SocketAddr, services: &Services) -> Option<Dialled> {
    let SocketAddr::V4(local) = local else { return None };
    let id = meshlet_wire::address_id(u32::from(*local.ip()))?;
    services.get(&id).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_local_address_then_only_a_known_id_in_127_64_is_a_service() {
        let shop = Dialled { address: [10, 96, 0, 7].into(), port: 8080 };
        let services = Services::from([(258, shop)]);
        for (local, expected) in [
            ("127.64.1.2:15001", Some(shop)),
            ("127.64.1.3:15001", None),
            ("127.0.1.2:15001", None),
            ("10.64.1.2:15001", None),
            ("[::1]:15001", None),
        ] {
            assert_eq!(look_up(local.parse().expect("an address"), &services), expected, "{local}");
        }
    }
}
