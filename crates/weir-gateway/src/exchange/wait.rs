//! Step 5c: wait for a connection, and for an answer's head, while the client may leave and time passes.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Poll};

use weir_head::{Framing, Limits, Parsed, Version, parse_response};
use weir_http::{BUF_BYTES, Buf, mono_now};
use weir_model::{Failure, FailureKind, Mono, Phase, Retry};

use super::Exchange;
use super::send::Tally;
use crate::connection::Client;
use crate::flow::FlowError;
use crate::pool::Upstream;

/// Interim answers that one request may get (a server that sends more is broken or hostile).
const INTERIM_MAX: u32 = 16;

/// Limits on an answer's head. Servers are trusted further than clients, but not without end.
const ANSWER_LIMITS: Limits = Limits { head_bytes: 64 * 1024, target_bytes: 0, fields: 256 };

const _: () = assert!(ANSWER_LIMITS.head_bytes >= BUF_BYTES);

/// What a fault in the request's body means.
pub(super) fn downstream(error: FlowError, phase: Phase) -> Failure {
    Failure::new(
        match error {
            FlowError::Malformed => FailureKind::RequestProtocolError,
            FlowError::TooLarge => FailureKind::RequestBodyTooLarge,
            FlowError::Source | FlowError::Sink => FailureKind::ClientGone,
        },
        phase,
    )
}

/// Awaits a connection; gives up when the client goes away or time runs out.
pub(super) async fn while_client_waits(
    client: &mut Client,
    exchange: &Exchange,
    deadline: Mono,
    connecting: impl Future<Output = Result<Upstream, Failure>>,
) -> Result<Upstream, Failure> {
    let mut connecting = pin!(connecting);
    client.timer.set(deadline.min(exchange.times.deadline));
    let watch = exchange.request.framing == Framing::None;
    poll_fn(|cx| {
        if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        if watch && client_left(client, cx) {
            return Poll::Ready(Err(Failure::new(FailureKind::ClientGone, Phase::Connect)));
        }
        if client.timer.poll_expired(cx) {
            let kind = if deadline <= exchange.times.deadline {
                FailureKind::ConnectionTimeout
            } else {
                FailureKind::RequestTimeout
            };
            return Poll::Ready(Err(Failure::new(kind, Phase::Connect).retry(Retry::Safe)));
        }
        Poll::Pending
    })
    .await
}

/// Whether the client has closed its side while it waits for an answer. Bytes of a further request stay in the buffer.
pub(super) fn client_left(client: &mut Client, cx: &mut Context<'_>) -> bool {
    loop {
        if client.has_more() || client.stream.poll_readable(cx).is_pending() {
            return false;
        }
        let Client { stream, buf, .. } = client;
        let buf = buf.get_or_insert_with(Buf::take);
        match stream.try_read(buf.space()) {
            Ok(0) => return true,
            Ok(count) => buf.filled(count),
            Err(e) if e.kind() == ErrorKind::WouldBlock => client.buf = None,
            Err(_) => return true,
        }
    }
}

/// Sends what is to be sent and reads the answer's head; both at once, since an endpoint may answer early. Gives back
/// whether the request was sent to its end.
pub(super) async fn await_answer(
    client: &mut Client,
    exchange: &mut Exchange,
    upstream: &mut Upstream,
    try_deadline: Mono,
    body_pause: std::time::Duration,
    tally: &mut Tally,
) -> Result<bool, Failure> {
    let mut sent = false;
    let mut interim = 0;
    let mut relaying = false;
    let mut moved = u64::MAX;
    let mut body_deadline = Mono::NEVER;
    client.timer.set(exchange.times.deadline.min(try_deadline));
    poll_fn(|cx| {
        if !sent {
            let result = if exchange.up.source_ended() {
                exchange.up.poll_flush(cx, &mut upstream.stream).map_err(|_| FlowError::Sink)
            } else {
                let Client { stream, buf, .. } = &mut *client;
                exchange.up.poll(cx, stream, buf.get_or_insert_with(Buf::take), &mut upstream.stream)
            };
            tally.sent |= exchange.up.wire_bytes > 0;
            match result {
                Poll::Ready(Ok(())) => {
                    sent = true;
                    body_deadline = Mono::NEVER;
                    client.release_buf();
                    client.timer.set(exchange.times.deadline.min(try_deadline));
                }
                // It may have answered before it closed; the answer, or the end, is read below.
                Poll::Ready(Err(FlowError::Sink)) => sent = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(downstream(error, Phase::Send))),
                Poll::Pending => {
                    if moved != exchange.up.wire_bytes {
                        moved = exchange.up.wire_bytes;
                        body_deadline = mono_now().after(body_pause);
                        client.timer.set(exchange.times.deadline.min(try_deadline).min(body_deadline));
                    }
                }
            }
        }
        loop {
            if relaying {
                match exchange.down.poll_flush(cx, &mut client.stream) {
                    Poll::Ready(Ok(())) => relaying = false,
                    Poll::Ready(Err(_)) => {
                        return Poll::Ready(Err(Failure::new(FailureKind::ClientGone, Phase::Wait)));
                    }
                    Poll::Pending => break,
                }
            }
            match read_answer_head(cx, exchange, upstream) {
                Poll::Pending => break,
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Ready(Ok(())) if matches!(exchange.response.status, 100 | 102..=199) => {
                    interim += 1;
                    if interim > INTERIM_MAX {
                        return Poll::Ready(Err(Failure::new(
                            FailureKind::ResponseProtocolError,
                            Phase::Wait,
                        )));
                    }
                    relaying = relay_interim(exchange);
                }
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(sent && exchange.up.is_sent())),
            }
        }
        if sent && client_left(client, cx) {
            return Poll::Ready(Err(Failure::new(FailureKind::ClientGone, Phase::Wait)));
        }
        if client.timer.poll_expired(cx) {
            let (kind, phase) = match () {
                () if body_deadline < exchange.times.deadline.min(try_deadline) => {
                    (FailureKind::RequestBodyTimeout, Phase::Send)
                }
                () if try_deadline < exchange.times.deadline => (FailureKind::TryTimeout, Phase::Wait),
                () => (FailureKind::RequestTimeout, Phase::Wait),
            };
            return Poll::Ready(Err(Failure::new(kind, phase).retry(Retry::IfIdempotent)));
        }
        Poll::Pending
    })
    .await
}

fn read_answer_head(
    cx: &mut Context<'_>,
    exchange: &mut Exchange,
    upstream: &mut Upstream,
) -> Poll<Result<(), Failure>> {
    let terminated = |buf: &Option<Buf>| {
        let begun = buf.as_ref().is_some_and(|buf| !buf.is_empty());
        let kind = if begun { FailureKind::ResponseIncomplete } else { FailureKind::ConnectionTerminated };
        Poll::Ready(Err(Failure::new(kind, Phase::Wait).retry(Retry::IfIdempotent)))
    };
    // Bytes that stand behind an interim answer are looked at before more are read.
    let mut look = upstream.buf.as_ref().is_some_and(|buf| !buf.is_empty());
    loop {
        if look {
            let Some(buf) = &mut upstream.buf else { return Poll::Pending };
            let method = exchange.request.method;
            match parse_response(buf.data(), &ANSWER_LIMITS, method, &mut exchange.response) {
                Ok(Parsed::Complete(len)) => {
                    buf.consume(len);
                    return Poll::Ready(Ok(()));
                }
                Ok(Parsed::Partial) => {
                    if buf.is_full() {
                        buf.grow();
                    }
                }
                Err(error) => {
                    tracing::debug!(endpoint = %upstream.endpoint.name, %error, "an answer was refused");
                    let kind = match error {
                        weir_head::HeadError::TooLarge | weir_head::HeadError::TooManyFields => {
                            FailureKind::ResponseHeadTooLarge
                        }
                        _ => FailureKind::ResponseProtocolError,
                    };
                    return Poll::Ready(Err(Failure::new(kind, Phase::Wait)));
                }
            }
        }
        // A connection that waits holds no buffer: readiness first.
        if upstream.stream.poll_readable(cx).is_pending() {
            return Poll::Pending;
        }
        let Upstream { stream, buf, .. } = upstream;
        let filled = buf.get_or_insert_with(Buf::take);
        match stream.try_read(filled.space()) {
            Ok(0) => return terminated(buf),
            Ok(count) => {
                filled.filled(count);
                look = true;
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                look = false;
                if filled.is_empty() {
                    *buf = None;
                }
            }
            Err(_) => return terminated(buf),
        }
    }
}

/// Stages an interim answer for the client; HTTP/1.0 knows none (RFC 9110, section 15.2).
fn relay_interim(exchange: &mut Exchange) -> bool {
    if exchange.request.version == Version::Http10 {
        return false;
    }
    weir_head::strip_hop_by_hop(&mut exchange.response.fields);
    exchange.down.start(Framing::None, crate::flow::Coding::Identity, u64::MAX);
    weir_head::write_response(&exchange.response, &mut exchange.down.out);
    exchange.down.out.extend_from_slice(b"\r\n");
    true
}
