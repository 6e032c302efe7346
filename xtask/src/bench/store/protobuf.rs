//! Protocol buffers, written by hand: as much of them as the senders here need.

use anyhow::{Context, Result, bail};

/// A message under construction.
#[derive(Debug, Default, Clone)]
pub(crate) struct Message(pub(crate) Vec<u8>);

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

impl Message {
    fn key(&mut self, field: u32, wire_type: u32) {
        varint(&mut self.0, u64::from(field << 3 | wire_type));
    }

    /// An integer, a bool or an enum. A value of 0 is written too, which is allowed.
    pub(crate) fn integer(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        varint(&mut self.0, value);
    }

    pub(crate) fn fixed64(&mut self, field: u32, value: u64) {
        self.key(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn double(&mut self, field: u32, value: f64) {
        self.fixed64(field, value.to_bits());
    }

    /// A string, bytes or an encoded message.
    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.key(field, BYTES);
        varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A message within this one. Its length is not known before it is written, so it is moved by as much as that takes.
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.key(field, BYTES);
        let begin = self.0.len();
        write(self);
        let mut length = Vec::with_capacity(5);
        varint(&mut length, (self.0.len() - begin) as u64);
        self.0.splice(begin..begin, length);
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The fields of a message that have a length, with their numbers; others are passed over.
pub(crate) fn fields(mut message: &[u8]) -> Result<Vec<(u64, &[u8])>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = read_varint(&mut message)?;
        let length = match (key & 7) as u32 {
            VARINT => {
                read_varint(&mut message)?;
                continue;
            }
            FIXED64 => 8,
            FIXED32 => 4,
            BYTES => usize::try_from(read_varint(&mut message)?)?,
            other => bail!("wire type {other}"),
        };
        let (field, rest) = message.split_at_checked(length).context("a field is longer than its message")?;
        if key & 7 == u64::from(BYTES) {
            fields.push((key >> 3, field));
        }
        message = rest;
    }
    Ok(fields)
}

fn read_varint(message: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first().context("a message that ends in a number")?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number of more than ten bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_messages_have_their_lengths() {
        let mut message = Message::default();
        message.message(1, |inner| {
            inner.text(2, &"x".repeat(200));
            inner.integer(3, 300);
        });
        message.double(4, 1.0);
        let mut expected = vec![0x0a, 0xce, 0x01, 0x12, 0xc8, 0x01];
        expected.extend([b'x'; 200]);
        expected.extend([0x18, 0xac, 0x02, 0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        assert_eq!(message.0, expected);
        let read = fields(&message.0).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(fields(read[0].1).unwrap(), [(2, [b'x'; 200].as_slice())]);
        assert!(fields(&expected[..9]).is_err());
    }
}
