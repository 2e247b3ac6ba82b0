//! One request and its response: an endpoint is found and tried, and where the route wants it another one, or the same
//! once more.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use meshlet_routing::balance::{Outcome, Picked, Resource};
use meshlet_routing::model::Family;
use meshlet_routing::retry;
use tokio::net::tcp::WriteHalf;

use super::Downstream;
use super::download::{Delivered, Downloaded, Response};
use super::edits::Edits;
use super::failure::{Failure, connect_reason};
use super::mirror::Mirrors;
use super::report::Record;
use super::route::{Forward, Target};
use super::tls::Peer;
use super::tries::{Next, Tries, late};
use super::upload::{Incoming, Progress, Upload, watch};
use super::upstreams::Upstreams;
use crate::protocol::http1::forward::count_attempt;
use crate::protocol::http1::request::RequestHead;

/// A request under way.
pub(crate) struct Exchange<'e, 'r> {
    /// Whose it is, and what was decided about it.
    pub(crate) edits: Edits<'e>,
    /// Where it goes.
    pub(crate) forward: &'e Forward,
    /// Who has to be there, where TLS is spoken.
    pub(crate) peer: Option<Peer>,
    /// What is kept for that.
    pub(crate) upstreams: Rc<Upstreams>,
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
            done = self.tries(limit, incoming, write) => return done,
            () = late(limit, progress) => {}
        }
        if let Some(address) = self.record.upstream.filter(|_| !progress.answered.get()) {
            self.report(address, &Err(Failure::Timeout));
        }
        Err(Failure::Timeout)
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
        let (upstreams, limits) = (Rc::clone(&self.upstreams), self.forward.target.limits());
        let policy = edits.plan.effects.as_deref().map(|effects| &effects.retries);
        let mut tries = Tries::new(policy, limit, (upstreams.breakers(), limits));
        let mut _retry = None;
        let avoid_tried = edits.plan.effects.as_deref().is_some_and(|effects| effects.avoid_tried);
        let mut tried = Vec::new();
        loop {
            let avoided = if avoid_tried { &tried[..] } else { &[] };
            let (address, _busy) = tokio::select! {
                biased;
                chosen = self.choose(avoided) => chosen?,
                () = watch(incoming.read, &mut incoming.buffer) => return Err(Failure::ClientGone),
            };
            (self.record.upstream, self.record.upstream_local, self.record.failure) = (Some(address), None, None);
            if tries.retries == 0 {
                let buffers = &edits.downstream.worker.buffers;
                Upload { request, head: self.head, progress, buffers, mirrors: &mirrors }.look(incoming)?;
            }
            let done = self.attempt(address, (tries, &mirrors), incoming, write).await;
            self.report(address, &done);
            let failure = match done {
                Ok(Downloaded::Delivered(delivered)) => return Ok(delivered),
                Ok(Downloaded::Unwanted { .. }) => None,
                Err(failure) => Some(failure),
            };
            if let Some(failure) = failure {
                self.follow(failure, &tries)?;
            }
            tracing::debug!(%address, retries = tries.retries, "trying again");
            _retry = Some(upstreams.breakers().take_anyway(Resource::Retries, limits));
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
            Next::Again => Ok(()),
            next => {
                self.record.flags |= next.flags();
                Err(failure)
            }
        }
    }

    /// Says what a try has shown about its endpoint.
    fn report(&self, address: SocketAddr, done: &Result<Downloaded, Failure>) {
        let Target::Cluster(cluster, _) = &self.forward.target else { return };
        if done.is_ok() || self.progress.answered.get() {
            self.upstreams.report(cluster, address, Outcome::Answered(self.response.head.status));
        }
        if let Some(outcome) = done.as_ref().err().and_then(Failure::outcome) {
            self.upstreams.report(cluster, address, outcome);
        }
    }

    async fn choose(&self, tried: &[SocketAddr]) -> Result<(SocketAddr, Option<Picked>), Failure> {
        let Downstream { worker, dialled, .. } = self.edits.downstream;
        match &self.forward.target {
            Target::Dialled(_) => Ok((SocketAddr::new(dialled.address, dialled.port), None)),
            Target::Name(_, asked) => {
                let address = worker.names.address(&asked.name).await.ok_or(Failure::Unresolved)?;
                Ok((SocketAddr::new(address, asked.port), None))
            }
            Target::Cluster(cluster, key) => {
                let family = Family::of(dialled.address);
                let picked = self.upstreams.pick(cluster, (*key, family), worker.draw.next(), tried);
                let picked = picked.ok_or(Failure::NoEndpoint)?;
                Ok((picked.address, Some(picked)))
            }
        }
    }
}
