//! The data path: one connection of a captured pod, a file per step.
//!
//! [`workers`] are the threads, [`worker`] is what happens on one; [`accept`] takes a connection in the pod's network
//! namespace, [`origin`] tells where it meant to go ([`meanings`]), [`detect`] what it speaks. Bytes that are not read go to
//! [`tcp`], which decides once and hands them to [`relay`], [`counted`]. HTTP goes
//! round in [`http`]: [`head`] reads a request, [`route`] decides, [`edits`] changes heads, [`exchange`] finds an endpoint ([`pod`], [`upstreams`], [`pool`],
//! [`upstream`], in TLS [`tls`] and [`trust`]; [`stream`] is either) and runs [`upload`] beside [`download`], [`answer`] speaks for the proxy itself when there is a [`failure`] or no route. [`report`] closes each.

mod accept;
mod answer;
mod attempt;
mod buffer;
mod counted;
mod detect;
mod download;
mod draw;
mod edits;
mod exchange;
mod failure;
mod flags;
mod head;
mod http;
mod json_line;
mod log;
mod meanings;
mod mirror;
mod origin;
mod pod;
mod pool;
mod relay;
mod report;
mod route;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
mod timestamp;
mod tls;
mod tries;
mod trust;
mod upload;
mod upstream;
mod upstreams;
mod variables;
mod worker;
mod workers;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use meshlet_routing::decide::{Dialled, refusal};
use meshlet_routing::model::{Family, PodAddresses, Protocol, Workload};
use meshlet_routing::table::Table;
use tokio::net::TcpStream;

use detect::Speaks;
pub(crate) use draw::Draw;
pub(crate) use flags::Flags;
pub(crate) use meanings::{Meanings, Services};
use pod::Pod;
pub(crate) use upstreams::Common;
use worker::Worker;
pub(crate) use workers::Workers;

/// A captured pod, as the data path knows it.
pub(crate) struct Client {
    /// Its namespace.
    pub(crate) namespace: Arc<str>,
    /// Its name.
    pub(crate) pod: Arc<str>,
    /// Whose pod it is; as with a sidecar, what it was when it was captured.
    pub(crate) workload: Arc<Workload>,
    /// Identity of its network namespace.
    pub(crate) cookie: u64,
    /// Its addresses.
    pub(crate) addresses: PodAddresses,
    /// Where its connections to endpoints are made.
    pub(crate) netns: Netns,
    /// What its requests are decided by.
    pub(crate) table: Arc<ArcSwap<Table>>,
    /// What it may be redirected for.
    pub(crate) meanings: Arc<Meanings>,
    /// What its workers must agree on.
    pub(crate) common: Common,
}

impl Client {
    /// What it speaks from when it dials an address, whatever the socket was bound to.
    pub(crate) fn source(&self, dialled: Dialled) -> Option<IpAddr> {
        self.addresses.of(Family::of(dialled.address))
    }
}

/// A network namespace to open sockets in.
pub(crate) enum Netns {
    /// The one that this process lives in.
    #[cfg_attr(not(test), expect(dead_code, reason = "a pod always has its own; tests need no privileges this way"))]
    Current,
    /// A pod's.
    Fd(OwnedFd),
}

/// An accepted connection: where it came from and where it meant to go.
pub(crate) struct Downstream {
    worker: Rc<Worker>,
    pod: Rc<Pod>,
    /// What the pod dialled.
    dialled: Dialled,
    /// The pod's end.
    peer: SocketAddr,
    accepted: Instant,
}

/// How a connection of a client ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything due was sent.
    Clean,
    /// Something is missing, and the client must notice.
    Reset,
}

/// Serves one connection to its end.
async fn serve(downstream: &Downstream, stream: &mut TcpStream) -> End {
    let (mut read, mut write) = stream.split();
    let (table, dialled) = (downstream.pod.client.table.load_full(), downstream.dialled);
    let treatment = table.treatment(dialled);
    if treatment == Protocol::Tcp {
        // The server may speak first.
        return tcp::serve(downstream, &mut read, &mut write, None, None).await;
    }
    let Some((speaks, first)) = detect::detect(&downstream.worker, &downstream.pod, &mut read, treatment).await else {
        return End::Clean;
    };
    match speaks {
        Speaks::Http | Speaks::Http2 if refusal(&table, dialled, true).is_some() => End::Clean,
        Speaks::Http => http::serve(downstream, &mut read, &mut write, first).await,
        Speaks::Http2 => tcp::passthrough(downstream, &mut read, &mut write, first).await,
        Speaks::Tls(name) => tcp::serve(downstream, &mut read, &mut write, Some(first), name.as_deref()).await,
        Speaks::Opaque => tcp::serve(downstream, &mut read, &mut write, Some(first), None).await,
    }
}
