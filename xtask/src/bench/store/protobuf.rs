//! Protocol buffers, written by hand: as much of them as the senders here need.

/// A message under construction.
#[derive(Debug, Default, Clone)]
pub(crate) struct Message(pub(crate) Vec<u8>);

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;

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
    }
}
