//! Takes one payload of spans.

use std::sync::{Arc, Mutex};

use weir_signal::{Reason, Refusal, Refused, Span, SpanSink};

use super::head::{Row, SpanHead};
use super::record::{DEPTH_MAX, RecordWriter, depth};
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::signal::Signal;
use crate::store::commit::{Destination, Head};
use crate::store::inner::{Inner, TenantState, locked};
use crate::wal::Ticket;

/// Spans of a tenant in memory.
#[derive(Default)]
pub(crate) struct SpanTenant {
    pub(crate) head: Mutex<SpanHead>,
    spare: Mutex<Vec<Buffers>>,
}

impl Head for SpanHead {
    fn bytes(&self) -> usize {
        SpanHead::bytes(self)
    }
}

/// Attributes, events and links of a span; a segment takes many more.
const PARTS_MAX: usize = 1 << 16;
/// Bytes of a payload: what one record of the log takes.
const PAYLOAD_BYTES_MAX: usize = 1 << 29;
/// Appenders whose buffers are kept, and bytes beyond which they are not.
const SPARE_MAX: usize = 8;
const SPARE_BYTES_MAX: usize = 4 << 20;

#[derive(Default)]
struct Buffers {
    rows: Vec<Row>,
    record: RecordWriter,
    frame: Vec<u8>,
}

/// Takes one payload of spans. Nothing of it is seen or kept before [`SpanAppender::commit`]; dropping it is as if it had
/// never been.
pub struct SpanAppender {
    inner: Arc<Inner>,
    tenant: Arc<TenantState>,
    buffers: Buffers,
    from_ns: i64,
    to_ns: i64,
    settings: Arc<Settings>,
    refused: Refused,
}

impl SpanAppender {
    pub(crate) fn new(inner: Arc<Inner>, tenant: Arc<TenantState>) -> Self {
        let buffers = locked(&tenant.spans.spare).pop().unwrap_or_default();
        let from_ns = inner.kept_from(&tenant.tenant, Signal::Spans);
        let to_ns = inner.taken_to(Signal::Spans);
        let settings = inner.settings();
        Self { inner, tenant, buffers, from_ns, to_ns, settings, refused: Refused::default() }
    }

    /// What is refused of this payload: whoever fills the appender notes it here, what an error of its methods refused too.
    /// It is counted with the commit.
    pub fn refused(&mut self) -> &mut Refused {
        &mut self.refused
    }

    /// Commits what was given, as [`MetricAppender::commit`](crate::MetricAppender::commit) does. Only `batch` keeps a
    /// payload that is sent again from being there twice.
    ///
    /// # Errors
    /// Nothing was done: the store is overloaded, or cannot write any more. [`Reason::may_retry`] holds.
    pub fn commit(mut self, batch: Option<u128>) -> Result<(Outcome, Ticket), Refusal> {
        let accepted = self.buffers.rows.len() as u64;
        let refused = std::mem::take(&mut self.refused);
        let to = Destination { tenant: &self.tenant.tenant, signal: Signal::Spans, batch };
        let Buffers { rows, record, frame } = &mut self.buffers;
        let done = self.inner.commit(&to, &self.tenant.spans.head, frame, |head, frame| {
            if record.is_empty() {
                return Ok(false);
            }
            record.write(frame);
            head.add(rows, record.bytes());
            Ok(true)
        });
        self.inner.committed(
            Signal::Spans,
            done,
            Outcome { accepted, refused, already_there: false },
            accepted,
        )
    }
}

/// How many attributes, events and links a span has, and how deep their values are nested.
fn measure(span: &Span) -> (usize, usize) {
    let attributes = [&span.attributes, &span.resource.attributes, &span.scope.attributes]
        .into_iter()
        .chain(span.events.iter().map(|event| &event.attributes))
        .chain(span.links.iter().map(|link| &link.attributes));
    let (mut parts, mut deepest) = (span.events.len() + span.links.len(), 0);
    for attributes in attributes {
        parts += attributes.len();
        deepest = deepest.max(depth(attributes));
    }
    (parts, deepest)
}

impl SpanSink for SpanAppender {
    fn span(&mut self, span: Span) -> Result<(), Refusal> {
        if span.trace.is_zero() || span.id.is_zero() {
            return Err(Refusal::new(
                Reason::Malformed,
                "a span has no trace id or no id of its own; the sender has to give both".to_owned(),
            ));
        }
        let (parts, deepest) = measure(&span);
        if parts > PARTS_MAX || deepest > DEPTH_MAX {
            return Err(Refusal::new(
                Reason::TooLarge,
                format!(
                    "a span has {parts} attributes, events and links, {deepest} deep, where {PARTS_MAX} and {DEPTH_MAX} are \
                     allowed; leave some out"
                ),
            ));
        }
        if span.start_ns > self.to_ns {
            let ahead_s = self.settings.ahead_ms / 1000;
            return Err(Refusal::new(
                Reason::TooNew,
                format!(
                    "a span begins at {}, more than {ahead_s} s ahead of the store's clock; set the sender's clock",
                    span.start_ns
                ),
            ));
        }
        if span.start_ns < self.from_ns {
            let from_ns = self.from_ns;
            return Err(Refusal::new(
                Reason::TooOld,
                format!(
                    "a span begins at {}, before {from_ns}, where what is kept begins; keep traces for longer, or leave it \
                     out",
                    span.start_ns
                ),
            ));
        }
        let bytes_max = self.settings.line_bytes_max;
        let mark = self.buffers.record.mark();
        let bytes = self.buffers.record.push(&span);
        if bytes > bytes_max || self.buffers.record.bytes() > PAYLOAD_BYTES_MAX {
            self.buffers.record.reset(mark);
            return Err(Refusal::new(
                Reason::TooLarge,
                format!(
                    "a span of {bytes} bytes is longer than the limit `line_bytes` of {bytes_max}; cut its attributes, or \
                     raise the limit"
                ),
            ));
        }
        self.buffers.rows.push(Row::new(span));
        Ok(())
    }
}

impl Drop for SpanAppender {
    fn drop(&mut self) {
        let mut buffers = std::mem::take(&mut self.buffers);
        if buffers.record.capacity() == 0 || buffers.record.capacity() > SPARE_BYTES_MAX {
            return;
        }
        buffers.rows.clear();
        buffers.record.clear();
        buffers.frame.clear();
        let mut spare = locked(&self.tenant.spans.spare);
        if spare.len() < SPARE_MAX {
            spare.push(buffers);
        }
    }
}
