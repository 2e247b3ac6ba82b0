//! HTTP/1.1 with one client: request after request, each decided for itself, answered in order.

use std::time::Instant;

use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::answer::{Answer, answer, linger, refuse};
use super::buffer::Buffer;
use super::download::{Delivered, Response};
use super::exchange::Exchange;
use super::failure::Failure;
use super::head::{NoHead, read_head};
use super::report::{Record, RequestTexts};
use super::route::{self, Plan, Target};
use super::upload::{Incoming, Progress};
use super::{Downstream, End};
use crate::protocol::http1::request::RequestHead;
use crate::protocol::http1::{Refusal, forward};

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
    let request_id = heads.request.fields.value(bytes, "x-request-id").is_none().then(|| worker.draw.request_id());
    let texts = downstream.logs().then(|| RequestTexts::new(&heads.request, bytes, request_id.as_ref()));
    let progress = Progress::default();
    let (end, mut record) = match &plan {
        Plan::Forward { target, route, cookies } => {
            heads.response.cookies.clone_from(cookies);
            forward::request(&mut heads.out, &heads.request, bytes, request_id.as_ref());
            let mut record = Record::new(started, target.name(), route);
            (exchange(downstream, target, incoming, write, heads, &progress, &mut record).await, record)
        }
        Plan::Answer { status, flag, body, route } => {
            let mut record = Record::new(started, "", route);
            (record.code, record.flags, record.details) = (*status, flag, route::details(flag).into());
            let reply = Answer { status: *status, body: body.as_slice() };
            (answer(downstream, reply, &heads.request, incoming, write, &progress).await, record)
        }
    };
    (record.received, record.sent, record.request) = (progress.received.get(), progress.sent.get(), texts);
    downstream.report(&record);
    if end.is_none() {
        incoming.buffer.consume(progress.used.get());
    }
    end
}

/// Sends the request on and sees to it that the client is answered.
async fn exchange(
    downstream: &Downstream,
    target: &Target,
    incoming: &mut Incoming<'_, '_>,
    write: &mut WriteHalf<'_>,
    heads: &mut Heads,
    progress: &Progress,
    record: &mut Record<'_>,
) -> Option<End> {
    let Heads { request, out: head, response } = heads;
    let done = Exchange { downstream, target, request, head, progress, response, record }.run(incoming, write).await;
    match done {
        Ok(delivered) => {
            record.code = heads.response.head.status;
            record.answered = Some(delivered.answered);
            record.details = "via_upstream".into();
            after(downstream, &delivered, incoming, write, progress, record.relayed).await
        }
        Err(failure) if progress.answered.get() => {
            let (flags, details) = failure.within_response();
            (record.code, record.flags, record.details) = (heads.response.head.status, flags, details.into());
            Some(End::Reset)
        }
        Err(failure) => {
            let verdict = failure.before_response();
            (record.code, record.flags, record.details) = (verdict.status, verdict.flags, verdict.details);
            let reply = Answer { status: verdict.status, body: verdict.body.as_bytes() };
            match failure {
                Failure::ClientGone => Some(End::Reset),
                Failure::Refused(_) => Some(refuse(downstream, reply, incoming.read, write).await),
                _ => answer(downstream, reply, &heads.request, incoming, write, progress).await,
            }
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
    let end = refuse(downstream, Answer { status: verdict.status, body: verdict.body.as_bytes() }, read, write).await;
    downstream.report(&record);
    end
}
