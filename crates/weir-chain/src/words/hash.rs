//! Hashes, and what transactions are found by.

use std::fmt;
use std::sync::Arc;

/// A hash as a chain gives it: of a block, of a state. At most [`Hash::BYTES_MAX`] bytes; may be empty, as an application's hash
/// is before its first block.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(Arc<[u8]>);

impl Hash {
    /// The longest hash.
    pub const BYTES_MAX: usize = 64;

    /// `None` where `bytes` are more than a hash has.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= Self::BYTES_MAX).then(|| Self(bytes.into()))
    }

    /// Reads hexadecimal digits of either case, with or without `0x`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len() > 2 * Self::BYTES_MAX {
            return None;
        }
        read_hex(digits).map(|bytes| Self(bytes.into()))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Arc::new(bytes))
    }
}

/// Lower-case hexadecimal digits, without a prefix.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

/// What a chain finds a transaction by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TxId {
    /// The hash of its bytes.
    Hash([u8; 32]),
    /// A text, on chains that name transactions otherwise. At most [`TxId::TEXT_MAX`] bytes.
    Text(Arc<str>),
}

/// Why a text is no transaction's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the id of a transaction is 64 hexadecimal digits, with or without `0x`, or at most 128 printable characters"
)]
pub struct BadTxId;

impl TxId {
    /// The longest text.
    pub const TEXT_MAX: usize = 128;

    /// Reads 64 hexadecimal digits of either case, with or without `0x`, as a hash; anything else printable as a text.
    pub fn parse(text: &str) -> Result<Self, BadTxId> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len() == 64
            && let Some(hash) = read_hex(digits).and_then(|bytes| bytes.try_into().ok())
        {
            return Ok(Self::Hash(hash));
        }
        let fits =
            !text.is_empty() && text.len() <= Self::TEXT_MAX && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self::Text(text.into())) } else { Err(BadTxId) }
    }
}

/// Lower-case hexadecimal digits without a prefix, or the text; [`TxId::parse`] reads it back.
impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(hash) => write_hex(hash, f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn read_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        #[track_caller]
        fn check(text: &str, reads_as: Option<&str>) {
            let read = TxId::parse(text).ok();
            assert_eq!(read.as_ref().map(ToString::to_string).as_deref(), reads_as, "{text}");
            if let Some(id) = read {
                assert_eq!(TxId::parse(&id.to_string()), Ok(id));
            }
        }
        let hash = "ab".repeat(32);
        check(&hash, Some(&hash));
        check(&hash.to_uppercase(), Some(&hash));
        check(&format!("0x{hash}"), Some(&hash));
        check("3Nw…", None);
        check(
            "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnb",
            Some("5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnb"),
        );
        check("", None);
        check("a b", None);
        check(&"x".repeat(129), None);
    }

    #[test]
    fn hashes_are_bounded() {
        assert_eq!(Hash::parse("0xABCD").unwrap().to_string(), "abcd");
        assert_eq!(Hash::parse("").unwrap(), Hash::default());
        assert!(Hash::parse("abc").is_none());
        assert!(Hash::parse("zz").is_none());
        assert!(Hash::parse(&"00".repeat(65)).is_none());
        assert!(Hash::new(&[0; 65]).is_none());
    }
}
