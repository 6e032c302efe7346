//! Step 5: send the request to an endpoint and await the head of its answer; again where that is safe.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Poll};

use weir_head::{Framing, Known, Limits, Parsed, TargetForm, Version, parse_response, write_request};
use weir_http::{BUF_BYTES, Buf, mono_now};
use weir_model::{Failure, FailureKind, HostRewrite, Mono, Phase, Retry};
use weir_traffic::{Attempt, Cause, Outcome, Pass, Replay, RetryBudget, backoff, may_retry};

use super::admit::{Admitted, InFlight};
use super::connect::{self, Tried};
use super::{Exchange, Refusal, Why};
use crate::connection::Client;
use crate::flow::FlowError;
use crate::live::{EndpointLive, ListenerLive, RouteLive, ServiceLive};
use crate::pool::Upstream;
use crate::report;
use crate::worker::Worker;

/// Interim answers that one request may get (a server that sends more is broken or hostile).
const INTERIM_MAX: u32 = 16;

/// Limits on an answer's head. Servers are trusted further than clients, but not without end.
const ANSWER_LIMITS: Limits = Limits { head_bytes: 64 * 1024, target_bytes: 0, fields: 256 };

/// An endpoint's answer, whose head is in the exchange.
pub(super) struct Answered {
    pub(super) upstream: Upstream,
    /// Whether the request has been sent to its end.
    pub(super) sent: bool,
    pub(super) in_flight: InFlight,
}

/// Ends a retry that was begun under the budget, however the try ends.
struct Retrying<'a>(&'a RetryBudget);

impl Drop for Retrying<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Sends, and sends again where policy, budget and safety allow. Both breakers learn how each try went.
pub(super) async fn send(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    listener: &ListenerLive,
    route: &RouteLive,
    admitted: Admitted<'_>,
) -> Result<Answered, Refusal> {
    let Admitted { service, pass } = admitted;
    let result = tries(worker, client, exchange, listener, route, service).await;
    if let (Some(breaker), Some(pass)) = (&service.breaker, pass) {
        let outcome = match &result {
            Ok(_) => Outcome::of_status(service.breaker_failures(), exchange.response.status),
            Err(refusal) => outcome_of(service.breaker_failures(), refusal.failure),
        };
        report::breaker(&service.model.id, None, breaker.record(pass, outcome, mono_now()));
    }
    result
}

fn outcome_of(failures: weir_model::BreakerFailures, failure: Failure) -> Outcome {
    match failure.blame {
        weir_model::Blame::Upstream => Outcome::of_failure(failures, failure.kind),
        _ => Outcome::Abandoned,
    }
}

async fn tries(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    listener: &ListenerLive,
    route: &RouteLive,
    service: &ServiceLive,
) -> Result<Answered, Refusal> {
    let policy = &route.model.retry;
    if policy.max > 0 && exchange.request.method.is_idempotent() {
        hold_body(client, exchange, listener, route.hold_bytes).await?;
    }
    let idempotent = exchange.request.method.is_idempotent();
    let (mut retries, mut stale_before) = (0, false);
    let mut tried: Tried = 0;
    let mut _retrying: Option<Retrying<'_>> = None;
    // Clocks are read when something was waited for: for most requests that is not yet the case here.
    let mut now = if exchange.has_body() { mono_now() } else { exchange.times.started };
    loop {
        let endpoint = connect::pick(worker, exchange, service, tried, now)?;
        exchange.seen.endpoint = Some(endpoint);
        let mut tally = Tally::default();
        let result = one_try(
            worker,
            client,
            exchange,
            listener,
            route,
            service,
            endpoint,
            now,
            stale_before,
            &mut tally,
        )
        .await;
        let cause = match &result {
            Ok(_) => Cause::Status(exchange.response.status),
            Err(refusal) if tally.stale => {
                debug_assert_eq!(refusal.failure.kind, FailureKind::ConnectionTerminated);
                Cause::StaleConnection
            }
            Err(refusal) => Cause::Failure(refusal.failure),
        };
        let attempt = Attempt {
            retries,
            stale_before,
            idempotent,
            sent: tally.sent,
            answered: false,
            body: if !exchange.has_body() || exchange.up.body_bytes == 0 {
                Replay::Untouched
            } else if exchange.held_all {
                Replay::Held
            } else {
                Replay::Gone
            },
        };
        if !may_retry(policy, cause, &attempt) {
            return result;
        }
        if matches!(cause, Cause::StaleConnection) {
            // The endpoint is well; only the connection had been closed. The same one is dialled afresh.
            stale_before = true;
            now = mono_now();
            continue;
        }
        if !service.retry_budget.try_begin(policy, service.gate.inside()) {
            return result;
        }
        _retrying = Some(Retrying(&service.retry_budget));
        worker.metrics.inc(&service.metrics.retries);
        drop(result);
        if endpoint < 64 {
            tried |= 1 << endpoint;
        }
        let pause = backoff(policy, retries, &mut worker.rng.borrow_mut());
        now = mono_now();
        let wake = now.after(pause);
        if wake >= exchange.times.deadline {
            return Err(Failure::new(FailureKind::RequestTimeout, Phase::Wait).into());
        }
        if !pause.is_zero() {
            client.timer.set(wake);
            poll_fn(|cx| if client.timer.poll_expired(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
            now = mono_now();
        }
        retries += 1;
        stale_before = false;
    }
}

/// Reads the body into memory up to a bound, so that it can be sent more than once.
///
/// Does nothing for a request without a body, for one whose body is known to be larger, and the second time.
pub(super) async fn hold_body(
    client: &mut Client,
    exchange: &mut Exchange,
    listener: &ListenerLive,
    most: usize,
) -> Result<(), Refusal> {
    let too_large = matches!(exchange.request.framing, Framing::Length(bytes) if bytes > most as u64);
    if !exchange.has_body() || most == 0 || too_large || !exchange.held.is_empty() {
        return Ok(());
    }
    if exchange.request.fields.has(Known::Expect) {
        // The client waits for a word from the service before it sends; holding would make both wait.
        return Ok(());
    }
    let pause = listener.model.timeouts.body;
    let mut seen = usize::MAX;
    let Exchange { up, held, times, .. } = exchange;
    let collected = poll_fn(|cx| {
        let Client { stream, buf, timer, .. } = &mut *client;
        let buf = buf.get_or_insert_with(Buf::take);
        match up.poll_collect(cx, stream, buf, most, held) {
            Poll::Ready(Ok(whole)) => Poll::Ready(Ok(whole)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(downstream(error, Phase::Send))),
            Poll::Pending => {
                if seen != held.len() {
                    seen = held.len();
                    timer.set(mono_now().after(pause).min(times.deadline));
                }
                if timer.poll_expired(cx) {
                    return Poll::Ready(Err(Failure::new(FailureKind::RequestBodyTimeout, Phase::Send)));
                }
                Poll::Pending
            }
        }
    })
    .await?;
    exchange.held_all = collected;
    Ok(())
}

fn downstream(error: FlowError, phase: Phase) -> Failure {
    Failure::new(
        match error {
            FlowError::Malformed => FailureKind::RequestProtocolError,
            FlowError::TooLarge => FailureKind::RequestBodyTooLarge,
            FlowError::Source | FlowError::Sink => FailureKind::ClientGone,
        },
        phase,
    )
}

/// What one try did, for the decision about another.
#[derive(Default)]
struct Tally {
    /// Whether a byte of the request was written.
    sent: bool,
    /// Whether a reused connection turned out closed before a byte of the answer.
    stale: bool,
}

#[expect(clippy::too_many_arguments, reason = "one call site; a struct would only name them twice")]
async fn one_try(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    listener: &ListenerLive,
    route: &RouteLive,
    service: &ServiceLive,
    index: usize,
    begun: Mono,
    fresh_only: bool,
    tally: &mut Tally,
) -> Result<Answered, Refusal> {
    let endpoint = &service.endpoints[index];
    let pass = match &endpoint.breaker {
        None => None,
        Some(breaker) => {
            let (pass, transition) = breaker.try_pass(begun);
            report::breaker(&service.model.id, Some(&endpoint.name), transition);
            if let Pass::Refused { retry_after } = pass {
                let failure = Failure::new(FailureKind::BreakerOpen, Phase::Connect);
                return Err(Refusal { failure, why: Why::RetryAfter(retry_after) });
            }
            Some(pass)
        }
    };
    let in_flight = InFlight::at(service, index);
    let result =
        converse(worker, client, exchange, listener, route, service, endpoint, fresh_only, begun, tally)
            .await;
    if let (Some(breaker), Some(pass)) = (&endpoint.breaker, pass) {
        let failures = service.endpoint_breaker_failures();
        let outcome = match &result {
            _ if tally.stale => Outcome::Abandoned,
            Ok(_) => Outcome::of_status(failures, exchange.response.status),
            Err(failure) => outcome_of(failures, *failure),
        };
        report::breaker(&service.model.id, Some(&endpoint.name), breaker.record(pass, outcome, mono_now()));
    }
    let (upstream, sent) = result?;
    Ok(Answered { upstream, sent, in_flight })
}

#[expect(clippy::too_many_arguments, reason = "one call site; a struct would only name them twice")]
async fn converse(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    listener: &ListenerLive,
    route: &RouteLive,
    service: &ServiceLive,
    endpoint: &std::sync::Arc<EndpointLive>,
    fresh_only: bool,
    begun: Mono,
    tally: &mut Tally,
) -> Result<(Upstream, bool), Failure> {
    let pooled = if fresh_only { None } else { connect::pooled(worker, endpoint, begun) };
    let reused = pooled.is_some();
    exchange.seen.reused = reused;
    let mut upstream = match pooled {
        Some(upstream) => upstream,
        None => {
            let deadline = begun.after(service.model.timeouts.connect);
            // Boxed: rare, and larger than all else that a connection's task holds.
            let upstream =
                while_client_waits(client, exchange, deadline, Box::pin(connect::dial(endpoint, deadline)))
                    .await?;
            exchange.times.connect_ns = Some(mono_now().0 - begun.0);
            worker.metrics.inc(&service.metrics.connects);
            upstream
        }
    };
    exchange.seen.tries += 1;
    upstream.requests += 1;
    begin(exchange, client, route, endpoint);
    let try_deadline = route.model.timeouts.per_try.map_or(Mono::NEVER, |span| begun.after(span));
    let sent =
        await_answer(client, exchange, &mut upstream, try_deadline, listener.model.timeouts.body, tally);
    let sent = sent.await.inspect_err(|failure| {
        tally.stale = reused
            && failure.kind == FailureKind::ConnectionTerminated
            && upstream.buf.as_ref().is_none_or(Buf::is_empty);
    })?;
    Ok((upstream, sent))
}

/// Awaits a connection; gives up when the client goes away or time runs out.
async fn while_client_waits(
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

/// Stages the head for an endpoint, and the body bytes that are held.
fn begin(exchange: &mut Exchange, client: &Client, route: &RouteLive, endpoint: &EndpointLive) {
    // The body's flow began when its route was chosen; what was taken from the client stays taken.
    exchange.up.restart();
    let Exchange { request, up, ids, upgrade, held, .. } = exchange;
    let host = match &route.model.rewrite_host {
        HostRewrite::To(host) => Some(host.as_bytes()),
        HostRewrite::Keep if request.fields.has(Known::Host) || request.form == TargetForm::Absolute => None,
        HostRewrite::Keep | HostRewrite::Endpoint => Some(endpoint.name.as_bytes()),
    };
    if let Some(host) = host
        && request.fields.get(Known::Host) != Some(host)
    {
        request.fields.set_known(Known::Host, host);
    }
    let out = &mut up.out;
    write_request(request, out);
    // A trusted proxy's list was written with the other fields; this line continues it (RFC 9110, section 5.3).
    out.extend_from_slice(b"x-forwarded-for: ");
    out.extend_from_slice(client.peer_text.as_bytes());
    out.extend_from_slice(b"\r\n");
    if !request.fields.has(Known::XForwardedProto) {
        out.extend_from_slice(if client.secure {
            b"x-forwarded-proto: https\r\n"
        } else {
            b"x-forwarded-proto: http\r\n"
        });
    }
    if !request.fields.has(Known::XForwardedHost) && !request.authority().is_empty() {
        out.extend_from_slice(b"x-forwarded-host: ");
        out.extend_from_slice(request.authority());
        out.extend_from_slice(b"\r\n");
    }
    if let Some(ids) = ids {
        if !request.fields.has(Known::XRequestId) {
            out.extend_from_slice(b"x-request-id: ");
            out.extend_from_slice(ids.request.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"traceparent: ");
        out.extend_from_slice(&ids.trace.encode());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(match request.version {
        Version::Http11 => b"via: 1.1 weir\r\n",
        Version::Http10 => b"via: 1.0 weir\r\n",
    });
    if let Some(protocol) = upgrade {
        out.extend_from_slice(b"connection: upgrade\r\nupgrade: ");
        out.extend_from_slice(protocol);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    up.stage_collected(held);
}

/// Sends what is to be sent and reads the answer's head; both at once, since an endpoint may answer early. Gives back
/// whether the request was sent to its end.
async fn await_answer(
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

const _: () = assert!(ANSWER_LIMITS.head_bytes >= BUF_BYTES);
