//! Which steps of a column have a sample.

/// A bit for each step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    words: Vec<u64>,
    len: usize,
}

impl Mask {
    /// `len` steps, none of which is set.
    pub fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// `len` steps, all of which are set.
    pub fn all(len: usize) -> Self {
        let mut mask = Self::default();
        mask.set_all(len);
        mask
    }

    /// Forgets what was set; `len` steps from now on. Keeps the memory.
    pub fn reset(&mut self, len: usize) {
        self.words.clear();
        self.words.resize(len.div_ceil(64), 0);
        self.len = len;
    }

    /// `len` steps from now on, all of them set. Keeps the memory.
    pub fn set_all(&mut self, len: usize) {
        self.words.clear();
        self.words.resize(len.div_ceil(64), u64::MAX);
        if let (Some(last), odd @ 1..) = (self.words.last_mut(), len % 64) {
            *last = (1 << odd) - 1;
        }
        self.len = len;
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no step is set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Whether every step is set.
    pub fn is_full(&self) -> bool {
        self.count() == self.len
    }

    /// How many steps are set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether `step` is set.
    pub fn get(&self, step: usize) -> bool {
        self.words[step / 64] >> (step % 64) & 1 != 0
    }

    /// Sets `step`.
    pub fn set(&mut self, step: usize) {
        self.words[step / 64] |= 1 << (step % 64);
    }

    /// Takes `step` away.
    pub fn unset(&mut self, step: usize) {
        self.words[step / 64] &= !(1 << (step % 64));
    }

    /// The steps that are set, ascending.
    pub fn steps(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| Ones(word).map(move |bit| at * 64 + bit))
    }

    /// The first step that is set.
    pub fn first(&self) -> Option<usize> {
        self.steps().next()
    }

    /// Keeps only what `other` has as well.
    pub fn and(&mut self, other: &Mask) {
        self.combine(other, |a, b| a & b);
    }

    /// Takes in what `other` has.
    pub fn or(&mut self, other: &Mask) {
        self.combine(other, |a, b| a | b);
    }

    /// Takes away what `other` has.
    pub fn and_not(&mut self, other: &Mask) {
        self.combine(other, |a, b| a & !b);
    }

    /// Becomes a copy of `other`, in the memory that is there.
    pub fn copy_from(&mut self, other: &Mask) {
        self.words.clear();
        self.words.extend_from_slice(&other.words);
        self.len = other.len;
    }

    /// The first step that both have.
    pub fn first_common(&self, other: &Mask) -> Option<usize> {
        let common = |(at, (a, b)): (usize, (&u64, &u64))| {
            let word = a & b;
            (word != 0).then(|| at * 64 + word.trailing_zeros() as usize)
        };
        self.words.iter().zip(&other.words).enumerate().find_map(common)
    }

    /// Keeps the steps for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for (at, word) in self.words.iter_mut().enumerate() {
            for bit in Ones(*word) {
                if !keep(at * 64 + bit) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    fn combine(&mut self, other: &Mask, with: impl Fn(u64, u64) -> u64) {
        debug_assert_eq!(self.len, other.len);
        for (a, &b) in self.words.iter_mut().zip(&other.words) {
            *a = with(*a, b);
        }
    }
}

/// The places of the bits of a word, ascending.
struct Ones(u64);

impl Iterator for Ones {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_set_of_steps(len in 0..200_usize, a in prop::collection::btree_set(0..200_usize, 0..60), b in prop::collection::btree_set(0..200_usize, 0..60)) {
            let within = |set: BTreeSet<usize>| set.into_iter().filter(|&step| step < len).collect::<BTreeSet<_>>();
            let (a, b) = (within(a), within(b));
            let mask = |set: &BTreeSet<usize>| {
                let mut mask = Mask::none(len);
                for &step in set {
                    mask.set(step);
                }
                mask
            };
            let steps = |mask: &Mask| mask.steps().collect::<BTreeSet<_>>();
            prop_assert_eq!(steps(&mask(&a)), a.clone());
            prop_assert_eq!(mask(&a).count(), a.len());
            prop_assert_eq!(mask(&a).first_common(&mask(&b)), a.intersection(&b).next().copied());
            let mut and = mask(&a);
            and.and(&mask(&b));
            prop_assert_eq!(steps(&and), &a & &b);
            let mut or = mask(&a);
            or.or(&mask(&b));
            prop_assert_eq!(steps(&or), &a | &b);
            let mut not = mask(&a);
            not.and_not(&mask(&b));
            prop_assert_eq!(steps(&not), &a - &b);
            let mut odd = mask(&a);
            odd.retain(|step| step % 2 == 1);
            prop_assert_eq!(steps(&odd), a.iter().copied().filter(|step| step % 2 == 1).collect::<BTreeSet<_>>());
            prop_assert_eq!(Mask::all(len).count(), len);
            prop_assert!(Mask::all(len).is_full());
        }
    }
}
