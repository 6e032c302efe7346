//! What a segment says of itself.

use crate::frame::Damage;
use crate::varint::{Cursor, put_i64, put_u64};

/// What is in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many series.
    pub series: u32,
    /// How many samples, histograms among them.
    pub samples: u64,
    /// How many of them are native histograms.
    pub histograms: u64,
    /// How many exemplars.
    pub exemplars: u64,
    /// The earliest time; [`i64::MAX`] without samples.
    pub from_ms: i64,
    /// The latest time; [`i64::MIN`] without samples.
    pub to_ms: i64,
    /// The length of `data`.
    pub data_bytes: u64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            series: 0,
            samples: 0,
            histograms: 0,
            exemplars: 0,
            from_ms: i64::MAX,
            to_ms: i64::MIN,
            data_bytes: 0,
        }
    }
}

impl Summary {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_u64(out, u64::from(self.series));
        for number in [self.samples, self.histograms, self.exemplars] {
            put_u64(out, number);
        }
        put_i64(out, self.from_ms);
        put_i64(out, self.to_ms);
        put_u64(out, self.data_bytes);
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(body);
        let summary = Self {
            series: cursor.length(u32::MAX as usize)? as u32,
            samples: cursor.u64()?,
            histograms: cursor.u64()?,
            exemplars: cursor.u64()?,
            from_ms: cursor.i64()?,
            to_ms: cursor.i64()?,
            data_bytes: cursor.u64()?,
        };
        cursor.end()?;
        Ok(summary)
    }

    /// Whether a sample may lie in `from_ms..=to_ms`.
    pub fn overlaps(&self, from_ms: i64, to_ms: i64) -> bool {
        self.from_ms <= to_ms && from_ms <= self.to_ms
    }
}
