//! One request and its response: an endpoint is found and tried, and where the route wants it another one, or the same
//! once more.

use std::net::SocketAddr;
use std::time::Duration;

use meshlet_routing::balance::Picked;
use meshlet_routing::retry;
use tokio::net::tcp::WriteHalf;

use super::Downstream;
use super::download::{Delivered, Downloaded, Response};
use super::edits::Edits;
use super::failure::{Failure, connect_reason};
use super::flags::Flags;
use super::mirror::Mirrors;
use super::report::Record;
use super::route::{Forward, Target};
use super::tries::{Next, Tries, late};
use super::upload::{Incoming, Progress, Upload, watch};
use crate::protocol::http1::forward::count_attempt;
use crate::protocol::http1::request::RequestHead;

/// A request under way.
pub(crate) struct Exchange<'e, 'r> {
    /// Whose it is, and what was decided about it.
    pub(crate) edits: Edits<'e>,
    /// Where it goes.
    pub(crate) forward: &'e Forward,
    /// What the client sent.
    pub(crate) request: &'e RequestHead,
    /// The head to send.
    pub(crate) head: &'e mut Vec<u8>,
    /// How far it has come.
    pub(crate) progress: &'e Progress,
    /// Memory for the response's head.
    pub(crate) response: &'e mut Response,
    /// What becomes of it.
    pub(crate) record: &'e mut Record<'r>,
}

impl Exchange<'_, '_> {
    /// Runs it to its end, or to its limit.
    pub(crate) async fn run(
        mut self,
        incoming: &mut Incoming<'_, '_>,
        write: &mut WriteHalf<'_>,
    ) -> Result<Delivered, Failure> {
        let limit = self.limit(incoming.buffer.filled());
        let progress = self.progress;
        tokio::select! {
            biased;
            done = self.tries(limit, incoming, write) => done,
            () = late(limit, progress) => Err(Failure::Timeout),
        }
    }

    /// How long all tries may take. A request that may switch protocols has no end that time could run from.
    fn limit(&self, bytes: &[u8]) -> Option<Duration> {
        let effects = self.edits.plan.effects.as_deref().filter(|_| !self.request.is_upgrade())?;
        if self.request.fields.value(bytes, "grpc-timeout").is_none() {
            return effects.timeout;
        }
        let named = |(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value);
        retry::time_limit(effects.timeout, self.request.fields.iter(bytes).map(named))
    }

    async fn tries(
        &mut self,
        limit: Option<Duration>,
        incoming: &mut Incoming<'_, '_>,
        write: &mut WriteHalf<'_>,
    ) -> Result<Delivered, Failure> {
        let (edits, request, progress) = (self.edits, self.request, self.progress);
        let mirrors = Mirrors::new(edits.downstream, request, &self.forward.mirrors, limit);
        let mut tries = Tries::new(edits.plan.effects.as_deref().map(|effects| &effects.retries), limit);
        let avoid_tried = edits.plan.effects.as_deref().is_some_and(|effects| effects.avoid_tried);
        let mut tried = Vec::new();
        loop {
            let avoided = if avoid_tried { &tried[..] } else { &[] };
            let (address, _busy) = self.choose(avoided).ok_or(Failure::NoEndpoint)?;
            self.record.upstream = Some(address);
            if tries.retries == 0 {
                let buffers = &edits.downstream.worker.buffers;
                Upload { request, head: self.head, progress, buffers, mirrors: &mirrors }.look(incoming)?;
            }
            let failure = match self.attempt(address, (tries, &mirrors), incoming, write).await {
                Ok(Downloaded::Delivered(delivered)) => return Ok(delivered),
                Ok(Downloaded::Unwanted { .. }) => None,
                Err(failure) => Some(failure),
            };
            if let Some(failure) = failure {
                self.follow(failure, &tries)?;
            }
            tracing::debug!(%address, retries = tries.retries, "trying again");
            tokio::select! {
                biased;
                () = watch(incoming.read, &mut incoming.buffer) => return Err(Failure::ClientGone),
                () = tokio::time::sleep(tries.back_off(edits.downstream.worker.draw.next_u32())) => {}
            }
            tried.push(address);
            tries.retries += 1;
            count_attempt(self.head, tries.retries + 1);
            progress.restart();
        }
    }

    /// Gives the failure back, unless another try follows.
    fn follow(&mut self, failure: Failure, tries: &Tries<'_>) -> Result<(), Failure> {
        if let Failure::Connect(error) = &failure {
            self.record.failure = Some(connect_reason(error));
        }
        let request_sent = self.progress.used.get() > 0;
        let attempt =
            failure.attempt(request_sent).filter(|_| !self.progress.streamed.get() && !self.progress.answered.get());
        match attempt.map_or(Next::Over, |attempt| tries.after(attempt)) {
            Next::Again => return Ok(()),
            Next::UsedUp => self.record.flags |= Flags::URX,
            Next::Over => {}
        }
        Err(failure)
    }

    fn choose(&self, tried: &[SocketAddr]) -> Option<(SocketAddr, Option<Picked>)> {
        let Downstream { worker, pod, dialled, .. } = self.edits.downstream;
        match &self.forward.target {
            Target::Dialled => Some((SocketAddr::new(dialled.address, dialled.port), None)),
            Target::Cluster(cluster, key) => {
                let picked = pod.pick(cluster, *key, worker.draw.next(), tried)?;
                Some((picked.address, Some(picked)))
            }
        }
    }
}
