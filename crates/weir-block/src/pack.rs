//! General compression (zstd) of bytes that no codec of their own shortens.
//!
//! ```text
//! varint: length of what was packed << 1 | whether it is zstd
//! zstd: varint: length of what follows, a frame without checksum (the piece around it has one)
//! else: the bytes
//! ```

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use crate::frame::Damage;
use crate::varint::{Cursor, length_u64, put_u64};

/// How much work writing may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Effort {
    /// As little as possible: what is written is soon merged.
    Fast,
    /// What stays, small.
    #[default]
    Small,
}

impl Effort {
    /// The level of zstd for it.
    pub const fn zstd_level(self) -> i32 {
        match self {
            Self::Fast => 1,
            Self::Small => 9,
        }
    }
}

/// Below this, a frame's own bytes cost more than it spares.
const PACKED_BYTES_MIN: usize = 32;

/// Packs. Keeps its memory between calls.
pub struct Packer {
    compressor: Compressor<'static>,
    buffer: Vec<u8>,
}

impl Packer {
    /// One of a level of zstd, 1 to 22.
    pub fn new(level: i32) -> Self {
        let mut compressor = Compressor::new(level).expect("zstd knows its levels and allocates nothing yet");
        for parameter in [CParameter::ChecksumFlag(false), CParameter::ContentSizeFlag(false)] {
            compressor.set_parameter(parameter).expect("zstd knows its parameters");
        }
        Self { compressor, buffer: Vec::new() }
    }

    /// One for an [`Effort`].
    pub fn of(effort: Effort) -> Self {
        Self::new(effort.zstd_level())
    }

    /// Appends `bytes`, packed where that is shorter.
    pub fn pack(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let length = bytes.len() as u64;
        if bytes.len() >= PACKED_BYTES_MIN {
            self.buffer.clear();
            self.buffer.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
            if let Ok(packed) = self.compressor.compress_to_buffer(bytes, &mut self.buffer)
                && packed + length_u64(packed as u64) < bytes.len()
            {
                put_u64(out, length << 1 | 1);
                put_u64(out, packed as u64);
                out.extend_from_slice(&self.buffer[..packed]);
                return;
            }
        }
        put_u64(out, length << 1);
        out.extend_from_slice(bytes);
    }
}

thread_local! {
    // A thread keeps one: making it is some hundred kilobytes and a question to the processor of what it can, which under a
    // hypervisor takes longer than unpacking a small page.
    static DECOMPRESSOR: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::new().expect("zstd without a dictionary has nothing to refuse"));
}

/// Unpacks.
#[derive(Debug, Default)]
pub struct Unpacker(());

impl Unpacker {
    /// Replaces what is in `out` by what was packed.
    ///
    /// # Errors
    /// It would be longer than `max`, or is no zstd frame of the length it says.
    pub fn unpack(&mut self, cursor: &mut Cursor<'_>, max: usize, out: &mut Vec<u8>) -> Result<(), Damage> {
        out.clear();
        let head = cursor.u64()?;
        let length = match usize::try_from(head >> 1) {
            Ok(length) if length <= max => length,
            _ => return Err(cursor.damage("packed bytes are longer than they may be")),
        };
        if head & 1 == 0 {
            out.extend_from_slice(cursor.take(length)?);
            return Ok(());
        }
        let at = cursor.clone();
        let packed = cursor.bytes()?;
        // One byte of zstd stands for at most some ten thousand: what claims more is not worth its memory.
        if length / (1 << 17) > packed.len() {
            return Err(at.damage("packed bytes claim to be longer than they can be"));
        }
        out.reserve_exact(length);
        match DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.decompress_to_buffer(packed, out)) {
            Ok(unpacked) if unpacked == length => Ok(()),
            _ => Err(at.damage("packed bytes are no zstd frame of their length")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_come_back(word in prop::collection::vec(any::<u8>(), 0..40), times in 1_usize..200) {
            let bytes = word.repeat(times);
            let mut packer = Packer::of(Effort::Small);
            let mut out = Vec::new();
            packer.pack(&bytes, &mut out);
            packer.pack(b"after", &mut out);
            let (mut unpacker, mut found) = (Unpacker::default(), Vec::new());
            let mut cursor = Cursor::new(&out);
            unpacker.unpack(&mut cursor, bytes.len(), &mut found)?;
            prop_assert_eq!(&found, &bytes);
            unpacker.unpack(&mut cursor, 5, &mut found)?;
            prop_assert_eq!(&found, b"after");
            cursor.end()?;
            if !bytes.is_empty() {
                prop_assert!(unpacker.unpack(&mut Cursor::new(&out), bytes.len() - 1, &mut found).is_err());
            }
        }

        #[test]
        fn other_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut found = Vec::new();
            if Unpacker::default().unpack(&mut Cursor::new(&bytes), 1 << 20, &mut found).is_ok() {
                prop_assert!(found.len() <= 1 << 20);
            }
        }
    }
}
