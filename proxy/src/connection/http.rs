//! HTTP/1.1 with one client: request after request, each decided for itself, answered in order.

use std::time::Instant;

use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::answer::{Reply, answer, linger, refuse};
use super::buffer::Buffer;
use super::counted;
use super::download::{Delivered, Response};
use super::edits::Edits;
use super::exchange::Exchange;
use super::failure::Failure;
use super::flags::Flags;
use super::head::{NoHead, read_head};
use super::report::{Record, RequestTexts};
use super::route::{self, Action, Answer, Forward, Plan};
use super::tls::Peer;
use super::upload::{Incoming, Progress, watch};
use super::{Downstream, End};
use crate::protocol::http1::Refusal;
use crate::protocol::http1::request::RequestHead;

/// Memory for heads, kept from request to request.
#[derive(Default)]
struct Heads {
    /// As the client sent it.
    request: RequestHead,
    /// As it is sent on.
    out: Vec<u8>,
    response: Response,
}

/// Serves requests until the connection ends. `first` holds what was read of it.
pub(crate) async fn serve(
    downstream: &Downstream,
    read: &mut ReadHalf<'_>,
    write: &mut WriteHalf<'_>,
    first: Buffer,
) -> End {
    let mut heads = Heads::default();
    let mut held = Some(first);
    loop {
        // An idle connection gives its buffer back.
        let mut buffer = match held.take().filter(|held| !held.is_empty()) {
            Some(buffer) => buffer,
            None => match downstream.pod.next_bytes(read, &downstream.worker.buffers).await {
                Some(buffer) if !buffer.is_empty() => buffer,
                Some(_) | None => return End::Clean,
            },
        };
        match read_head(read, &mut buffer, |bytes| heads.request.parse(bytes)).await {
            Ok(()) => {}
            Err(NoHead::Ended) => return End::Clean,
            Err(NoHead::Refused(refusal)) => return malformed(downstream, refusal, read, write).await,
        }
        let mut incoming = Incoming { read, buffer, behind: None };
        if let Some(end) = request(downstream, &mut incoming, write, &mut heads).await {
            return end;
        }
        held = Some(incoming.behind.unwrap_or(incoming.buffer));
    }
}

/// Serves the request whose head is read; gives the connection's end, unless another request may follow.
async fn request(
    downstream: &Downstream,
    incoming: &mut Incoming<'_, '_>,
    write: &mut WriteHalf<'_>,
    heads: &mut Heads,
) -> Option<End> {
    let Downstream { worker, pod, dialled, .. } = downstream;
    let started = Instant::now();
    let bytes = incoming.buffer.filled();
    let plan = route::plan(&pod.client, *dialled, &heads.request, bytes, worker.draw.next_u32());
    let edits = Edits { downstream, plan: &plan, started };
    let mut record = Record::new(started, plan.cluster(), plan.route());
    if matches!(plan.action, Action::Forward(_)) || downstream.logs() || !edits.spare_responses() {
        let request_id = heads.request.fields.value(bytes, "x-request-id").is_none().then(|| worker.draw.request_id());
        edits.request(&mut heads.out, &heads.request, bytes, request_id.as_ref());
    }
    record.plan = Some(&plan);
    record.request = downstream.logs().then(|| RequestTexts::new(&heads.out));
    let progress = Progress::default();
    let end = match delay(&plan, incoming, &mut record).await {
        Ok(()) => respond(edits, incoming, write, heads, &progress, &mut record).await,
        Err(gone) => fail(edits, &gone, incoming, write, heads, &progress, &mut record).await,
    };
    (record.received, record.sent) = (progress.received.get(), progress.sent.get());
    record.heads.0 = heads.request.length as u64;
    counted::request(downstream, &record);
    downstream.report(&record);
    if end.is_none() {
        incoming.buffer.consume(progress.used.get());
    }
    end
}

/// Waits for as long as a fault says; a client that leaves ends it.
async fn delay(plan: &Plan, incoming: &mut Incoming<'_, '_>, record: &mut Record<'_>) -> Result<(), Failure> {
    let Some(delay) = plan.delay else { return Ok(()) };
    record.flags |= Flags::DI;
    tokio::select! {
        biased;
        () = watch(incoming.read, &mut incoming.buffer) => Err(Failure::ClientGone),
        () = tokio::time::sleep(delay) => Ok(()),
    }
}

/// Does what was decided.
async fn respond(
    edits: Edits<'_>,
    incoming: &mut Incoming<'_, '_>,
    write: &mut WriteHalf<'_>,
    heads: &mut Heads,
    progress: &Progress,
    record: &mut Record<'_>,
) -> Option<End> {
    match &edits.plan.action {
        Action::Forward(forward) => exchange(edits, forward, incoming, write, heads, progress, record).await,
        Action::Answer(Answer { status, flag, headers, body }) => {
            let downstream = edits.downstream;
            (record.code, record.details) = (*status, route::details(flag).into());
            record.flags |= Flags::named(flag);
            // An injected abort is not the route's doing.
            let edits = (*flag != "FI").then_some((edits, record.answered(&heads.out)));
            let reply = Reply { status: *status, headers, body, edits };
            answer(downstream, reply, &heads.request, incoming, write, progress).await
        }
    }
}

/// Sends the request on and sees to it that the client is answered.
async fn exchange(
    edits: Edits<'_>,
    forward: &Forward,
    incoming: &mut Incoming<'_, '_>,
    write: &mut WriteHalf<'_>,
    heads: &mut Heads,
    progress: &Progress,
    record: &mut Record<'_>,
) -> Option<End> {
    let Heads { request, out: head, response } = heads;
    let upstreams = edits.downstream.pod.upstreams(edits.plan.cluster());
    let peer = forward.target.tls().map(|tls| Peer::of_request(tls, head));
    let exchange = Exchange { edits, forward, peer, upstreams, request, head, progress, response, record };
    let done = exchange.run(incoming, write).await;
    match done {
        Ok(delivered) => {
            record.code = heads.response.head.status;
            record.heads.1 = heads.response.head.length as u64;
            record.service_time = delivered.service_time;
            record.details = "via_upstream".into();
            after(edits.downstream, &delivered, incoming, write, progress, record.relayed).await
        }
        Err(failure) => fail(edits, &failure, incoming, write, heads, progress, record).await,
    }
}

/// Tells the client that there will be no response, or makes it notice that it has not got all of one.
async fn fail(
    edits: Edits<'_>,
    failure: &Failure,
    incoming: &mut Incoming<'_, '_>,
    write: &mut WriteHalf<'_>,
    heads: &mut Heads,
    progress: &Progress,
    record: &mut Record<'_>,
) -> Option<End> {
    if progress.answered.get() {
        let (flags, details) = failure.within_response();
        record.flags |= flags;
        (record.code, record.details) = (heads.response.head.status, details.into());
        return Some(End::Reset);
    }
    let verdict = failure.before_response();
    record.flags |= verdict.flags;
    (record.code, record.details) = (verdict.status, verdict.details);
    let reply = Reply { status: verdict.status, headers: &[], body: verdict.body.as_bytes(), edits: None };
    match failure {
        Failure::ClientGone => Some(End::Reset),
        Failure::Refused(_) => Some(refuse(edits.downstream, reply, incoming.read, write).await),
        _ => {
            let headers = failure.lines();
            let reply = Reply { headers: &headers, edits: Some((edits, record.answered(&heads.out))), ..reply };
            answer(edits.downstream, reply, &heads.request, incoming, write, progress).await
        }
    }
}

/// How the connection goes on after a response.
async fn after(
    downstream: &Downstream,
    delivered: &Delivered,
    incoming: &mut Incoming<'_, '_>,
    write: &mut WriteHalf<'_>,
    progress: &Progress,
    relayed: Option<End>,
) -> Option<End> {
    if relayed.is_some() {
        return relayed;
    }
    let unread =
        !progress.uploaded.get() || incoming.behind.is_some() || incoming.buffer.filled().len() > progress.used.get();
    if !progress.uploaded.get() || (delivered.close && unread) {
        linger(downstream, incoming.read, write).await;
        return Some(End::Clean);
    }
    delivered.close.then_some(End::Clean)
}

/// Answers what is no request.
async fn malformed(
    downstream: &Downstream,
    refusal: Refusal,
    read: &mut ReadHalf<'_>,
    write: &mut WriteHalf<'_>,
) -> End {
    let verdict = Failure::Refused(refusal).before_response();
    let mut record = Record::new(Instant::now(), "", "");
    (record.code, record.flags, record.details) = (verdict.status, verdict.flags, verdict.details);
    record.sent = verdict.body.len() as u64;
    let reply = Reply { status: verdict.status, headers: &[], body: verdict.body.as_bytes(), edits: None };
    let end = refuse(downstream, reply, read, write).await;
    downstream.report(&record);
    end
}
