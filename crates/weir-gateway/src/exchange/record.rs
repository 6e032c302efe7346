//! Step 7: count the exchange and write its record.

use weir_emit::access::{Record, Reuse, Timings};
use weir_emit::metrics::Column;
use weir_emit::trail::SpanIds;
use weir_head::Version;
use weir_http::mono_now;
use weir_model::Mono;

use super::{Calls, Exchange, Met};
use crate::connection::Client;
use crate::live::ListenerLive;
use crate::worker::Worker;

/// Counts and records. Nothing here waits.
pub(super) fn finish(
    worker: &Worker,
    client: &mut Client,
    exchange: &mut Exchange,
    listener: &ListenerLive,
    met: Met<'_>,
) {
    // Its parts are.
    let exchange_is_recorded = exchange.calls == Calls::Apart;
    let Exchange { request, seen, times, up, ids, .. } = exchange;
    let now = if times.finished == Mono::default() { mono_now() } else { times.finished };
    client.idle_since = Some(now);
    if exchange_is_recorded {
        return;
    }
    let total_ns = if times.started.0 == 0 { 0 } else { now.since(times.started).as_nanos() as u64 };
    let metrics = &worker.metrics;
    let status = Column::status(seen.status);
    let route_metrics = met.route.map_or(&worker.shared.unrouted, |route| &route.metrics);
    metrics.add(&route_metrics.requests, status, 1);
    metrics.observe(&route_metrics.duration, total_ns);
    if let Some(service) = met.service {
        metrics.add(&service.metrics.requests, status, 1);
        if let Some(answered) = times.answered {
            metrics.observe(&service.metrics.duration, answered.since(times.started).as_nanos() as u64);
        }
    }
    if let Some(duration) = &exchange.meaning.duration {
        metrics.observe(duration, total_ns);
    }
    if let Some(failure) = &seen.failure {
        metrics.add(&worker.shared.failures, Column::failure(failure), 1);
    }
    let is_logged = met.route.is_none_or(|route| route.hot.is_logged);
    let to_log = is_logged && worker.logs_requests();
    let span = ids.as_ref().filter(|ids| ids.keeps_span).map(|ids| SpanIds {
        trace: ids.trace.trace_id().number(),
        span: ids.trace.span_id(),
        parent: ids.parent,
    });
    let to_store = span.is_some() || (is_logged && worker.keeps_logs());
    if !to_log && !to_store {
        return;
    }
    seen.bytes_in = up.body_bytes;
    let endpoint = match (met.service, seen.endpoint) {
        (Some(service), Some(index)) => service.endpoints.get(index).map_or("", |endpoint| &endpoint.name),
        _ => "",
    };
    let address = exchange.address.unwrap_or(client.principal.address);
    let port = if address == client.principal.address { client.principal.peer.port() } else { 0 };
    let record = Record {
        at: worker.wall_at(times.started),
        request_id: ids.as_ref().map_or(&[], |ids| ids.request.as_bytes()),
        trace_id: ids.as_ref().map(|ids| ids.trace.trace_id()),
        client: Some((address, port).into()),
        listener: listener.model.id.as_str(),
        route: met.route.map_or("", |route| route.model.id.as_str()),
        service: met.service.map_or("", |service| service.model.id.as_str()),
        endpoint,
        method: request.method_name(),
        host: request.authority(),
        path: request.path(),
        query: None,
        protocol: match request.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        },
        status: seen.status,
        bytes_in: seen.bytes_in,
        bytes_out: seen.bytes_out,
        user_agent: request.fields.get(weir_head::Known::UserAgent).unwrap_or_default(),
        timings: Timings {
            queue_ns: 0,
            connect_ns: times.connect_ns,
            first_byte_ns: times.answered.map(|at| at.since(times.started).as_nanos() as u64),
            total_ns,
        },
        tries: seen.tries,
        connection: (seen.tries > 0).then_some(if seen.reused { Reuse::Reused } else { Reuse::New }),
        failure: seen.failure,
    };
    if to_log {
        worker.access.borrow_mut().record(&record, now);
    }
    if to_store && let Some(trail) = &worker.trail {
        trail.borrow_mut().record(&record, span, now);
    }
}
