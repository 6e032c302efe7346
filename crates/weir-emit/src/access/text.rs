//! A record as one line for people.

use crate::digits::{pair, push_u64};
use crate::escape::{Within, clip, push_escaped};
use crate::logging::Colour;
use crate::stamp::push_clock;

use super::query::push_query;
use super::record::{HOST_BYTES_MAX, ID_BYTES_MAX, METHOD_BYTES_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, Record};

const DIM: &[u8] = b"\x1b[2m";
const RED: &[u8] = b"\x1b[31m";
const GREEN: &[u8] = b"\x1b[32m";
const YELLOW: &[u8] = b"\x1b[33m";
const CYAN: &[u8] = b"\x1b[36m";
const PLAIN: &[u8] = b"\x1b[0m";

/// Appends a record as one readable line and a line feed; the time is UTC.
///
/// ```text
/// 12:01:07  200  GET      1.24 ms  api.example.com/orders/7 · orders → origin 127.0.0.1:9000 · 1.23 kB · 0011…
/// 12:01:07  503  GET      1.00 ms  api.example.com/x · all → origin · no_endpoint (internal, connect) · 61 B · 4455…
/// ```
///
/// What a client sent cannot move the cursor or begin a line: control characters are escaped.
pub fn encode_text(record: &Record<'_>, out: &mut Vec<u8>, colour: Colour) {
    let paint = |out: &mut Vec<u8>, code: &[u8]| {
        if colour == Colour::On {
            out.extend_from_slice(code);
        }
    };
    paint(out, DIM);
    push_clock(out, record.at);
    paint(out, PLAIN);
    out.extend_from_slice(b"  ");
    paint(
        out,
        match record.status / 100 {
            2 => GREEN,
            1 | 3 => CYAN,
            4 => YELLOW,
            _ => RED,
        },
    );
    match record.status {
        0 => out.extend_from_slice(b"---"),
        status => push_u64(out, u64::from(status)),
    }
    paint(out, PLAIN);
    out.extend_from_slice(b"  ");
    let from = out.len();
    push_clipped(out, record.method, METHOD_BYTES_MAX);
    pad(out, from, 6);
    let duration = duration(record.timings.total_ns);
    out.extend(std::iter::repeat_n(b' ', 10_usize.saturating_sub(duration.width())));
    duration.push(out);
    out.extend_from_slice(b"  ");
    push_clipped(out, record.host, HOST_BYTES_MAX);
    push_clipped(out, record.bare_path(), PATH_BYTES_MAX);
    if let Some(query) = record.query {
        out.push(b'?');
        push_query(out, query, Within::Line);
    }
    let way = [("", record.route), (" → ", record.service), (" ", record.endpoint)];
    let mut before = " · ";
    for (sign, name) in way.into_iter().filter(|(_, name)| !name.is_empty()) {
        out.extend_from_slice(if before.is_empty() { sign } else { before }.as_bytes());
        push_clipped(out, name.as_bytes(), NAME_BYTES_MAX);
        before = "";
    }
    if record.tries > 1 {
        out.extend_from_slice(" · ".as_bytes());
        push_u64(out, u64::from(record.tries));
        out.extend_from_slice(b" tries");
    }
    if let Some(failure) = record.failure {
        out.extend_from_slice(" · ".as_bytes());
        paint(out, RED);
        out.extend_from_slice(failure.kind.word().as_bytes());
        paint(out, PLAIN);
        out.extend_from_slice(b" (");
        out.extend_from_slice(failure.blame.word().as_bytes());
        out.extend_from_slice(b", ");
        out.extend_from_slice(failure.phase.word().as_bytes());
        out.push(b')');
    }
    out.extend_from_slice(" · ".as_bytes());
    bytes(record.bytes_out).push(out);
    paint(out, DIM);
    out.extend_from_slice(" · ".as_bytes());
    push_clipped(out, record.request_id, ID_BYTES_MAX);
    paint(out, PLAIN);
    out.push(b'\n');
}

fn push_clipped(out: &mut Vec<u8>, text: &[u8], max: usize) {
    let (text, cut) = clip(text, max);
    push_escaped(out, text, Within::Line);
    if cut {
        out.extend_from_slice("…".as_bytes());
    }
}

fn pad(out: &mut Vec<u8>, from: usize, width: usize) {
    out.extend(std::iter::repeat_n(b' ', width.saturating_sub(out.len() - from)));
}

/// A number with a unit, to three digits.
struct Amount {
    whole: u64,
    /// Digits behind the point, and how many.
    part: u64,
    digits: usize,
    unit: &'static str,
}

impl Amount {
    /// `value / scale` in `unit`.
    fn new(value: u64, scale: u64, unit: &'static str) -> Self {
        let whole = value / scale;
        let digits = match whole {
            _ if scale == 1 => 0,
            0..10 => 2,
            10..100 => 1,
            _ => 0,
        };
        let rest = value % scale;
        let part = if digits == 2 { rest / (scale / 100) } else { rest / scale.div_ceil(10) };
        Self { whole, part, digits, unit }
    }

    /// Characters it takes.
    fn width(&self) -> usize {
        let digits = self.whole.checked_ilog10().unwrap_or(0) as usize + 1;
        let part = if self.digits > 0 { 1 + self.digits } else { 0 };
        digits + part + 1 + self.unit.chars().count()
    }

    fn push(&self, out: &mut Vec<u8>) {
        push_u64(out, self.whole);
        match self.digits {
            2 => {
                out.push(b'.');
                out.extend_from_slice(&pair(self.part as u32));
            }
            1 => {
                out.push(b'.');
                push_u64(out, self.part);
            }
            _ => {}
        }
        out.push(b' ');
        out.extend_from_slice(self.unit.as_bytes());
    }
}

fn duration(nanos: u64) -> Amount {
    match nanos {
        0..1_000_000 => Amount::new(nanos / 1_000, 1, "µs"),
        1_000_000..1_000_000_000 => Amount::new(nanos, 1_000_000, "ms"),
        _ => Amount::new(nanos, 1_000_000_000, "s"),
    }
}

fn bytes(count: u64) -> Amount {
    match count {
        0..1_000 => Amount::new(count, 1, "B"),
        1_000..1_000_000 => Amount::new(count, 1_000, "kB"),
        1_000_000..1_000_000_000 => Amount::new(count, 1_000_000, "MB"),
        _ => Amount::new(count, 1_000_000_000, "GB"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{RECORD_BYTES_MAX, samples};
    use super::*;

    fn encoded(record: &Record<'_>, colour: Colour) -> String {
        let mut out = Vec::new();
        encode_text(record, &mut out, colour);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines() {
        #[track_caller]
        fn check(record: &Record<'_>, expect: &str) {
            assert_eq!(encoded(record, Colour::Off), format!("{expect}\n"));
        }
        check(
            &samples::good(),
            "12:01:07  200  GET      1.24 ms  api.example.com/orders/7 · orders → origin 127.0.0.1:9000 · 1.23 kB · \
             00112233445566778899aabbccddeeff",
        );
        check(
            &samples::failed(),
            "12:01:07  503  GET      1.00 ms  api.example.com/orders/7 · orders → origin 127.0.0.1:9000 · 2 tries · \
             connection_refused (upstream, connect) · 1.23 kB · 00112233445566778899aabbccddeeff",
        );
        check(
            &Record {
                route: "",
                service: "",
                endpoint: "",
                path: b"/\x1b[2J\n",
                status: 0,
                ..samples::good()
            },
            "12:01:07  ---  GET      1.24 ms  api.example.com/\\x1b[2J\\n · 1.23 kB · 00112233445566778899aabbccddeeff",
        );
    }

    #[test]
    fn colour_only_adds_colour() {
        let coloured = encoded(&samples::failed(), Colour::On);
        let mut plain = coloured.clone();
        for code in [DIM, RED, GREEN, YELLOW, CYAN, PLAIN] {
            plain = plain.replace(std::str::from_utf8(code).unwrap(), "");
        }
        assert_eq!(plain, encoded(&samples::failed(), Colour::Off));
        assert!(coloured.contains("\x1b[31m503\x1b[0m"));
    }

    #[test]
    fn amounts() {
        #[track_caller]
        fn check(amount: &Amount, expect: &str) {
            let mut out = Vec::new();
            amount.push(&mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!((text.as_str(), text.chars().count()), (expect, amount.width()));
        }
        check(&duration(0), "0 µs");
        check(&duration(999_999), "999 µs");
        check(&duration(1_000_000), "1.00 ms");
        check(&duration(12_345_678), "12.3 ms");
        check(&duration(123_456_789), "123 ms");
        check(&duration(9_999_999_999), "9.99 s");
        check(&duration(3_600_000_000_000), "3600 s");
        check(&bytes(999), "999 B");
        check(&bytes(1_050), "1.05 kB");
        check(&bytes(99_990), "99.9 kB");
        check(&bytes(10_485_760), "10.4 MB");
    }

    #[test]
    fn no_line_is_longer_than_its_bound() {
        for byte in [b'\x01', b'a'] {
            let bytes = vec![byte; 100_000];
            assert!(encoded(&samples::longest(&bytes), Colour::On).len() <= RECORD_BYTES_MAX);
        }
    }
}
