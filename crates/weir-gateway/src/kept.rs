//! Answers that hold for good, within a bound.

use std::collections::HashMap;
use std::mem;

use weir_model::FixedState;

/// What an entry takes beside its bytes.
const ENTRY_BYTES: usize = 96;

/// Answers by name, in two generations: what is asked for moves to the younger one, and when that is half of what may
/// be held, the older one is dropped. So whatever was asked for lately is there, and no list is kept in order.
#[derive(Debug)]
pub(crate) struct Kept {
    young: Generation,
    old: Generation,
    bytes_max: usize,
    /// The highest block that an answer depends on.
    height: u64,
}

#[derive(Debug, Default)]
struct Generation {
    entries: HashMap<Vec<u8>, Vec<u8>, FixedState>,
    bytes: usize,
}

impl Kept {
    /// Holds at most so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { young: Generation::default(), old: Generation::default(), bytes_max, height: 0 }
    }

    /// An answer, where blocks up to `final_height` stay. A chain that is shorter than what answers came from is another
    /// one: nothing of the old is told.
    pub(crate) fn get(&mut self, name: &[u8], final_height: u64) -> Option<&[u8]> {
        if final_height < self.height {
            *self = Self::new(self.bytes_max);
            return None;
        }
        if let Some((name, answer)) = self.old.take(name) {
            self.insert(name, answer);
        }
        self.young.entries.get(name).map(Vec::as_slice)
    }

    /// Keeps an answer that depends on blocks up to `height`, which stay.
    pub(crate) fn put(&mut self, name: Vec<u8>, answer: Vec<u8>, height: u64) {
        self.height = self.height.max(height);
        self.old.take(&name);
        self.young.take(&name);
        self.insert(name, answer);
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.young.bytes + self.old.bytes
    }

    fn insert(&mut self, name: Vec<u8>, answer: Vec<u8>) {
        let size = size(&name, &answer);
        if size > self.bytes_max / 2 {
            return;
        }
        if self.young.bytes + size > self.bytes_max / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.bytes += size;
        self.young.entries.insert(name, answer);
    }
}

impl Generation {
    fn take(&mut self, name: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let (name, answer) = self.entries.remove_entry(name)?;
        self.bytes -= size(&name, &answer);
        Some((name, answer))
    }
}

fn size(name: &[u8], answer: &[u8]) -> usize {
    name.len() + answer.len() + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_bound_holds() {
        let mut kept = Kept::new(10_000);
        kept.put(b"hot".to_vec(), vec![7; 100], 5);
        for n in 0..1_000_u32 {
            kept.put(n.to_be_bytes().to_vec(), vec![0; 300], 5);
            assert_eq!(kept.get(b"hot", 5), Some(&[7; 100][..]), "{n}");
            assert!(kept.bytes() <= 10_000);
        }
        assert_eq!(kept.get(&0_u32.to_be_bytes(), 5), None);
        assert!(kept.get(&999_u32.to_be_bytes(), 5).is_some());
    }

    #[test]
    fn a_chain_that_went_back_tells_nothing_old() {
        let mut kept = Kept::new(10_000);
        kept.put(b"a".to_vec(), b"1".to_vec(), 8);
        assert!(kept.get(b"a", 8).is_some());
        assert!(kept.get(b"a", 7).is_none());
        assert!(kept.get(b"a", 8).is_none());
        assert_eq!(kept.bytes(), 0);
    }

    #[test]
    fn an_answer_that_is_put_again_counts_once() {
        let mut kept = Kept::new(10_000);
        for _ in 0..100 {
            kept.put(b"a".to_vec(), vec![1; 50], 1);
        }
        assert_eq!(kept.bytes(), 1 + 50 + ENTRY_BYTES);
        kept.put(b"large".to_vec(), vec![1; 6_000], 1);
        assert_eq!(kept.get(b"large", 1), None);
    }
}
