//! From a payload to the disk.

use std::sync::Arc;

use weir_signal::{Reason, Refusal};
use weir_store::Ticket;

use crate::engine::Engine;

/// Payloads of up to this many bytes are decoded where they came in; larger ones on a thread for blocking work, so that
/// they delay no other connection.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// What a decoder made of a payload: what to say once it is on the disk, and the ticket that says when.
pub(crate) struct Taken<T> {
    /// For the answer.
    pub(crate) says: T,
    /// When it is on the disk; `None` where nothing was to be written.
    pub(crate) ticket: Option<Ticket>,
}

/// Decodes and commits a payload of `bytes` by `work`, and waits until it is on the disk.
///
/// # Errors
/// What `work` refused, or that the disk does not take anything any more. Either way nothing may be acknowledged.
pub(crate) async fn take<T: Send + 'static>(
    engine: &Arc<Engine>,
    bytes: usize,
    work: impl FnOnce(&Engine) -> Result<Taken<T>, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let taken = if bytes <= INLINE_BYTES_MAX {
        work(engine)?
    } else {
        let engine = Arc::clone(engine);
        tokio::task::spawn_blocking(move || work(&engine)).await.unwrap_or_else(|panic| {
            tracing::error!(%panic, "taking a payload panicked");
            Err(Refusal::new(Reason::Unavailable, "an error in Weir, written to its log"))
        })?
    };
    if let Some(ticket) = taken.ticket {
        ticket.await?;
    }
    Ok(taken.says)
}
