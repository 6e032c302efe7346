//! What comes in over HTTP, by protocol.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;

use super::remote_write;
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, Asked, text};

/// Takes a payload, and answers as its protocol does.
pub(crate) async fn answer(
    engine: &Arc<Engine>,
    caller: &Caller,
    asked: Asked<'_>,
    parts: &Parts,
    body: Bytes,
) -> Answer {
    match asked {
        Asked::RemoteWrite => remote_write::answer(engine, caller, parts, body).await,
        other => text(404, format!("nothing takes {other:?}\n")),
    }
}
