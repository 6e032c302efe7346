//! A batch whose calls take several routes: one request for each route, one answer for all.

use std::borrow::Cow;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use weir_head::{Framing, Known};
use weir_http::{Buf, mono_now};
use weir_jsonrpc::{Code, Id, Limits, write_error};
use weir_model::{Failure, FailureKind, Phase};

use super::super::answer::{Reply, ReplyBody, explain};
use super::super::send::Answered;
use super::super::{Exchange, Met, Outcome, Refusal, admit, record, serve};
use super::{Calls, Part, code_of, limits};
use crate::connection::Client;
use crate::flow::Coding;
use crate::live::ListenerLive;
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// Longest answer to one part, in bytes. They are held until the last has come.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Serves the parts one after the other. The status is 200 whatever became of them: each call has its own outcome.
pub(in super::super) async fn serve_apart(
    worker: &Rc<Worker>,
    client: &mut Client,
    exchange: &mut Exchange,
    published: &Snapshot,
    listener: &ListenerLive,
    parts: &[Part<'_>],
) -> Result<Reply, Refusal> {
    exchange.calls = Calls::Apart;
    let limits = limits(listener);
    let calls = parts.iter().map(|part| part.calls.len()).sum();
    let mut answers: Vec<Option<Vec<u8>>> = vec![None; calls];
    let mut part_exchange = Box::<Exchange>::default();
    for part in parts {
        let body =
            serve_part(worker, client, exchange, &mut part_exchange, published, listener, part).await?;
        put(&exchange.held, part, &body, &limits, &mut answers);
    }
    let mut out = vec![b'['];
    for answer in answers.iter().flatten() {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(answer);
    }
    out.push(b']');
    // A batch of notifications has no answer (JSON-RPC 2.0, section 6).
    let body = if out.len() == 2 { ReplyBody::None } else { ReplyBody::Own(out) };
    Ok(Reply { status: 200, fields: Vec::new(), content_type: Cow::Borrowed("application/json"), body })
}

/// What became of a part.
enum Served {
    /// An answer's body.
    Body(Vec<u8>),
    /// Nothing: why, as a code and words.
    Failed(Code, String),
}

async fn serve_part(
    worker: &Rc<Worker>,
    client: &mut Client,
    whole: &Exchange,
    exchange: &mut Exchange,
    published: &Snapshot,
    listener: &ListenerLive,
    part: &Part<'_>,
) -> Result<Served, Refusal> {
    let Some(found) = &part.found else {
        return Ok(Served::Failed(Code::METHOD_NOT_FOUND, "weir: no route takes this method".into()));
    };
    exchange.begin();
    exchange.request.clone_from(&whole.request);
    exchange.address = whole.address;
    exchange.ids = whole.ids;
    exchange.times.started = mono_now();
    exchange.calls = Calls::InBody;
    exchange.held.push(b'[');
    for (range, _) in &part.calls {
        if exchange.held.len() > 1 {
            exchange.held.push(b',');
        }
        exchange.held.extend_from_slice(&whole.held[range.clone()]);
    }
    exchange.held.push(b']');
    exchange.held_all = true;
    // All of it is held: nothing is left to be taken from the client.
    exchange.up.start(Framing::None, Coding::Identity, u64::MAX);
    let request = &mut exchange.request;
    request.framing = Framing::Length(exchange.held.len() as u64);
    request.fields.set_known(Known::ContentLength, exchange.held.len().to_string().as_bytes());
    // The answer is read here.
    request.fields.remove_known(Known::AcceptEncoding);
    exchange.matched_prefix = found.prefix_len(exchange.request.path()).unwrap_or(0);

    let mut met = Met::default();
    let outcome = serve(worker, client, exchange, published, listener, found.payload, &mut met).await;
    let served = match outcome {
        Ok(Outcome::Answered(answered)) => collect(worker, client, exchange, answered).await,
        Ok(Outcome::Reply(reply)) => {
            exchange.seen.status = reply.status;
            Ok(reply.bytes().to_vec())
        }
        Err(refusal) => Err(refusal),
    };
    let served = match served {
        Ok(body) if weir_jsonrpc::read_answers(&body, &answer_limits(part)).is_ok() => Served::Body(body),
        Ok(_) => {
            let code = if exchange.seen.status == 429 { Code::LIMIT_EXCEEDED } else { Code::UNAVAILABLE };
            Served::Failed(
                code,
                format!("weir: answered with status {} and no JSON-RPC", exchange.seen.status),
            )
        }
        // Nobody is left to be answered.
        Err(refusal) if refusal.failure.kind == FailureKind::ClientGone => return Err(refusal),
        Err(Refusal { failure, why }) => {
            exchange.seen.failure = Some(failure);
            exchange.seen.status = failure.kind.status();
            let says = explain(worker, client, exchange, &met, failure, why);
            let says = String::from_utf8_lossy(&says).trim_end().replace('\n', "; ");
            Served::Failed(code_of(failure.kind), says)
        }
    };
    admit::leave(exchange, met);
    record::finish(worker, client, exchange, listener, met);
    Ok(served)
}

fn answer_limits(part: &Part<'_>) -> Limits {
    Limits { bytes: ANSWER_BYTES_MAX, calls: part.calls.len().max(1), ..Limits::default() }
}

/// Reads an answer's body.
pub(super) async fn collect(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    answered: Answered,
) -> Result<Vec<u8>, Refusal> {
    let Answered { mut upstream, sent, in_flight: _in_flight } = answered;
    exchange.times.answered = Some(mono_now());
    exchange.seen.status = exchange.response.status;
    exchange.down.start(exchange.response.framing, Coding::Identity, u64::MAX);
    let mut body = Vec::new();
    let pause = client.listener.model.timeouts.send;
    let mut seen = usize::MAX;
    let whole = poll_fn(|cx| {
        let buf = upstream.buf.get_or_insert_with(Buf::take);
        let polled = exchange.down.poll_collect(cx, &mut upstream.stream, buf, ANSWER_BYTES_MAX, &mut body);
        if let Poll::Ready(result) = polled {
            return Poll::Ready(result.map_err(|_| FailureKind::ResponseIncomplete));
        }
        if seen != body.len() {
            seen = body.len();
            client.timer.set(mono_now().after(pause).min(exchange.times.deadline));
        }
        if client.timer.poll_expired(cx) {
            Poll::Ready(Err(FailureKind::RequestTimeout))
        } else {
            Poll::Pending
        }
    })
    .await
    .map_err(|kind| Failure::new(kind, Phase::Body))?;
    exchange.seen.bytes_out = body.len() as u64;
    if !whole {
        return Err(super::refuse(
            FailureKind::ResponseProtocolError,
            "the answer to a part of a batch is longer than 8 MiB: send its calls by themselves",
        ));
    }
    if exchange.response.keep_alive && sent {
        worker.pools.borrow_mut().check_in(upstream, mono_now(), |most| worker.share_of(most));
    }
    Ok(body)
}

/// Puts the answers of a part at the places of its calls.
fn put(held: &[u8], part: &Part<'_>, served: &Served, limits: &Limits, into: &mut [Option<Vec<u8>>]) {
    let ids: Vec<(Id<'_>, usize)> = part
        .calls
        .iter()
        .filter_map(|(range, at)| {
            let call = weir_jsonrpc::read(&held[range.clone()], limits).ok()?;
            Some((call.calls.first()?.id, *at))
        })
        .collect();
    if let Served::Body(body) = served
        && let Ok(answers) = weir_jsonrpc::read_answers(body, &answer_limits(part))
    {
        for answer in &answers.answers {
            let free = |at: usize| into[at].is_none();
            let own = ids.iter().find(|(id, at)| *id == answer.id && free(*at));
            // An error about the batch as a whole has no id; it is everybody's.
            let whole = own.is_none() && answer.id == Id::Null;
            match own {
                Some((_, at)) => into[*at] = Some(answer.text.to_vec()),
                None if whole => {
                    for (id, at) in
                        ids.iter().filter(|(id, at)| *id != Id::Missing && free(*at)).collect::<Vec<_>>()
                    {
                        let mut error = Vec::new();
                        let weir_jsonrpc::Outcome::Error { message, .. } = &answer.outcome else { continue };
                        write_error(&mut error, *id, Code::UNAVAILABLE, message);
                        into[*at] = Some(error);
                    }
                }
                None => {}
            }
        }
    }
    let (code, says) = match served {
        Served::Failed(code, says) => (*code, says.as_str()),
        Served::Body(_) => (Code::INTERNAL, "weir: the service answered, but not this call"),
    };
    for (id, at) in ids {
        if id != Id::Missing && into[at].is_none() {
            let mut error = Vec::new();
            write_error(&mut error, id, code, says);
            into[at] = Some(error);
        }
    }
}
