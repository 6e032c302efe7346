//! Prometheus remote write, versions 1.0 and 2.0.
//!
//! A payload that is not the announced message is refused as a whole. Series, samples, histograms and exemplars that
//! cannot be taken are refused one by one; the rest is taken, and the answer says 400 so that the sender knows and does
//! not try again. Where a sink asks for another try (overload, a failing disk), nothing is taken.
//!
//! A sender repeats the labels of a series in every payload, byte for byte. The decoder hashes those bytes and asks the
//! sink whether it knows them; where it does, no label is decoded and no memory is taken. The hash is no secret, so that
//! whoever can write can make two series meet: keys must not be shared between tenants.

pub(crate) mod histogram;
mod v1;
mod v2;

use std::collections::HashSet;

use weir_signal::{LabelsBuilder, MetricKind, MetricSink, Reason, Refusal, Refused};

use crate::Limits;
use crate::compress::{Decompressor, Encoding};

/// Which of the two messages a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// `prometheus.WriteRequest` (remote write 1.0).
    V1,
    /// `io.prometheus.write.v2.Request` (remote write 2.0).
    V2,
}

impl Message {
    /// The message that a `Content-Type` names: `application/x-protobuf`, for 2.0 with its name in `proto`.
    ///
    /// # Errors
    /// Any other type ([`Reason::Unsupported`], 415): a sender falls back to 1.0 then.
    pub fn negotiate(content_type: &str) -> Result<Self, Refusal> {
        let mut parts = content_type.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let mut message = Some(Self::V1);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if name.trim().eq_ignore_ascii_case("proto") {
                message = match value.trim().trim_matches('"') {
                    "prometheus.WriteRequest" => Some(Self::V1),
                    "io.prometheus.write.v2.Request" => Some(Self::V2),
                    _ => None,
                };
            }
        }
        message.filter(|_| kind.eq_ignore_ascii_case("application/x-protobuf")).ok_or_else(|| {
            Refusal::new(
                Reason::Unsupported,
                format!(
                    "`Content-Type: {content_type}` is not remote write; send `application/x-protobuf` with \
                     `proto=prometheus.WriteRequest` or `proto=io.prometheus.write.v2.Request`"
                ),
            )
        })
    }
}

/// The compression that a `Content-Encoding` names: snappy, which is also what none means, or zstd (VictoriaMetrics' agent).
///
/// # Errors
/// Any other ([`Reason::Unsupported`], 415).
pub fn negotiate_encoding(content_encoding: Option<&str>) -> Result<Encoding, Refusal> {
    let name = content_encoding.unwrap_or("snappy");
    match Encoding::parse(name) {
        Some(encoding @ (Encoding::Snappy | Encoding::Zstd)) => Ok(encoding),
        _ => Err(Refusal::new(
            Reason::Unsupported,
            format!("`Content-Encoding: {name}` is not that of remote write; send snappy's block format"),
        )),
    }
}

/// What was taken of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Floats.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
}

impl Written {
    /// So many samples were refused after all, when they were committed. Which of them were histograms is not known: floats
    /// are taken back first.
    pub fn take_back(&mut self, refused: u64) {
        let floats = refused.min(self.samples);
        self.samples -= floats;
        self.histograms = self.histograms.saturating_sub(refused - floats);
    }

    /// The headers that remote write 2.0 wants in every answer to it, errors too.
    pub fn headers(&self) -> [(&'static str, u64); 3] {
        [
            ("X-Prometheus-Remote-Write-Samples-Written", self.samples),
            ("X-Prometheus-Remote-Write-Histograms-Written", self.histograms),
            ("X-Prometheus-Remote-Write-Exemplars-Written", self.exemplars),
        ]
    }
}

/// What became of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// What was taken, once the sink is committed.
    pub written: Written,
    /// What was not.
    pub refused: Refused,
}

impl Outcome {
    /// The status of the answer once the sink is committed: 204, or 400 where something was refused (whose body is
    /// [`Refused`] as text).
    pub fn status(&self) -> u16 {
        if self.refused.is_empty() { 204 } else { 400 }
    }
}

/// The status of the answer to a payload of which nothing was taken.
pub fn refusal_status(refusal: &Refusal) -> u16 {
    match refusal.reason {
        Reason::TooLarge => 413,
        Reason::Unsupported => 415,
        Reason::Overloaded => 429,
        Reason::Unavailable => 503,
        _ => 400,
    }
}

/// Decodes payloads one after the other; keeps its memory.
#[derive(Debug, Default)]
pub struct Decoder {
    decompressor: Decompressor,
    scratch: Scratch,
}

/// What decoding needs besides the payload.
#[derive(Debug, Default)]
struct Scratch {
    labels: LabelsBuilder,
    /// Where the symbols of a 2.0 request lie, and their hashes.
    symbols: Vec<v2::Symbol>,
    /// References to symbols.
    refs: Vec<u32>,
    /// Which metadata this payload gave already.
    told: HashSet<u128>,
}

impl Decoder {
    /// One that holds no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes what `body` says into `sink`. The caller commits the sink, and then answers with [`Outcome::status`].
    ///
    /// # Errors
    /// The payload is malformed or too large, or the sink wants it again later. The caller drops the sink and answers
    /// with [`refusal_status`].
    pub fn decode(
        &mut self,
        message: Message,
        encoding: Encoding,
        body: &[u8],
        limits: &Limits,
        sink: &mut (impl MetricSink + ?Sized),
    ) -> Result<Outcome, Refusal> {
        if body.len() > limits.payload_bytes {
            return Err(Refusal::new(
                Reason::TooLarge,
                format!("the payload is larger than {} bytes; send smaller batches", limits.payload_bytes),
            ));
        }
        let payload = self.decompressor.decompress(encoding, body, limits.decompressed_bytes)?;
        decode_message(message, payload, limits, &mut self.scratch, sink)
    }

    /// As [`Decoder::decode`], of a message that is not compressed.
    ///
    /// # Errors
    /// As there.
    pub fn decode_plain(
        &mut self,
        message: Message,
        payload: &[u8],
        limits: &Limits,
        sink: &mut (impl MetricSink + ?Sized),
    ) -> Result<Outcome, Refusal> {
        decode_message(message, payload, limits, &mut self.scratch, sink)
    }

    /// Gives back the memory of past payloads beyond `keep_bytes`.
    pub fn shrink(&mut self, keep_bytes: usize) {
        self.decompressor.shrink(keep_bytes);
        self.scratch = Scratch::default();
    }
}

fn decode_message(
    message: Message,
    payload: &[u8],
    limits: &Limits,
    scratch: &mut Scratch,
    sink: &mut (impl MetricSink + ?Sized),
) -> Result<Outcome, Refusal> {
    match message {
        Message::V1 => v1::decode(payload, limits, scratch, sink),
        Message::V2 => v2::decode(payload, limits, scratch, sink),
    }
}

/// Both versions number the kinds alike.
fn metric_kind(number: u64) -> MetricKind {
    match number {
        1 => MetricKind::Counter,
        2 => MetricKind::Gauge,
        3 => MetricKind::Histogram,
        4 => MetricKind::GaugeHistogram,
        5 => MetricKind::Summary,
        6 => MetricKind::Info,
        7 => MetricKind::StateSet,
        _ => MetricKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_name_their_message() {
        let check = |text: &str, expect: Option<Message>| {
            assert_eq!(Message::negotiate(text).ok(), expect, "{text}");
        };
        check("application/x-protobuf", Some(Message::V1));
        check("Application/X-Protobuf; proto=prometheus.WriteRequest", Some(Message::V1));
        check("application/x-protobuf;proto=io.prometheus.write.v2.Request", Some(Message::V2));
        check(
            "application/x-protobuf;charset=x; proto=\"io.prometheus.write.v2.Request\"",
            Some(Message::V2),
        );
        check("application/x-protobuf;proto=io.prometheus.write.v3.Request", None);
        check("application/json", None);
        check("", None);
        assert_eq!(refusal_status(&Message::negotiate("text/plain").unwrap_err()), 415);
        assert_eq!(negotiate_encoding(None), Ok(Encoding::Snappy));
        assert_eq!(negotiate_encoding(Some("zstd")), Ok(Encoding::Zstd));
        assert_eq!(refusal_status(&negotiate_encoding(Some("gzip")).unwrap_err()), 415);
    }
}
