//! Bytes sent as they are, and what comes back.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use socket2::SockRef;

use super::socket;
use crate::protocol::{ConnectCall, RawAnswer, RawCall};

/// Silence that counts as the end.
const SILENCE: Duration = Duration::from_secs(2);

/// Sends, then reads until what is waited for has come, the other side closes, or nothing more comes.
pub(super) fn call(call: &RawCall) -> RawAnswer {
    let mut received = Vec::new();
    let ended = exchange(call, &mut received);
    let mut answer = RawAnswer { received: String::from_utf8_lossy(&received).into_owned(), ..RawAnswer::default() };
    match ended {
        Ok(closed) => answer.closed = closed,
        Err(error) => answer.error = Some(error.to_string()),
    }
    answer
}

/// Whether the other side has closed.
fn exchange(call: &RawCall, received: &mut Vec<u8>) -> io::Result<bool> {
    let mut stream = socket::connect(&ConnectCall::to(call.to))?;
    if call.abort {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    }
    stream.write_all(call.send.as_bytes())?;
    if call.half_close {
        stream.shutdown(Shutdown::Write)?;
    }
    stream.set_read_timeout(Some(SILENCE))?;
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(read) => received.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        let has = |until: &String| received.windows(until.len().max(1)).any(|window| window == until.as_bytes());
        if call.until.as_ref().is_some_and(has) {
            return Ok(false);
        }
    }
}
