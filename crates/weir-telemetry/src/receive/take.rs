//! From a payload to the disk.

use std::sync::Arc;

use weir_signal::{Reason, Refusal, Refused};
use weir_store::{LogAppender, MetricAppender, Outcome, SpanAppender, Ticket};

use crate::engine::Engine;
use crate::tally::{Became, Protocol, Why};

/// Payloads of up to this many bytes are decoded where they came in; larger ones on a thread for blocking work, so that
/// they delay no other connection.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// What a decoder made of a payload: what to say once it is on the disk, and the ticket that says when.
pub(crate) struct Taken<T> {
    /// For the answer.
    pub(crate) says: T,
    /// Whether something of it was refused.
    pub(crate) whole: bool,
    /// When it is on the disk.
    pub(crate) ticket: Ticket,
}

/// A sink of the store that is filled.
pub(crate) trait Filled: Sized {
    /// What was refused of it.
    fn refused(&mut self) -> &mut Refused;
    /// Commits it.
    fn commit(self, batch: Option<u128>) -> Result<(Outcome, Ticket), Refusal>;
}

macro_rules! filled {
    ($($sink:ty),*) => {$(
        impl Filled for $sink {
            fn refused(&mut self) -> &mut Refused {
                <$sink>::refused(self)
            }
            fn commit(self, batch: Option<u128>) -> Result<(Outcome, Ticket), Refusal> {
                <$sink>::commit(self, batch)
            }
        }
    )*};
}
filled!(MetricAppender, LogAppender, SpanAppender);

/// Commits what a decoder filled a sink with. `refused` is what it noted; afterwards also what only the commit could find.
/// All of it is counted by the store, once.
pub(crate) fn commit(
    mut sink: impl Filled,
    batch: Option<u128>,
    refused: &mut Refused,
) -> Result<Ticket, Refusal> {
    sink.refused().absorb(refused.clone());
    let (outcome, ticket) = sink.commit(batch)?;
    if !outcome.already_there {
        *refused = outcome.refused;
    }
    Ok(ticket)
}

/// Decodes and commits a payload of `bytes` by `work`, waits until it is on the disk, and counts what became of it.
///
/// # Errors
/// What `work` refused, or that the disk does not take anything any more. Either way nothing may be acknowledged.
pub(crate) async fn take<T: Send + 'static>(
    engine: &Arc<Engine>,
    protocol: Protocol,
    bytes: usize,
    work: impl FnOnce(&Engine) -> Result<Taken<T>, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = decoded(engine, bytes, work).await;
    engine.tally().note(
        protocol,
        match &done {
            Ok((_, true)) => Became::Taken,
            Ok((_, false)) => Became::Partly,
            Err(refusal) => Became::Refused(Why::Reason(refusal.reason)),
        },
    );
    done.map(|(says, _)| says)
}

async fn decoded<T: Send + 'static>(
    engine: &Arc<Engine>,
    bytes: usize,
    work: impl FnOnce(&Engine) -> Result<Taken<T>, Refusal> + Send + 'static,
) -> Result<(T, bool), Refusal> {
    let taken = if bytes <= INLINE_BYTES_MAX {
        work(engine)?
    } else {
        let engine = Arc::clone(engine);
        tokio::task::spawn_blocking(move || work(&engine)).await.unwrap_or_else(|panic| {
            tracing::error!(%panic, "taking a payload panicked");
            Err(Refusal::new(Reason::Unavailable, "an error in Weir, written to its log"))
        })?
    };
    taken.ticket.await?;
    Ok((taken.says, taken.whole))
}
