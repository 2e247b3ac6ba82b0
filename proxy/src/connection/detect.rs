//! What an inspected connection speaks, from its first bytes. The client always speaks first here: protocols where the
//! server does are declared TCP and never come this way.

use tokio::net::tcp::ReadHalf;

use super::buffer::{Buffer, SIZE};
use super::pod::Pod;
use super::worker::Worker;
use crate::protocol::http1::first_line::{FirstLine, Verdict};

/// What it speaks, with the bytes that said so.
pub(crate) enum Speaks {
    /// HTTP/1.1.
    Http(Buffer),
    /// Anything else, or nothing at all before the client's end.
    Opaque(Buffer),
}

/// Reads until the bytes tell, for as long as the client takes; `None` when the connection is over.
pub(crate) async fn detect(worker: &Worker, pod: &Pod, read: &mut ReadHalf<'_>) -> Option<Speaks> {
    let mut buffer = pod.first_bytes(read, &worker.buffers).await?;
    let mut line = FirstLine::default();
    loop {
        match line.look(buffer.filled()) {
            Verdict::Http1 => return Some(Speaks::Http(buffer)),
            Verdict::Undecided if !buffer.is_empty() && !buffer.is_full() => {
                if buffer.read_from(read, SIZE).await.ok()? == 0 {
                    return Some(Speaks::Opaque(buffer));
                }
            }
            Verdict::Undecided | Verdict::Other => return Some(Speaks::Opaque(buffer)),
        }
    }
}
