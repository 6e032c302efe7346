//! Step 5d: a second node is asked where the first is slow, for calls that only read. Whoever answers first is heard.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use weir_emit::metrics::Counter;
use weir_head::{Method, ResponseHead};
use weir_model::Mono;

use super::send::Answered;
use super::{Exchange, Refusal, copy, rpc, stage};
use crate::chain::ChainLive;
use crate::connection::Client;
use crate::live::{EndpointLive, RouteLive, ServiceLive};
use crate::worker::Worker;

/// Longest answer of a second node, in bytes: it is held as a whole.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How many times as long as it takes to say how it is, a node may take before another is asked.
const PATIENCE: u32 = 4;
/// Bounds on that.
const PATIENCE_MIN: Duration = Duration::from_millis(20);
const PATIENCE_MAX: Duration = Duration::from_secs(1);

/// A request that may be sent to a second node.
pub(super) struct Hedge<'s> {
    at: usize,
    endpoint: &'s Arc<EndpointLive>,
    bytes: Vec<u8>,
    method: Method,
    after: Duration,
    deadline: Mono,
    begun: &'s Counter,
}

/// An answer of the second node.
pub(super) struct Whole {
    pub(super) endpoint: usize,
    pub(super) head: ResponseHead,
    pub(super) body: Vec<u8>,
}

/// Who answered first.
pub(super) enum First {
    Usual(Result<Answered, Refusal>),
    Hedge(Box<Whole>),
}

/// What a second node would be sent; `None` where the calls may do something, or where there is no other node.
#[expect(clippy::too_many_arguments, reason = "one call site; a struct would only name them twice")]
pub(super) fn prepare<'s>(
    worker: &Worker,
    client: &Client,
    exchange: &mut Exchange,
    route: &RouteLive,
    service: &'s ServiceLive,
    chain: &'s ChainLive,
    tried: u64,
    first: usize,
    now: Mono,
) -> Option<Hedge<'s>> {
    if exchange.meaning.may_repeat() != Some(true) || service.endpoints.len() < 2 || first >= 64 {
        return None;
    }
    let at = rpc::pick(worker, exchange, service, chain, tried | 1 << first, now)?;
    if at == first {
        return None;
    }
    let endpoint = &service.endpoints[at];
    stage::request(exchange, client, route, endpoint);
    let bytes = exchange.up.out.clone();
    let node = service.endpoints[first].node.as_ref()?.node;
    let after = (Duration::from_micros(chain.latency_us(node)) * PATIENCE).clamp(PATIENCE_MIN, PATIENCE_MAX);
    let deadline = now.after(after).after(service.model.timeouts.connect).min(exchange.times.deadline);
    let begun = &chain.metrics.hedges;
    Some(Hedge { at, endpoint, bytes, method: exchange.request.method, after, deadline, begun })
}

/// Awaits the first of both. The other is dropped, and its connection closed.
pub(super) async fn race(
    worker: &Worker,
    hedge: Hedge<'_>,
    usual: impl Future<Output = Result<Answered, Refusal>>,
) -> First {
    let mut usual = pin!(usual);
    let mut second = pin!(async {
        tokio::time::sleep(hedge.after).await;
        worker.metrics.inc(hedge.begun);
        let most = ANSWER_BYTES_MAX;
        copy::ask(worker, hedge.endpoint, &hedge.bytes, hedge.method, hedge.deadline, most).await
    });
    let mut lost = false;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = usual.as_mut().poll(cx) {
            return Poll::Ready(First::Usual(result));
        }
        if !lost && let Poll::Ready(answer) = second.as_mut().poll(cx) {
            match answer {
                Some((head, body)) if head.status == 200 => {
                    let endpoint = hedge.at;
                    return Poll::Ready(First::Hedge(Box::new(Whole { endpoint, head, body })));
                }
                // The usual one decides.
                _ => lost = true,
            }
        }
        Poll::Pending
    })
    .await
}
