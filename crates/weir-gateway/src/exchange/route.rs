//! Step 2: bring the request into the form that is routed on and forwarded, and choose its route.

use std::net::IpAddr;
use std::sync::Arc;

use weir_emit::ids::{RequestId, TraceParent};
use weir_head::{Framing, Known, Method, PathError, TargetForm, Version, connection_lists, strip_hop_by_hop};
use weir_model::{Failure, FailureKind, Network, Phase};
use weir_route::{Call, Found, Request};

use super::{Exchange, Ids, Refusal, Why};
use crate::connection::Client;
use crate::live::{ListenerLive, RouteLive};
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// Fields by which a proxy says whom it speaks for. Only trusted ones may.
const FORWARDING: u64 = Known::XForwardedFor.bit()
    | Known::XForwardedProto.bit()
    | Known::XForwardedHost.bit()
    | Known::Forwarded.bit()
    | Known::XRequestId.bit();

pub(super) fn refuse(kind: FailureKind, why: &'static str) -> Refusal {
    Refusal { failure: Failure::new(kind, Phase::Route), why: Why::Text(why) }
}

/// Refuses what is never forwarded, settles the path, and takes off what was meant for this connection only.
pub(super) fn prepare(
    worker: &Worker,
    client: &Client,
    exchange: &mut Exchange,
    listener: &ListenerLive,
) -> Result<(), Refusal> {
    name(worker, exchange);
    // First of all, so that whatever refuses the request knows where its body ends: what follows a body that nobody read
    // must never pass for a request.
    let framing = exchange.request.framing;
    exchange.up.start(framing, coding_of(framing), u64::MAX);
    let head = &mut exchange.request;
    if head.method == Method::Connect {
        return Err(refuse(FailureKind::Denied, "CONNECT is not served here"));
    }
    weir_head::normalise(head, listener.path_form).map_err(|error| {
        refuse(
            FailureKind::RequestProtocolError,
            match error {
                PathError::Encoding => "the path holds a '%' without two hex digits",
                PathError::Odd => "the path holds a backslash or an encoded NUL",
            },
        )
    })?;
    if head.fields.has(Known::Upgrade) {
        exchange.upgrade = upgrade(exchange, listener);
    }
    let head = &mut exchange.request;
    strip_hop_by_hop(&mut head.fields);

    let trusted = !listener.model.trusted_proxies.is_empty()
        && listener.model.trusted_proxies.iter().any(|net| net.contains(client.principal.peer.ip()));
    exchange.address = Some(if trusted {
        caller(
            head.fields.all(Known::XForwardedFor),
            &listener.model.trusted_proxies,
            client.principal.address,
        )
    } else {
        head.fields.remove_any(FORWARDING);
        client.principal.address
    });
    Ok(())
}

/// The protocol to switch to: the first that the listener allows, where the request is able to switch (RFC 9110,
/// section 7.8). Others are ignored, as the RFC lets a server do.
fn upgrade(exchange: &Exchange, listener: &ListenerLive) -> Option<Vec<u8>> {
    let head = &exchange.request;
    let able = head.version == Version::Http11
        && head.framing == Framing::None
        && connection_lists(&head.fields, "upgrade");
    if !able {
        return None;
    }
    head.fields
        .all(Known::Upgrade)
        .flat_map(|value| value.split(|&b| b == b','))
        .map(<[u8]>::trim_ascii)
        .find(|token| {
            listener.model.upgrades.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(token))
        })
        .map(<[u8]>::to_vec)
}

/// The last address that no trusted proxy vouches itself for.
fn caller<'a>(values: impl Iterator<Item = &'a [u8]>, trusted: &[Network], peer: IpAddr) -> IpAddr {
    let mut caller = peer;
    let hops: Vec<&[u8]> = values.flat_map(|v| v.split(|&b| b == b',')).map(<[u8]>::trim_ascii).collect();
    for hop in hops.into_iter().rev() {
        let Some(address) = std::str::from_utf8(hop).ok().and_then(|t| t.parse::<IpAddr>().ok()) else {
            break;
        };
        caller = address.to_canonical();
        if !trusted.iter().any(|net| net.contains(caller)) {
            break;
        }
    }
    caller
}

/// Gives the request its ids: those it brought where they may be believed, fresh ones otherwise.
fn name(worker: &Worker, exchange: &mut Exchange) {
    let fields = &exchange.request.fields;
    let mut rng = worker.rng.borrow_mut();
    let request = RequestId::new(rng.next_u64(), rng.next_u64());
    let span = rng.next_u64();
    let mut parents = fields.all(Known::Traceparent);
    let parent = match (parents.next(), parents.next()) {
        (Some(one), None) => TraceParent::parse(one).ok(),
        _ => None,
    };
    drop(parents);
    let keeps_span = worker.chooses_span();
    // Whoever began a trace decides whether services record their part. Where that is Weir, they do what it does; its
    // own part is always its own choice, so that no caller can make it record more than its share.
    let trace = match parent {
        Some(parent) => parent.child(span),
        None => TraceParent::begin([rng.next_u64(), rng.next_u64()], span, keeps_span),
    };
    if parent.is_none() {
        // A state without a valid parent belongs to nothing (Trace Context, section 3.3).
        exchange.request.fields.remove_any(Known::Traceparent.bit() | Known::Tracestate.bit());
    } else {
        exchange.request.fields.remove_known(Known::Traceparent);
    }
    let parent = parent.map_or(0, TraceParent::span_id);
    exchange.ids = Some(Ids { request, trace, parent, keeps_span });
}

/// The route in force for a call of this request; of a route that asks for the call, where it was not read yet.
pub(super) fn find<'p>(
    exchange: &Exchange,
    published: &'p Snapshot,
    listener: &ListenerLive,
    call: Call<'_>,
) -> Result<Found<'p, Arc<RouteLive>>, Refusal> {
    if exchange.request.form == TargetForm::Authority {
        return Err(refuse(FailureKind::Denied, "this form of target is not served here"));
    }
    let request = Request { listener: &listener.model.id, head: &exchange.request, call };
    published.routes.find(&request).ok_or_else(|| Failure::new(FailureKind::NoRoute, Phase::Route).into())
}

/// Takes the route that was found.
pub(super) fn take<'p>(exchange: &mut Exchange, found: &Found<'p, Arc<RouteLive>>) -> &'p Arc<RouteLive> {
    exchange.matched_prefix = found.prefix_len(exchange.request.path()).unwrap_or(0);
    found.payload
}

/// Refuses a body that says it is longer than allowed; one that does not say is counted on its way.
pub(super) fn limit_body(
    exchange: &mut Exchange,
    listener: &ListenerLive,
    route: &RouteLive,
) -> Result<(), Refusal> {
    let most = route.hot.body_bytes_max.unwrap_or(listener.model.limits.body_bytes);
    if let Framing::Length(bytes) = exchange.request.framing
        && bytes > most
    {
        return Err(refuse(FailureKind::RequestBodyTooLarge, "the announced body is larger than allowed"));
    }
    if exchange.held_all {
        // It was read for its calls.
        return if exchange.held.len() as u64 > most {
            Err(refuse(FailureKind::RequestBodyTooLarge, "the body is larger than allowed"))
        } else {
            Ok(())
        };
    }
    exchange.up.start(exchange.request.framing, coding_of(exchange.request.framing), most);
    Ok(())
}

fn coding_of(framing: Framing) -> crate::flow::Coding {
    match framing {
        Framing::Chunked => crate::flow::Coding::Chunked,
        _ => crate::flow::Coding::Identity,
    }
}
