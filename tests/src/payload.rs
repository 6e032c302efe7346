//! Payloads of telemetry, written byte by byte, so that they can be right in all but one place.

use std::time::{SystemTime, UNIX_EPOCH};

/// A message of Protocol Buffers, in pieces.
#[derive(Clone, Debug, Default)]
pub struct Proto(Vec<u8>);

impl Proto {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A field of a number.
    pub fn number(mut self, field: u32, value: u64) -> Self {
        varint(u64::from(field << 3), &mut self.0);
        varint(value, &mut self.0);
        self
    }

    /// A field of a `double`.
    pub fn double(mut self, field: u32, value: f64) -> Self {
        varint(u64::from(field << 3 | 1), &mut self.0);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A field of bytes, a text or a message.
    pub fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        varint(u64::from(field << 3 | 2), &mut self.0);
        varint(value.as_ref().len() as u64, &mut self.0);
        self.0.extend(value.as_ref());
        self
    }

    /// A field that says it had so many bytes, and then ends.
    pub fn claim(mut self, field: u32, length: u64) -> Self {
        varint(u64::from(field << 3 | 2), &mut self.0);
        varint(length, &mut self.0);
        self
    }
}

impl AsRef<[u8]> for Proto {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes in snappy's block format, as literals: valid, and not smaller.
pub fn snappy(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut out = Vec::new();
    varint(bytes.len() as u64, &mut out);
    for chunk in bytes.chunks(1 << 16) {
        // A literal whose length, less one, follows in two bytes.
        out.push(61 << 2);
        out.extend((chunk.len() as u16).wrapping_sub(1).to_le_bytes());
        out.extend(chunk);
    }
    out
}

/// Bytes under gzip.
pub fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes.as_ref()).expect("memory");
    encoder.finish().expect("memory")
}

/// A request of remote write 1.0 with one series, not compressed yet. Times are in milliseconds.
pub fn remote_write(labels: &[(&str, &str)], samples: impl IntoIterator<Item = (i64, f64)>) -> Proto {
    let mut series = Proto::new();
    for (name, value) in labels {
        series = series.bytes(1, Proto::new().bytes(1, name).bytes(2, value));
    }
    for (time_ms, value) in samples {
        series = series.bytes(2, Proto::new().double(1, value).number(2, time_ms as u64));
    }
    Proto::new().bytes(1, series)
}

/// Loki's push in JSON: lines of one stream, with labels as they stand in JSON, each at its time.
pub fn loki(labels: &str, lines: impl IntoIterator<Item = (u64, String)>) -> String {
    let values: Vec<_> = lines.into_iter().map(|(ns, line)| format!(r#"["{ns}",{line:?}]"#)).collect();
    format!(r#"{{"streams":[{{"stream":{labels},"values":[{}]}}]}}"#, values.join(","))
}

/// OTLP's traces in JSON: spans of one service, each in the trace of that id.
pub fn otlp_spans(service: &str, traces: impl IntoIterator<Item = u128>) -> String {
    let span = |trace: u128| {
        let (begin, end) = (now_ns(), now_ns() + 1_500_000);
        format!(
            r#"{{"traceId":"{trace:032x}","spanId":"{:016x}","name":"checkout","kind":2,"startTimeUnixNano":"{begin}","endTimeUnixNano":"{end}"}}"#,
            trace as u64 | 1
        )
    };
    let spans: Vec<_> = traces.into_iter().map(span).collect();
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}}]}},"scopeSpans":[{{"scope":{{"name":"test"}},"spans":[{}]}}]}}]}}"#,
        spans.join(",")
    )
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    (now_ns() / 1_000_000) as i64
}

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
