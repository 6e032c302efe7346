//! Numbers of which the first digits repeat and the last do not.
//!
//! Of each, a symbol of one byte: its length in bits and the three bits at its head, which packing then shortens; and the
//! bits behind these as they are.

use super::pools::{Pool, Pools};
use crate::frame::Damage;
use crate::logs::bits::{BitReader, BitWriter};
use crate::varint::Cursor;

/// Bits at a number's head that the symbol says, the highest among them.
const HEAD_BITS: u32 = 3;

/// Writes numbers: symbols at once, bits when all are there.
pub(super) struct NumberWriter {
    bits: BitWriter,
}

impl NumberWriter {
    pub(super) fn new() -> Self {
        Self { bits: BitWriter::default() }
    }

    pub(super) fn put(&mut self, value: u64, symbols: &mut Vec<u8>) {
        let length = u64::BITS - value.leading_zeros();
        if length <= HEAD_BITS {
            symbols.push(value as u8);
            return;
        }
        let rest = length - HEAD_BITS;
        // The highest bit is always set: two bits of the head and the length are told.
        symbols.push((rest << 2) as u8 + 4 + (value >> rest & 3) as u8);
        self.put_bits(value & ((1 << rest) - 1), rest);
    }

    fn put_bits(&mut self, value: u64, width: u32) {
        if width > 32 {
            self.bits.put(value >> 32, width - 32);
            self.bits.put(value & 0xffff_ffff, 32);
        } else {
            self.bits.put(value, width);
        }
    }

    pub(super) fn finish(self, pools: &mut Pools) {
        *pools.get(Pool::Bits) = self.bits.finish();
    }
}

/// Reads what a [`NumberWriter`] wrote.
pub(super) struct NumberReader<'a> {
    bits: BitReader<'a>,
}

impl<'a> NumberReader<'a> {
    pub(super) fn new(bits: &'a [u8]) -> Self {
        Self { bits: BitReader::new(bits) }
    }

    pub(super) fn take(&mut self, symbols: &mut Cursor<'_>) -> Result<u64, Damage> {
        let symbol = symbols.u8()?;
        if symbol < 8 {
            return Ok(u64::from(symbol));
        }
        let rest = u32::from(symbol - 4) >> 2;
        if rest > u64::BITS - HEAD_BITS {
            return Err(symbols.damage("a number has too many bits"));
        }
        let head = u64::from(4 | symbol & 3);
        let low = if rest > 32 {
            self.bits.take(rest - 32)? << 32 | self.bits.take(32)?
        } else {
            self.bits.take(rest)?
        };
        Ok(head << rest | low)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn come_back(numbers in prop::collection::vec((any::<u64>(), 0_u32..64), 0..60)) {
            let (mut writer, mut symbols, mut pools) = (NumberWriter::new(), Vec::new(), Pools::default());
            for &(number, shift) in &numbers {
                writer.put(number >> shift, &mut symbols);
            }
            writer.finish(&mut pools);
            let mut reader = NumberReader::new(pools.bytes(Pool::Bits));
            let mut symbols = Cursor::new(&symbols);
            for &(number, shift) in &numbers {
                prop_assert_eq!(reader.take(&mut symbols)?, number >> shift);
            }
            symbols.end()?;
        }
    }
}
