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
    /// Numbers and the upper half of the hash, by the lower half; a power of two of them.
    table: Vec<(u32, u32)>,
    /// How many of them are taken.
    held: usize,
}

impl Interner {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.table.fill((NONE, 0));
        self.held = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.bytes[start..self.ends[number] as usize]
    }

    pub(super) fn intern(&mut self, text: &[u8]) -> u32 {
        self.intern_hashed(text, xxh3_64(text))
    }

    /// As [`Interner::intern`], where the hash is known already.
    pub(super) fn intern_hashed(&mut self, text: &[u8], hash: u64) -> u32 {
        if self.held * 2 >= self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let upper = (hash >> 32) as u32;
        for probe in 0..PROBES_MAX {
            let place = (hash as usize + probe) & mask;
            let (number, found) = self.table[place];
            if number == NONE {
                let number = self.append(text);
                self.table[place] = (number, upper);
                self.held += 1;
                return number;
            }
            if found == upper && self.get(number) == text {
                return number;
            }
        }
        self.append(text)
    }

    fn append(&mut self, text: &[u8]) -> u32 {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u32);
        self.ends.len() as u32 - 1
    }

    fn grow(&mut self) {
        let size = (self.table.len() * 2).max(1 << 10);
        self.table.clear();
        self.table.resize(size, (NONE, 0));
        self.held = 0;
        for number in 0..self.ends.len() as u32 {
            let hash = xxh3_64(self.get(number));
            let free = (0..PROBES_MAX)
                .map(|probe| (hash as usize + probe) & (size - 1))
                .find(|&place| self.table[place].0 == NONE);
            if let Some(place) = free {
                self.table[place] = (number, (hash >> 32) as u32);
                self.held += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_get_equal_numbers() {
        let mut interner = Interner::default();
        for _ in 0..2 {
            for number in 0..5000_u32 {
                assert_eq!(interner.intern(number.to_string().as_bytes()), number);
            }
        }
        assert_eq!((interner.len(), interner.get(77)), (5000, &b"77"[..]));
        interner.clear();
        assert_eq!((interner.len(), interner.intern(b"x"), interner.intern(b"")), (0, 0, 1));
    }
}
