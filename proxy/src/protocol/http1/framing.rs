//! How long a body is (RFC 9112 section 6.3), and which declarations are refused.

use super::Refusal;

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Framing {
    /// There is none, and nothing is said about it.
    #[default]
    Empty,
    /// After so many bytes.
    Sized(u64),
    /// With the last chunk and its trailers.
    Chunked,
    /// With the connection; responses only.
    UntilClose,
}

/// What the fields of one head declare.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Lengths {
    content_length: Option<u64>,
    chunked: bool,
}

impl Lengths {
    /// Takes one `Content-Length` line. Repetition of the same number is harmless (RFC 9110 section 8.6), a list is not read.
    pub(crate) fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let number = decimal(value).ok_or(Refusal::ContentLength)?;
        if self.content_length.replace(number).is_some_and(|before| before != number) {
            return Err(Refusal::ContentLength);
        }
        Ok(())
    }

    /// Takes one `Transfer-Encoding` line; only a single `chunked` is understood by everybody in the same way.
    pub(crate) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.chunked, true) || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::TransferEncoding);
        }
        Ok(())
    }

    /// What was declared, if anything.
    pub(crate) fn declared(self) -> Result<Option<Framing>, Refusal> {
        match (self.content_length, self.chunked) {
            (Some(_), true) => Err(Refusal::BothLengths),
            (None, true) => Ok(Some(Framing::Chunked)),
            (Some(length), false) => Ok(Some(Framing::Sized(length))),
            (None, false) => Ok(None),
        }
    }
}

/// Digits and nothing else: `str::parse` would take a sign.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lengths: &[&str], encodings: &[&str], expected: Result<Option<Framing>, Refusal>) {
        let mut declared = Lengths::default();
        let read = lengths
            .iter()
            .try_for_each(|value| declared.content_length(value.as_bytes()))
            .and_then(|()| encodings.iter().try_for_each(|value| declared.transfer_encoding(value.as_bytes())))
            .and_then(|()| declared.declared());
        assert_eq!(read, expected, "{lengths:?} {encodings:?}");
    }

    #[test]
    fn given_one_plain_length_then_it_holds() {
        check(&[], &[], Ok(None));
        check(&["0"], &[], Ok(Some(Framing::Sized(0))));
        check(&["18446744073709551615"], &[], Ok(Some(Framing::Sized(u64::MAX))));
        check(&["5", "5"], &[], Ok(Some(Framing::Sized(5))));
        check(&[], &["chunked"], Ok(Some(Framing::Chunked)));
        check(&[], &["Chunked"], Ok(Some(Framing::Chunked)));
    }

    #[test]
    fn given_a_length_that_readers_could_read_differently_then_it_is_refused() {
        for value in ["", "+5", "-5", "5 5", "5,5", "0x5", "5.0", "18446744073709551616", "٥"] {
            check(&[value], &[], Err(Refusal::ContentLength));
        }
        check(&["5", "6"], &[], Err(Refusal::ContentLength));
        for value in
            ["", "gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked", "chunked;q=1", "\"chunked\""]
        {
            check(&[], &[value], Err(Refusal::TransferEncoding));
        }
        check(&[], &["chunked", "chunked"], Err(Refusal::TransferEncoding));
        check(&["5"], &["chunked"], Err(Refusal::BothLengths));
    }
}
