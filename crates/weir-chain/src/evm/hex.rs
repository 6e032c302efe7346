//! Numbers and bytes as Ethereum's JSON-RPC writes them: `0x` and hexadecimal digits.

/// Bytes of `0x` and an even number of digits.
pub(crate) fn read_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in digits.chunks(2) {
        let &[high, low] = pair else { return None };
        let byte = VALUES[usize::from(high)] << 4 | VALUES[usize::from(low)];
        bytes.push(u8::try_from(byte).ok()?);
    }
    Some(bytes)
}

/// So many bytes of `0x` and digits.
pub(crate) fn read_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 + 2 * N {
        return None;
    }
    read_bytes(text)?.try_into().ok()
}

/// A number of at most 64 bits.
pub(crate) fn read_number(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    let good = (1..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    good.then(|| u64::from_str_radix(digits, 16).ok())?
}

/// `0x` and the digits of `bytes`.
pub(crate) fn write_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        text.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]].map(char::from));
    }
    text
}

/// `0x` and the digits of a number, without zeros before it.
pub(crate) fn write_number(number: u64) -> String {
    format!("{number:#x}")
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Of what is no digit, large enough that the pair is no byte.
const VALUES: [u16; 256] = {
    let mut values = [0x100; 256];
    let mut at = 0;
    while at < 16 {
        values[DIGITS[at] as usize] = at as u16;
        values[DIGITS[at].to_ascii_uppercase() as usize] = at as u16;
        at += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_read_as_they_are_written(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = write_bytes(&bytes);
            prop_assert_eq!(read_bytes(&text), Some(bytes.clone()));
            prop_assert_eq!(read_bytes(&format!("0x{}", text[2..].to_uppercase())), Some(bytes));
        }

        #[test]
        fn numbers_are_read_as_they_are_written(number in any::<u64>()) {
            prop_assert_eq!(read_number(&write_number(number)), Some(number));
        }

        #[test]
        fn anything_is_read_or_refused(text in "0x.{0,20}") {
            let digits = text[2..].bytes().all(|b| b.is_ascii_hexdigit());
            prop_assert_eq!(read_bytes(&text).is_some(), digits && text.len() % 2 == 0);
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in ["", "0x", "1", "0x+1", "0x10000000000000000", "0xg"] {
            assert_eq!(read_number(text), None, "{text}");
        }
        assert_eq!(read_array::<2>("0xabc"), None);
    }
}
