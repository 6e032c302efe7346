//! Spans of traces (OpenTelemetry's data model, protocol version 1).

use std::fmt;
use std::sync::Arc;

use crate::value::Attribute;

/// Names a trace. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TraceId(pub [u8; 16]);

/// Names a span within its trace. Written as 16 hexadecimal digits; all zero where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// From up to 32 hexadecimal digits; fewer mean leading zeros (Jaeger and Zipkin write 64-bit ids so).
    pub fn parse(text: &str) -> Option<Self> {
        hex(text, 32).map(|id| Self(id.to_be_bytes()))
    }

    /// Whether all bits are zero, which is no valid id.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 16]
    }
}

impl SpanId {
    /// From up to 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        hex(text, 16).map(|id| Self((id as u64).to_be_bytes()))
    }

    /// Whether all bits are zero: no span.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 8]
    }
}

fn hex(text: &str, digits_max: usize) -> Option<u128> {
    let good =
        !text.is_empty() && text.len() <= digits_max && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// What made a span: a process, usually with `service.name`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resource {
    /// In the order in which they came.
    pub attributes: Vec<Attribute>,
    /// How many were left out by the sender.
    pub dropped_attributes: u32,
    /// The schema of the attributes.
    pub schema_url: Box<str>,
}

impl Resource {
    /// The attribute `service.name`, or `unknown_service`.
    pub fn service(&self) -> &str {
        let named = self.attributes.iter().find(|attribute| &*attribute.key == "service.name");
        named.and_then(|attribute| attribute.value.as_str()).unwrap_or("unknown_service")
    }
}

/// The library that made a span.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InstrumentationScope {
    /// Its name.
    pub name: Box<str>,
    /// Its version.
    pub version: Box<str>,
    /// In the order in which they came.
    pub attributes: Vec<Attribute>,
    /// How many were left out by the sender.
    pub dropped_attributes: u32,
    /// The schema of its attributes.
    pub schema_url: Box<str>,
}

/// Which side of a call a span is. The numbers are OpenTelemetry's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum SpanKind {
    /// Nobody said.
    #[default]
    Unspecified = 0,
    /// Within a program.
    Internal = 1,
    /// Answers a call.
    Server = 2,
    /// Makes a call.
    Client = 3,
    /// Sends a message.
    Producer = 4,
    /// Takes a message.
    Consumer = 5,
}

impl SpanKind {
    /// From OpenTelemetry's number; `Unspecified` for any that it does not know.
    pub fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Unspecified,
        }
    }

    /// As TraceQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Status {
    /// Nobody said.
    #[default]
    Unset = 0,
    /// Well.
    Ok = 1,
    /// Badly.
    Error = 2,
}

impl Status {
    /// From OpenTelemetry's number; `Unset` for any that it does not know.
    pub fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }

    /// As TraceQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// Something that happened while a span lasted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpanEvent {
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// What happened.
    pub name: Box<str>,
    /// In the order in which they came.
    pub attributes: Vec<Attribute>,
    /// How many were left out by the sender.
    pub dropped_attributes: u32,
}

/// Another span that this one has to do with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Link {
    /// Its trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// Its W3C trace state.
    pub trace_state: Box<str>,
    /// In the order in which they came.
    pub attributes: Vec<Attribute>,
    /// How many were left out by the sender.
    pub dropped_attributes: u32,
    /// W3C trace flags.
    pub flags: u32,
}

/// One step of a trace.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Span {
    /// The trace that it belongs to.
    pub trace: TraceId,
    /// Its own name within that.
    pub id: SpanId,
    /// The span that caused it; zero where it is the first.
    pub parent: SpanId,
    /// W3C trace state.
    pub trace_state: Box<str>,
    /// W3C trace flags, and whether the parent is remote.
    pub flags: u32,
    /// What is done.
    pub name: Box<str>,
    /// Which side of a call it is.
    pub kind: SpanKind,
    /// Nanoseconds since 1970.
    pub start_ns: i64,
    /// Nanoseconds since 1970. May lie before the start where a clock was set.
    pub end_ns: i64,
    /// How it ended.
    pub status: Status,
    /// What went wrong.
    pub status_message: Box<str>,
    /// In the order in which they came.
    pub attributes: Vec<Attribute>,
    /// How many were left out by the sender.
    pub dropped_attributes: u32,
    /// In the order in which they came.
    pub events: Vec<SpanEvent>,
    /// How many were left out by the sender.
    pub dropped_events: u32,
    /// In the order in which they came.
    pub links: Vec<Link>,
    /// How many were left out by the sender.
    pub dropped_links: u32,
    /// What made it.
    pub resource: Arc<Resource>,
    /// The library that made it.
    pub scope: Arc<InstrumentationScope>,
}

impl Span {
    /// How long it lasted, in nanoseconds; 0 where it ended before it began.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.checked_sub(self.start_ns).map_or(0, |duration| duration.max(0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written() {
        assert_eq!(TraceId::parse("1f").unwrap().to_string(), "0000000000000000000000000000001f");
        assert_eq!(SpanId::parse("00000000000000aB").unwrap().to_string(), "00000000000000ab");
        for wrong in ["", "+1", "xyz", "0123456789abcdef0123456789abcdef0"] {
            assert!(TraceId::parse(wrong).is_none(), "{wrong}");
        }
        assert!(SpanId::parse("0123456789abcdef0").is_none());
    }
}
