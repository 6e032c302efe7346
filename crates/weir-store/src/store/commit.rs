//! One payload becomes part of the store: in the log and in memory, or not at all.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use weir_signal::{Refusal, Tenant};

use super::inner::{Inner, locked, reading};
use crate::batches;
use crate::outcome::Outcome;
use crate::signal::Signal;
use crate::wal::{Fill, RecordHead, Ticket, begin};

/// What a payload is committed to.
pub(crate) struct Destination<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) signal: Signal,
    pub(crate) batch: Option<u128>,
}

/// What was done.
pub(crate) enum Committed {
    /// The payload was applied.
    Now(Ticket),
    /// It was there. The ticket is that of the earlier commit, or of a later one.
    Before(Ticket),
}

/// The state of one signal of one tenant that payloads are applied to.
pub(crate) trait Head {
    /// Bytes that a flush would take out.
    fn bytes(&self) -> usize;
}

impl Inner {
    /// Applies a payload under the lock of its head, and logs it before that is released, so that the log has the order in
    /// which payloads were applied.
    ///
    /// `apply` appends to the frame what is to be logged and says whether that is anything.
    ///
    /// # Errors
    /// The store takes nothing now, or `apply` refused before it changed anything.
    pub(crate) fn commit<H: Head>(
        &self,
        to: &Destination<'_>,
        head: &Mutex<H>,
        frame: &mut Vec<u8>,
        apply: impl FnOnce(&mut H, &mut Vec<u8>) -> Result<bool, Refusal>,
    ) -> Result<Committed, Refusal> {
        let _open = reading(&self.gate);
        let wal = self.admit()?;
        let mut head = locked(head);
        let key = to.batch.map(|batch| batches::key(to.tenant, to.signal, batch));
        if key.is_some_and(|key| locked(&self.batches).has(key)) {
            return Ok(Committed::Before(wal.ticket()));
        }
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        begin(
            frame,
            &RecordHead {
                kind: to.signal.code(),
                tenant: to.tenant.as_str(),
                batch: to.batch.unwrap_or_default(),
                sequence,
                generation: wal.generation(),
            },
        );
        let bytes_before = head.bytes();
        let anything = apply(&mut head, frame)?;
        let (ticket, fill) = if anything { wal.append(frame) } else { (wal.ticket(), Fill::Less) };
        if let Some(key) = key {
            locked(&self.batches).add(key);
        }
        let grown = head.bytes().saturating_sub(bytes_before) as u64;
        drop(head);
        let held = self.head_bytes.fetch_add(grown, Ordering::Relaxed) + grown;
        let flush_bytes = self.settings().flush_bytes;
        let full = held >= flush_bytes && held - grown < flush_bytes;
        if full || fill == Fill::Share {
            self.bell.ring(|bell| bell.flush = true);
        }
        Ok(Committed::Now(ticket))
    }

    /// Counts what became of a payload of so many items that could be kept, and tells its sender.
    pub(crate) fn committed(
        &self,
        signal: Signal,
        done: Result<Committed, Refusal>,
        outcome: Outcome,
        items: u64,
    ) -> Result<(Outcome, Ticket), Refusal> {
        match done {
            Ok(Committed::Now(ticket)) => {
                self.counters.note(signal, &outcome);
                Ok((outcome, ticket))
            }
            Ok(Committed::Before(ticket)) => {
                let outcome = Outcome { already_there: true, ..Outcome::default() };
                self.counters.note(signal, &outcome);
                Ok((outcome, ticket))
            }
            Err(refusal) => {
                self.counters.refuse(signal, refusal.reason, items);
                Err(refusal)
            }
        }
    }
}
