//! The bytes of a simulated file: what is read, and what is on the disk.

use std::mem::take;
use std::ops::Range;

use super::Chance;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Content {
    /// What is read.
    cached: Vec<u8>,
    /// What is on the disk. Never longer than `cached`.
    durable: Vec<u8>,
    /// Appended since the last sync.
    dirty: Vec<Range<usize>>,
}

impl Content {
    pub(super) fn len(&self) -> usize {
        self.cached.len()
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        let start = self.cached.len();
        self.cached.extend_from_slice(bytes);
        self.dirty.push(start..self.cached.len());
    }

    pub(super) fn read(&self, offset: usize, length: usize) -> Option<&[u8]> {
        self.cached.get(offset..offset.checked_add(length)?)
    }

    pub(super) fn sync(&mut self) {
        for range in take(&mut self.dirty) {
            self.write(range);
        }
        // The length is part of what a sync makes last, whatever a failed one lost before.
        self.durable.resize(self.cached.len(), 0);
    }

    /// A sync that failed: the operating system takes the pages for clean, and some never reach the disk.
    pub(super) fn fail(&mut self, chance: &mut Chance) {
        self.write_some(chance);
    }

    /// The power goes.
    pub(super) fn lose(&mut self, chance: &mut Chance) {
        self.write_some(chance);
        self.cached.clone_from(&self.durable);
    }

    pub(super) fn flip(&mut self, byte: usize, bit: u8) -> Option<()> {
        let mask = 1 << (bit & 7);
        *self.cached.get_mut(byte)? ^= mask;
        if let Some(byte) = self.durable.get_mut(byte) {
            *byte ^= mask;
        }
        Some(())
    }

    fn write_some(&mut self, chance: &mut Chance) {
        let dirty = take(&mut self.dirty);
        // All, nothing, the beginning, or sectors here and there.
        let mode = chance.below(4);
        let total: usize = dirty.iter().map(Range::len).sum();
        let mut left = match mode {
            0 => total,
            1 => 0,
            _ => chance.below(total as u64 + 1) as usize,
        };
        for range in dirty {
            if mode < 3 {
                let end = range.start + range.len().min(left);
                left -= end - range.start;
                self.write(range.start..end);
                continue;
            }
            let mut start = range.start;
            while start < range.end {
                let end = range.end.min((start / SECTOR_BYTES + 1) * SECTOR_BYTES);
                if chance.below(2) == 0 {
                    self.write(start..end);
                }
                start = end;
            }
        }
        if chance.below(4) == 0 {
            // The new length arrived before the bytes.
            self.durable.resize(self.cached.len(), 0);
        }
    }

    fn write(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        if self.durable.len() < range.end {
            self.durable.resize(range.end, 0);
        }
        self.durable[range.clone()].copy_from_slice(&self.cached[range]);
    }
}
