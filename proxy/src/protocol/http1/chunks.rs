//! Follows a chunked body byte by byte without changing it (RFC 9112 section 7.1). What is let through reads the same to
//! every recipient: CR LF line ends only, no controls, no folded trailers.

use super::{MAX_HEAD, Refusal, is_text, is_token};

/// A chunk's line with its extensions is at most this long.
const MAX_LINE: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    SizeStart,
    Size,
    SizeBlank,
    Extension,
    SizeEnd,
    Bytes,
    BytesCr,
    BytesLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastEnd,
    Complete,
}

/// Position in a chunked body.
#[derive(Debug)]
pub(crate) struct Chunks {
    state: State,
    /// Of the current chunk.
    remaining: u64,
    /// Bytes of the current size line, or of all trailers.
    line: usize,
}

impl Chunks {
    /// Before the first chunk.
    pub(crate) fn new() -> Self {
        Self { state: State::SizeStart, remaining: 0, line: 0 }
    }

    /// Whether the last chunk and its trailers have passed.
    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// How many of `bytes` belong to the body; fewer than all only when it is complete.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Complete {
            if self.state == State::Bytes {
                let left = bytes.len() - at;
                let step = usize::try_from(self.remaining).map_or(left, |remaining| remaining.min(left));
                self.remaining -= step as u64;
                at += step;
                if self.remaining == 0 {
                    self.state = State::BytesCr;
                }
            } else {
                self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<(), Refusal> {
        self.line += 1;
        let limit = if self.remaining == 0 && self.in_trailers() { MAX_HEAD } else { MAX_LINE };
        if self.line > limit {
            return Err(Refusal::Chunk);
        }
        self.state = match (self.state, byte) {
            (State::SizeStart | State::Size, digit) if digit.is_ascii_hexdigit() => {
                self.digit(digit)?;
                State::Size
            }
            (State::Size | State::SizeBlank, b' ' | b'\t') => State::SizeBlank,
            (State::Size | State::SizeBlank, b';') => State::Extension,
            (State::Size | State::SizeBlank | State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, byte) if is_text(byte) => State::Extension,
            (State::SizeEnd, b'\n') => {
                self.line = 0;
                if self.remaining == 0 { State::TrailerStart } else { State::Bytes }
            }
            (State::BytesCr, b'\r') => State::BytesLf,
            (State::BytesLf, b'\n') => {
                self.line = 0;
                State::SizeStart
            }
            (State::TrailerStart, b'\r') => State::LastEnd,
            (State::TrailerStart | State::TrailerName, byte) if is_token(byte) => State::TrailerName,
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerValue, b'\r') => State::TrailerEnd,
            (State::TrailerValue, byte) if is_text(byte) => State::TrailerValue,
            (State::TrailerEnd, b'\n') => State::TrailerStart,
            (State::LastEnd, b'\n') => State::Complete,
            _ => return Err(Refusal::Chunk),
        };
        Ok(())
    }

    fn in_trailers(&self) -> bool {
        matches!(
            self.state,
            State::TrailerStart | State::TrailerName | State::TrailerValue | State::TrailerEnd | State::LastEnd
        )
    }

    fn digit(&mut self, digit: u8) -> Result<(), Refusal> {
        let value = char::from(digit).to_digit(16).ok_or(Refusal::Chunk)?;
        let shifted = self.remaining.checked_mul(16).ok_or(Refusal::Chunk)?;
        self.remaining = shifted | u64::from(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(bytes: &[u8]) -> Result<(usize, bool), Refusal> {
        let mut chunks = Chunks::new();
        let used = chunks.advance(bytes)?;
        Ok((used, chunks.is_complete()))
    }

    #[test]
    fn given_a_whole_body_then_it_ends_with_its_last_line() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "000A\r\n0123456789\r\n0\r\n\r\n",
            "5;a=b;c=\"d e\"\r\nhello\r\n0;last\r\n\r\n",
            "5 ;a\r\nhello\r\n0\r\n\r\n",
            "0\r\nX-Sum: 1\r\nY:\r\n\r\n",
        ] {
            let more = format!("{body}GET / HTTP/1.1\r\n");
            assert_eq!(scan(more.as_bytes()), Ok((body.len(), true)), "{body:?}");
        }
    }

    #[test]
    fn given_a_body_that_readers_could_read_differently_then_it_is_refused() {
        for body in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x5\r\n",
            " 5\r\n",
            "5\n",
            "5\rX",
            "5 5\r\n",
            "5;a\nb\r\n",
            "5;a\rb\r\n",
            "5;\0\r\n",
            "5\r\nhelloX",
            "5\r\nhello\n",
            "5\r\nhello\rX",
            "10000000000000000\r\n",
            "fffffffffffffffff\r\n",
            "0\r\n\n",
            "0\r\n a: b\r\n",
            "0\r\na: b\r\n c\r\n",
            "0\r\na : b\r\n",
            "0\r\n: b\r\n",
            "0\r\na: \0\r\n",
            "0\r\na: b\n",
        ] {
            assert_eq!(scan(body.as_bytes()), Err(Refusal::Chunk), "{body:?}");
        }
        assert_eq!(scan(format!("5;{}\r\n", "a".repeat(MAX_LINE)).as_bytes()), Err(Refusal::Chunk));
        assert_eq!(scan(format!("0\r\na:{}\r\n", "b".repeat(MAX_HEAD)).as_bytes()), Err(Refusal::Chunk));
    }

    fn body() -> impl Strategy<Value = Vec<u8>> {
        let chunk = (proptest::collection::vec(any::<u8>(), 1..40), "(;[a-z]{0,4})?");
        (proptest::collection::vec(chunk, 0..4), "([A-Z]{1,3}: [a-z]{0,3}\r\n){0,2}").prop_map(|(chunks, trailers)| {
            let mut bytes = Vec::new();
            for (data, extension) in chunks {
                bytes.extend(format!("{:x}{extension}\r\n", data.len()).bytes());
                bytes.extend(data);
                bytes.extend(b"\r\n");
            }
            bytes.extend(format!("0\r\n{trailers}\r\n").bytes());
            bytes
        })
    }

    proptest! {
        #[test]
        fn given_a_body_in_any_two_pieces_then_it_ends_where_it_ends(body in body(), split in any::<prop::sample::Index>()) {
            let mut chunks = Chunks::new();
            let split = split.index(body.len());
            prop_assert_eq!(chunks.advance(&body[..split]), Ok(split));
            prop_assert!(!chunks.is_complete());
            let rest = [&body[split..], b"extra"].concat();
            prop_assert_eq!(chunks.advance(&rest), Ok(body.len() - split));
            prop_assert!(chunks.is_complete());
        }

        #[test]
        fn given_any_bytes_in_any_pieces_then_they_are_taken_or_refused_alike(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b'5'), Just(b';'), any::<u8>()], 0..80),
            split in 0_usize..80,
        ) {
            let mut pieces = Chunks::new();
            let split = split.min(bytes.len());
            let taken = pieces.advance(&bytes[..split]).and_then(|first| {
                Ok(first + if first < split { 0 } else { pieces.advance(&bytes[split..])? })
            });
            prop_assert_eq!(taken, Chunks::new().advance(&bytes));
        }
    }
}
