//! Step 2b: the JSON-RPC calls of a request, where a route goes by them.
//!
//! A body is read as a whole, up to the listener's limit, before its route is known, and is then sent from memory. A
//! batch whose calls take one route goes there as it came. One whose calls take several is served in [`parts`]: each
//! part is a request of its own to everything behind the route, and the answers are put together again.
//!
//! [`parts`]: serve_apart

mod apart;
mod chain;

use std::ops::Range;
use std::sync::Arc;

use weir_head::{Framing, Known, Method, Version};
use weir_jsonrpc::{Code, Id, Limits, Wrong, read_uri, write_error};
use weir_model::{Failure, FailureKind};
use weir_route::{Call, Found};

use super::route::{find, refuse};
use super::{Exchange, Refusal, answer, send};
use crate::connection::Client;
use crate::flow::Coding;
use crate::live::{ListenerLive, RouteLive};
use crate::snapshot::Snapshot;

pub(super) use apart::serve_apart;
pub(crate) use chain::Meaning;
pub(super) use chain::{READ_RETRY, keep, pick, understand, whole};

/// What is known of the calls that a request makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Nothing: nobody asked.
    #[default]
    Unread,
    /// It makes none.
    None,
    /// One, named by the path.
    InPath,
    /// Those in the body, which is held.
    InBody,
    /// As [`Calls::InBody`], and what they make is recorded by their parts.
    Apart,
}

/// The route of a request that makes calls.
pub(super) enum Chosen<'p> {
    /// That of all its calls.
    One(Found<'p, Arc<RouteLive>>),
    /// Its calls take several.
    Several(Vec<Part<'p>>),
}

/// Calls of a batch that take the same route.
pub(super) struct Part<'p> {
    found: Option<Found<'p, Arc<RouteLive>>>,
    /// Where each stands in the body, and its place in the batch.
    calls: Vec<(Range<usize>, usize)>,
}

impl<'p> Part<'p> {
    /// The route; `None` for calls that none takes.
    pub(super) fn route(&self) -> Option<&'p Arc<RouteLive>> {
        self.found.as_ref().map(|found| found.payload)
    }

    fn is_at(&self, found: Option<&Found<'p, Arc<RouteLive>>>) -> bool {
        match (&self.found, found) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a.payload, b.payload) && a.matched == b.matched,
            _ => false,
        }
    }
}

fn limits(listener: &ListenerLive) -> Limits {
    let model = &listener.model.limits;
    Limits { bytes: model.jsonrpc_bytes as usize, calls: model.jsonrpc_calls as usize, ..Limits::default() }
}

/// The method that a path without a body names: its last segment. CometBFT's nodes take calls so.
fn in_path<'e>(exchange: &'e Exchange, limits: &Limits) -> Option<&'e str> {
    let path = std::str::from_utf8(exchange.request.path()).ok()?;
    let last = path.rsplit('/').next().unwrap_or_default();
    read_uri(last, "", limits).ok().map(|call| call.method).filter(|method| !method.is_empty())
}

/// Reads the calls, and finds the route of each.
pub(super) async fn choose<'p>(
    client: &mut Client,
    exchange: &mut Exchange,
    published: &'p Snapshot,
    listener: &ListenerLive,
) -> Result<Chosen<'p>, Refusal> {
    if !exchange.has_body() && (exchange.request.method == Method::Options || exchange.upgrade.is_some()) {
        // A browser asks whether it may call; a WebSocket's calls come later. Neither is one itself.
        return find(exchange, published, listener, Call::Unread).map(Chosen::One);
    }
    read(client, exchange, listener).await?;
    let limits = limits(listener);
    let request = match exchange.calls {
        Calls::InBody => {
            weir_jsonrpc::read(&exchange.held, &limits).map_err(|malformed| unreadable(malformed.wrong))?
        }
        Calls::InPath => {
            let call = in_path(exchange, &limits).map_or(Call::None, Call::Of);
            return find(exchange, published, listener, call).map(Chosen::One);
        }
        _ => return find(exchange, published, listener, Call::None).map(Chosen::One),
    };
    let start = exchange.held.as_ptr() as usize;
    let mut parts: Vec<Part<'p>> = Vec::with_capacity(1);
    for (at, call) in request.calls.iter().enumerate() {
        let found = find(exchange, published, listener, Call::Of(&call.method));
        if let (Err(_), false) = (&found, request.batch) {
            return found.map(Chosen::One);
        }
        let found = found.ok();
        let from = call.text.as_ptr() as usize - start;
        let place = (from..from + call.text.len(), at);
        match parts.iter_mut().find(|part| part.is_at(found.as_ref())) {
            Some(part) => part.calls.push(place),
            None => parts.push(Part { found, calls: vec![place] }),
        }
    }
    match parts.as_mut_slice() {
        [Part { found: found @ Some(_), .. }] => Ok(Chosen::One(found.take().expect("just looked at"))),
        _ => Ok(Chosen::Several(parts)),
    }
}

/// Reads the body into memory, where there is one, and says what calls there are. Does nothing the second time.
pub(super) async fn read(
    client: &mut Client,
    exchange: &mut Exchange,
    listener: &ListenerLive,
) -> Result<(), Refusal> {
    if exchange.calls != Calls::Unread {
        return Ok(());
    }
    if !exchange.has_body() || exchange.request.framing == Framing::Length(0) {
        let reads = matches!(exchange.request.method, Method::Get | Method::Head);
        exchange.calls = if reads { Calls::InPath } else { Calls::None };
        return Ok(());
    }
    exchange.calls = Calls::InBody;
    go_on(client, exchange).await?;
    let most = listener.model.limits.jsonrpc_bytes as usize;
    // One byte more than may be: a body of just the limit ends there.
    send::hold_body(client, exchange, listener, most + 1).await?;
    if !exchange.held_all || exchange.held.len() > most {
        return Err(refuse(
            FailureKind::RequestBodyTooLarge,
            "it is longer than `limits.jsonrpc_body` of the listener allows for calls",
        ));
    }
    weir_jsonrpc::read(&exchange.held, &limits(listener)).map_err(|malformed| unreadable(malformed.wrong))?;
    Ok(())
}

fn unreadable(wrong: Wrong) -> Refusal {
    let kind = match wrong {
        Wrong::TooManyCalls | Wrong::TooLong => FailureKind::RequestBodyTooLarge,
        _ => FailureKind::RequestProtocolError,
    };
    refuse(kind, wrong.says())
}

/// Tells a client that waits for a word before it sends its body to send it (RFC 9110, section 10.1.1).
async fn go_on(client: &mut Client, exchange: &mut Exchange) -> Result<(), Failure> {
    if !exchange.request.fields.has(Known::Expect) {
        return Ok(());
    }
    exchange.request.fields.remove_known(Known::Expect);
    if exchange.request.version == Version::Http10 {
        return Ok(());
    }
    exchange.down.start(Framing::None, Coding::Identity, u64::MAX);
    exchange.down.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    answer::flush(client, exchange).await
}

/// The refusal of a request that makes calls, as an error for each of them.
pub(super) fn refusal(
    exchange: &Exchange,
    client: &Client,
    failure: Failure,
    says: &[u8],
) -> Option<Vec<u8>> {
    if !matches!(exchange.calls, Calls::InBody | Calls::Apart) {
        return None;
    }
    let says = String::from_utf8_lossy(says);
    let says = says.trim_end().replace('\n', "; ");
    let mut out = Vec::with_capacity(256);
    let Ok(request) = weir_jsonrpc::read(&exchange.held, &limits(&client.listener)) else {
        let code = match failure.kind {
            FailureKind::RequestBodyTooLarge => Code::LIMIT_EXCEEDED,
            _ => Code::PARSE_ERROR,
        };
        write_error(&mut out, Id::Null, code, &says);
        return Some(out);
    };
    let code = code_of(failure.kind);
    let asked = request.calls.iter().filter(|call| call.id != Id::Missing);
    if request.batch {
        out.push(b'[');
        for call in asked {
            if out.len() > 1 {
                out.push(b',');
            }
            write_error(&mut out, call.id, code, &says);
        }
        out.push(b']');
    } else {
        let id = request.calls.first().map_or(Id::Null, |call| call.id);
        write_error(&mut out, id, code, &says);
    }
    Some(out)
}

/// The code of a failure (EIP-1474 where JSON-RPC itself has none).
fn code_of(kind: FailureKind) -> Code {
    match kind {
        FailureKind::NoRoute | FailureKind::Denied => Code::METHOD_NOT_FOUND,
        FailureKind::RateLimited | FailureKind::RequestBodyTooLarge => Code::LIMIT_EXCEEDED,
        FailureKind::RequestProtocolError => Code::INVALID_REQUEST,
        FailureKind::Internal => Code::INTERNAL,
        _ => Code::UNAVAILABLE,
    }
}
