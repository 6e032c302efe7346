//! Loki's push API: `logproto.PushRequest` under snappy, or JSON.
//!
//! A payload that is neither is refused as a whole. Streams and lines that cannot be taken are refused one by one, in the
//! words that Loki's users know; the rest is taken and the answer says 400, as Loki does it. Where a sink asks for another
//! try, nothing is taken.

mod json;
mod protobuf;
mod selector;

use weir_signal::{Labels, LabelsBuilder, LogSink, Reason, Refusal, Refused, StreamRef};

use crate::Limits;
use crate::compress::{Decompressor, Encoding};

/// How a payload is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// `logproto.PushRequest`.
    Protobuf,
    /// JSON.
    Json,
}

/// What `Content-Type` and `Content-Encoding` say of a payload: `application/json`, compressed or not, else protobuf, always
/// under snappy.
///
/// # Errors
/// An encoding that cannot be read ([`Reason::Unsupported`]).
pub fn negotiate(
    content_type: Option<&str>,
    content_encoding: Option<&str>,
) -> Result<(Message, Encoding), Refusal> {
    let kind = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let json = kind.eq_ignore_ascii_case("application/json");
    let message = if json { Message::Json } else { Message::Protobuf };
    let name = content_encoding.unwrap_or_default();
    match (message, Encoding::parse(name)) {
        (Message::Json, Some(encoding)) => Ok((message, encoding)),
        // Clients need not say it, and some do.
        (Message::Protobuf, Some(Encoding::Identity | Encoding::Snappy)) => Ok((message, Encoding::Snappy)),
        _ => Err(Refusal::new(
            Reason::Unsupported,
            format!(
                "Content-Encoding \"{name}\" not supported here; send JSON plain, with gzip, deflate, snappy or zstd, or \
                 protobuf with snappy"
            ),
        )),
    }
}

/// What became of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Streams that the payload named, taken or not.
    pub streams: u64,
    /// Lines that were taken, once the sink is committed.
    pub lines: u64,
    /// Bytes of those lines and of their metadata.
    pub bytes: u64,
    /// What was not.
    pub refused: Refused,
}

impl Outcome {
    /// The status of the answer once the sink is committed: 204; 400 where something was refused (whose body is
    /// [`Refused`] as text); 422 where there was no stream at all.
    pub fn status(&self) -> u16 {
        match (self.streams, self.refused.is_empty()) {
            (0, _) => 422,
            (_, true) => 204,
            (_, false) => 400,
        }
    }
}

/// The status of the answer to a payload of which nothing was taken.
pub fn refusal_status(refusal: &Refusal) -> u16 {
    match refusal.reason {
        Reason::TooLarge => 413,
        Reason::Overloaded => 429,
        Reason::Unavailable => 503,
        _ => 400,
    }
}

/// Decodes payloads one after the other; keeps its memory.
#[derive(Debug, Default)]
pub struct Decoder {
    decompressor: Decompressor,
    builder: LabelsBuilder,
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
        sink: &mut (impl LogSink + ?Sized),
    ) -> Result<Outcome, Refusal> {
        if body.len() > limits.payload_bytes {
            return Err(Refusal::new(
                Reason::TooLarge,
                format!(
                    "request body too large: {} bytes, limit: {} bytes",
                    body.len(),
                    limits.payload_bytes
                ),
            ));
        }
        let payload = self.decompressor.decompress(encoding, body, limits.decompressed_bytes)?;
        let intake = Intake {
            limits,
            builder: &mut self.builder,
            sink,
            outcome: Outcome::default(),
            stream: Err(Reason::Malformed),
            none: Labels::empty(),
        };
        match message {
            Message::Protobuf => protobuf::read(payload, intake),
            Message::Json => json::read(payload, intake),
        }
    }

    /// Gives back the memory of past payloads beyond `keep_bytes`.
    pub fn shrink(&mut self, keep_bytes: usize) {
        self.decompressor.shrink(keep_bytes);
        self.builder = LabelsBuilder::new();
    }
}

/// What both ways of writing a payload end in.
struct Intake<'a, S: ?Sized> {
    limits: &'a Limits,
    /// Labels of the stream or metadata of the line that comes next.
    builder: &'a mut LabelsBuilder,
    sink: &'a mut S,
    outcome: Outcome,
    /// The stream that lines belong to, or why it was refused and its lines with it.
    stream: Result<(StreamRef, Labels), Reason>,
    none: Labels,
}

impl<S: LogSink + ?Sized> Intake<'_, S> {
    /// Begins the stream whose labels stand in the builder, or which `faulty` refuses.
    fn begin(&mut self, faulty: Option<Refusal>) -> Result<(), Refusal> {
        self.outcome.streams += 1;
        let taken = match faulty {
            Some(refusal) => Err(refusal),
            None => stream_labels(self.builder, self.limits)
                .and_then(|labels| Ok((self.sink.stream(&labels)?, labels))),
        };
        let index = self.outcome.streams - 1;
        self.stream = match taken {
            Ok(stream) => Ok(stream),
            Err(refusal) => {
                let reason = refusal.reason;
                self.outcome.refused.note(format_args!("stream {index}"), refusal, 0)?;
                Err(reason)
            }
        };
        Ok(())
    }

    /// A line of the stream, with the metadata in the builder.
    fn line(&mut self, time_ns: Option<i64>, line: &str) -> Result<(), Refusal> {
        let (stream, labels) = match &self.stream {
            Ok(stream) => stream,
            Err(reason) => {
                self.outcome.refused.count(*reason, 1);
                return Ok(());
            }
        };
        let mut metadata_bytes = 0;
        let taken = check_line(self.builder, line, labels, self.limits, &self.none).and_then(|metadata| {
            let time_ns = time_ns.ok_or_else(|| {
                let message =
                    format!("entry for stream '{labels}' has a timestamp beyond what nanoseconds can say");
                Refusal::new(Reason::Malformed, message)
            })?;
            metadata_bytes = self.builder.iter().map(|(name, value)| name.len() + value.len()).sum();
            self.sink.entry(*stream, time_ns, line, &metadata)
        });
        match taken {
            Ok(()) => {
                self.outcome.lines += 1;
                self.outcome.bytes += (line.len() + metadata_bytes) as u64;
                Ok(())
            }
            Err(refusal) => {
                let place = format_args!("stream {}", self.outcome.streams - 1);
                self.outcome.refused.note(place, refusal, 1)
            }
        }
    }
}

fn stream_labels(builder: &mut LabelsBuilder, limits: &Limits) -> Result<Labels, Refusal> {
    let labels = crate::names::labels(builder, limits)?;
    if labels.is_empty() {
        let message = "error at least one label pair is required per stream";
        return Err(Refusal::new(Reason::Labels, message));
    }
    Ok(labels)
}

/// The metadata of a line, where both are within the limits.
fn check_line(
    builder: &mut LabelsBuilder,
    line: &str,
    labels: &Labels,
    limits: &Limits,
    none: &Labels,
) -> Result<Labels, Refusal> {
    if line.len() > limits.line_bytes {
        return Err(Refusal::new(
            Reason::TooLarge,
            format!(
                "Max entry size '{}' bytes exceeded for stream '{labels}' while adding an entry with length '{}' bytes",
                limits.line_bytes,
                line.len()
            ),
        ));
    }
    let bytes: usize = builder.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes == 0 {
        return Ok(none.clone());
    }
    if bytes > limits.line_metadata_bytes {
        return Err(Refusal::new(
            Reason::TooLarge,
            format!(
                "stream '{labels}' has structured metadata too large: '{bytes}' bytes, limit: '{}' bytes",
                limits.line_metadata_bytes
            ),
        ));
    }
    crate::names::labels(builder, limits)
}

/// Nanoseconds since 1970; `None` where they are more than 64 bits.
fn nanos(seconds: i64, nanos: i64) -> Option<i64> {
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}
