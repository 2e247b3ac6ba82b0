//! Whether a connection begins with a ClientHello, and for whom (RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3).

/// The most that a ClientHello may be, headers of records aside.
const MAX_HELLO: usize = 16 * 1024;

/// The most that a record holds.
const MAX_RECORD: usize = 16 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// What the first bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hello {
    /// A ClientHello, with the name of the server that it is for, if it has one; case kept.
    Tls(Option<String>),
    /// No ClientHello, whatever follows, or a longer one than anybody sends.
    Other,
    /// More bytes are needed.
    Undecided,
}

/// Looks at all bytes so far. The ClientHello may be in pieces: over reads, and over records.
pub(crate) fn look(bytes: &[u8]) -> Hello {
    let mut hello = Vec::new();
    let mut rest = bytes;
    loop {
        let header = &rest[..rest.len().min(5)];
        if header.first().is_some_and(|kind| *kind != HANDSHAKE) || header.get(1).is_some_and(|major| *major != 3) {
            return Hello::Other;
        }
        let [_, _, _, high, low] = *header else { return Hello::Undecided };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > MAX_RECORD {
            return Hello::Other;
        }
        let whole = rest.len() >= 5 + length;
        hello.extend_from_slice(&rest[5..rest.len().min(5 + length)]);
        if hello.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Hello::Other;
        }
        if let [_, high, middle, low, body @ ..] = &*hello {
            let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
            if length > MAX_HELLO {
                return Hello::Other;
            }
            if let Some(body) = body.get(..length) {
                return server_name(body).map_or(Hello::Other, Hello::Tls);
            }
        }
        if !whole {
            return Hello::Undecided;
        }
        rest = &rest[5 + length..];
    }
}

/// The name in a whole ClientHello; the outer `None` when it is none.
fn server_name(hello: &[u8]) -> Option<Option<String>> {
    let mut hello = Reader(hello);
    // Version and random, then session id, cipher suites and compression methods.
    hello.take(2 + 32)?;
    hello.short_list()?;
    hello.list()?;
    hello.short_list()?;
    if hello.0.is_empty() {
        return Some(None);
    }
    let mut extensions = Reader(hello.list()?);
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let extension = extensions.list()?;
        if kind == SERVER_NAME && found.is_none() {
            found = Some(host_name(extension)?);
        }
    }
    Some(found.flatten())
}

/// The first name of a server_name extension that is a host's.
fn host_name(extension: &[u8]) -> Option<Option<String>> {
    let mut names = Reader(Reader(extension).list()?);
    while !names.0.is_empty() {
        let kind = names.take(1)?[0];
        let name = names.list()?;
        if kind == HOST_NAME {
            let name = str::from_utf8(name).ok().filter(|name| name.is_ascii())?;
            return Some(Some(name.to_owned()).filter(|name| !name.is_empty()));
        }
    }
    Some(None)
}

/// Bytes that are not read yet; every step fails when there are too few.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// What is behind a length of two bytes.
    fn list(&mut self) -> Option<&'b [u8]> {
        let length = self.number()?;
        self.take(length.into())
    }

    /// What is behind a length of one byte.
    fn short_list(&mut self) -> Option<&'b [u8]> {
        let length = self.take(1)?[0];
        self.take(length.into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len()).expect("a short list");
        [&length.to_be_bytes(), bytes].concat()
    }

    fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &listed(body)].concat()
    }

    fn named(name: &str) -> Vec<u8> {
        extension(SERVER_NAME, &listed(&[&[HOST_NAME][..], &listed(name.as_bytes())].concat()))
    }

    fn message(extensions: Option<&[u8]>) -> Vec<u8> {
        let ciphers = listed(&[0x13, 0x01]);
        let mut body = [&[3, 3][..], &[7; 32], &[4, 1, 2, 3, 4], &ciphers, &[1, 0]].concat();
        body.extend(extensions.map(listed).unwrap_or_default());
        let length = u32::try_from(body.len()).expect("a short message").to_be_bytes();
        [&[CLIENT_HELLO], &length[1..], &body].concat()
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        message.chunks(size).flat_map(|part| [&[HANDSHAKE, 3, 1][..], &listed(part)].concat()).collect()
    }

    /// A ClientHello for a server, in records of so many bytes.
    pub(crate) fn client_hello(name: &str, record: usize) -> Vec<u8> {
        let extensions = [extension(43, &[2, 3, 4]), named(name), extension(0xfe0d, &[0; 100])].concat();
        records(&message(Some(&extensions)), record)
    }

    #[test]
    fn given_a_client_hello_then_its_server_name_is_found_however_it_is_cut_up() {
        for record in [16_384, 100, 5, 1] {
            let bytes = client_hello("a.example.com", record);
            assert_eq!(look(&bytes), Hello::Tls(Some("a.example.com".to_owned())), "{record}");
            for end in 0..bytes.len() {
                assert_eq!(look(&bytes[..end]), Hello::Undecided, "{record} {end}");
            }
        }
    }

    #[test]
    fn given_a_client_hello_without_a_name_then_it_is_tls_all_the_same() {
        let address = extension(SERVER_NAME, &listed(&[&[9][..], &listed(b"x")].concat()));
        for extensions in [None, Some(&[][..]), Some(&extension(43, &[2, 3, 4])[..]), Some(&address), Some(&named(""))]
        {
            assert_eq!(look(&records(&message(extensions), 16_384)), Hello::Tls(None), "{extensions:?}");
        }
    }

    #[test]
    fn given_what_is_no_client_hello_then_it_is_ruled_out_at_once() {
        let long = [&[HANDSHAKE, 3, 1, 0x40, 0, CLIENT_HELLO, 0, 0x40, 1][..]].concat();
        let broken = records(&message(Some(&[0, 0, 0, 9, 1])), 16_384);
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x17\x03",
            b"\x16\x02",
            b"\x16\x03\x01\x00\x00",
            b"\x16\x03\x01\x40\x01",
            b"\x16\x03\x01\x00\x10\x02",
            &long,
            &broken,
            &records(&message(Some(&named("caf\u{e9}"))), 16_384),
        ] {
            assert_eq!(look(bytes), Hello::Other, "{}", bytes.escape_ascii());
        }
        for bytes in [&b""[..], b"\x16", b"\x16\x03\x01\x00", b"\x16\x03\x01\x00\x10", b"\x16\x03\x01\x00\x10\x01\x00"]
        {
            assert_eq!(look(bytes), Hello::Undecided, "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn given_any_bytes_then_there_is_a_verdict_and_more_bytes_do_not_take_it_back(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..600),
                (prop::collection::vec(any::<u8>(), 0..600), 1_usize..80)
                    .prop_map(|(body, size)| records(&[&[CLIENT_HELLO, 0, 1, 0][..], &body].concat(), size)),
            ],
            split in 0_usize..700,
        ) {
            let early = look(&bytes[..split.min(bytes.len())]);
            if early != Hello::Undecided {
                prop_assert_eq!(early, look(&bytes));
            }
        }

        #[test]
        fn given_one_byte_that_is_wrong_then_nothing_panics(place in 0_usize..300, byte: u8, record in 1_usize..200) {
            let mut bytes = client_hello("a.example.com", record);
            if let Some(found) = bytes.get_mut(place) {
                *found = byte;
            }
            let _ = look(&bytes);
        }
    }
}
