//! Whether a connection speaks HTTP/1.1, from its first line.

use super::is_token;

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// `TOKEN SP … SP HTTP/1.1`.
    Http1,
    /// Not HTTP/1.1, whatever follows.
    Other,
    /// More bytes are needed.
    Undecided,
}

/// Reads a first line that arrives in pieces; every byte is looked at once.
#[derive(Debug, Default)]
pub(crate) struct FirstLine {
    scanned: usize,
    in_target: bool,
}

impl FirstLine {
    /// Looks at all bytes so far; `bytes` starts with what was shown before.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Verdict {
        while let Some(byte) = bytes.get(self.scanned).copied() {
            match byte {
                _ if !self.in_target && is_token(byte) => {}
                b' ' if !self.in_target && self.scanned > 0 => self.in_target = true,
                _ if !self.in_target => return Verdict::Other,
                b'\r' | b'\n' => return version(&bytes[..self.scanned]),
                0..b' ' | 0x7f => return Verdict::Other,
                _ => {}
            }
            self.scanned += 1;
        }
        Verdict::Undecided
    }
}

fn version(line: &[u8]) -> Verdict {
    if line.ends_with(b" HTTP/1.1") { Verdict::Http1 } else { Verdict::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_first_bytes_then_only_an_http_1_1_line_is_http_and_the_rest_is_ruled_out_at_once() {
        for (bytes, verdict) in [
            (&b"GET / HTTP/1.1\r\n"[..], Verdict::Http1),
            (b"GET / HTTP/1.1\n", Verdict::Http1),
            (b"M-SEARCH * HTTP/1.1\r", Verdict::Http1),
            (b"", Verdict::Undecided),
            (b"GE", Verdict::Undecided),
            (b"GET / HTTP/1.1", Verdict::Undecided),
            (b"GET / HTTP/1.0\r\n", Verdict::Other),
            (b"GET /\r\n", Verdict::Other),
            (b"GET HTTP/1.1\r\n", Verdict::Http1),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Verdict::Other),
            (b"\x16\x03\x01", Verdict::Other),
            (b" GET", Verdict::Other),
            (b"PING\r\n", Verdict::Other),
            (b"*1\r\n", Verdict::Other),
            (b"GET /\0", Verdict::Other),
        ] {
            assert_eq!(FirstLine::default().look(bytes), verdict, "{}", bytes.escape_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn given_bytes_in_any_pieces_then_the_verdict_is_that_of_all_bytes(
            bytes in "(GET|PUT|\\x16)? ?[ -~]{0,12}( HTTP/1.[01])?(\r\n)?[a-z]{0,3}", split in 0_usize..40
        ) {
            let bytes = bytes.as_bytes();
            let mut line = FirstLine::default();
            let verdict = match line.look(&bytes[..split.min(bytes.len())]) {
                Verdict::Undecided => line.look(bytes),
                early => early,
            };
            proptest::prop_assert_eq!(verdict, FirstLine::default().look(bytes));
        }
    }
}
