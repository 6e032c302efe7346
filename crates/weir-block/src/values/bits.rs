//! Numbers of a fixed count of bits, one after the other, least significant bit first.

/// The bytes that `count` numbers of `width` bits take.
pub(super) fn packed_bytes(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Appends numbers, of each its lowest `width` bits.
pub(super) fn pack(numbers: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let (mut held, mut bits) = (0_u128, 0);
    for number in numbers {
        held |= u128::from(number) << bits;
        bits += width;
        if bits >= 64 {
            out.extend_from_slice(&(held as u64).to_le_bytes());
            held >>= 64;
            bits -= 64;
        }
    }
    out.extend_from_slice(&(held as u64).to_le_bytes()[..bits.div_ceil(8) as usize]);
}

/// Shows `count` numbers of `width` bits out of `bytes`, which has at least [`packed_bytes`] of them.
#[inline]
pub(super) fn unpack(bytes: &[u8], count: usize, width: u32, mut each: impl FnMut(u64)) {
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let mut bit = 0;
    // Where a number with what stands before it in its first byte fits 64 bits, one load is enough.
    let quick = if width <= 57 { count } else { 0 };
    for done in 0..count {
        let at = bit / 8;
        let number = match bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(word) if done < quick => u64::from_le_bytes(*word) >> (bit % 8),
            _ => {
                let mut word = [0; 16];
                let rest = &bytes[at.min(bytes.len())..];
                let length = rest.len().min(16);
                word[..length].copy_from_slice(&rest[..length]);
                (u128::from_le_bytes(word) >> (bit % 8)) as u64
            }
        };
        each(number & mask);
        bit += width as usize;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn come_back(numbers in prop::collection::vec(any::<u64>(), 0..70), width in 1_u32..=64) {
            let numbers: Vec<_> = numbers.into_iter().map(|number| number >> (64 - width)).collect();
            let mut out = Vec::new();
            pack(numbers.iter().copied(), width, &mut out);
            prop_assert_eq!(out.len(), packed_bytes(numbers.len(), width));
            let mut found = Vec::new();
            unpack(&out, numbers.len(), width, |number| found.push(number));
            prop_assert_eq!(found, numbers);
        }
    }
}
