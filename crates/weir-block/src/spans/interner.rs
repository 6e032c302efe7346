//! Numbers for texts: equal ones get the same.

use xxhash_rust::xxh3::xxh3_64;

/// So many places are looked at before a text gets a number of its own: a bound on what texts with like hashes cost.
const PROBES_MAX: usize = 32;
const NONE: u32 = u32::MAX;

/// Gives numbers, ascending from 0. That texts which are equal may still get different numbers must not matter.
#[derive(Debug, Default)]
pub(super) struct Interner {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    hashes: Vec<u64>,
    /// Numbers and the upper half of the hash, by the lower half; a power of two of them.
    table: Vec<(u32, u32)>,
}

impl Interner {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.hashes.clear();
        self.table.fill((NONE, 0));
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all texts.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn get(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.bytes[start..self.ends[number] as usize]
    }

    /// Whether a number stands for this text; any number may be asked for.
    #[inline]
    pub(super) fn is(&self, number: u32, text: &[u8]) -> bool {
        (number as usize) < self.ends.len() && self.get(number) == text
    }

    pub(super) fn intern(&mut self, text: &[u8]) -> u32 {
        if self.ends.len() * 2 >= self.table.len() {
            self.grow();
        }
        let hash = xxh3_64(text);
        let mask = self.table.len() - 1;
        let upper = (hash >> 32) as u32;
        for probe in 0..PROBES_MAX {
            let place = (hash as usize + probe) & mask;
            let (number, found) = self.table[place];
            if number == NONE {
                let number = self.append(text, hash);
                self.table[place] = (number, upper);
                return number;
            }
            if found == upper && self.get(number) == text {
                return number;
            }
        }
        self.append(text, hash)
    }

    fn append(&mut self, text: &[u8], hash: u64) -> u32 {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u32);
        self.hashes.push(hash);
        self.ends.len() as u32 - 1
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(1 << 6);
        self.table.clear();
        self.table.resize(size, (NONE, 0));
        for (number, &hash) in (0..).zip(&self.hashes) {
            let free = (0..PROBES_MAX)
                .map(|probe| (hash as usize + probe) & (size - 1))
                .find(|&place| self.table[place].0 == NONE);
            if let Some(place) = free {
                self.table[place] = (number, (hash >> 32) as u32);
            }
        }
    }
}
