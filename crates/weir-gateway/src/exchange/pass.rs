//! Step 6: pass the endpoint's answer on to the client.

use std::future::poll_fn;
use std::task::Poll;

use weir_head::{Framing, Known, Version, strip_hop_by_hop, write_response};
use weir_http::{Buf, mono_now};
use weir_model::{Failure, FailureKind, Mono, Phase};

use super::send::Answered;
use super::{Exchange, Met, Next, Tunnel, Why, answer};
use crate::connection::Client;
use crate::flow::{Coding, FlowError};
use crate::live::{ListenerLive, RouteLive};
use crate::pool::Upstream;
use crate::worker::Worker;

/// Writes head and body to the client, while the rest of the request still goes the other way where there is any.
pub(super) async fn answer<'p>(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    listener: &ListenerLive,
    met: &mut Met<'p>,
    answered: Answered<'p>,
) -> Next {
    let Some(route) = met.route else { return Next::Close };
    let Answered { mut upstream, sent, _in_flight } = answered;
    exchange.times.answered = Some(mono_now());
    if exchange.response.status == 101 {
        return match switch(worker, client, exchange, route, upstream) {
            Ok(next) => next,
            Err(failure) => {
                let why = Why::Text("it switched protocols without being asked to");
                answer::refuse(worker, client, exchange, met, failure, why).await
            }
        };
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
    begin(exchange, coding, keep, old);

    let result = move_bodies(client, exchange, &mut upstream, sent, listener, route).await;
    exchange.seen.bytes_out = exchange.down.body_bytes;
    match result {
        Ok(()) => {
            if exchange.response.keep_alive && sent {
                worker.pools.borrow_mut().check_in(upstream, mono_now(), |most| worker.share_of(most));
            }
            match (keep, sent) {
                (true, _) => Next::Request,
                (false, true) => Next::Close,
                // The endpoint answered before it had the whole request, and so the client may still be sending.
                (false, false) => Next::Linger,
            }
        }
        Err(failure) => {
            exchange.seen.failure = Some(failure);
            if delimited { Next::Close } else { Next::Abort }
        }
    }
}

/// Stages the head.
fn begin(exchange: &mut Exchange, coding: Coding, keep: bool, old: bool) {
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

async fn move_bodies(
    client: &mut Client,
    exchange: &mut Exchange,
    upstream: &mut Upstream,
    sent: bool,
    listener: &ListenerLive,
    route: &RouteLive,
) -> Result<(), Failure> {
    let mut uploading = !sent;
    let mut moved = u64::MAX;
    let mut pause_deadline = Mono::NEVER;
    let pause = route
        .model
        .timeouts
        .body
        .map_or(listener.model.timeouts.send, |body| body.min(listener.model.timeouts.send));
    poll_fn(|cx| {
        let Client { stream, buf, timer, .. } = &mut *client;
        if uploading {
            let up = exchange.up.poll(cx, stream, buf.get_or_insert_with(Buf::take), &mut upstream.stream);
            // Whatever became of the upload: the answer decides now.
            uploading = up.is_pending();
        }
        let result = if exchange.down.source_ended() {
            exchange.down.poll_flush(cx, stream).map_err(|_| FlowError::Sink)
        } else {
            let Upstream { stream: source, buf: source_buf, .. } = &mut *upstream;
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
        let so_far = exchange.down.wire_bytes + exchange.up.wire_bytes;
        if so_far != moved {
            moved = so_far;
            pause_deadline = mono_now().after(pause);
            timer.set(pause_deadline.min(exchange.times.deadline));
        }
        if timer.poll_expired(cx) {
            let kind = match () {
                () if exchange.times.deadline <= pause_deadline => FailureKind::RequestTimeout,
                // Bytes wait for the client: it is the one that stopped.
                () if !exchange.down.is_sent() => FailureKind::ClientGone,
                () => FailureKind::ResponseIncomplete,
            };
            return Poll::Ready(Err(Failure::new(kind, Phase::Body)));
        }
        Poll::Pending
    })
    .await
}

/// Makes a tunnel of both connections, where the client asked for just this protocol.
fn switch(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    route: &RouteLive,
    upstream: Upstream,
) -> Result<Next, Failure> {
    let refused = Failure::new(FailureKind::ResponseProtocolError, Phase::Wait);
    let asked = exchange.upgrade.take().ok_or(refused)?;
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
    let _ = client;
    Ok(Next::Tunnel(Box::new(Tunnel::new(worker, first, upstream, route.model.timeouts.upgrade_idle))))
}
