//! Reads a head, request's or response's.

use super::buffer::{Buffer, SIZE, Source};
use crate::protocol::http1::{Parsed, Refusal};

/// Why there is no head.
#[derive(Debug)]
pub(crate) enum NoHead {
    /// The peer ended first.
    Ended,
    /// It is no head.
    Refused(Refusal),
}

/// Reads into `buffer` until `parse` has a whole head at its start.
pub(crate) async fn read_head(
    read: &mut impl Source,
    buffer: &mut Buffer,
    mut parse: impl FnMut(&mut [u8]) -> Result<Parsed, Refusal>,
) -> Result<(), NoHead> {
    // A head that drips in is looked at once per line: there are at most as many as a head may have fields.
    let mut look = !buffer.is_empty();
    loop {
        if look && parse(buffer.filled_mut()).map_err(NoHead::Refused)? == Parsed::Complete {
            return Ok(());
        }
        if buffer.is_full() {
            return Err(NoHead::Refused(Refusal::TooLarge));
        }
        let before = buffer.filled().len();
        if buffer.read_from(read, SIZE).await.map_err(|_| NoHead::Ended)? == 0 {
            return Err(NoHead::Ended);
        }
        look = buffer.filled()[before..].contains(&b'\n');
    }
}
