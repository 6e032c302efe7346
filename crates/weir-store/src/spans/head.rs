//! Spans of a tenant that are not in parts yet.

use std::sync::Arc;

use weir_block::Damage;
use weir_signal::{Span, TraceId};

use super::record;
use crate::days::Days;
use crate::signal::Signal;

/// Spans of a tenant since the last flush, as they came.
pub(crate) struct SpanHead {
    rows: Vec<Row>,
    bytes: usize,
    days: Days,
}

/// A span, and beside it what it is looked for by.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) trace: TraceId,
    pub(super) start_ns: i64,
    pub(super) span: Arc<Span>,
}

impl Row {
    pub(super) fn new(span: Span) -> Self {
        Self { trace: span.trace, start_ns: span.start_ns, span: Arc::new(span) }
    }
}

impl Default for SpanHead {
    fn default() -> Self {
        Self { rows: Vec::new(), bytes: 0, days: Days::new(Signal::Spans) }
    }
}

impl SpanHead {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.rows.len() * (size_of::<Row>() + size_of::<Span>())
    }

    /// Adds the spans of a payload, which took so many bytes in the log.
    pub(super) fn add(&mut self, rows: &mut Vec<Row>, bytes: usize) {
        for row in &*rows {
            self.days.note(row.start_ns);
        }
        self.rows.append(rows);
        self.bytes += bytes;
    }

    /// Takes a record of the log in.
    ///
    /// # Errors
    /// It is not a record; nothing of it is taken in.
    pub(crate) fn replay(&mut self, payload: &[u8]) -> Result<(), Damage> {
        let mut rows = Vec::new();
        record::read(payload, &mut |span| rows.push(Row::new(span)))?;
        self.add(&mut rows, payload.len());
        Ok(())
    }

    /// Takes out what a flush writes; `None` where there is nothing.
    pub(crate) fn freeze(&mut self) -> Option<FrozenSpans> {
        let mut head = std::mem::take(self);
        (!head.rows.is_empty()).then(|| FrozenSpans { days: head.days.take(), rows: head.rows })
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }
}

/// What a flush writes of a tenant's spans.
pub(crate) struct FrozenSpans {
    pub(super) rows: Vec<Row>,
    pub(crate) days: Vec<i64>,
}
