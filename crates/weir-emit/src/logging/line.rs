//! An event as one line.

use std::error::Error;
use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use weir_model::Wall;

use crate::digits::push_u64;
use crate::escape::{Within, clip, push_escaped};
use crate::stamp::{push_clock, push_date_time};

use super::{Colour, LogFormat};

/// Longest text of a message or field, in bytes; what is cut ends in `…`.
const TEXT_BYTES_MAX: usize = 8 * 1_024;

/// Column where a message begins, behind the time and the level.
const INDENT: &[u8] = b"\n               ";

/// One event, with its line feed.
pub(super) fn line(event: &Event<'_>, at: Wall, format: LogFormat) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    match format {
        LogFormat::Json => json(event, at, &mut out),
        LogFormat::Text(colour) => text(event, at, colour, &mut out),
    }
    out.push(b'\n');
    out
}

/// `12:01:07 INFO  route orders: timeout 30s → 5s · live in 7 ms  key=value`
fn text(event: &Event<'_>, at: Wall, colour: Colour, out: &mut Vec<u8>) {
    let paint = |out: &mut Vec<u8>, code: &str| {
        if colour == Colour::On {
            out.extend_from_slice(code.as_bytes());
        }
    };
    let metadata = event.metadata();
    let (word, code) = match *metadata.level() {
        Level::ERROR => ("ERROR", "\x1b[1;31m"),
        Level::WARN => ("WARN ", "\x1b[33m"),
        Level::INFO => ("INFO ", "\x1b[32m"),
        Level::DEBUG => ("DEBUG", "\x1b[34m"),
        Level::TRACE => ("TRACE", "\x1b[35m"),
    };
    paint(out, "\x1b[2m");
    push_clock(out, at);
    paint(out, "\x1b[0m");
    out.push(b' ');
    paint(out, code);
    out.extend_from_slice(word.as_bytes());
    paint(out, "\x1b[0m");
    let mut values = Values::default();
    event.record(&mut values);
    if let Some(message) = &values.message {
        out.push(b' ');
        push_message(out, message);
    }
    paint(out, "\x1b[2m");
    // Who speaks is of interest when details are asked for, or when it is not Weir.
    let detail = *metadata.level() > Level::INFO || !metadata.target().starts_with("weir");
    if detail {
        out.extend_from_slice(b"  ");
        out.extend_from_slice(metadata.target().as_bytes());
    }
    for (name, value) in &values.fields {
        out.extend_from_slice(b"  ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        push_clipped(out, value.text(), Within::Line);
    }
    paint(out, "\x1b[0m");
}

/// A message of several lines (an error that shows the place in a file) keeps them, indented, so that none can pass for
/// a line of the log.
fn push_message(out: &mut Vec<u8>, message: &str) {
    let (message, cut) = clip(message.as_bytes(), TEXT_BYTES_MAX);
    for (place, part) in message.split(|byte| *byte == b'\n').enumerate() {
        if place > 0 {
            out.extend_from_slice(INDENT);
        }
        push_escaped(out, part, Within::Line);
    }
    if cut {
        out.extend_from_slice("…".as_bytes());
    }
}

/// One flat object: `time`, `level`, `target`, `message`, then the event's fields. A field called like one of these four
/// gets a `_` behind its name.
fn json(event: &Event<'_>, at: Wall, out: &mut Vec<u8>) {
    let metadata = event.metadata();
    out.extend_from_slice(b"{\"time\":\"");
    push_date_time(out, at);
    out.extend_from_slice(b"\",\"level\":\"");
    out.extend_from_slice(metadata.level().as_str().to_ascii_lowercase().as_bytes());
    out.extend_from_slice(b"\",\"target\":\"");
    push_escaped(out, metadata.target().as_bytes(), Within::Json);
    out.push(b'"');
    let mut values = Values::default();
    event.record(&mut values);
    if let Some(message) = &values.message {
        out.extend_from_slice(b",\"message\":\"");
        push_clipped(out, message, Within::Json);
        out.push(b'"');
    }
    for (name, value) in &values.fields {
        out.extend_from_slice(b",\"");
        push_escaped(out, name.as_bytes(), Within::Json);
        let taken = matches!(*name, "time" | "level" | "target" | "message");
        out.extend_from_slice(if taken { b"_\":" } else { b"\":" });
        match value {
            Value::Bare(text) => out.extend_from_slice(text.as_bytes()),
            Value::Text(text) => {
                out.push(b'"');
                push_clipped(out, text, Within::Json);
                out.push(b'"');
            }
        }
    }
    out.push(b'}');
}

fn push_clipped(out: &mut Vec<u8>, text: &str, within: Within) {
    let (text, cut) = clip(text.as_bytes(), TEXT_BYTES_MAX);
    push_escaped(out, text, within);
    if cut {
        out.extend_from_slice("…".as_bytes());
    }
}

/// A field's value: as it stands in JSON, or a text.
enum Value {
    Bare(String),
    Text(String),
}

impl Value {
    fn text(&self) -> &str {
        match self {
            Self::Bare(text) | Self::Text(text) => text,
        }
    }
}

#[derive(Default)]
struct Values {
    message: Option<String>,
    fields: Vec<(&'static str, Value)>,
}

impl Values {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text)) => self.message = Some(text),
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Text(value.to_owned()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bare(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let mut digits = Vec::with_capacity(20);
        push_u64(&mut digits, value);
        self.put(field, Value::Bare(String::from_utf8(digits).unwrap_or_default()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = value.to_string();
        // JSON has no word for infinity or for what is no number.
        self.put(field, if value.is_finite() { Value::Bare(text) } else { Value::Text(text) });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.put(field, Value::Text(text));
    }
}
