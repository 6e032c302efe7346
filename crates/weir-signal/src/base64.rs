//! Base64 (RFC 4648, section 4): how bytes stand where only text can.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as text, padded.
pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
            out.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

/// The bytes that a text stands for, padded or not.
///
/// # Errors
/// The place of the first byte that cannot stand there.
pub fn unbase64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let length = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let mut bytes = Vec::with_capacity(length * 3 / 4);
    for (number, chunk) in text[..length].chunks(4).enumerate() {
        let mut group = 0_u32;
        for (at, &character) in chunk.iter().enumerate() {
            let digit = match character {
                b'A'..=b'Z' => character - b'A',
                b'a'..=b'z' => character - b'a' + 26,
                b'0'..=b'9' => character - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return Err(number * 4 + at),
            };
            group |= u32::from(digit) << (18 - 6 * at);
        }
        if chunk.len() == 1 {
            return Err(number * 4);
        }
        bytes.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
            assert_eq!(unbase64(text.as_bytes()).as_deref(), Ok(bytes.as_bytes()));
            assert_eq!(unbase64(text.trim_end_matches('=').as_bytes()).as_deref(), Ok(bytes.as_bytes()));
        }
        assert_eq!(unbase64(b"Zm9v!g=="), Err(4));
        assert_eq!(unbase64(b"Zm9vY"), Err(4));
    }

    proptest::proptest! {
        #[test]
        fn bytes_come_back(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(unbase64(base64(&bytes).as_bytes()), Ok(bytes));
        }
    }
}
