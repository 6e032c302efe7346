//! Numbers of any width in bits, most significant bit first.

use crate::frame::Damage;

/// Appends bits to bytes.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    out: Vec<u8>,
    held: u64,
    /// How many of the lowest bits of `held` wait; fewer than eight between calls.
    count: u32,
}

impl BitWriter {
    /// Writes the lowest `width` bits of a value, at most 56.
    pub(super) fn put(&mut self, value: u64, width: u32) {
        debug_assert!(width <= 56 && value >> width == 0);
        self.held = self.held << width | value;
        self.count += width;
        while self.count >= 8 {
            self.count -= 8;
            self.out.push((self.held >> self.count) as u8);
        }
    }

    /// Writes `ones` ones and a zero.
    pub(super) fn put_unary(&mut self, mut ones: u64) {
        while ones >= 32 {
            self.put(0xffff_ffff, 32);
            ones -= 32;
        }
        self.put((1 << (ones + 1)) - 2, ones as u32 + 1);
    }

    /// Writes a number from 1 on: small ones are short (Elias' gamma).
    pub(super) fn put_gamma(&mut self, value: u32) {
        debug_assert!(value > 0);
        let width = value.ilog2();
        self.put_unary(u64::from(width));
        self.put(u64::from(value) & ((1 << width) - 1), width);
    }

    /// Writes a number below `limit` in as few whole bits as it needs (truncated binary).
    pub(super) fn put_below(&mut self, value: u32, limit: u32) {
        debug_assert!(value < limit);
        let (width, short) = widths(limit);
        if value < short {
            self.put(u64::from(value), width);
        } else {
            self.put(u64::from(value) + u64::from(short), width + 1);
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
        self.out
    }
}

/// For numbers below `limit`: the width of short ones, and how many of them there are.
fn widths(limit: u32) -> (u32, u32) {
    let width = limit.ilog2();
    (width, ((2_u64 << width) - u64::from(limit)) as u32)
}

/// Reads what a [`BitWriter`] wrote.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn damage(&self) -> Damage {
        Damage { at: self.at / 8, what: "its bits end too early" }
    }

    pub(super) fn take(&mut self, width: u32) -> Result<u64, Damage> {
        debug_assert!(width <= 56);
        let mut window = [0; 8];
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let there = rest.len().min(8);
        window[..there].copy_from_slice(&rest[..there]);
        let used = (self.at % 8) as u32;
        if (used + width) as usize > there * 8 {
            return Err(self.damage());
        }
        self.at += width as usize;
        let shifted = u64::from_be_bytes(window) << used;
        Ok(if width == 0 { 0 } else { shifted >> (64 - width) })
    }

    pub(super) fn take_unary(&mut self) -> Result<u64, Damage> {
        let mut ones = 0;
        while self.take(1)? == 1 {
            ones += 1;
        }
        Ok(ones)
    }

    pub(super) fn take_gamma(&mut self) -> Result<u32, Damage> {
        let width = self.take_unary()?;
        if width > 31 {
            return Err(self.damage());
        }
        Ok(1 << width | self.take(width as u32)? as u32)
    }

    pub(super) fn take_below(&mut self, limit: u32) -> Result<u32, Damage> {
        let (width, short) = widths(limit);
        let value = self.take(width)? as u32;
        if value < short {
            return Ok(value);
        }
        let value = u64::from(value) << 1 | self.take(1)?;
        Ok((value - u64::from(short)) as u32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(
            numbers in prop::collection::vec((any::<u64>(), 0_u32..57, 1_u32.., 0_u64..100), 0..50),
        ) {
            let mut writer = BitWriter::default();
            for &(value, width, limit, ones) in &numbers {
                writer.put(value & ((1 << width) - 1), width);
                writer.put_unary(ones);
                writer.put_gamma(limit);
                writer.put_below(value as u32 % limit, limit);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for &(value, width, limit, ones) in &numbers {
                prop_assert_eq!(reader.take(width)?, value & ((1 << width) - 1));
                prop_assert_eq!(reader.take_unary()?, ones);
                prop_assert_eq!(reader.take_gamma()?, limit);
                prop_assert_eq!(reader.take_below(limit)?, value as u32 % limit);
            }
            prop_assert!(reader.take(8).is_err());
        }
    }
}
