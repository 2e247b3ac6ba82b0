//! Idle connections of one pod to its endpoints, the last one used first: the others may grow old and go.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

/// Idle connections kept per endpoint.
const MOST: usize = 128;

/// How long one is kept.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Idle {
    stream: TcpStream,
    since: Instant,
}

/// One pod's idle connections on one worker.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: RefCell<HashMap<SocketAddr, Vec<Idle>>>,
}

impl Pool {
    /// A connection to `address` that has not ended, as far as the worker has been told.
    pub(crate) fn take(&self, address: SocketAddr) -> Option<TcpStream> {
        let mut idle = self.idle.borrow_mut();
        let stack = idle.get_mut(&address)?;
        std::iter::from_fn(|| stack.pop()).find(|idle| is_quiet(&idle.stream)).map(|idle| idle.stream)
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, address: SocketAddr, stream: TcpStream, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        let stack = idle.entry(address).or_default();
        if stack.len() < MOST {
            stack.push(Idle { stream, since: now });
        }
    }

    /// Closes what has ended or is too old, so that no endpoint waits for a close that it has asked for.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, stack| {
            stack.retain(|idle| now.duration_since(idle.since) < IDLE_LIMIT && is_quiet(&idle.stream));
            !stack.is_empty()
        });
    }

    /// Closes all.
    pub(crate) fn clear(&self) {
        self.idle.borrow_mut().clear();
    }
}

/// Whether there is nothing to read, not even an end. Costs a system call only when something has happened.
fn is_quiet(stream: &TcpStream) -> bool {
    match stream.poll_read_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => true,
        Poll::Ready(Err(_)) => false,
        Poll::Ready(Ok(())) => {
            stream.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        }
    }
}
