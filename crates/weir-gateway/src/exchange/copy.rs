//! A request beside the one that is answered: its answer is read into memory, or dropped.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, ready};

use weir_head::{Limits, Method, Parsed, ResponseHead, parse_response};
use weir_http::{Buf, mono_now};
use weir_model::Mono;

use super::connect;
use crate::flow::{Coding, Flow};
use crate::live::{EndpointLive, ServiceLive};
use crate::worker::Worker;

/// Answers of copies are read up to this size, for the connection's sake.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Sends the bytes of a whole request; true when its answer was read to its end. Cancel-safe: dropping it closes the
/// connection.
pub(crate) async fn send_copy(
    worker: &Worker,
    service: &ServiceLive,
    bytes: &[u8],
    method: Method,
    deadline: Mono,
) -> bool {
    let now = mono_now();
    let picked = worker.with_cursor(service.slot, |cursor| {
        let usable = |i: usize| service.endpoints[i].is_usable(now);
        service.picker.pick(cursor, &mut worker.rng.borrow_mut(), None, usable, |_| 0)
    });
    let Some(endpoint) = picked.map(|index| &service.endpoints[index]) else { return false };
    ask(worker, endpoint, bytes, method, deadline, ANSWER_BYTES_MAX).await.is_some()
}

/// The answer of an endpoint to the bytes of a whole request, with its body; `None` where it gives none, or one that is
/// longer than `most`. Cancel-safe: dropping it closes the connection.
pub(super) async fn ask(
    worker: &Worker,
    endpoint: &Arc<EndpointLive>,
    bytes: &[u8],
    method: Method,
    deadline: Mono,
    most: usize,
) -> Option<(ResponseHead, Vec<u8>)> {
    let mut upstream = match connect::pooled(worker, endpoint, mono_now()) {
        Some(upstream) => upstream,
        None => match connect::dial(endpoint, deadline).await {
            Ok(upstream) => upstream,
            Err(_) => return None,
        },
    };
    upstream.requests += 1;
    let mut flow = Flow::default();
    flow.out.extend_from_slice(bytes);
    if poll_fn(|cx| flow.poll_flush(cx, &mut upstream.stream)).await.is_err() {
        return None;
    }
    let mut head = ResponseHead::default();
    let limits = Limits { head_bytes: 16 * 1024, ..Limits::default() };
    let read = poll_fn(|cx| {
        loop {
            let buf = upstream.buf.get_or_insert_with(Buf::take);
            if !buf.is_empty() {
                match parse_response(buf.data(), &limits, method, &mut head) {
                    Ok(Parsed::Complete(len)) => {
                        buf.consume(len);
                        if head.status >= 200 {
                            return Poll::Ready(true);
                        }
                        continue;
                    }
                    Ok(Parsed::Partial) if !buf.is_full() => {}
                    _ => return Poll::Ready(false),
                }
            }
            match upstream.stream.try_read(buf.space()) {
                Ok(0) => return Poll::Ready(false),
                Ok(count) => buf.filled(count),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    if ready!(upstream.stream.poll_readable(cx)).is_err() {
                        return Poll::Ready(false);
                    }
                }
                Err(_) => return Poll::Ready(false),
            }
        }
    })
    .await;
    if !read || head.status == 101 {
        return None;
    }
    flow.start(head.framing, Coding::Identity, u64::MAX);
    let mut body = Vec::new();
    let whole = poll_fn(|cx| {
        let buf = upstream.buf.get_or_insert_with(Buf::take);
        flow.poll_collect(cx, &mut upstream.stream, buf, most, &mut body)
    })
    .await;
    let whole = matches!(whole, Ok(true));
    if whole && head.keep_alive {
        worker.pools.borrow_mut().check_in(upstream, mono_now(), |most| worker.share_of(most));
    }
    whole.then_some((head, body))
}
