//! One request and its response: an endpoint is found, tried, and where that is safe another one, or the same once more.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use meshlet_routing::balance::Picked;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::net::tcp::WriteHalf;

use super::download::{Delivered, Download, Response};
use super::edits::{Answered, Edits};
use super::failure::{Failure, connect_reason};
use super::relay::{Traffic, relay};
use super::report::Record;
use super::route::Target;
use super::upload::{Incoming, Progress, upload, watch};
use super::{Downstream, upstream};
use crate::protocol::http1::request::RequestHead;

/// Further attempts when an endpoint cannot be connected to; Istio's default.
const RETRIES: usize = 2;

/// Upper bound of the first wait before an endpoint is tried again; Envoy's base interval.
const BACK_OFF: Duration = Duration::from_millis(25);

/// A request under way.
pub(crate) struct Exchange<'e, 'r> {
    /// Whose it is, and what was decided about it.
    pub(crate) edits: Edits<'e>,
    /// Where it goes.
    pub(crate) target: &'e Target,
    /// What the client sent.
    pub(crate) request: &'e RequestHead,
    /// The head to send.
    pub(crate) head: &'e [u8],
    /// How far it has come.
    pub(crate) progress: &'e Progress,
    /// Memory for the response's head.
    pub(crate) response: &'e mut Response,
    /// What becomes of it.
    pub(crate) record: &'e mut Record<'r>,
}

impl Exchange<'_, '_> {
    /// Runs it to its end.
    pub(crate) async fn run(
        &mut self,
        incoming: &mut Incoming<'_, '_>,
        write: &mut WriteHalf<'_>,
    ) -> Result<Delivered, Failure> {
        let mut tried = Vec::new();
        loop {
            let (address, _busy) = self.choose(&tried).ok_or(Failure::NoEndpoint)?;
            self.record.upstream = Some(address);
            if tried.contains(&address) {
                self.back_off(tried.len()).await;
            }
            match self.at_endpoint(address, incoming, write).await {
                Err(Failure::Connect { error, .. }) if tried.len() < self.retries() => {
                    tracing::debug!(%address, %error, "trying again");
                    tried.push(address);
                }
                Err(Failure::Connect { error, .. }) => {
                    self.record.failure = Some(connect_reason(&error));
                    return Err(Failure::Connect { error, retried: !tried.is_empty() });
                }
                other => return other,
            }
        }
    }

    fn choose(&self, tried: &[SocketAddr]) -> Option<(SocketAddr, Option<Picked>)> {
        let Downstream { worker, pod, dialled, .. } = self.edits.downstream;
        match self.target {
            Target::Dialled => Some((SocketAddr::new(dialled.address, dialled.port), None)),
            Target::Cluster(cluster, key) => {
                let picked = pod.pick(cluster, *key, worker.draw.next(), tried)?;
                Some((picked.address, Some(picked)))
            }
        }
    }

    fn retries(&self) -> usize {
        match self.target {
            Target::Dialled => 0,
            Target::Cluster(..) => RETRIES,
        }
    }

    /// Waits at random within 25 ms the first time and 75 ms the second, as Envoy does.
    async fn back_off(&self, retry: usize) {
        let part = f64::from(self.edits.downstream.worker.draw.next_u32()) / f64::from(u32::MAX);
        let intervals = if retry < 2 { 1.0 } else { 3.0 };
        tokio::time::sleep(BACK_OFF.mul_f64(part * intervals)).await;
    }

    /// Tries a connection that is kept, where there is one. It may have ended without our knowledge: then the request goes
    /// out once more, if it is the kind of request that may.
    async fn at_endpoint(
        &mut self,
        address: SocketAddr,
        incoming: &mut Incoming<'_, '_>,
        write: &mut WriteHalf<'_>,
    ) -> Result<Delivered, Failure> {
        let kept = self.edits.downstream.pod.pool.take(address);
        if let Some(stream) = kept.filter(|stream| self.request.is_idempotent() || is_open(stream)) {
            match self.attempt(stream, address, incoming, write).await {
                Err(Failure::Silent) if self.is_repeatable() => {}
                done => return done,
            }
        }
        let (worker, client) = (&self.edits.downstream.worker, &self.edits.downstream.pod.client);
        let stream = tokio::select! {
            biased;
            connected = upstream::connect(&client.netns, worker.netns(), address) => {
                connected.map_err(|error| Failure::Connect { error, retried: false })?
            }
            () = watch(incoming.read, &mut incoming.buffer) => return Err(Failure::ClientGone),
        };
        self.attempt(stream, address, incoming, write).await
    }

    /// Whether the request may go out again when nobody knows what became of it: it must do no harm twice, unless no byte of
    /// it has left, and all of it must still be here.
    fn is_repeatable(&self) -> bool {
        let unsent = self.progress.used.get() == 0;
        (unsent || self.request.is_idempotent()) && !self.progress.streamed.get()
    }

    /// Sends the request on one connection and delivers what comes back.
    async fn attempt(
        &mut self,
        mut stream: TcpStream,
        address: SocketAddr,
        incoming: &mut Incoming<'_, '_>,
        write: &mut WriteHalf<'_>,
    ) -> Result<Delivered, Failure> {
        let Downstream { worker, pod, .. } = self.edits.downstream;
        let (request, progress, buffers) = (self.request, self.progress, &worker.buffers);
        self.record.upstream_local = self.edits.downstream.logs().then(|| stream.local_addr().ok()).flatten();
        let (mut up_read, mut up_write) = stream.split();
        let answered = Answered { status: 0, request: self.head, upstream: Some(address) };
        let (edits, response) = (self.edits, &mut *self.response);
        let download = Download { request, pod, buffers, progress, response, edits, answered };
        let delivered = tokio::select! {
            biased;
            delivered = download.run(&mut up_read, write) => delivered?,
            failure = upload(incoming, &mut up_write, request, self.head, progress, buffers) => return Err(failure),
        };
        if delivered.switched {
            self.switch((incoming, write), &mut stream).await;
        } else if delivered.reusable && progress.uploaded.get() && !pod.is_closing() {
            pod.pool.put(address, stream, delivered.answered);
        }
        Ok(delivered)
    }

    /// Relays what comes behind a 101.
    async fn switch(&mut self, down: (&mut Incoming<'_, '_>, &mut WriteHalf<'_>), upstream: &mut TcpStream) {
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

/// Whether the endpoint has not ended the connection, as far as the kernel knows.
fn is_open(stream: &TcpStream) -> bool {
    let peeked = SockRef::from(stream).peek(&mut [std::mem::MaybeUninit::uninit()]);
    peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
