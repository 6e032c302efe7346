//! Answers that Weir gives itself: redirects, fixed answers, refusals.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io::Write as _;
use std::sync::Arc;
use std::task::Poll;

use weir_head::{Framing, Method, Version, write_decimal, write_status};
use weir_http::mono_now;
use weir_model::{Action, Failure, FailureKind, Phase, Redirect};
use weir_route::{Call, Request};

use super::{Exchange, Met, Next, Why, pass, rpc};
use crate::connection::Client;
use crate::filters::rewritten_path;
use crate::flow::Coding;
use crate::live::{ActionLive, RouteLive};
use crate::worker::Worker;

/// An answer without an endpoint.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Further field lines.
    pub(crate) fields: Vec<u8>,
    pub(crate) content_type: Cow<'static, str>,
    pub(crate) body: ReplyBody,
}

/// Its body.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    None,
    Shared(Arc<[u8]>),
    Own(Vec<u8>),
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn empty(status: u16, fields: Vec<u8>) -> Self {
        Self { status, fields, content_type: Cow::Borrowed(""), body: ReplyBody::None }
    }

    /// The body.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.body {
            ReplyBody::None => &[],
            ReplyBody::Shared(bytes) => bytes,
            ReplyBody::Own(bytes) => bytes,
        }
    }
}

/// The answer of a route that has its own.
pub(super) fn local(exchange: &Exchange, route: &RouteLive, client: &Client) -> Option<Reply> {
    if !matches!(route.action, ActionLive::Local) {
        return None;
    }
    match &route.model.action {
        Action::Forward(_) => None,
        Action::Respond(respond) => Some(Reply {
            status: respond.status,
            fields: Vec::new(),
            content_type: Cow::Owned(respond.content_type.to_string()),
            body: if respond.body.is_empty() {
                ReplyBody::None
            } else {
                ReplyBody::Shared(respond.body.clone())
            },
        }),
        Action::Redirect(redirect) => {
            let mut fields = b"location: ".to_vec();
            write_location(exchange, redirect, client, &mut fields);
            fields.extend_from_slice(b"\r\n");
            Some(Reply::empty(redirect.status, fields))
        }
    }
}

fn write_location(exchange: &Exchange, redirect: &Redirect, client: &Client, out: &mut Vec<u8>) {
    let request = &exchange.request;
    let scheme = redirect.scheme.as_deref().unwrap_or(if client.secure { "https" } else { "http" });
    let kept = request.authority();
    // A port belongs to the scheme it was asked under.
    let changes_scheme = redirect.scheme.as_deref().is_some_and(|s| (s == "https") != client.secure);
    let host: &[u8] = match &redirect.host {
        Some(host) => host.as_bytes(),
        None if changes_scheme => request.host().as_bytes(),
        None => kept,
    };
    if !host.is_empty() {
        out.extend_from_slice(scheme.as_bytes());
        out.extend_from_slice(b"://");
        out.extend_from_slice(host);
    }
    match &redirect.path {
        Some(rewrite) => {
            out.extend_from_slice(&rewritten_path(rewrite, request.path(), exchange.matched_prefix));
        }
        None => out.extend_from_slice(request.path()),
    }
    if !redirect.strip_query
        && let Some(query) = request.query()
    {
        out.push(b'?');
        out.extend_from_slice(query);
    }
}

/// Sends an answer of our own.
pub(super) async fn reply(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    met: &Met<'_>,
    mut reply: Reply,
) -> Next {
    if let Some(route) = met.route {
        for filter in &route.filters {
            filter.on_reply(exchange, route, &mut reply.fields);
        }
    }
    let read = swallow_body(client, exchange);
    let keep = read && exchange.request.keep_alive && !worker.is_draining();
    let old = exchange.request.version == Version::Http10;
    exchange.down.start(Framing::None, Coding::Identity, u64::MAX);
    let out = &mut exchange.down.out;
    write_status(reply.status, b"", out);
    out.extend_from_slice(b"date: ");
    worker.write_date(out);
    out.extend_from_slice(b"\r\nserver: weir\r\n");
    if !reply.content_type.is_empty() {
        out.extend_from_slice(b"content-type: ");
        out.extend_from_slice(reply.content_type.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let bytes = reply.bytes();
    if reply.status != 204 && reply.status != 304 {
        out.extend_from_slice(b"content-length: ");
        write_decimal(bytes.len() as u64, out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(&reply.fields);
    out.extend_from_slice(&exchange.answer_fields);
    out.extend_from_slice(pass::connection_line(keep, old));
    out.extend_from_slice(b"\r\n");
    if exchange.request.method != Method::Head && reply.status != 204 && reply.status != 304 {
        out.extend_from_slice(bytes);
        exchange.seen.bytes_out = bytes.len() as u64;
    }
    exchange.seen.status = reply.status;
    match flush(client, exchange).await {
        Ok(()) if keep => Next::Request,
        Ok(()) if read => Next::Close,
        Ok(()) => Next::Linger,
        Err(failure) => {
            exchange.seen.failure.get_or_insert(failure);
            Next::Close
        }
    }
}

pub(super) async fn flush(client: &mut Client, exchange: &mut Exchange) -> Result<(), Failure> {
    let pause = client.listener.model.timeouts.send;
    let mut armed = false;
    poll_fn(|cx| match exchange.down.poll_flush(cx, &mut client.stream) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
        Poll::Ready(Err(_)) => Poll::Ready(Err(Failure::new(FailureKind::ClientGone, Phase::Body))),
        Poll::Pending => {
            if !armed {
                armed = true;
                client.timer.set(mono_now().after(pause));
            }
            if client.timer.poll_expired(cx) {
                return Poll::Ready(Err(Failure::new(FailureKind::ClientGone, Phase::Body)));
            }
            Poll::Pending
        }
    })
    .await
}

/// Whether the request's body is behind us: it has none, it was read, or all of it stands in the buffer and is dropped.
fn swallow_body(client: &mut Client, exchange: &mut Exchange) -> bool {
    if exchange.up.source_ended() {
        return true;
    }
    let Some(buf) = &mut client.buf else { return false };
    exchange.up.discard(buf);
    exchange.up.source_ended()
}

/// Answers a request that is not passed on, in words that name the reason.
pub(super) async fn refuse(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    met: &Met<'_>,
    failure: Failure,
    why: Why,
) -> Next {
    exchange.seen.failure = Some(failure);
    let status = failure.kind.status();
    if status == 0 {
        return Next::Close;
    }
    let mut fields = Vec::with_capacity(160);
    if let Why::RetryAfter(wait) = why {
        fields.extend_from_slice(b"retry-after: ");
        write_decimal(weir_traffic::retry_after_seconds(wait), &mut fields);
        fields.extend_from_slice(b"\r\n");
    }
    // RFC 9209; kinds beyond its registry are allowed as extensions.
    let _ = write!(fields, "proxy-status: weir; error={}\r\n", failure.kind.word());
    if let Some(ids) = &exchange.ids {
        fields.extend_from_slice(b"x-request-id: ");
        fields.extend_from_slice(ids.request.as_bytes());
        fields.extend_from_slice(b"\r\n");
    }
    let body = explain(worker, client, exchange, met, failure, why);
    let (content_type, body) = match rpc::refusal(exchange, client, failure, &body) {
        Some(errors) => ("application/json", errors),
        None => ("text/plain; charset=utf-8", body),
    };
    let unreadable = failure.phase == Phase::Head;
    if unreadable {
        // Where this request ends is not known, so nothing after it can be trusted.
        exchange.request.clear();
        exchange.request.keep_alive = false;
        client.buf().clear();
    }
    let next = reply(
        worker,
        client,
        exchange,
        met,
        Reply { status, fields, content_type: Cow::Borrowed(content_type), body: ReplyBody::Own(body) },
    )
    .await;
    match next {
        Next::Close if unreadable => Next::Linger,
        next => next,
    }
}

pub(super) fn explain(
    worker: &Worker,
    client: &Client,
    exchange: &Exchange,
    met: &Met<'_>,
    failure: Failure,
    why: Why,
) -> Vec<u8> {
    let mut body = Vec::with_capacity(160);
    let _ = write!(body, "weir: {}: {}", failure.kind.word(), failure.kind.says());
    match why {
        Why::Nothing => {}
        Why::Text(text) => {
            let _ = write!(body, ": {text}");
        }
        Why::RetryAfter(wait) => {
            let _ = write!(body, "; try again in {} s", weir_traffic::retry_after_seconds(wait));
        }
    }
    if let Some(route) = met.route {
        let _ = write!(body, " (route {}", route.model.id);
        if let Some(service) = met.service {
            let _ = write!(body, ", service {}", service.model.id);
        }
        body.push(b')');
    }
    if let Some(ids) = &exchange.ids {
        let _ = write!(body, "\nrequest id: {}", ids.request);
    }
    if failure.kind == FailureKind::NoRoute && client.principal.peer.ip().to_canonical().is_loopback() {
        let published = worker.published();
        let request =
            Request { listener: &client.listener.model.id, head: &exchange.request, call: Call::None };
        if let Some(nearest) = published.routes.nearest(&request) {
            let _ = write!(body, "\nnearest: {nearest}");
        }
    }
    body.push(b'\n');
    body
}
