//! From a request to the interface that answers it.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::sync::watch;
use weir_emit::metrics::CONTENT_TYPE;
use weir_signal::{Reason, Tenant};

use super::{Answer, Asked, answer, route, text};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::tally::{Became, Protocol, Why};
use crate::{query, receive};

/// A query's form is no longer than this.
const FORM_BYTES_MAX: usize = 1 << 20;

/// Answers a request of a caller that is known.
pub(super) async fn dispatch(
    engine: &Arc<Engine>,
    caller: &Caller,
    request: Request<Incoming>,
    stop: watch::Receiver<bool>,
) -> Answer {
    let path = request.uri().path().to_owned();
    let asked = route(request.method(), &path);
    let allowed = match asked {
        Asked::Unknown => {
            return text(404, format!("nothing is known at {path}; `docs/telemetry.md` lists what is\n"));
        }
        Asked::WrongMethod => return text(405, format!("{} is not for {path}\n", request.method())),
        Asked::Ready => return text(200, "ready\n"),
        // What the process does as a whole is the default tenant's affair.
        Asked::Settle | Asked::Metrics if caller.tenant != Tenant::default() => {
            return text(403, "this is for callers of the default tenant; see `store.access`\n");
        }
        Asked::Settle if caller.may_write() => return settle(engine).await,
        Asked::Metrics if caller.may_read() => return metrics(engine).await,
        Asked::Metrics => false,
        Asked::Prometheus(_) | Asked::Loki(_) | Asked::Jaeger(_) | Asked::Tempo(_) => caller.may_read(),
        _ => caller.may_write(),
    };
    let refused = |why| {
        if let Some(protocol) = asked.protocol() {
            engine.tally().note(protocol, Became::Refused(why));
        }
    };
    if !allowed {
        refused(Why::PermissionDenied);
        return text(403, "this caller may not do that; see `may` in `store.access`\n");
    }
    if asked == Asked::Loki("tail") {
        return query::loki::tail(engine, caller, request, stop);
    }
    let reads = matches!(asked, Asked::Prometheus(_) | Asked::Loki(_) | Asked::Jaeger(_) | Asked::Tempo(_));
    let bytes_max = if reads { FORM_BYTES_MAX } else { engine.settings().limits.payload_bytes as usize };
    let (parts, body) = match whole_body(request, bytes_max).await {
        Ok(whole) => whole,
        Err(answer) => {
            let large = answer.status() == StatusCode::PAYLOAD_TOO_LARGE;
            refused(Why::Reason(if large { Reason::TooLarge } else { Reason::Malformed }));
            return answer;
        }
    };
    match asked {
        Asked::Prometheus(rest) => query::prometheus::answer(engine, caller, rest, &parts, &body).await,
        Asked::Jaeger(rest) => query::jaeger::answer(engine, caller, rest, &parts, &body).await,
        Asked::Tempo(rest) => query::tempo::answer(engine, caller, rest, &parts, &body).await,
        Asked::Loki(rest) => query::loki::answer(engine, caller, rest, &parts, &body).await,
        other => receive::http::answer(engine, caller, other, &parts, body).await,
    }
}

/// The body, as far as it is not too large.
async fn whole_body(request: Request<Incoming>, bytes_max: usize) -> Result<(Parts, Bytes), Answer> {
    let (parts, body) = request.into_parts();
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok((parts, collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(text(413, format!("the body is larger than {bytes_max} bytes; send less at once\n")))
        }
        Err(error) => Err(text(400, format!("the body could not be read: {error}\n"))),
    }
}

/// What payloads of a request are counted under, where it brings one.
pub(super) fn protocol(request: &Request<Incoming>) -> Option<Protocol> {
    route(request.method(), request.uri().path()).protocol()
}

/// The metrics of the process, as they are now.
async fn metrics(engine: &Arc<Engine>) -> Answer {
    let Some(registry) = engine.registry().cloned() else {
        return text(404, "this process has no metrics of its own\n");
    };
    // Collecting waits for locks of the store.
    match tokio::task::spawn_blocking(move || registry.render()).await {
        Ok(rendered) => answer(200, CONTENT_TYPE, rendered),
        Err(error) => text(500, format!("{error}\n")),
    }
}

/// Writes what is in memory and merges all that can be merged; for whoever measures sizes, or copies the folder.
async fn settle(engine: &Arc<Engine>) -> Answer {
    let store = engine.store().clone();
    match tokio::task::spawn_blocking(move || store.flush().and_then(|()| store.merge())).await {
        Ok(Ok(_)) => text(200, "settled\n"),
        Ok(Err(error)) => text(500, format!("{error}\n")),
        Err(error) => text(500, format!("{error}\n")),
    }
}
