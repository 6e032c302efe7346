//! Takes one payload of lines.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use weir_signal::{Labels, LogSink, Reason, Refusal, Refused, StreamRef};

use super::head::LogHead;
use super::record::{self, ROWS_BYTES_MAX, RowWriter};
use crate::metrics::check_labels;
use crate::outcome::Outcome;
use crate::settings::Settings;
use crate::signal::Signal;
use crate::store::commit::{Destination, Head};
use crate::store::inner::{Inner, TenantState, locked};
use crate::wal::Ticket;

/// Logs of a tenant in memory.
#[derive(Default)]
pub(crate) struct LogTenant {
    pub(crate) head: Mutex<LogHead>,
    spare: Mutex<Vec<Buffers>>,
}

impl Head for LogHead {
    fn bytes(&self) -> usize {
        LogHead::bytes(self)
    }
}

/// Appenders whose buffers are kept, and bytes beyond which they are not.
const SPARE_MAX: usize = 8;
const SPARE_BYTES_MAX: usize = 4 << 20;

#[derive(Default)]
struct Buffers {
    streams: Vec<Labels>,
    by_labels: HashMap<Labels, u32>,
    rows: RowWriter,
    frame: Vec<u8>,
}

/// Takes one payload of lines. Nothing of it is seen or kept before [`LogAppender::commit`]; dropping it is as if it had
/// never been.
pub struct LogAppender {
    inner: Arc<Inner>,
    tenant: Arc<TenantState>,
    buffers: Buffers,
    from_ns: i64,
    to_ns: i64,
    settings: Arc<Settings>,
    refused: Refused,
}

impl LogAppender {
    pub(crate) fn new(inner: Arc<Inner>, tenant: Arc<TenantState>) -> Self {
        let buffers = locked(&tenant.logs.spare).pop().unwrap_or_default();
        let from_ns = inner.kept_from(&tenant.tenant, Signal::Logs);
        let to_ns = inner.taken_to(Signal::Logs);
        let settings = inner.settings();
        Self { inner, tenant, buffers, from_ns, to_ns, settings, refused: Refused::default() }
    }

    /// What is refused of this payload: whoever fills the appender notes it here, what an error of its methods refused too.
    /// It is counted with the commit.
    pub fn refused(&mut self) -> &mut Refused {
        &mut self.refused
    }

    /// Commits what was given, as [`MetricAppender::commit`](crate::MetricAppender::commit) does. Lines have no identity of
    /// their own: only `batch` keeps a payload that is sent again from being there twice.
    ///
    /// # Errors
    /// Nothing was done: the store is overloaded, or cannot write any more. [`Reason::may_retry`] holds.
    pub fn commit(mut self, batch: Option<u128>) -> Result<(Outcome, Ticket), Refusal> {
        let accepted = self.buffers.rows.rows.len() as u64;
        let refused = std::mem::take(&mut self.refused);
        let to = Destination { tenant: &self.tenant.tenant, signal: Signal::Logs, batch };
        let Buffers { streams, rows, frame, .. } = &mut self.buffers;
        let done = self.inner.commit(&to, &self.tenant.logs.head, frame, |head, frame| {
            if rows.rows.is_empty() {
                return Ok(false);
            }
            record::begin(frame, streams.len());
            let mut numbers = Vec::with_capacity(streams.len());
            for labels in &*streams {
                let (number, new) = head.stream(labels);
                record::put_stream(frame, number, new.then_some(labels));
                numbers.push(number);
            }
            record::put_rows(frame, rows);
            head.add(&rows.rows, &rows.bytes, &numbers);
            Ok(true)
        });
        self.inner.committed(
            Signal::Logs,
            done,
            Outcome { accepted, refused, already_there: false },
            accepted,
        )
    }
}

impl LogSink for LogAppender {
    fn stream(&mut self, labels: &Labels) -> Result<StreamRef, Refusal> {
        if let Some(&stream) = self.buffers.by_labels.get(labels) {
            return Ok(StreamRef(stream));
        }
        check_labels(labels, self.settings.labels_max, self.settings.label_bytes_max)?;
        let streams_max = self.settings.of(&self.tenant.tenant).streams_max;
        let full = {
            let head = locked(&self.tenant.logs.head);
            (head.streams() + self.buffers.streams.len()) as u64 >= streams_max && !head.has_stream(labels)
        };
        if full {
            return Err(Refusal::new(
                Reason::Cardinality,
                format!(
                    "{streams_max} log streams are in memory, as many as the limit `streams` allows; move labels of many \
                     values into the lines' metadata, or raise the limit"
                ),
            ));
        }
        let stream = self.buffers.streams.len() as u32;
        self.buffers.streams.push(labels.clone());
        self.buffers.by_labels.insert(labels.clone(), stream);
        Ok(StreamRef(stream))
    }

    fn entry(
        &mut self,
        stream: StreamRef,
        time_ns: i64,
        line: &str,
        metadata: &Labels,
    ) -> Result<(), Refusal> {
        let bytes = line.len() + metadata.as_encoded().len();
        let bytes_max = self.settings.line_bytes_max;
        if bytes > bytes_max || self.buffers.rows.bytes.len() + bytes > ROWS_BYTES_MAX {
            return Err(Refusal::new(
                Reason::TooLarge,
                format!(
                    "a line of {bytes} bytes, with its metadata, is longer than the limit `line_bytes` of {bytes_max}; cut \
                     it, or raise the limit"
                ),
            ));
        }
        if time_ns > self.to_ns {
            let ahead_s = self.settings.ahead_ms / 1000;
            return Err(Refusal::new(
                Reason::TooNew,
                format!(
                    "time {time_ns} is more than {ahead_s} s ahead of the store's clock; set the sender's clock"
                ),
            ));
        }
        if time_ns < self.from_ns {
            let from_ns = self.from_ns;
            return Err(Refusal::new(
                Reason::TooOld,
                format!(
                    "time {time_ns} lies before {from_ns}, where what is kept begins; keep logs for longer, or leave it out"
                ),
            ));
        }
        self.buffers.rows.push(stream.0, time_ns, line, metadata);
        Ok(())
    }
}

impl Drop for LogAppender {
    fn drop(&mut self) {
        let mut buffers = std::mem::take(&mut self.buffers);
        if buffers.rows.bytes.capacity() == 0 || buffers.rows.bytes.capacity() > SPARE_BYTES_MAX {
            return;
        }
        buffers.streams.clear();
        buffers.by_labels.clear();
        buffers.rows.clear();
        buffers.frame.clear();
        let mut spare = locked(&self.tenant.logs.spare);
        if spare.len() < SPARE_MAX {
            spare.push(buffers);
        }
    }
}
