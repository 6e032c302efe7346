//! Step 5: send the request to an endpoint and await the head of its answer; again where that is safe.

use std::future::poll_fn;
use std::task::Poll;

use weir_head::{Framing, Known};
use weir_http::{Buf, mono_now};
use weir_model::{Failure, FailureKind, Mono, Phase};
use weir_traffic::{Attempt, Cause, Outcome, Pass, Replay, RetryBudget, backoff, may_retry};

use super::admit::{Admitted, InFlight};
use super::connect::{self, Tried};
use super::rpc::READ_RETRY;
use super::wait::{await_answer, downstream, while_client_waits};
use super::{Exchange, Refusal, Why, hedge, stage};
use crate::connection::Client;
use crate::live::{EndpointLive, ListenerLive, RouteLive, ServiceLive};
use crate::pool::Upstream;
use crate::report;
use crate::worker::Worker;

/// An endpoint's answer, whose head is in the exchange.
pub(super) struct Answered {
    pub(super) upstream: Upstream,
    /// Whether the request has been sent to its end.
    pub(super) sent: bool,
    pub(super) in_flight: InFlight,
}

/// What came of sending.
pub(super) enum Sent {
    /// An answer whose body follows.
    Answered(Answered),
    /// The body of one that was read as a whole; its head is in the exchange.
    Whole(Vec<u8>),
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
) -> Result<Sent, Refusal> {
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
) -> Result<Sent, Refusal> {
    if route.hot.retries && exchange.request.method.is_idempotent() {
        hold_body(client, exchange, listener, route.hold_bytes).await?;
    }
    let idempotent = exchange.meaning.may_repeat().unwrap_or_else(|| exchange.request.method.is_idempotent());
    let policy = match &service.chain {
        Some(_) if route.model.retry.max == 0 => &READ_RETRY,
        _ => &route.model.retry,
    };
    let (mut retries, mut stale_before) = (0, false);
    let mut tried: Tried = 0;
    let mut _retrying: Option<Retrying<'_>> = None;
    // Clocks are read when something was waited for: for most requests that is not yet the case here.
    let mut now = if exchange.has_body() { mono_now() } else { exchange.times.started };
    loop {
        let endpoint = connect::pick(worker, exchange, service, tried, now)?;
        exchange.seen.endpoint = Some(endpoint);
        let mut tally = Tally::default();
        let hedge = match &service.chain {
            Some(chain) => {
                hedge::prepare(worker, client, exchange, route, service, chain, tried, endpoint, now)
            }
            None => None,
        };
        let result = match hedge {
            None => {
                one_try(
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
                .await
            }
            Some(hedge) => {
                let usual = one_try(
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
                );
                // Boxed: rare, and it holds the state of two connections.
                match Box::pin(hedge::race(worker, hedge, usual)).await {
                    hedge::First::Usual(result) => result,
                    hedge::First::Hedge(whole) => {
                        exchange.seen.endpoint = Some(whole.endpoint);
                        exchange.response = whole.head;
                        return Ok(Sent::Whole(whole.body));
                    }
                }
            }
        };
        if result.is_ok() && exchange.response.status < 500 {
            return result.map(Sent::Answered);
        }
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
            return result.map(Sent::Answered);
        }
        if matches!(cause, Cause::StaleConnection) {
            // The endpoint is well; only the connection had been closed. The same one is dialled afresh.
            stale_before = true;
            now = mono_now();
            continue;
        }
        if !service.retry_budget.try_begin(policy, service.gate.inside()) {
            return result.map(Sent::Answered);
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

/// What one try did, for the decision about another.
#[derive(Default)]
pub(super) struct Tally {
    /// Whether a byte of the request was written.
    pub(super) sent: bool,
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
    stage::request(exchange, client, route, endpoint);
    let try_deadline = route.hot.try_timeout.map_or(Mono::NEVER, |span| begun.after(span));
    let sent =
        await_answer(client, exchange, &mut upstream, try_deadline, listener.model.timeouts.body, tally);
    let sent = sent.await.inspect_err(|failure| {
        tally.stale = reused
            && failure.kind == FailureKind::ConnectionTerminated
            && upstream.buf.as_ref().is_none_or(Buf::is_empty);
    })?;
    Ok((upstream, sent))
}
