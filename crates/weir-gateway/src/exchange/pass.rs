//! Step 6: pass the endpoint's answer on to the client.

use std::task::{Context, Poll};
use std::time::Duration;

use weir_head::{Framing, Known, Version, strip_hop_by_hop, write_response};
use weir_http::{Buf, mono_now};
use weir_model::{Failure, FailureKind, Mono, Phase};

use super::admit::InFlight;
use super::send::Answered;
use super::wait::client_left;
use super::{Exchange, Met, Next, Refusal, Tunnel, Why};
use crate::connection::Client;
use crate::flow::{Coding, FlowError};
use crate::live::{ListenerLive, RouteLive};
use crate::pool::Upstream;
use crate::worker::Worker;

/// An answer whose head is staged.
pub(super) enum Begun {
    /// Its body follows.
    Passing(Passing),
    /// Both connections speak another protocol from here on.
    Switched(Box<Tunnel>),
}

/// An answer on its way, with the rest of the request still going the other way where there is any. Owns all that it
/// needs but the client and the exchange.
pub(super) struct Passing {
    upstream: Upstream,
    /// Whether the request has been sent to its end.
    sent: bool,
    uploading: bool,
    /// Whether the client's connection goes on afterwards.
    keep: bool,
    /// Whether the client can tell where the answer ends.
    delimited: bool,
    /// Longest time without a byte moved.
    pause: Duration,
    pause_deadline: Mono,
    moved: u64,
    _in_flight: InFlight,
}

/// Runs the filters on the answer's head and stages it for the client.
pub(super) fn begin(
    worker: &Worker,
    exchange: &mut Exchange,
    listener: &ListenerLive,
    met: Met<'_>,
    answered: Answered,
) -> Result<Begun, Refusal> {
    let Some(route) = met.route else { return Err(Failure::new(FailureKind::Internal, Phase::Wait).into()) };
    let Answered { upstream, sent, in_flight } = answered;
    exchange.times.answered = Some(mono_now());
    if exchange.response.status == 101 {
        return switch(worker, exchange, route, upstream).map(Begun::Switched);
    }
    let fields = &mut exchange.response.fields;
    strip_hop_by_hop(fields);
    for filter in &route.filters {
        filter.on_response(exchange, route);
    }
    exchange.seen.status = exchange.response.status;

    let old = exchange.request.version == Version::Http10;
    let delimited = match exchange.response.framing {
        Framing::None | Framing::Length(_) => true,
        // HTTP/1.0 knows no chunks: the connection's end is the body's.
        Framing::Chunked | Framing::UntilClose => !old,
    };
    let coding = match exchange.response.framing {
        Framing::Chunked | Framing::UntilClose if !old => Coding::Chunked,
        _ => Coding::Identity,
    };
    let keep = exchange.request.keep_alive && sent && delimited && !worker.is_draining();
    stage_head(exchange, coding, keep, old);
    let send = listener.model.timeouts.send;
    Ok(Begun::Passing(Passing {
        upstream,
        sent,
        uploading: !sent,
        keep,
        delimited,
        pause: route.hot.body_timeout.map_or(send, |body| body.min(send)),
        pause_deadline: Mono::NEVER,
        moved: u64::MAX,
        _in_flight: in_flight,
    }))
}

impl Passing {
    /// Moves what can be moved. Ready when the answer has gone to the client, or can't.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client,
        exchange: &mut Exchange,
    ) -> Poll<Result<(), Failure>> {
        let Client { stream, buf, .. } = &mut *client;
        if self.uploading {
            let up =
                exchange.up.poll(cx, stream, buf.get_or_insert_with(Buf::take), &mut self.upstream.stream);
            // Whatever became of the upload: the answer decides now.
            self.uploading = up.is_pending();
        }
        let result = if exchange.down.source_ended() {
            exchange.down.poll_flush(cx, stream).map_err(|_| FlowError::Sink)
        } else {
            let Upstream { stream: source, buf: source_buf, .. } = &mut self.upstream;
            exchange.down.poll(cx, source, source_buf.get_or_insert_with(Buf::take), stream)
        };
        match result {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => {
                let kind = match error {
                    FlowError::Source => FailureKind::ResponseIncomplete,
                    FlowError::Malformed | FlowError::TooLarge => FailureKind::ResponseProtocolError,
                    FlowError::Sink => FailureKind::ClientGone,
                };
                return Poll::Ready(Err(Failure::new(kind, Phase::Body)));
            }
            Poll::Pending => {}
        }
        // An endpoint that pauses writes nothing by which a client that left would be noticed.
        if !self.uploading && client_left(client, cx) {
            return Poll::Ready(Err(Failure::new(FailureKind::ClientGone, Phase::Body)));
        }
        let so_far = exchange.down.wire_bytes + exchange.up.wire_bytes;
        if so_far != self.moved {
            self.moved = so_far;
            self.pause_deadline = mono_now().after(self.pause);
            client.timer.set(self.pause_deadline.min(exchange.times.deadline));
        }
        if client.timer.poll_expired(cx) {
            let kind = match () {
                () if exchange.times.deadline <= self.pause_deadline => FailureKind::RequestTimeout,
                // Bytes wait for the client: it is the one that stopped.
                () if !exchange.down.is_sent() => FailureKind::ClientGone,
                () => FailureKind::ResponseIncomplete,
            };
            return Poll::Ready(Err(Failure::new(kind, Phase::Body)));
        }
        Poll::Pending
    }

    /// Settles what becomes of both connections.
    pub(super) fn finish(
        self,
        worker: &Worker,
        exchange: &mut Exchange,
        result: Result<(), Failure>,
    ) -> Next {
        exchange.seen.bytes_out = exchange.down.body_bytes;
        exchange.times.finished = mono_now();
        match result {
            Ok(()) => {
                if exchange.response.keep_alive && self.sent {
                    let now = exchange.times.finished;
                    worker.pools.borrow_mut().check_in(self.upstream, now, |most| worker.share_of(most));
                }
                match (self.keep, self.sent) {
                    (true, _) => Next::Request,
                    (false, true) => Next::Close,
                    // The endpoint answered before it had the whole request: the client may still be sending.
                    (false, false) => Next::Linger,
                }
            }
            Err(failure) => {
                exchange.seen.failure = Some(failure);
                if self.delimited { Next::Close } else { Next::Abort }
            }
        }
    }
}

/// Stages the head.
fn stage_head(exchange: &mut Exchange, coding: Coding, keep: bool, old: bool) {
    let Exchange { response, down, answer_fields, .. } = exchange;
    if response.status == 204 {
        response.fields.remove_known(Known::ContentLength);
    }
    down.start(response.framing, coding, u64::MAX);
    let out = &mut down.out;
    write_response(response, out);
    if coding == Coding::Chunked && response.framing != Framing::None {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(answer_fields);
    out.extend_from_slice(connection_line(keep, old));
    out.extend_from_slice(b"\r\n");
}

/// What the client is told of the connection's future, where its version would assume otherwise.
pub(super) fn connection_line(keep: bool, old: bool) -> &'static [u8] {
    match (keep, old) {
        (true, false) | (false, true) => b"",
        (true, true) => b"connection: keep-alive\r\n",
        (false, false) => b"connection: close\r\n",
    }
}

/// Makes a tunnel of both connections, where the client asked for just this protocol.
fn switch(
    worker: &Worker,
    exchange: &mut Exchange,
    route: &RouteLive,
    upstream: Upstream,
) -> Result<Box<Tunnel>, Refusal> {
    let refused = Refusal {
        failure: Failure::new(FailureKind::ResponseProtocolError, Phase::Wait),
        why: Why::Text("it switched protocols without being asked to"),
    };
    let Some(asked) = exchange.upgrade.take() else { return Err(refused) };
    let fields = &mut exchange.response.fields;
    if !fields.get(Known::Upgrade).is_some_and(|got| got.eq_ignore_ascii_case(&asked)) {
        return Err(refused);
    }
    strip_hop_by_hop(fields);
    exchange.down.start(Framing::None, Coding::Identity, u64::MAX);
    let out = &mut exchange.down.out;
    write_response(&exchange.response, out);
    out.extend_from_slice(b"connection: upgrade\r\nupgrade: ");
    out.extend_from_slice(&asked);
    out.extend_from_slice(b"\r\n\r\n");
    exchange.seen.status = 101;
    let first = std::mem::take(out);
    Ok(Box::new(Tunnel::new(worker, first, upstream, route.model.timeouts.upgrade_idle)))
}
