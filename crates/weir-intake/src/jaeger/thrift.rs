//! Thrift: the binary protocol over HTTP, the compact one over UDP (`jaeger.thrift`, `agent.thrift`).
//!
//! Source: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md> and
//! `thrift-compact-protocol.md` beside it.

use weir_signal::{Attribute, Reason, Refusal, SpanId, SpanSink, TraceId, Value};

use super::batch::{Process, RawSpan, Reference, Tag, give};
use crate::Limits;
use crate::otlp::Accepted;

/// Structs within structs, and lists within lists, deeper than any that is meant.
const DEPTH_MAX: u8 = 32;

/// Decodes a `Batch` of the binary protocol, as collectors take it over HTTP.
///
/// # Errors
/// The payload is no such struct; drop the sink.
pub fn decode_binary(
    payload: &[u8],
    limits: &Limits,
    sink: &mut (impl SpanSink + ?Sized),
) -> Result<Accepted, Refusal> {
    let mut reader = Reader { payload, at: 0, compact: false, depth: 0 };
    let (process, spans) = batch(&mut reader)?;
    give(&process, spans, limits, sink)
}

/// Decodes a message `emitBatch` of the compact protocol, as agents take it over UDP.
///
/// # Errors
/// The payload is no such message; drop the sink.
pub fn decode_compact_message(
    payload: &[u8],
    limits: &Limits,
    sink: &mut (impl SpanSink + ?Sized),
) -> Result<Accepted, Refusal> {
    let mut reader = Reader { payload, at: 0, compact: true, depth: 0 };
    let (id, version) = (reader.byte()?, reader.byte()?);
    if id != 0x82 || version & 0x1f != 1 {
        return Err(reader.wrong("no message of Thrift's compact protocol"));
    }
    reader.varint()?;
    let name = reader.text()?;
    if name != "emitBatch" {
        return Err(reader.wrong("a message other than `emitBatch`"));
    }
    let mut found = (Process::default(), Vec::new());
    reader.each_field(|reader, field, kind| {
        if field == 1 && kind == Kind::Struct {
            found = batch(reader)?;
            return Ok(true);
        }
        Ok(false)
    })?;
    give(&found.0, found.1, limits, sink)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The value of the field itself: the compact protocol has it in the type.
    Bool(Option<bool>),
    Byte,
    I16,
    I32,
    I64,
    Double,
    Bytes,
    Struct,
    Map,
    List,
    Set,
}

struct Reader<'a> {
    payload: &'a [u8],
    at: usize,
    compact: bool,
    depth: u8,
}

impl<'a> Reader<'a> {
    #[cold]
    fn wrong(&self, what: &str) -> Refusal {
        Refusal::new(Reason::Malformed, format!("byte {}: {what}", self.at))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Refusal> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.payload.len());
        let Some(end) = end else { return Err(self.wrong("the payload was cut short")) };
        let bytes = &self.payload[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().unwrap_or([0; N]))
    }

    fn byte(&mut self) -> Result<u8, Refusal> {
        Ok(self.array::<1>()?[0])
    }

    fn varint(&mut self) -> Result<u64, Refusal> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.wrong("a number of more than 64 bits"))
    }

    fn zigzag(&mut self) -> Result<i64, Refusal> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    fn int(&mut self, kind: Kind) -> Result<i64, Refusal> {
        match kind {
            Kind::I16 | Kind::I32 | Kind::I64 if self.compact => self.zigzag(),
            Kind::I16 => Ok(i16::from_be_bytes(self.array()?).into()),
            Kind::I32 => Ok(i32::from_be_bytes(self.array()?).into()),
            Kind::I64 => Ok(i64::from_be_bytes(self.array()?)),
            _ => Err(self.wrong("a field of another type than the schema says")),
        }
    }

    fn double(&mut self) -> Result<f64, Refusal> {
        let bytes = self.array()?;
        Ok(if self.compact { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) })
    }

    fn bytes(&mut self) -> Result<&'a [u8], Refusal> {
        let length = if self.compact { self.varint()? } else { u64::from(u32::from_be_bytes(self.array()?)) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, Refusal> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.wrong("text that is not UTF-8"))
    }

    /// A type by its number in this protocol.
    fn kind(&self, number: u8) -> Result<Kind, Refusal> {
        let found = if self.compact {
            match number {
                1 => Kind::Bool(Some(true)),
                2 => Kind::Bool(Some(false)),
                3 => Kind::Byte,
                4 => Kind::I16,
                5 => Kind::I32,
                6 => Kind::I64,
                7 => Kind::Double,
                8 => Kind::Bytes,
                9 => Kind::List,
                10 => Kind::Set,
                11 => Kind::Map,
                12 => Kind::Struct,
                _ => return Err(self.wrong("a type that Thrift does not have")),
            }
        } else {
            match number {
                2 => Kind::Bool(None),
                3 => Kind::Byte,
                4 => Kind::Double,
                6 => Kind::I16,
                8 => Kind::I32,
                10 => Kind::I64,
                11 => Kind::Bytes,
                12 => Kind::Struct,
                13 => Kind::Map,
                14 => Kind::Set,
                15 => Kind::List,
                _ => return Err(self.wrong("a type that Thrift does not have")),
            }
        };
        Ok(found)
    }

    /// Each field of a struct: its number and type. Says whether it was read; what was not is passed over.
    fn each_field(
        &mut self,
        mut each: impl FnMut(&mut Self, i64, Kind) -> Result<bool, Refusal>,
    ) -> Result<(), Refusal> {
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong("structs nested too deeply"));
        }
        self.depth += 1;
        let mut last = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                break;
            }
            let (kind, id) = if self.compact {
                let kind = self.kind(head & 15)?;
                let delta = i64::from(head >> 4);
                (kind, if delta == 0 { self.zigzag()? } else { last + delta })
            } else {
                (self.kind(head)?, i16::from_be_bytes(self.array()?).into())
            };
            last = id;
            if !each(self, id, kind)? {
                self.skip(kind)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Each member of a list.
    fn each_item(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let (_, count) = self.list_head()?;
        (0..count).try_for_each(|_| each(self))
    }

    /// The type of a list's members and how many there are: no more than there are bytes left.
    fn list_head(&mut self) -> Result<(Kind, usize), Refusal> {
        let head = self.byte()?;
        let (number, count) = if self.compact {
            let short = u64::from(head >> 4);
            (head & 15, if short == 15 { self.varint()? } else { short })
        } else {
            (head, u64::from(u32::from_be_bytes(self.array()?)))
        };
        if count > (self.payload.len() - self.at) as u64 {
            return Err(self.wrong("a list of more members than there are bytes"));
        }
        Ok((self.kind(number)?, count as usize))
    }

    fn skip(&mut self, kind: Kind) -> Result<(), Refusal> {
        match kind {
            Kind::Bool(Some(_)) => Ok(()),
            Kind::Bool(None) | Kind::Byte => self.byte().map(drop),
            Kind::I16 | Kind::I32 | Kind::I64 => self.int(kind).map(drop),
            Kind::Double => self.double().map(drop),
            Kind::Bytes => self.bytes().map(drop),
            Kind::Struct => self.each_field(|_, _, _| Ok(false)),
            Kind::List | Kind::Set => self.nested(|reader| {
                let (kind, count) = reader.list_head()?;
                (0..count).try_for_each(|_| reader.skip(member(kind)))
            }),
            Kind::Map => self.nested(|reader| {
                let (count, kinds) = if reader.compact {
                    let count = reader.varint()?;
                    if count == 0 {
                        return Ok(());
                    }
                    (count, reader.byte()?)
                } else {
                    let (key, value) = (reader.byte()?, reader.byte()?);
                    let count = u64::from(u32::from_be_bytes(reader.array()?));
                    let (key, value) = (reader.kind(key)?, reader.kind(value)?);
                    return reader.skip_pairs(count, key, value);
                };
                let (key, value) = (reader.kind(kinds >> 4)?, reader.kind(kinds & 15)?);
                reader.skip_pairs(count, key, value)
            }),
        }
    }

    fn skip_pairs(&mut self, count: u64, key: Kind, value: Kind) -> Result<(), Refusal> {
        if count > (self.payload.len() - self.at) as u64 {
            return Err(self.wrong("a map of more members than there are bytes"));
        }
        (0..count).try_for_each(|_| {
            self.skip(member(key))?;
            self.skip(member(value))
        })
    }

    fn nested(&mut self, work: impl FnOnce(&mut Self) -> Result<(), Refusal>) -> Result<(), Refusal> {
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong("lists nested too deeply"));
        }
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }
}

/// In lists and maps a truth value is a byte of its own.
fn member(kind: Kind) -> Kind {
    if matches!(kind, Kind::Bool(_)) { Kind::Byte } else { kind }
}

fn batch(reader: &mut Reader<'_>) -> Result<(Process, Vec<RawSpan>), Refusal> {
    let mut process = Process::default();
    let mut spans = Vec::new();
    reader.each_field(|reader, field, kind| {
        match (field, kind) {
            (1, Kind::Struct) => process = read_process(reader)?,
            (2, Kind::List) => reader.each_item(|reader| span(reader).map(|span| spans.push(span)))?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((process, spans))
}

fn read_process(reader: &mut Reader<'_>) -> Result<Process, Refusal> {
    let mut process = Process::default();
    reader.each_field(|reader, field, kind| {
        match (field, kind) {
            (1, Kind::Bytes) => process.service = reader.text()?.into(),
            (2, Kind::List) => reader.each_item(|reader| tag(reader).map(|tag| process.tags.push(tag)))?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(process)
}

fn trace_id(high: i64, low: i64) -> TraceId {
    TraceId((u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())).to_be_bytes())
}

fn span(reader: &mut Reader<'_>) -> Result<RawSpan, Refusal> {
    let mut span = RawSpan::default();
    let (mut low, mut high) = (0, 0);
    reader.each_field(|reader, field, kind| {
        match (field, kind) {
            (1, Kind::I64) => low = reader.int(kind)?,
            (2, Kind::I64) => high = reader.int(kind)?,
            (3, Kind::I64) => span.id = SpanId(reader.int(kind)?.to_be_bytes()),
            (4, Kind::I64) => span.parent = SpanId(reader.int(kind)?.to_be_bytes()),
            (5, Kind::Bytes) => span.name = reader.text()?.into(),
            (6, Kind::List) => {
                reader.each_item(|reader| reference(reader).map(|one| span.references.push(one)))?;
            }
            (7, Kind::I32) => span.flags = reader.int(kind)? as u32,
            (8, Kind::I64) => span.start_ns = reader.int(kind)?.saturating_mul(1000),
            (9, Kind::I64) => span.duration_ns = reader.int(kind)?.saturating_mul(1000),
            (10, Kind::List) => reader.each_item(|reader| tag(reader).map(|tag| span.tags.push(tag)))?,
            (11, Kind::List) => reader.each_item(|reader| log(reader).map(|log| span.logs.push(log)))?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    span.trace = trace_id(high, low);
    Ok(span)
}

fn reference(reader: &mut Reader<'_>) -> Result<Reference, Refusal> {
    let (mut low, mut high, mut span, mut follows) = (0, 0, SpanId::default(), false);
    reader.each_field(|reader, field, kind| {
        match (field, kind) {
            (1, Kind::I32) => follows = reader.int(kind)? == 1,
            (2, Kind::I64) => low = reader.int(kind)?,
            (3, Kind::I64) => high = reader.int(kind)?,
            (4, Kind::I64) => span = SpanId(reader.int(kind)?.to_be_bytes()),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(Reference { trace: trace_id(high, low), span, follows })
}

fn log(reader: &mut Reader<'_>) -> Result<(i64, Vec<Tag>), Refusal> {
    let (mut time_ns, mut fields) = (0, Vec::new());
    reader.each_field(|reader, field, kind| {
        match (field, kind) {
            (1, Kind::I64) => time_ns = reader.int(kind)?.saturating_mul(1000),
            (2, Kind::List) => reader.each_item(|reader| tag(reader).map(|tag| fields.push(tag)))?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok((time_ns, fields))
}

fn tag(reader: &mut Reader<'_>) -> Result<Tag, Refusal> {
    let (mut key, mut which) = (Box::<str>::default(), 0);
    let (mut text, mut double, mut flag, mut whole, mut bytes) = ("", 0.0, false, 0, &[][..]);
    reader.each_field(|reader, field, kind| {
        match (field, kind) {
            (1, Kind::Bytes) => key = reader.text()?.into(),
            (2, Kind::I32) => which = reader.int(kind)?,
            (3, Kind::Bytes) => text = reader.text()?,
            (4, Kind::Double) => double = reader.double()?,
            (5, Kind::Bool(Some(value))) => flag = value,
            (5, Kind::Bool(None)) => flag = reader.byte()? != 0,
            (6, Kind::I64) => whole = reader.int(kind)?,
            (7, Kind::Bytes) => bytes = reader.bytes()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let value = match which {
        1 => Value::Double(double),
        2 => Value::Bool(flag),
        3 => Value::Int(whole),
        4 => Value::Bytes(bytes.into()),
        _ => Value::String(text.into()),
    };
    Ok(Attribute { key, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorder;

    /// `Batch { process: { "s" }, spans: [{ traceIdLow 1, spanId 2, name "op", start 3, tags [n: 5 (long)] }] }`
    fn binary() -> Vec<u8> {
        let mut out = Vec::new();
        let text = |out: &mut Vec<u8>, id: u8, text: &str| {
            out.extend([11, 0, id]);
            out.extend((text.len() as u32).to_be_bytes());
            out.extend(text.bytes());
        };
        let long = |out: &mut Vec<u8>, id: u8, value: i64| {
            out.extend([10, 0, id]);
            out.extend(value.to_be_bytes());
        };
        out.extend([12, 0, 1]);
        text(&mut out, 1, "s");
        out.push(0);
        out.extend([15, 0, 2, 12, 0, 0, 0, 1]);
        long(&mut out, 1, 1);
        long(&mut out, 3, 2);
        text(&mut out, 5, "op");
        long(&mut out, 8, 3);
        out.extend([15, 0, 10, 12, 0, 0, 0, 1]);
        text(&mut out, 1, "n");
        out.extend([8, 0, 2, 0, 0, 0, 3]);
        long(&mut out, 6, 5);
        out.extend([0, 0, 0]);
        out
    }

    /// The same as a message `emitBatch` of the compact protocol.
    fn compact() -> Vec<u8> {
        let mut out = vec![0x82, 0x81, 0, 9];
        out.extend(b"emitBatch");
        out.extend([0x1c, 0x1c, 0x18, 1, b's', 0]);
        out.extend([0x19, 0x1c]);
        out.extend([0x16, 2, 0x26, 4, 0x28, 2, b'o', b'p', 0x36, 6]);
        out.extend([0x29, 0x1c, 0x18, 1, b'n', 0x15, 6, 0x46, 10, 0]);
        out.extend([0, 0, 0]);
        out
    }

    fn check(taken: Result<Accepted, Refusal>, sink: &Recorder) {
        assert_eq!(taken.unwrap().items, 1);
        let span = &sink.spans[0];
        assert_eq!(
            (span.trace.to_string(), span.id.to_string()),
            (format!("{:032x}", 1), format!("{:016x}", 2))
        );
        assert_eq!((&*span.name, span.start_ns, span.resource.service()), ("op", 3000, "s"));
        assert_eq!(span.attributes[0].value, Value::Int(5));
    }

    #[test]
    fn both_protocols_are_read() {
        let mut sink = Recorder::new();
        let taken = decode_binary(&binary(), &Limits::default(), &mut sink);
        check(taken, &sink);
        let mut sink = Recorder::new();
        let taken = decode_compact_message(&compact(), &Limits::default(), &mut sink);
        check(taken, &sink);
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let (binary, compact) = (binary(), compact());
        for end in 0..binary.len() {
            assert!(
                decode_binary(&binary[..end], &Limits::default(), &mut Recorder::new()).is_err(),
                "{end}"
            );
        }
        for end in 0..compact.len() {
            assert!(
                decode_compact_message(&compact[..end], &Limits::default(), &mut Recorder::new()).is_err(),
                "{end}"
            );
        }
        let deep = [12, 0, 9].repeat(1000);
        assert!(decode_binary(&deep, &Limits::default(), &mut Recorder::new()).is_err());
        let long = [15, 0, 9, 3, 0xff, 0xff, 0xff, 0xff];
        assert!(decode_binary(&long, &Limits::default(), &mut Recorder::new()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = decode_binary(&bytes, &Limits::default(), &mut Recorder::new());
            let _ = decode_compact_message(&bytes, &Limits::default(), &mut Recorder::new());
        }
    }
}
