//! What calls mean to the chain behind a service: which may be repeated, which node fits, which answers hold for good.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use weir_emit::metrics::Histogram;
use weir_head::{Framing, Known};
use weir_jsonrpc::methods::{Dialect, Effect, Subject};
use weir_jsonrpc::{Limits, read_answers, read_uri, write_result};
use weir_model::{FailureKind, Mono, RetryOn, RetryPolicy, fixed_hash};

use super::super::answer::{Reply, ReplyBody};
use super::super::route::refuse;
use super::super::send::Sent;
use super::super::{Exchange, Outcome, Refusal};
use super::{Calls, apart, limits, read};
use crate::chain::ChainLive;
use crate::connection::Client;
use crate::live::{ListenerLive, RouteLive, ServiceLive};
use crate::worker::Worker;

/// Longest answer that is kept, in bytes.
const KEPT_BYTES_MAX: u64 = 64 << 10;

/// How reads are repeated where their route does not say: a node that fails is not asked again, the next one is.
pub(in super::super) const READ_RETRY: RetryPolicy = RetryPolicy {
    max: 2,
    on: RetryOn { connect: true, reset: true, timeout: true, gateway_status: true, status_5xx: true },
    budget_ppm: 200_000,
    budget_min: 10,
    replay_bytes_max: 0,
    backoff: std::time::Duration::ZERO,
};

/// What the calls of a request mean to a chain.
#[derive(Debug, Default)]
pub(crate) struct Meaning {
    /// What the strongest of them does; `None` where none was looked at.
    pub(crate) effect: Option<Effect>,
    /// What has to meet the same node each time.
    sticky: Option<u64>,
    /// What the answer is about, where it may be kept, and under which name.
    keep: Option<(Subject, Vec<u8>)>,
    /// Where the time that the request takes is counted.
    pub(crate) duration: Option<Histogram>,
}

/// Understands the calls, and answers them where their answer is known. Calls that control a node pass only by a route
/// that names them.
pub(in super::super) async fn understand(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    listener: &ListenerLive,
    route: &RouteLive,
    chain: &ChainLive,
) -> Result<Option<Reply>, Refusal> {
    if exchange.upgrade.is_some() {
        return Ok(None);
    }
    read(client, exchange, listener).await?;
    let limits = limits(listener);
    let mut meaning = Meaning::default();
    match exchange.calls {
        Calls::InBody | Calls::Apart => {
            let request = weir_jsonrpc::read(&exchange.held, &limits)
                .map_err(|malformed| super::unreadable(malformed.wrong))?;
            for call in &request.calls {
                let effect = chain.dialect.effect(&call.method);
                allow(&call.method, effect, route)?;
                let metrics = worker.method_metrics(chain, known(&call.method, effect), effect.word());
                worker.metrics.inc(&metrics.calls);
                meaning.add(effect);
                meaning.duration = Some(metrics.duration);
            }
            if let ([call], false) = (request.calls.as_slice(), request.batch) {
                meaning.sticky = sender(chain.dialect, &call.method, call.params);
                let subject = chain.dialect.subject(call);
                if meaning.effect == Some(Effect::Read) && subject != Subject::Changing {
                    let mut name = call.method.as_bytes().to_vec();
                    name.push(0);
                    name.extend_from_slice(call.params.unwrap_or_default());
                    if let Some(result) = look_up(worker, chain, &name) {
                        let mut body = Vec::with_capacity(result.len() + 64);
                        write_result(&mut body, call.id, &result);
                        exchange.meaning = meaning;
                        return Ok(Some(kept(body)));
                    }
                    meaning.keep = Some((subject, name));
                }
            } else {
                meaning.duration = Some(worker.method_metrics(chain, "_batch", "batch").duration);
            }
        }
        Calls::InPath if chain.dialect == Dialect::Tendermint => {
            let path = std::str::from_utf8(exchange.request.path()).unwrap_or_default();
            let query = std::str::from_utf8(exchange.request.query().unwrap_or_default()).unwrap_or_default();
            let call = read_uri(path.rsplit('/').next().unwrap_or_default(), query, &limits)
                .map_err(|malformed| super::unreadable(malformed.wrong))?;
            let effect = chain.dialect.effect(call.method);
            allow(call.method, effect, route)?;
            let metrics = worker.method_metrics(chain, known(call.method, effect), effect.word());
            worker.metrics.inc(&metrics.calls);
            meaning.add(effect);
            meaning.duration = Some(metrics.duration);
            let subject = chain.dialect.subject_of_uri(&call);
            if effect == Effect::Read && subject != Subject::Changing {
                let mut name = b"uri\0".to_vec();
                name.extend_from_slice(call.method.as_bytes());
                name.push(b'?');
                name.extend_from_slice(query.as_bytes());
                if let Some(body) = look_up(worker, chain, &name) {
                    exchange.meaning = meaning;
                    return Ok(Some(kept(body)));
                }
                meaning.keep = Some((subject, name));
            }
        }
        // A page of the node's, or a question of a browser's: nothing that is repeated.
        _ => {}
    }
    if meaning.keep.is_some() {
        // The answer is read here.
        exchange.request.fields.remove_known(Known::AcceptEncoding);
    }
    exchange.meaning = meaning;
    Ok(None)
}

impl Meaning {
    fn add(&mut self, effect: Effect) {
        self.effect = Some(match self.effect {
            None | Some(Effect::Read) => effect,
            Some(stronger) => stronger,
        });
    }

    /// Whether all may be asked again; `None` where the method of HTTP decides.
    pub(in super::super) fn may_repeat(&self) -> Option<bool> {
        self.effect.map(Effect::may_repeat)
    }
}

/// The name under which a method is counted: what nobody knows is one.
fn known(method: &str, effect: Effect) -> &str {
    if effect == Effect::Unknown { "_other" } else { method }
}

fn allow(method: &str, effect: Effect, route: &RouteLive) -> Result<(), Refusal> {
    let named = || route.model.matches.iter().flat_map(|m| &m.jsonrpc).any(|wanted| wanted.covers(method));
    if effect != Effect::Control || named() {
        return Ok(());
    }
    Err(refuse(
        FailureKind::Denied,
        "this method controls the node or uses its keys; a route passes it on that names it under `jsonrpc`",
    ))
}

/// Whose account a call is about, where what a node has not yet put into a block makes a difference.
fn sender(dialect: Dialect, method: &str, params: Option<&[u8]>) -> Option<u64> {
    match dialect {
        Dialect::Ethereum => {
            weir_chain::evm::account_of_call(method, params?).map(|account| fixed_hash(&account))
        }
        Dialect::Tendermint | Dialect::Other => None,
    }
}

fn kept(body: Vec<u8>) -> Reply {
    Reply {
        status: 200,
        fields: Vec::new(),
        content_type: Cow::Borrowed("application/json"),
        body: ReplyBody::Own(body),
    }
}

fn look_up(worker: &Worker, chain: &ChainLive, name: &[u8]) -> Option<Vec<u8>> {
    let at = chain.final_height()?;
    let found = chain.kept(worker.index, |kept| kept.get(name, at).map(<[u8]>::to_vec));
    worker.metrics.inc(if found.is_some() { &chain.metrics.hits } else { &chain.metrics.misses });
    found
}

/// Keeps an answer that may be kept, reading it where it is short enough.
pub(in super::super) async fn keep(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    chain: &ChainLive,
    sent: Sent,
) -> Result<Outcome, Refusal> {
    let wanted = exchange.meaning.keep.take();
    let plain = exchange.response.status == 200 && !exchange.response.fields.has(Known::ContentEncoding);
    let body = match sent {
        Sent::Whole(body) => body,
        Sent::Answered(answered) => {
            let short =
                matches!(exchange.response.framing, Framing::Length(bytes) if bytes <= KEPT_BYTES_MAX);
            if wanted.is_none() || !plain || !short {
                return Ok(Outcome::Answered(answered));
            }
            apart::collect(worker, client, exchange, answered).await?
        }
    };
    if let Some((subject, name)) = wanted.filter(|_| plain && body.len() as u64 <= KEPT_BYTES_MAX)
        && let Some(at) = chain.final_height()
        && let Some(held) = worth_keeping(chain.dialect, subject, &name, &body)
        && held.height <= at
    {
        chain.kept(worker.index, |kept| kept.put(name, held.bytes.to_vec(), held.height));
    }
    Ok(Outcome::Reply(whole(exchange, body)))
}

/// An endpoint's answer that was read as a whole, as an answer of our own.
pub(in super::super) fn whole(exchange: &Exchange, body: Vec<u8>) -> Reply {
    let content_type = exchange.response.fields.get(Known::ContentType);
    let content_type = content_type.and_then(|value| std::str::from_utf8(value).ok());
    let mut fields = Vec::new();
    if let Some(coding) = exchange.response.fields.get(Known::ContentEncoding) {
        fields.extend_from_slice(b"content-encoding: ");
        fields.extend_from_slice(coding);
        fields.extend_from_slice(b"\r\n");
    }
    Reply {
        status: exchange.response.status,
        fields,
        content_type: content_type
            .map_or(Cow::Borrowed("application/json"), |text| Cow::Owned(text.to_owned())),
        body: ReplyBody::Own(body),
    }
}

/// A part of an answer, and the block that it depends on.
struct Held<'a> {
    bytes: &'a [u8],
    height: u64,
}

fn worth_keeping<'a>(dialect: Dialect, subject: Subject, name: &[u8], body: &'a [u8]) -> Option<Held<'a>> {
    let answers = read_answers(body, &Limits { bytes: body.len(), calls: 1, ..Limits::default() }).ok()?;
    let weir_jsonrpc::Outcome::Result(result) = answers.answers.first()?.outcome else { return None };
    if result == b"null" {
        // Not there yet, or pruned: another node may have it.
        return None;
    }
    let method = match name.strip_prefix(b"uri\0") {
        Some(rest) => rest.split(|b| *b == b'?').next(),
        None => name.split(|b| *b == 0).next(),
    };
    let height = match subject {
        Subject::Changing => return None,
        Subject::Chain => 0,
        Subject::Height(height) => height,
        Subject::Found => dialect.found_at(std::str::from_utf8(method?).ok()?, result)?,
    };
    // The URI style has one id for all; its answers are kept whole.
    let bytes = if name.starts_with(b"uri\0") { body } else { result };
    Some(Held { bytes, height })
}

/// Picks a node: the one that a sender's calls always meet; else, of two drawn among those at the head, the one whose
/// requests are the fewer for its speed.
pub(in super::super) fn pick(
    worker: &Worker,
    exchange: &Exchange,
    service: &ServiceLive,
    chain: &ChainLive,
    tried: u64,
    now: Mono,
) -> Option<usize> {
    let usable = chain.usable();
    let endpoints = &service.endpoints;
    let fits = |best: bool, tried: u64| {
        (0..endpoints.len()).filter(move |&at| {
            let endpoint = &endpoints[at];
            let Some(end) = &endpoint.node else { return false };
            let asked = if best { usable.is_best(end.node) } else { usable.is_usable(end.node) };
            asked && (at >= 64 || tried & (1 << at) == 0) && endpoint.is_usable(now)
        })
    };
    let choose = |best: bool, tried: u64| {
        let count = fits(best, tried).count();
        match (count, exchange.meaning.sticky) {
            (0, _) => None,
            // The highest of all hashes: while a node is away, its senders go elsewhere, and nobody else does.
            (_, Some(sender)) => {
                fits(best, tried).max_by_key(|&at| fixed_hash(&(sender, endpoints[at].address)))
            }
            (1, None) => fits(best, tried).next(),
            (count, None) => {
                let mut rng = worker.rng.borrow_mut();
                let first = rng.below(count as u64) as usize;
                let second = (first + 1 + rng.below(count as u64 - 1) as usize) % count;
                let score = |at: usize| {
                    let node = endpoints[at].node.as_ref().map_or(0, |end| end.node);
                    let busy = u64::from(endpoints[at].in_flight.load(Ordering::Relaxed)) + 1;
                    busy.saturating_mul(chain.latency_us(node))
                };
                let at = |nth: usize| fits(best, tried).nth(nth);
                let (first, second) = (at(first)?, at(second)?);
                Some(if score(second) < score(first) { second } else { first })
            }
        }
    };
    // A sender's calls meet its node while it is healthy, at the head or not.
    let at_head = exchange.meaning.sticky.is_none();
    let fresh = if at_head { choose(true, tried) } else { None };
    fresh.or_else(|| choose(false, tried)).or_else(|| if tried == 0 { None } else { choose(false, 0) })
}
