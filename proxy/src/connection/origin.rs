//! Where a redirected connection meant to go: the address it arrived at is the service id, so nothing per connection is
//! kept anywhere.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;

use super::meanings::Meaning;
use super::{Client, Meanings};

/// What the pod dialled; `None` for an id that it has no right to, because an app can dial one by hand, or that is gone.
pub(crate) fn dialled(stream: &TcpStream, client: &Client) -> Option<Meaning> {
    look_up(stream.local_addr().ok()?, &client.meanings)
}

fn look_up(local: SocketAddr, meanings: &Arc<Meanings>) -> Option<Meaning> {
    let id = match local.ip() {
        IpAddr::V4(v4) => meshlet_wire::address_id(v4.to_bits()),
        IpAddr::V6(v6) => meshlet_wire::address_id_v6(&v6.octets()),
    }?;
    meanings.of(id)
}

#[cfg(test)]
mod tests {
    use meshlet_routing::decide::Dialled;

    use super::*;
    use crate::connection::Services;

    #[test]
    fn given_a_local_address_then_only_a_known_id_in_either_family_is_a_service() {
        let shop = Dialled { address: [10, 96, 0, 7].into(), port: 8080 };
        let meanings = Arc::new(Meanings::new(Box::new(|_| None)));
        meanings.publish(Services::from([(258, shop)]));
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
            let found = look_up(local.parse().expect("an address"), &meanings);
            assert_eq!(found.map(|meaning| meaning.dialled), expected, "{local}");
        }
    }
}
