//! The hash of keys that clients choose.

/// SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012) under a secret of the process.
///
/// Clients choose the keys of limits, so an unkeyed hash would let one of them aim many keys at one set of the table
/// and so at the callers who share it. The secret is drawn once by the shell; changing it forgets all buckets.
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher {
    start: State,
}

#[derive(Clone, Copy, Debug)]
struct State([u64; 4]);

impl KeyHasher {
    /// A hasher under the secret `(k0, k1)`.
    pub fn seeded(k0: u64, k1: u64) -> Self {
        let start = State([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ]);
        Self { start }
    }

    /// The hash of `key` within `domain`: the SipHash of the domain's eight bytes (little-endian) and the key's.
    #[inline]
    pub fn hash(&self, domain: u64, key: &[u8]) -> u64 {
        let mut state = self.start;
        state.absorb(domain);
        state.finish(key, key.len() + 8)
    }
}

impl State {
    #[inline]
    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.0;
        *v0 = v0.wrapping_add(*v1);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v3);
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.wrapping_add(*v3);
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.wrapping_add(*v1);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v2 = v2.rotate_left(32);
    }

    #[inline]
    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    /// Absorbs what is left, then the closing word and rounds. `len` is that of the whole message.
    #[inline]
    fn finish(mut self, rest: &[u8], len: usize) -> u64 {
        let mut words = rest.chunks_exact(8);
        for word in &mut words {
            self.absorb(word.iter().rev().fold(0, |w, &b| (w << 8) | u64::from(b)));
        }
        let tail = words.remainder().iter().rev().fold(0, |w, &b| (w << 8) | u64::from(b));
        self.absorb(((len as u64) << 56) | tail);
        self.0[2] ^= 0xff;
        for _ in 0..3 {
            self.round();
        }
        self.0.iter().fold(0, |a, b| a ^ b)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The standard library's default hasher is SipHash-1-3 under the zero key.
        #[test]
        fn agrees_with_the_standard_library(domain: u64, key in prop::collection::vec(any::<u8>(), 0..70)) {
            let mut reference = DefaultHasher::new();
            reference.write(&domain.to_le_bytes());
            reference.write(&key);
            prop_assert_eq!(KeyHasher::seeded(0, 0).hash(domain, &key), reference.finish());
        }
    }

    #[test]
    fn the_secret_and_the_domain_matter() {
        let hash = |k0, k1, domain| KeyHasher::seeded(k0, k1).hash(domain, b"alice");
        let all = [hash(0, 0, 0), hash(1, 0, 0), hash(0, 1, 0), hash(0, 0, 1)];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }
}
