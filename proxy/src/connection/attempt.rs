//! One try of a request at one endpoint.

use std::net::SocketAddr;
use std::time::Instant;

use meshlet_routing::balance::Resource;
use tokio::net::tcp::WriteHalf;

use super::Downstream;
use super::download::{Download, Downloaded};
use super::edits::Answered;
use super::exchange::Exchange;
use super::failure::Failure;
use super::mirror::Mirrors;
use super::relay::{Traffic, relay};
use super::stream::Stream;
use super::tries::Tries;
use super::upload::{Incoming, Upload, watch};
use super::upstream::Upstream;

impl Exchange<'_, '_> {
    /// Tries a connection that is kept, where there is one. It may have ended without our knowledge: then the request goes
    /// out once more, if it is the kind of request that may.
    pub(super) async fn attempt(
        &mut self,
        address: SocketAddr,
        (tries, mirrors): (Tries<'_>, &Mirrors<'_>),
        incoming: &mut Incoming<'_, '_>,
        write: &mut WriteHalf<'_>,
    ) -> Result<Downloaded, Failure> {
        let kept = self.upstreams.pool.take(address, self.peer.as_ref(), Instant::now());
        if let Some(upstream) = kept.filter(|kept| self.request.is_idempotent() || kept.stream.is_open()) {
            match self.at_connection(upstream, address, (tries, mirrors), incoming, write).await {
                Err(Failure::Silent) if self.is_repeatable() => self.progress.restart(),
                done => return done,
            }
        }
        let Downstream { worker, pod, .. } = self.edits.downstream;
        let place = (&pod.client.netns, &**worker);
        let upstream = tokio::select! {
            biased;
            opened = self.upstreams.open(address, self.forward.target.limits(), self.peer.as_ref(), place) => opened?,
            () = watch(incoming.read, &mut incoming.buffer) => return Err(Failure::ClientGone),
        };
        self.at_connection(upstream, address, (tries, mirrors), incoming, write).await
    }

    /// Whether the request may go out again when nobody knows what became of it: it must do no harm twice, unless no byte of
    /// it has left, and all of it must still be here.
    fn is_repeatable(&self) -> bool {
        let unsent = self.progress.used.get() == 0;
        (unsent || self.request.is_idempotent()) && !self.progress.streamed.get()
    }

    /// Sends the request on one connection and delivers what comes back.
    async fn at_connection(
        &mut self,
        mut upstream: Upstream,
        address: SocketAddr,
        (tries, mirrors): (Tries<'_>, &Mirrors<'_>),
        incoming: &mut Incoming<'_, '_>,
        write: &mut WriteHalf<'_>,
    ) -> Result<Downloaded, Failure> {
        let Downstream { worker, pod, .. } = self.edits.downstream;
        let (request, progress, buffers) = (self.request, self.progress, &worker.buffers);
        let limits = self.forward.target.limits();
        let Some(_under_way) = self.upstreams.breakers().take(Resource::Requests, limits) else {
            self.upstreams.keep(address, upstream, limits);
            return Err(Failure::Overflow);
        };
        upstream.count_request();
        let stream = &mut upstream.stream;
        self.record.upstream_local = self.edits.downstream.logs().then(|| stream.local_addr().ok()).flatten();
        let (mut up_read, mut up_write) = stream.split();
        let answered = Answered::by(address, self.head, self.record.flags);
        let (edits, response) = (self.edits, &mut *self.response);
        let download = Download { request, pod, buffers, progress, response, edits, answered, tries };
        let upload = Upload { request, head: self.head, progress, buffers, mirrors };
        let downloaded = tokio::select! {
            biased;
            downloaded = download.run(&mut up_read, write) => downloaded?,
            failure = upload.run(incoming, &mut up_write) => return Err(failure),
            () = tries.one_is_late(progress) => return Err(Failure::TryTimeout),
        };
        match &downloaded {
            Downloaded::Delivered(delivered) => {
                self.record.flags |= delivered.flags;
                if delivered.switched {
                    self.switch((incoming, write), stream).await;
                } else if delivered.reusable {
                    self.keep(address, upstream);
                }
            }
            Downloaded::Unwanted { reusable: true } => self.keep(address, upstream),
            Downloaded::Unwanted { reusable: false } => {}
        }
        Ok(downloaded)
    }

    /// Keeps a connection for the next request, if nothing of this one is still to be sent.
    fn keep(&self, address: SocketAddr, upstream: Upstream) {
        if self.progress.uploaded.get() && !self.edits.downstream.pod.is_closing() {
            self.upstreams.keep(address, upstream, self.forward.target.limits());
        }
    }

    /// Relays what comes behind a 101.
    async fn switch(&mut self, down: (&mut Incoming<'_, '_>, &mut WriteHalf<'_>), upstream: &mut Stream) {
        let (incoming, write) = down;
        let buffers = &self.edits.downstream.worker.buffers;
        let mut first = std::mem::replace(&mut incoming.buffer, buffers.take());
        first.consume(self.progress.used.get());
        let (mut up_read, mut up_write) = upstream.split();
        let traffic = Traffic::default();
        let up = (&mut up_read, &mut up_write);
        self.record.relayed = Some(relay((incoming.read, write), up, Some(first), buffers, &traffic).await);
        self.progress.received.set(self.progress.received.get() + traffic.received.get());
        self.progress.sent.set(self.progress.sent.get() + traffic.sent.get());
    }
}
