//! The journal as the driver uses it: one write at a time; what gathers meanwhile goes with the next.

use std::io;
use std::mem;
use std::sync::Arc;

use super::ClientOpenError;
use crate::journal::{Journal, Ledger, Record};
use crate::node::BoxFuture;
use crate::submission::SubmissionId;

/// A journal is written anew when it has grown by this much, and to twice of what it needs.
const GROWN_BYTES: usize = 1 << 20;

pub(super) struct Log {
    journal: Arc<dyn Journal>,
    ledger: Ledger,
    gathered: Vec<u8>,
    waiting: Vec<SubmissionId>,
    /// Who waits for the write under way.
    written_for: Option<Vec<SubmissionId>>,
    bytes: usize,
    needed: usize,
    /// Whether a write failed, so that it is not known what is there: the next one writes everything.
    anew: bool,
}

/// A write under way.
pub(super) type Write = BoxFuture<'static, io::Result<()>>;

impl Log {
    pub(super) async fn open(journal: Arc<dyn Journal>, ended_max: usize) -> Result<Self, ClientOpenError> {
        let bytes = journal.read().await.map_err(ClientOpenError::Journal)?;
        let ledger = Ledger::read(&bytes, ended_max)?;
        let snapshot = ledger.snapshot();
        let needed = snapshot.len();
        if snapshot != bytes {
            journal.replace(snapshot).await.map_err(ClientOpenError::Journal)?;
        }
        Ok(Self {
            journal,
            ledger,
            gathered: Vec::new(),
            waiting: Vec::new(),
            written_for: None,
            bytes: needed,
            needed,
            anew: false,
        })
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Adds a record to the next write. `waits` is told when that is done.
    pub(super) fn add(&mut self, record: &Record, waits: Option<SubmissionId>) {
        self.ledger.apply(record);
        record.write(&mut self.gathered);
        self.waiting.extend(waits);
    }

    /// The next write, if there is one to begin.
    pub(super) fn begin(&mut self) -> Option<Write> {
        let nothing = self.gathered.is_empty() && (!self.anew || self.waiting.is_empty());
        if self.written_for.is_some() || nothing {
            return None;
        }
        self.written_for = Some(mem::take(&mut self.waiting));
        let gathered = mem::take(&mut self.gathered);
        let journal = self.journal.clone();
        self.bytes += gathered.len();
        if self.anew || self.bytes > 2 * self.needed + GROWN_BYTES {
            let snapshot = self.ledger.snapshot();
            (self.bytes, self.needed, self.anew) = (snapshot.len(), snapshot.len(), false);
            return Some(Box::pin(async move { journal.replace(snapshot).await }));
        }
        Some(Box::pin(async move { journal.append(gathered).await }))
    }

    /// The write ended; answers who waited for it.
    pub(super) fn ended(&mut self, result: &io::Result<()>) -> Vec<SubmissionId> {
        self.anew |= result.is_err();
        self.written_for.take().unwrap_or_default()
    }
}
