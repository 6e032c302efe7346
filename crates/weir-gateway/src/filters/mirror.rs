//! Copies of requests for another service: made beside the request, never in its way.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_head::{Framing, Known, write_request};
use weir_http::mono_now;

use crate::exchange::{Exchange, send_copy};
use crate::live::{RouteLive, ServiceLive};
use crate::worker::Worker;

/// Copies in flight on one worker; further ones are not made, and counted.
const COPIES_MAX: u32 = 256;

/// How long a copy may take in all.
const COPY_TIME_MAX: Duration = Duration::from_secs(10);

/// Notes that this request is one of those to be copied. The copy is made once the body is held.
pub(super) fn on_request(worker: &Worker, exchange: &mut Exchange, route: &RouteLive) {
    let share = route.model.mirror.as_ref().map_or(0, |mirror| mirror.share_ppm);
    exchange.copy = worker.rng.borrow_mut().below(1_000_000) < u64::from(share);
}

/// Sends a copy of the request, whose body is held, in a task of its own.
pub(crate) fn copy(worker: &Rc<Worker>, exchange: &Exchange, service: &Arc<ServiceLive>) {
    let whole = !exchange.has_body() || exchange.held_all;
    if !whole || worker.copies.get() >= COPIES_MAX {
        worker.shared.copies_dropped.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let mut request = exchange.request.clone();
    request.fields.remove_any(Known::ContentLength.bit() | Known::Expect.bit());
    request.framing = Framing::None;
    let mut bytes = Vec::with_capacity(512 + exchange.held.len());
    write_request(&request, &mut bytes);
    if exchange.has_body() {
        bytes.extend_from_slice(b"content-length: ");
        weir_head::write_decimal(exchange.held.len() as u64, &mut bytes);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"via: 1.1 weir\r\n\r\n");
    bytes.extend_from_slice(&exchange.held);
    let method = request.method;
    let (worker, service) = (worker.clone(), service.clone());
    worker.copies.set(worker.copies.get() + 1);
    tokio::task::spawn_local(async move {
        let deadline = mono_now().after(COPY_TIME_MAX);
        // Its answer is read only so that the connection can be used again; its failure is nobody's.
        let sent =
            tokio::time::timeout(COPY_TIME_MAX, send_copy(&worker, &service, &bytes, method, deadline)).await;
        if !matches!(sent, Ok(true)) {
            worker.shared.copies_failed.fetch_add(1, Ordering::Relaxed);
        }
        worker.copies.set(worker.copies.get() - 1);
    });
}
