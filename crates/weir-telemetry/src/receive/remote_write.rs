//! Prometheus' remote write, 1.0 and 2.0.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use weir_intake::remote_write::{Decoder, Message, Outcome, negotiate_encoding, refusal_status};
use weir_signal::Refusal;

use super::{RETRY_AFTER_S, Taken, commit, take};
use crate::caller::Caller;
use crate::engine::Engine;
use crate::http::{Answer, retry_after, text};
use crate::tally::Protocol;

thread_local! {
    /// One decoder per thread: it keeps the memory of payloads before.
    static DECODER: RefCell<Decoder> = RefCell::default();
}

pub(super) async fn answer(engine: &Arc<Engine>, caller: &Caller, parts: &Parts, body: Bytes) -> Answer {
    let asked = header(parts, &CONTENT_TYPE)
        .map_or(Ok(Message::V1), Message::negotiate)
        .and_then(|message| Ok((message, negotiate_encoding(header(parts, &CONTENT_ENCODING))?)));
    let (message, encoding) = match asked {
        Ok(asked) => asked,
        Err(refusal) => {
            engine.tally().refuse(Protocol::RemoteWrite, &refusal);
            return refused(&refusal, Message::V1);
        }
    };
    let tenant = caller.tenant.clone();
    let written = take(engine, Protocol::RemoteWrite, body.len(), move |engine| {
        DECODER.with_borrow_mut(|decoder| {
            let mut sink = engine.store().metrics(&tenant);
            let limits = &engine.rules().intake;
            let mut outcome = decoder.decode(message, encoding, &body, limits, &mut sink)?;
            let before = outcome.refused.total();
            let ticket = commit(sink, None, &mut outcome.refused)?;
            outcome.written.take_back(outcome.refused.total() - before);
            Ok(Taken { whole: outcome.refused.is_empty(), says: outcome, ticket })
        })
    });
    match written.await {
        Ok(outcome) => with_counts(text(outcome.status(), said(&outcome)), &outcome, message),
        Err(refusal) => refused(&refusal, message),
    }
}

fn header<'a>(parts: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

/// What was refused, a line each; nothing where all was taken.
fn said(outcome: &Outcome) -> String {
    if outcome.refused.is_empty() { String::new() } else { format!("{}\n", outcome.refused) }
}

fn refused(refusal: &Refusal, message: Message) -> Answer {
    let answer = text(refusal_status(refusal), format!("{refusal}\n"));
    let answer = if refusal.reason.may_retry() { retry_after(answer, RETRY_AFTER_S) } else { answer };
    with_counts(answer, &Outcome::default(), message)
}

/// 2.0 says in every answer how much was written.
fn with_counts(mut answer: Answer, outcome: &Outcome, message: Message) -> Answer {
    if message == Message::V2 {
        for (name, count) in outcome.written.headers() {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                answer.headers_mut().insert(name, HeaderValue::from(count));
            }
        }
    }
    answer
}
