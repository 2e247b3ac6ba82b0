//! Idle connections to the endpoints of a cluster, the last one used first: the others may grow old and go.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::tls::Peer;
use super::upstream::Upstream;

/// Idle connections kept per endpoint.
const MOST: usize = 128;

#[derive(Debug)]
struct Idle {
    upstream: Upstream,
    since: Instant,
}

impl Idle {
    /// Whether a request can be sent on it, as far as the worker has been told.
    fn is_good(&self, now: Instant) -> bool {
        !self.upstream.is_stale(self.since, now) && self.upstream.stream.is_quiet()
    }
}

/// One pod's idle connections to one cluster on one worker.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: RefCell<HashMap<SocketAddr, Vec<Idle>>>,
}

impl Pool {
    /// A connection to `address` that has not ended, as far as the worker has been told; in plain text, or in TLS with `peer`.
    pub(crate) fn take(&self, address: SocketAddr, peer: Option<&Peer>, now: Instant) -> Option<Upstream> {
        let mut idle = self.idle.borrow_mut();
        let stack = idle.get_mut(&address)?;
        let next = || {
            let place = stack.iter().rposition(|idle| idle.upstream.stream.is_for(peer))?;
            Some(stack.remove(place))
        };
        std::iter::from_fn(next).find(|idle| idle.is_good(now)).map(|idle| idle.upstream)
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, address: SocketAddr, upstream: Upstream, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        let stack = idle.entry(address).or_default();
        if stack.len() < MOST {
            stack.push(Idle { upstream, since: now });
        }
    }

    /// Closes what has ended or is too old, so that no endpoint waits for a close that it has asked for.
    pub(crate) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, stack| {
            stack.retain(|idle| idle.is_good(now));
            !stack.is_empty()
        });
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty()
    }

    /// Closes all.
    pub(crate) fn clear(&self) {
        self.idle.borrow_mut().clear();
    }
}
