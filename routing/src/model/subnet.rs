//! Address ranges.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses of one family that share a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subnet {
    /// Bits behind the prefix are zero.
    network: IpAddr,
    length: u8,
}

impl Subnet {
    /// Every IPv4 address.
    pub const ALL_V4: Self = Self { network: IpAddr::V4(Ipv4Addr::UNSPECIFIED), length: 0 };
    /// Every IPv6 address.
    pub const ALL_V6: Self = Self { network: IpAddr::V6(Ipv6Addr::UNSPECIFIED), length: 0 };

    /// Reads `10.0.0.0/8`, `fd00::/64`, or one address; `None` when it is neither. Bits behind the prefix are ignored.
    #[must_use]
    pub fn parse(written: &str) -> Option<Self> {
        let (address, length) = match written.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (written, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => bits,
            // `parse` alone would take a sign.
            Some(digits) if !digits.bytes().all(|byte| byte.is_ascii_digit()) => return None,
            Some(digits) => digits.parse().ok().filter(|length| *length <= bits)?,
        };
        Some(Self { network: masked(address, length), length })
    }

    /// Whether the address is within; an address of the other family never is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address, self.length) == self.network
    }

    /// Every range that it is within, itself the last.
    pub fn widened(self) -> impl Iterator<Item = Self> {
        (0..=self.length).map(move |length| Self { network: masked(self.network, length), length })
    }

    /// Its lowest address.
    #[must_use]
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// How many bits all its addresses share.
    #[must_use]
    pub fn length(&self) -> u8 {
        self.length
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let dropped = 32_u32.saturating_sub(length.into());
            IpAddr::V4(v4.to_bits().checked_shr(dropped).map_or(0, |kept| kept << dropped).into())
        }
        IpAddr::V6(v6) => {
            let dropped = 128_u32.saturating_sub(length.into());
            IpAddr::V6(v6.to_bits().checked_shr(dropped).map_or(0, |kept| kept << dropped).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_subnet_then_it_contains_the_addresses_that_share_its_prefix() {
        for (subnet, inside, outside) in [
            ("10.96.0.0/12", "10.111.255.255", "10.112.0.0"),
            ("10.96.1.2/12", "10.96.0.0", "10.95.255.255"),
            ("10.96.0.1", "10.96.0.1", "10.96.0.2"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("fd00::/64", "fd00::1", "fd00:0:0:1::"),
            ("::/0", "fe80::1", "10.0.0.1"),
            ("::1", "::1", "::2"),
        ] {
            let subnet = Subnet::parse(subnet).expect(subnet);
            assert!(subnet.contains(inside.parse().expect(inside)), "{subnet} {inside}");
            assert!(!subnet.contains(outside.parse().expect(outside)), "{subnet} {outside}");
        }
        for nonsense in ["", "10.0.0/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "web", "10.0.0.0/8/9"] {
            assert_eq!(Subnet::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn given_a_subnet_then_it_is_widened_bit_by_bit_to_all_addresses_of_its_family() {
        let widened = |written: &str| -> Vec<String> {
            Subnet::parse(written).expect(written).widened().map(|subnet| subnet.to_string()).collect()
        };
        assert_eq!(widened("160.0.0.0/3"), ["0.0.0.0/0", "128.0.0.0/1", "128.0.0.0/2", "160.0.0.0/3"]);
        assert_eq!(widened("::/0"), [Subnet::ALL_V6.to_string()]);
        assert_eq!(widened("fd00::1").len(), 129);
    }

    proptest::proptest! {
        #[test]
        fn given_any_text_then_it_parses_or_fails_and_what_parses_prints_itself(text in "[0-9a-f:./]{0,24}") {
            if let Some(subnet) = Subnet::parse(&text) {
                proptest::prop_assert_eq!(Subnet::parse(&subnet.to_string()), Some(subnet));
            }
        }
    }
}
