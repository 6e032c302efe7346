//! Loki's push.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use weir_intake::loki::{Decoder, negotiate, refusal_status};
use weir_signal::Refusal;

use super::{RETRY_AFTER_S, Taken, batch_id, commit, take};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, retry_after, text};
use crate::tally::Protocol;

thread_local! {
    /// One decoder per thread: it keeps the memory of payloads before.
    static DECODER: RefCell<Decoder> = RefCell::default();
}

/// Tells Loki's payloads from others of the same bytes.
const LOKI: u8 = b'L';

pub(super) async fn answer(engine: &Arc<Engine>, caller: &Caller, parts: &Parts, body: Bytes) -> Answer {
    let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let (message, encoding) = match negotiate(header(CONTENT_TYPE), header(CONTENT_ENCODING)) {
        Ok(asked) => asked,
        Err(refusal) => {
            engine.tally().refuse(Protocol::Loki, &refusal);
            return refused(&refusal);
        }
    };
    let tenant = caller.tenant.clone();
    let taken = take(engine, Protocol::Loki, body.len(), move |engine| {
        DECODER.with_borrow_mut(|decoder| {
            let mut sink = engine.store().logs(&tenant);
            let limits = &engine.rules().intake;
            let mut outcome = decoder.decode(message, encoding, &body, limits, &mut sink)?;
            let ticket = commit(sink, Some(batch_id(LOKI, &body)), &mut outcome.refused)?;
            Ok(Taken { whole: outcome.refused.is_empty(), says: outcome, ticket })
        })
    });
    match taken.await {
        Ok(outcome) if outcome.refused.is_empty() => text(outcome.status(), String::new()),
        Ok(outcome) => text(outcome.status(), format!("{}\n", outcome.refused)),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Answer {
    let answer = text(refusal_status(refusal), format!("{refusal}\n"));
    if refusal.reason.may_retry() { retry_after(answer, RETRY_AFTER_S) } else { answer }
}
