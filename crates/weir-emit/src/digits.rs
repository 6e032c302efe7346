//! Numbers as text, without the formatting machinery.

const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Two decimal digits; `n` below 100.
#[inline]
pub(crate) fn pair(n: u32) -> [u8; 2] {
    PAIRS[n as usize]
}

/// Appends `n` in decimal.
#[inline]
pub(crate) fn push_u64(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    while n >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[(n % 100) as usize]);
        n /= 100;
    }
    if n >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[n as usize]);
    } else {
        at -= 1;
        digits[at] = b'0' + n as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Sixteen lower-case hexadecimal digits.
#[inline]
pub(crate) fn hex_u64(n: u64) -> [u8; 16] {
    let mut text = [0; 16];
    for (pair, byte) in text.chunks_exact_mut(2).zip(n.to_be_bytes()) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    text
}

/// Thirty-two lower-case hexadecimal digits.
#[inline]
pub(crate) fn hex_u128(n: u128) -> [u8; 32] {
    let mut text = [0; 32];
    text[..16].copy_from_slice(&hex_u64((n >> 64) as u64));
    text[16..].copy_from_slice(&hex_u64(n as u64));
    text
}

/// Two lower-case hexadecimal digits.
#[inline]
pub(crate) fn hex_u8(n: u8) -> [u8; 2] {
    [HEX[usize::from(n >> 4)], HEX[usize::from(n & 15)]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_the_formatter_writes_them(n in any::<u64>(), shift in 0_u32..64, wide in any::<u128>()) {
            let n = n >> shift;
            let mut out = Vec::new();
            push_u64(&mut out, n);
            prop_assert_eq!(out, n.to_string().into_bytes());
            prop_assert_eq!(hex_u64(n).to_vec(), format!("{n:016x}").into_bytes());
            prop_assert_eq!(hex_u128(wide).to_vec(), format!("{wide:032x}").into_bytes());
            prop_assert_eq!(hex_u8(n as u8).to_vec(), format!("{:02x}", n as u8).into_bytes());
        }
    }
}
