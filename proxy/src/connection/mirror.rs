//! Copies of requests, which nobody waits for: sent once, their answers read and dropped.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meshlet_routing::balance::Resource;
use meshlet_routing::model::Family;
use meshlet_routing::table::Cluster;
use tokio::io::AsyncWriteExt as _;

use super::Downstream;
use super::buffer::{Buffer, SIZE};
use super::head::{NoHead, read_head};
use super::pod::Pod;
use super::stream::{ReadHalf, Stream};
use super::tls::Peer;
use super::worker::Worker;
use crate::protocol::http1::body::Body;
use crate::protocol::http1::forward;
use crate::protocol::http1::request::RequestHead;
use crate::protocol::http1::response::ResponseHead;

/// Copies that one worker has under way; beyond that they are not made. A copy holds 128 KiB at most.
const MOST: usize = 256;

/// How long a copy may take when its route sets no limit.
const LIMIT: Duration = Duration::from_secs(60);

/// The copies of one request. One whose body is longer than the client's buffer is not copied.
pub(crate) struct Mirrors<'m> {
    /// Whose request it is.
    downstream: &'m Downstream,
    /// What the client sent.
    request: &'m RequestHead,
    /// Who gets one.
    clusters: &'m [Arc<Cluster>],
    limit: Duration,
    sent: Cell<bool>,
}

impl<'m> Mirrors<'m> {
    /// Copies for `clusters`, each of which may take as long as the route's timeout says.
    pub(crate) fn new(
        downstream: &'m Downstream,
        request: &'m RequestHead,
        clusters: &'m [Arc<Cluster>],
        timeout: Option<Duration>,
    ) -> Self {
        // Nobody can switch protocols with a copy.
        let sent = Cell::new(clusters.is_empty() || request.is_upgrade());
        Self { downstream, request, clusters, limit: timeout.unwrap_or(LIMIT), sent }
    }

    /// Sends the request, whose head is as the endpoint gets it, to each of them; once, however often it is tried.
    pub(crate) fn send(&self, head: &[u8], body: &[u8]) {
        if self.sent.replace(true) {
            return;
        }
        let bytes: Rc<[u8]> = [&forward::mirrored(head), body].concat().into();
        for cluster in self.clusters {
            let Downstream { worker, pod, .. } = self.downstream;
            if Rc::strong_count(&worker.copies) > MOST {
                tracing::debug!(cluster = &*cluster.name, "too many copies under way: one less");
                continue;
            }
            let copy = Copy {
                worker: Rc::clone(worker),
                pod: Rc::clone(pod),
                cluster: Arc::clone(cluster),
                bytes: Rc::clone(&bytes),
                family: Family::of(self.downstream.dialled.address),
                to_head: self.request.is_head(),
                idempotent: self.request.is_idempotent(),
                _under_way: Rc::clone(&worker.copies),
            };
            let limit = self.limit;
            tokio::task::spawn_local(async move {
                let _ = tokio::time::timeout(limit, copy.run()).await;
            });
        }
    }
}

/// One copy under way.
struct Copy {
    worker: Rc<Worker>,
    pod: Rc<Pod>,
    cluster: Arc<Cluster>,
    bytes: Rc<[u8]>,
    family: Family,
    to_head: bool,
    idempotent: bool,
    _under_way: Rc<()>,
}

impl Copy {
    /// Sends it to one endpoint. Whatever goes wrong, nobody is told.
    async fn run(&self) {
        let (upstreams, limits) = (self.pod.upstreams(&self.cluster.name), &*self.cluster.connection_pool);
        let wanted = (None, self.family);
        let Some(picked) = upstreams.pick(&self.cluster, wanted, self.worker.draw.next(), &[]) else { return };
        let peer = self.cluster.tls.as_ref().map(|tls| Peer::of_request(tls, &self.bytes));
        let kept = upstreams.pool.take(picked.address, peer.as_ref(), Instant::now());
        let place = (&self.pod.client.netns, &*self.worker);
        let mut upstream = match kept.filter(|kept| self.idempotent || kept.stream.is_open()) {
            Some(upstream) => upstream,
            None => match upstreams.open(picked.address, limits, peer.as_ref(), place).await {
                Ok(upstream) => upstream,
                Err(failure) => return tracing::debug!(cluster = &*self.cluster.name, ?failure, "sending a copy"),
            },
        };
        let Some(_under_way) = upstreams.breakers().take(Resource::Requests, limits) else {
            return upstreams.keep(picked.address, upstream, limits);
        };
        upstream.count_request();
        if self.exchange(&mut upstream.stream).await && !self.pod.is_closing() {
            upstreams.keep(picked.address, upstream, limits);
        }
    }

    /// Whether the connection can be used again.
    async fn exchange(&self, stream: &mut Stream) -> bool {
        let (mut read, mut write) = stream.split();
        let send = async {
            write.write_all(&self.bytes).await?;
            write.flush().await
        };
        let (written, reusable) = tokio::join!(send, self.drop_response(&mut read));
        written.is_ok() && reusable
    }

    /// Reads a response to its end; whether another one may follow on the connection.
    async fn drop_response(&self, read: &mut ReadHalf<'_>) -> bool {
        let Ok(mut buffer) = self.worker.buffers.read(read).await else { return false };
        let Ok(head) = final_head(read, &mut buffer).await else { return false };
        let mut body = Body::new(head.framing(self.to_head));
        loop {
            let Ok(used) = body.advance(buffer.filled()) else { return false };
            buffer.consume(used);
            if body.is_complete() {
                return head.keeps_alive && !head.switches() && buffer.is_empty();
            }
            if !matches!(buffer.read_from(read, body.wanted(SIZE)).await, Ok(1..)) {
                return false;
            }
        }
    }
}

/// Reads up to the final response's head and drops it.
async fn final_head(read: &mut ReadHalf<'_>, buffer: &mut Buffer) -> Result<ResponseHead, NoHead> {
    let mut head = ResponseHead::default();
    loop {
        read_head(read, buffer, |bytes| head.parse(bytes)).await?;
        buffer.consume(head.length);
        if !head.is_interim() {
            return Ok(head);
        }
    }
}
