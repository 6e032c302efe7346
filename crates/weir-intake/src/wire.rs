//! Protocol Buffers, as much of them as telemetry needs: a reader that lends what it finds, and a writer.
//!
//! A decoder pulls [`Field`]s from a [`Reader`] and asks each for what its schema says it holds. Nothing is copied, and
//! unknown fields cost their length. Every error names the byte of the payload at which it was found. Groups, which no
//! telemetry protocol uses, are an error.

use std::fmt;

use weir_signal::{Reason, Refusal};

/// The deepest nesting of messages that is read (the limit of other readers, too).
pub const DEPTH_MAX: u8 = 100;

/// Bytes that are not the message that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {kind}")]
pub struct WireError {
    /// Where in the payload, counted from its first byte.
    pub offset: usize,
    /// What is wrong there.
    pub kind: WireErrorKind,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireErrorKind {
    /// A field ends after the message.
    Truncated,
    /// A number of more than 64 bits.
    Overlong,
    /// A field number of zero or more than 29 bits.
    FieldNumber,
    /// A wire type that does not exist, or a group.
    WireType,
    /// The field has another wire type than its schema says.
    Mismatch,
    /// Text that is not UTF-8.
    Utf8,
    /// Messages within messages, deeper than [`DEPTH_MAX`].
    Depth,
}

impl fmt::Display for WireErrorKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Truncated => "a field ends after its message; the payload was cut short",
            Self::Overlong => "a number of more than 64 bits",
            Self::FieldNumber => "a field number that cannot be",
            Self::WireType => "a wire type that cannot be; is this the protobuf message that was announced?",
            Self::Mismatch => {
                "a field of another type than the schema says; is this the message that was announced?"
            }
            Self::Utf8 => "text that is not UTF-8",
            Self::Depth => "messages nested too deeply",
        })
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        Self::new(Reason::Malformed, error.to_string())
    }
}

/// Pulls the fields of one message, in the order in which they were written.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// The address of the payload's first byte; only ever subtracted from other addresses, to say where an error is.
    origin: usize,
    depth: u8,
}

/// A field: its number, and what it holds.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The number that the schema gives it.
    pub number: u32,
    value: Value<'a>,
    offset: usize,
    origin: usize,
    depth: u8,
}

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Reader<'a> {
    /// Reads `payload` as a message. It must outlive what is read, and errors count from its first byte.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload, origin: payload.as_ptr() as usize, depth: 0 }
    }

    /// How many bytes of the payload lie before the next field.
    pub fn offset(&self) -> usize {
        (self.rest.as_ptr() as usize).wrapping_sub(self.origin)
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field; `None` at the end of the message.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "a call costs more than what it does, most of every decoder")]
    #[allow(
        clippy::should_implement_trait,
        reason = "`?` wants the error outermost, and after it there is no next"
    )]
    pub fn next(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let offset = self.offset();
        let error = |kind| WireError { offset, kind };
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number >= 1 << 29 {
            return Err(error(WireErrorKind::FieldNumber));
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.delimited()?),
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(error(WireErrorKind::WireType)),
        };
        Ok(Some(Field { number: number as u32, value, offset, origin: self.origin, depth: self.depth }))
    }

    /// Skips the fields of length-delimited type (text, bytes, messages) that come next and have this `number`, of at most
    /// 15. Their content is not looked at.
    #[inline]
    pub fn skip_run(&mut self, number: u32) -> Result<(), WireError> {
        debug_assert!((1..16).contains(&number));
        let tag = (number << 3 | 2) as u8;
        while let Some((&first, rest)) = self.rest.split_first()
            && first == tag
        {
            let mut ahead = Self { rest, ..*self };
            ahead.delimited()?;
            *self = ahead;
        }
        Ok(())
    }

    /// A message that follows its own length, as streams of messages are written; `None` at the end.
    pub fn next_delimited(&mut self) -> Result<Option<Reader<'a>>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { rest: self.delimited()?, origin: self.origin, depth: self.depth }))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Ok(byte as u64)
            }
            [low, high, ref rest @ ..] if high < 0x80 => {
                self.rest = rest;
                Ok((low & 0x7f) as u64 | (high as u64) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                if index == 9 && byte > 1 {
                    return Err(self.error(WireErrorKind::Overlong));
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        let long = self.rest.len() >= 10;
        Err(self.error(if long { WireErrorKind::Overlong } else { WireErrorKind::Truncated }))
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let Some((array, rest)) = self.rest.split_first_chunk() else {
            return Err(self.error(WireErrorKind::Truncated));
        };
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn delimited(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.varint()?;
        if length > self.rest.len() as u64 {
            return Err(self.error(WireErrorKind::Truncated));
        }
        let (bytes, rest) = self.rest.split_at(length as usize);
        self.rest = rest;
        Ok(bytes)
    }

    #[cold]
    fn error(&self, kind: WireErrorKind) -> WireError {
        WireError { offset: self.offset(), kind }
    }
}

impl<'a> Field<'a> {
    /// Where in the payload the field begins.
    pub fn offset(&self) -> usize {
        self.offset
    }

    #[cold]
    fn error(&self, kind: WireErrorKind) -> WireError {
        WireError { offset: self.offset, kind }
    }

    /// `uint64`, `uint32` (the caller narrows), and enums.
    #[inline]
    pub fn uint(self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(value) => Ok(value),
            _ => Err(self.error(WireErrorKind::Mismatch)),
        }
    }

    /// `int64` and `int32`.
    #[inline]
    pub fn int(self) -> Result<i64, WireError> {
        self.uint().map(u64::cast_signed)
    }

    /// `sint64` and `sint32`.
    #[inline]
    pub fn sint(self) -> Result<i64, WireError> {
        self.uint().map(zigzag)
    }

    /// `bool`.
    pub fn bool(self) -> Result<bool, WireError> {
        self.uint().map(|value| value != 0)
    }

    /// `fixed64`, `sfixed64` (cast).
    #[inline]
    pub fn fixed64(self) -> Result<u64, WireError> {
        match self.value {
            Value::Fixed64(value) => Ok(value),
            _ => Err(self.error(WireErrorKind::Mismatch)),
        }
    }

    /// `fixed32`, `sfixed32` (cast), `float` (from bits).
    pub fn fixed32(self) -> Result<u32, WireError> {
        match self.value {
            Value::Fixed32(value) => Ok(value),
            _ => Err(self.error(WireErrorKind::Mismatch)),
        }
    }

    /// `double`.
    #[inline]
    pub fn double(self) -> Result<f64, WireError> {
        self.fixed64().map(f64::from_bits)
    }

    /// `bytes`.
    #[inline]
    pub fn bytes(self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.error(WireErrorKind::Mismatch)),
        }
    }

    /// `string`: checked to be UTF-8.
    #[inline]
    pub fn text(self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.error(WireErrorKind::Utf8))
    }

    /// A message within this one.
    #[inline]
    pub fn message(self) -> Result<Reader<'a>, WireError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error(WireErrorKind::Depth));
        }
        Ok(Reader { rest: self.bytes()?, origin: self.origin, depth: self.depth + 1 })
    }

    /// Each number of a repeated varint field, packed or not.
    pub fn each_uint(self, mut each: impl FnMut(u64)) -> Result<(), WireError> {
        match self.value {
            Value::Varint(value) => each(value),
            Value::Bytes(rest) => {
                let mut reader = Reader { rest, origin: self.origin, depth: self.depth };
                while !reader.rest.is_empty() {
                    each(reader.varint()?);
                }
            }
            _ => return Err(self.error(WireErrorKind::Mismatch)),
        }
        Ok(())
    }

    /// Each number of a repeated `sint64` or `sint32` field, packed or not.
    pub fn each_sint(self, mut each: impl FnMut(i64)) -> Result<(), WireError> {
        self.each_uint(|value| each(zigzag(value)))
    }

    /// Each number of a repeated `fixed64` field, packed or not.
    pub fn each_fixed64(self, mut each: impl FnMut(u64)) -> Result<(), WireError> {
        match self.value {
            Value::Fixed64(value) => each(value),
            Value::Bytes(bytes) => {
                let (chunks, rest) = bytes.as_chunks();
                if !rest.is_empty() {
                    return Err(self.error(WireErrorKind::Truncated));
                }
                for &chunk in chunks {
                    each(u64::from_le_bytes(chunk));
                }
            }
            _ => return Err(self.error(WireErrorKind::Mismatch)),
        }
        Ok(())
    }

    /// Each number of a repeated `double` field, packed or not.
    pub fn each_double(self, mut each: impl FnMut(f64)) -> Result<(), WireError> {
        self.each_fixed64(|bits| each(f64::from_bits(bits)))
    }
}

/// The signed number that a `sint` is written as.
#[inline]
fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Writes a message: every field that is named, default or not; the caller leaves out what shall not be there.
#[derive(Debug, Default, Clone)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// The message so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A field of type `uint64`, `uint32`, `int64` and `int32` (cast), `bool` or an enum.
    pub fn uint(&mut self, number: u32, value: u64) {
        self.tag(number, 0);
        self.varint(value);
    }

    /// A field of type `sint64` or `sint32`.
    pub fn sint(&mut self, number: u32, value: i64) {
        self.uint(number, zag(value));
    }

    /// A field of type `fixed64`.
    pub fn fixed64(&mut self, number: u32, value: u64) {
        self.tag(number, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A field of type `fixed32`.
    pub fn fixed32(&mut self, number: u32, value: u32) {
        self.tag(number, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A field of type `double`.
    pub fn double(&mut self, number: u32, value: f64) {
        self.fixed64(number, value.to_bits());
    }

    /// A field of type `bytes`.
    pub fn bytes(&mut self, number: u32, value: &[u8]) {
        self.tag(number, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A field of type `string`.
    pub fn text(&mut self, number: u32, value: &str) {
        self.bytes(number, value.as_bytes());
    }

    /// A message within this one.
    pub fn message(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        self.tag(number, 2);
        self.delimited(write);
    }

    /// A message behind its own length, as streams of messages are written.
    pub fn delimited(&mut self, write: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        write(self);
        let end = self.0.len();
        self.varint((end - start) as u64);
        let length = self.0.len() - end;
        self.0[start..].rotate_right(length);
    }

    /// A packed field of varints.
    pub fn packed_uints(&mut self, number: u32, values: impl IntoIterator<Item = u64>) {
        self.message(number, |out| values.into_iter().for_each(|value| out.varint(value)));
    }

    /// A packed field of type `sint64` or `sint32`.
    pub fn packed_sints(&mut self, number: u32, values: impl IntoIterator<Item = i64>) {
        self.packed_uints(number, values.into_iter().map(zag));
    }

    /// A packed field of type `fixed64`.
    pub fn packed_fixed64s(&mut self, number: u32, values: impl IntoIterator<Item = u64>) {
        self.message(number, |out| {
            values.into_iter().for_each(|value| out.0.extend_from_slice(&value.to_le_bytes()));
        });
    }

    /// A packed field of type `double`.
    pub fn packed_doubles(&mut self, number: u32, values: impl IntoIterator<Item = f64>) {
        self.packed_fixed64s(number, values.into_iter().map(f64::to_bits));
    }

    fn tag(&mut self, number: u32, wire_type: u64) {
        self.varint(u64::from(number) << 3 | wire_type);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

fn zag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(bytes: &[u8]) -> Result<usize, WireError> {
        let mut reader = Reader::new(bytes);
        let mut count = 0;
        while reader.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn what_no_writer_writes_is_an_error_with_its_place() {
        let check = |bytes: &[u8], offset, kind| {
            assert_eq!(read_all(bytes), Err(WireError { offset, kind }), "{bytes:x?}");
        };
        check(b"\x08", 1, WireErrorKind::Truncated);
        check(b"\x08\x01\x09\0\0", 3, WireErrorKind::Truncated);
        check(b"\x0a\x02a", 2, WireErrorKind::Truncated);
        check(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, WireErrorKind::Truncated);
        check(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 1, WireErrorKind::Overlong);
        check(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 1, WireErrorKind::Overlong);
        check(b"\x08\x80\x80", 1, WireErrorKind::Truncated);
        check(b"\x00\x00", 0, WireErrorKind::FieldNumber);
        check(b"\x08\x01\x0b", 2, WireErrorKind::WireType);
        let mut reader = Reader::new(b"\x08\x01\x12\x01\xff");
        assert_eq!(reader.next().unwrap().unwrap().text().unwrap_err().kind, WireErrorKind::Mismatch);
        let text = reader.next().unwrap().unwrap();
        assert_eq!(text.text(), Err(WireError { offset: 2, kind: WireErrorKind::Utf8 }));
        assert_eq!(text.uint().unwrap_err().kind, WireErrorKind::Mismatch);
    }

    #[test]
    fn depth_is_bounded() {
        let mut bytes = Vec::new();
        for _ in 0..=DEPTH_MAX {
            let mut writer = Writer::new();
            writer.bytes(1, &bytes);
            bytes = writer.into_bytes();
        }
        let mut reader = Reader::new(&bytes);
        let mut depth = 0;
        let error = loop {
            match reader.next().unwrap().unwrap().message() {
                Ok(inner) => reader = inner,
                Err(error) => break error,
            }
            depth += 1;
        };
        assert_eq!((error.kind, depth), (WireErrorKind::Depth, DEPTH_MAX));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            uint: u64, sint: i64, double: f64, word: u32, text in ".{0,200}",
            uints: Vec<u64>, sints: Vec<i64>, doubles: Vec<u64>,
        ) {
            let mut writer = Writer::new();
            writer.uint(1, uint);
            writer.sint(2, sint);
            writer.double(3, double);
            writer.fixed32(4, word);
            writer.message((1 << 29) - 1, |inner| inner.message(1, |inner| inner.text(1, &text)));
            writer.packed_uints(6, uints.iter().copied());
            writer.packed_sints(7, sints.iter().copied());
            writer.packed_fixed64s(8, doubles.iter().copied());
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            let mut next = || reader.next().unwrap().unwrap();
            prop_assert_eq!(next().uint().unwrap(), uint);
            prop_assert_eq!(next().sint().unwrap(), sint);
            prop_assert_eq!(next().double().unwrap().to_bits(), double.to_bits());
            prop_assert_eq!(next().fixed32().unwrap(), word);
            let outer = next();
            prop_assert_eq!(outer.number, (1 << 29) - 1);
            let inner = outer.message().unwrap().next().unwrap().unwrap().message().unwrap().next().unwrap().unwrap();
            prop_assert_eq!(inner.text().unwrap(), text);
            let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
            next().each_uint(|value| a.push(value)).unwrap();
            next().each_sint(|value| b.push(value)).unwrap();
            next().each_fixed64(|value| c.push(value)).unwrap();
            prop_assert_eq!((a, b, c), (uints, sints, doubles));
            prop_assert!(reader.next().unwrap().is_none());
            for end in 0..bytes.len() {
                let _ = read_all(&bytes[..end]);
            }
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = read_all(&bytes);
        }
    }
}
