//! Position in a body of any framing.

use super::Refusal;
use super::chunks::Chunks;
use super::framing::Framing;

/// Tells which bytes of a stream belong to one body.
#[derive(Debug)]
pub(crate) enum Body {
    /// So many bytes are still to come.
    Sized(u64),
    /// Ends by itself.
    Chunked(Chunks),
    /// Ends with the connection.
    UntilClose,
}

impl Body {
    /// Before its first byte.
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Sized(0),
            Framing::Sized(length) => Self::Sized(length),
            Framing::Chunked => Self::Chunked(Chunks::new()),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Whether all of it has passed; a body that ends with its connection is never complete.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Self::Sized(remaining) => *remaining == 0,
            Self::Chunked(chunks) => chunks.is_complete(),
            Self::UntilClose => false,
        }
    }

    /// How many of `bytes` belong to it; fewer than all only when it is complete.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match self {
            Self::Sized(remaining) => {
                let used = usize::try_from(*remaining).map_or(bytes.len(), |remaining| remaining.min(bytes.len()));
                *remaining -= used as u64;
                Ok(used)
            }
            Self::Chunked(chunks) => chunks.advance(bytes),
            Self::UntilClose => Ok(bytes.len()),
        }
    }

    /// How many bytes to read next, `room` at most: none of the next message, where that can be known.
    pub(crate) fn wanted(&self, room: usize) -> usize {
        match self {
            Self::Sized(remaining) => usize::try_from(*remaining).map_or(room, |remaining| remaining.min(room)),
            Self::Chunked(_) | Self::UntilClose => room,
        }
    }
}
