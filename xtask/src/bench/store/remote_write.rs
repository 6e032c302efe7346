//! Samples into remote-write 1.0 requests.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::bodies::{Bodies, BodyWriter, Protocol};
use super::protobuf::Message;

/// As many as Prometheus sends at once.
const SAMPLES_PER_REQUEST: usize = 2000;

/// A value that says: this series has ended.
pub(crate) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Labels as they stand in a time series, encoded. They have to be sorted by name.
pub(crate) fn encode_labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut message = Message::default();
    for (name, value) in labels {
        message.message(1, |label| {
            label.text(1, name);
            label.text(2, value);
        });
    }
    message.0
}

/// Samples that are packed, and what they are.
#[derive(Debug, Clone)]
pub(crate) struct Samples {
    pub(crate) bodies: Bodies,
    pub(crate) count: u64,
    pub(crate) series: u64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
}

/// Type and help of families.
pub(crate) type Families = BTreeMap<String, (String, String)>;

/// Packs samples.
pub(crate) struct Packer {
    out: BodyWriter,
    request: Message,
    pending: usize,
    samples: u64,
    first_ms: i64,
    last_ms: i64,
}

impl Packer {
    pub(crate) fn create(file: &Path) -> Result<Self> {
        Ok(Self {
            out: BodyWriter::create(file, Protocol::RemoteWrite)?,
            request: Message::default(),
            pending: 0,
            samples: 0,
            first_ms: i64::MAX,
            last_ms: i64::MIN,
        })
    }

    /// Adds a sample of the series with these (encoded) labels.
    pub(crate) fn add(&mut self, labels: &[u8], time_ms: i64, value: f64) -> Result<()> {
        self.request.message(1, |series| {
            series.0.extend_from_slice(labels);
            series.message(2, |sample| {
                sample.double(1, value);
                sample.integer(2, time_ms.cast_unsigned());
            });
        });
        self.samples += 1;
        self.first_ms = self.first_ms.min(time_ms);
        self.last_ms = self.last_ms.max(time_ms);
        self.pending += 1;
        if self.pending == SAMPLES_PER_REQUEST { self.flush() } else { Ok(()) }
    }

    /// Adds what is known of families, in requests of their own.
    pub(crate) fn metadata(&mut self, families: &Families) -> Result<()> {
        self.flush()?;
        let kinds =
            ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"];
        for (name, (kind, help)) in families {
            let kind = kinds.iter().position(|known| known == kind).unwrap_or(0);
            self.request.message(3, |metadata| {
                metadata.integer(1, kind as u64);
                metadata.text(2, name);
                metadata.text(4, help);
            });
            self.pending += 1;
            if self.pending == 500 {
                self.flush()?;
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        if self.pending > 0 {
            self.out.add(&self.request.0)?;
            self.request.0.clear();
            self.pending = 0;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self, series: u64) -> Result<Samples> {
        self.flush()?;
        Ok(Samples {
            bodies: self.out.finish()?,
            count: self.samples,
            series,
            first_ms: self.first_ms,
            last_ms: self.last_ms,
        })
    }
}
