//! The hash of Ethereum: Keccak with 256 bits as it was before it became SHA-3.

use sha3::{Digest, Keccak256};

/// The hash of `bytes`.
pub fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// The hash of parts, one after another.
pub(crate) fn keccak_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Hash;

    #[test]
    fn known_hashes() {
        #[track_caller]
        fn check(bytes: &[u8], hash: &str) {
            assert_eq!(Hash::from(keccak(bytes)).to_string(), hash);
        }
        check(b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        check(b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
        assert_eq!(keccak_of(&[b"a", b"", b"bc"]), keccak(b"abc"));
    }
}
