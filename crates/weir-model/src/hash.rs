//! One fixed hash for tables whose keys come from configuration.
//!
//! The keys are chosen by the operator, never by a client, so flooding resistance is not needed here; a fixed
//! hash keeps shards and digests the same in every process.

use std::hash::{BuildHasher, Hash, Hasher};

/// Hashes with [`FixedHasher`].
#[derive(Clone, Copy, Debug, Default)]
pub struct FixedState;

impl BuildHasher for FixedState {
    type Hasher = FixedHasher;

    fn build_hasher(&self) -> FixedHasher {
        FixedHasher(0x9E37_79B9_7F4A_7C15)
    }
}

/// A multiply-and-fold hash over eight bytes at a time. Not for keys that an attacker may insert.
#[derive(Clone, Copy, Debug)]
pub struct FixedHasher(u64);

const MULTIPLIER: u128 = 0xA076_1D64_78BD_642F;

impl FixedHasher {
    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * MULTIPLIER;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for FixedHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        let rest = chunks.remainder();
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(word) ^ ((bytes.len() as u64) << 56));
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

/// The fixed hash of one value.
#[inline]
pub fn fixed_hash<T: Hash + ?Sized>(value: &T) -> u64 {
    FixedState.hash_one(value)
}
