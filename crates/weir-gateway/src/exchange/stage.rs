//! Step 5b: write the request's head as an endpoint gets it.

use std::borrow::Cow;

use weir_head::{Framing, Known, RequestHead, TargetForm, Version, write_request, write_request_to};
use weir_model::HostRewrite;

use super::Exchange;
use crate::connection::Client;
use crate::live::{EndpointLive, RouteLive};

/// Stages the head for an endpoint, and the body bytes that are held.
pub(super) fn request(exchange: &mut Exchange, client: &Client, route: &RouteLive, endpoint: &EndpointLive) {
    // The body's flow began when its route was chosen; what was taken from the client stays taken.
    exchange.up.restart();
    let Exchange { request, up, ids, upgrade, held, .. } = exchange;
    let written = request.fields.has(Known::Host) || request.form == TargetForm::Absolute;
    let host = if route.hot.keeps_host {
        (!written).then(|| endpoint.name.as_bytes())
    } else if let HostRewrite::To(host) = &route.model.rewrite_host {
        Some(host.as_bytes())
    } else {
        Some(endpoint.name.as_bytes())
    };
    if let Some(host) = host
        && request.fields.get(Known::Host) != Some(host)
    {
        request.fields.set_known(Known::Host, host);
    }
    let out = &mut up.out;
    match &endpoint.node {
        None => write_request(request, out),
        Some(node) => write_request_to(request, &node_target(request, &node.target), out),
    }
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

/// Where a node takes a request: calls in a body at its URL, others below it.
fn node_target<'a>(request: &RequestHead, url: &'a str) -> Cow<'a, [u8]> {
    if request.framing != Framing::None {
        return Cow::Borrowed(url.as_bytes());
    }
    let (path, key) = url.split_once('?').map_or((url, None), |(path, key)| (path, Some(key)));
    let mut target = path.as_bytes().to_vec();
    let last = request.path().rsplit(|b| *b == b'/').next().unwrap_or_default();
    if !last.is_empty() {
        if target.last() != Some(&b'/') {
            target.push(b'/');
        }
        target.extend_from_slice(last);
    }
    for (at, query) in request.query().into_iter().chain(key.map(str::as_bytes)).enumerate() {
        target.push(if at == 0 { b'?' } else { b'&' });
        target.extend_from_slice(query);
    }
    Cow::Owned(target)
}
