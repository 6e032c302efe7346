//! What the log keeps of a payload of lines, and what memory keeps of it as it is.
//!
//! ```text
//! version │ streams: number, labels where the generation has not named it yet │ count of rows
//! row: stream (its place among those of the record), time as a step from the row before, metadata, line
//! ```

use weir_block::Damage;
use weir_block::varint::{Cursor, put_bytes, put_i64, put_u64};
use weir_signal::Labels;

const VERSION: u8 = 1;

/// Rows of a payload, encoded as they come.
#[derive(Debug, Default)]
pub(super) struct RowWriter {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: Vec<NewRow>,
    time_before: i64,
}

/// A row of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NewRow {
    /// The place of its stream among those of the payload.
    pub(super) stream: u32,
    pub(super) time_ns: i64,
    /// Where its metadata begins in the bytes.
    pub(super) at: u32,
}

/// No payload has more bytes of rows, so that places in them are 32-bit numbers.
pub(super) const ROWS_BYTES_MAX: usize = 1 << 30;

impl RowWriter {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
        self.time_before = 0;
    }

    pub(super) fn push(&mut self, stream: u32, time_ns: i64, line: &str, metadata: &Labels) {
        put_u64(&mut self.bytes, u64::from(stream));
        put_i64(&mut self.bytes, time_ns.wrapping_sub(self.time_before));
        self.time_before = time_ns;
        self.rows.push(NewRow { stream, time_ns, at: self.bytes.len() as u32 });
        put_bytes(&mut self.bytes, metadata.as_encoded().as_bytes());
        put_bytes(&mut self.bytes, line.as_bytes());
    }
}

/// Begins a record of so many streams, each of which [`put_stream`] appends.
pub(super) fn begin(out: &mut Vec<u8>, streams: usize) {
    out.push(VERSION);
    put_u64(out, streams as u64);
}

/// A stream; `labels` where the generation has not named it yet.
pub(super) fn put_stream(out: &mut Vec<u8>, number: u32, labels: Option<&Labels>) {
    put_u64(out, u64::from(number));
    put_bytes(out, labels.map_or("", Labels::as_encoded).as_bytes());
    out.push(u8::from(labels.is_some()));
}

pub(super) fn put_rows(out: &mut Vec<u8>, rows: &RowWriter) {
    put_u64(out, rows.rows.len() as u64);
    out.extend_from_slice(&rows.bytes);
}

/// A record that was read.
#[derive(Debug, PartialEq)]
pub(super) struct Record<'a> {
    /// Number, and labels where they are named.
    pub(super) streams: Vec<(u32, Option<Labels>)>,
    pub(super) rows: Vec<NewRow>,
    pub(super) bytes: &'a [u8],
}

/// # Errors
/// It is no record, or of a later version.
pub(super) fn read(payload: &[u8]) -> Result<Record<'_>, Damage> {
    let mut cursor = Cursor::new(payload);
    if cursor.u8()? != VERSION {
        return Err(cursor.damage("the record is of a version that this program does not know"));
    }
    let mut streams = Vec::new();
    for _ in 0..cursor.length(cursor.left())? {
        let number = u32::try_from(cursor.u64()?);
        let number = number.map_err(|_| cursor.damage("a number of a stream is too large"))?;
        let text = cursor.text()?;
        let labels = match cursor.u8()? {
            0 => None,
            _ => Some(
                Labels::from_encoded(text)
                    .ok_or_else(|| cursor.damage("labels that are no set of labels"))?,
            ),
        };
        streams.push((number, labels));
    }
    let count = cursor.length(cursor.left())?;
    let bytes = cursor.rest();
    let mut cursor = Cursor::new(bytes);
    let (mut rows, mut time_ns) = (Vec::new(), 0_i64);
    for _ in 0..count {
        let stream = cursor.length(streams.len().saturating_sub(1))? as u32;
        time_ns = time_ns.wrapping_add(cursor.i64()?);
        rows.push(NewRow { stream, time_ns, at: cursor.at() as u32 });
        let metadata = cursor.text()?;
        if Labels::from_encoded(metadata).is_none() {
            return Err(cursor.damage("metadata that is no set of labels"));
        }
        cursor.text()?;
    }
    cursor.end()?;
    Ok(Record { streams, rows, bytes })
}

/// Metadata and line at a place that a row names: bytes that [`RowWriter`] or [`read`] have seen.
pub(super) fn text_at(bytes: &[u8], at: usize) -> (&str, &str) {
    let mut cursor = Cursor::new(bytes.get(at..).unwrap_or_default());
    let mut text = || cursor.text().unwrap_or_default();
    (text(), text())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(value: &str) -> Labels {
        Labels::from_pairs([("app", value)]).unwrap()
    }

    proptest! {
        #[test]
        fn records_come_back(rows in prop::collection::vec((0_u32..2, any::<i64>(), ".{0,20}", "[a-z]{0,3}"), 0..20)) {
            let mut writer = RowWriter::default();
            for (stream, time, line, user) in &rows {
                writer.push(*stream, *time, line, &labels(user));
            }
            let mut bytes = Vec::new();
            begin(&mut bytes, 2);
            put_stream(&mut bytes, 7, Some(&labels("a")));
            put_stream(&mut bytes, 9, None);
            put_rows(&mut bytes, &writer);
            let record = read(&bytes)?;
            prop_assert_eq!(&record.streams, &[(7, Some(labels("a"))), (9, None)]);
            prop_assert_eq!(&record.rows, &writer.rows);
            for (row, (stream, time, line, user)) in record.rows.iter().zip(&rows) {
                prop_assert_eq!((row.stream, row.time_ns), (*stream, *time));
                let labels = labels(user);
                prop_assert_eq!(text_at(record.bytes, row.at as usize), (labels.as_encoded(), &**line));
            }
            for end in 0..bytes.len() {
                prop_assert!(read(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            bytes.insert(0, VERSION);
            let _ = read(&bytes);
        }
    }
}
